"""Other libraries' Mult-VAE beside ours: same widths, batch, data and protocol, each in an environment of its own.

``python -m benchmarks.peers``. A ``*_worker`` offers one contestant's works (``exchange.Contestant``) to
``benchmarks.worker``; those of the peers run where NumPy, SciPy, PyTorch and the peer are all there is.
"""
