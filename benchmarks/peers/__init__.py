"""Other libraries' Mult-VAE beside ours: same widths, batch, data and protocol, each in an environment of its own.

``bash benchmarks/peers.sh``. The scripts named ``*_worker`` run in those environments, where NumPy, SciPy, PyTorch and
the peer are all there is; the project itself never imports a peer.
"""
