"""The MXNet engine; ``pytorch_impl`` is its twin: same files, names and order, only tensor calls differ."""

from __future__ import annotations

import mxnet_impl.runtime  # noqa: F401 (it makes the framework ready, before any other module imports it)
from mxnet_impl.deviations import DeviantLearner
from mxnet_impl.learner import FittedLearner, StepLearner
from mxnet_impl.runtime import describe, device_of
from utils.deviations import engine_deviations
from utils.models.base import Statistics
from utils.options import RunOptions
from utils.system.memory import keep_freed_memory

__all__ = ["FittedLearner", "StepLearner", "build", "describe", "device_of"]


def build(
    options: RunOptions, n_items: int, statistics: Statistics | None = None, n_users: int = 0
) -> StepLearner | FittedLearner:
    """A learner for resolved ``options``; weights are drawn from their seed and may see the data's ``statistics``.

    ``n_users`` are the training users, for a model with a node for each.
    """
    keep_freed_memory()
    if options.training is None:
        return FittedLearner(options, n_items)
    if deviations := engine_deviations(options.model, "mxnet"):
        return DeviantLearner(options, n_items, statistics, deviations)
    return StepLearner(options, n_items, statistics, n_users)
