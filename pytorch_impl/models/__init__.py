"""The networks, one file each; ``utils.models`` names them."""

from __future__ import annotations

import importlib

from utils.models import MODELS


def network_class(model: str) -> type:
    """The network class of the model called ``model`` in ``utils.models.MODELS``."""
    entry = MODELS[model]
    return getattr(importlib.import_module(f"{__name__}.{entry.module}"), entry.network)
