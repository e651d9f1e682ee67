"""What both engines share: options, metrics, schedules, randomness, weights, results.

Nothing here imports torch or mxnet, and nothing here imports a higher floor
(``data_prep``, the engines, ``experiments``).
"""
