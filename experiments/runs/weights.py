"""Weights as files that either engine reads: what they belong to stands in the header and is checked."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from typing import Any

import numpy as np

from data_prep import PreparedData
from utils.options import RunOptions
from utils.system.errors import UserError
from utils.weights import check_shapes, load_arrays, save_arrays

#: How what must agree is called where it does not; a dimension is called by its option.
_CALLED = {
    "model": "the model", "dataset": "the data set", "items": "the items (their ids, in order, by checksum)",
    "users": "the training users (their ids, in order, by checksum)",
}  # fmt: skip


def save_weights(
    path: str | os.PathLike, weights: Mapping[str, np.ndarray], options: RunOptions, data: PreparedData, run_id: str
) -> None:
    """Write ``weights`` (canonical names and shapes) as safetensors, whole or not at all.

    The header says the run, the model and its dimensions, the data set, its preparation and a checksum of the item
    ids, whose order is that of the rows of the first and last layer.
    """
    save_arrays(path, weights, {"run_id": run_id, "data": data.fingerprint, **_belongs_to(options, data)})


def load_weights(
    path: str | os.PathLike, options: RunOptions, data: PreparedData, shapes: Mapping[str, tuple[int, ...]]
) -> dict[str, np.ndarray]:
    """The weights in ``path``, provided that they are of the model, dimensions, data set and items of this run.

    ``shapes`` are the model's, by canonical name. Raises ``UserError`` when the file is damaged, no weights file of
    this project, or of something else; ``OSError`` when it cannot be opened.
    """
    weights, record = load_arrays(path)
    for name, wanted in _belongs_to(options, data).items():
        if record.get(name) != wanted:
            raise UserError(
                f"{path}: {_CALLED.get(name, name)} of these weights is {_in_words(record.get(name))}, this run's is "
                f"{_in_words(wanted)}; give weights of the same model, dimensions and prepared data"
            )
    try:
        check_shapes(weights, shapes)
    except ValueError as error:
        raise UserError(f"{path}: {error}; give weights that a run with --save_results kept") from error
    if bad := [name for name, array in weights.items() if not np.isfinite(array).all()]:
        raise UserError(f"{path}: {bad[0]} holds values that are no finite numbers; give weights of a sound run")
    return weights


def _belongs_to(options: RunOptions, data: PreparedData) -> dict[str, Any]:
    dimensions = {name: list(widths) for name, widths in options.model.resolved().dimensions().items()}
    belongs = {"model": options.model.name, "dataset": data.manifest["dataset"], "items": _checksum(data.item_ids)}
    if options.model.has_user_node:
        belongs["users"] = _checksum(data.train.user_ids)
    return belongs | dimensions


def _checksum(ids: np.ndarray) -> str:
    return hashlib.sha256("\n".join(map(str, ids.tolist())).encode()).hexdigest()[:16]


def _in_words(value: Any) -> str:
    return ",".join(map(str, value)) if isinstance(value, list) else str(value)
