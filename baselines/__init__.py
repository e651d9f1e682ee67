"""Models without an engine of ours, in NumPy: the same names as an engine's package offers, no framework."""

from __future__ import annotations

import importlib
import sys

from baselines.learner import BaselineLearner
from utils.models import MODELS
from utils.models.base import Statistics
from utils.options import RunOptions
from utils.system.errors import UserError

__all__ = ["build", "describe", "device_of"]


def build(options: RunOptions, n_items: int, statistics: Statistics | None = None, n_users: int = 0) -> BaselineLearner:
    """A learner for resolved ``options``; ``statistics`` and ``n_users`` have no part in it.

    Raises ``ModuleNotFoundError`` where the model needs a package that is missing (``utils.engine.check_engine``).
    """
    entry = MODELS[options.model.name]
    return getattr(importlib.import_module(f"{__name__}.{entry.module}"), entry.network)(options, n_items)


def describe() -> dict[str, str]:
    """The versions of the packages that this process has loaded for its model, by module."""
    needed = {entry.needs: sys.modules.get(entry.needs) for entry in MODELS.values() if entry.needs}
    return {name: module.__version__ for name, module in needed.items() if module}


def device_of(name: str) -> str:
    """The device called ``name``: ``cpu``; ``UserError`` for any other."""
    if name != "cpu":
        raise UserError(f"--device {name}: a model without a framework computes on the CPU; leave --device out")
    return name
