"""One run, the grid of runs, and the comparison of what they found.

Runs of either engine; torch and mxnet are imported only by the engines' own packages.
"""
