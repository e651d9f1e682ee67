"""The MXNet engine; ``pytorch_impl`` is its twin: same files, names and order, only tensor calls differ."""

from mxnet_impl.runtime import describe, device_of
from mxnet_impl.trainer import Trainer, build

__all__ = ["Trainer", "build", "describe", "device_of"]
