"""The PyTorch engine; ``mxnet_impl`` is its twin: same files, names and order, only tensor calls differ."""

from __future__ import annotations

import pytorch_impl.runtime  # noqa: F401 (it makes the framework ready, before any other module imports it)
from pytorch_impl.deviations import DeviantTrainer
from pytorch_impl.runtime import describe, device_of
from pytorch_impl.trainer import Trainer
from utils.deviations import engine_deviations
from utils.options import RunOptions
from utils.system.memory import keep_freed_memory

__all__ = ["Trainer", "build", "describe", "device_of"]


def build(options: RunOptions, n_items: int) -> Trainer:
    """A trainer for resolved ``options``, its weights drawn from ``options.seed``."""
    keep_freed_memory()
    if deviations := engine_deviations(options, "pytorch"):
        return DeviantTrainer(options, n_items, deviations)
    return Trainer(options, n_items)
