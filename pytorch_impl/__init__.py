"""The PyTorch engine; ``mxnet_impl`` is its twin: same files, names and order, only tensor calls differ."""

from pytorch_impl.runtime import describe, device_of
from pytorch_impl.trainer import Trainer, build

__all__ = ["Trainer", "build", "describe", "device_of"]
