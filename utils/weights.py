"""Weights and training state on disk: safetensors, under canonical names and shapes, for either engine.

``encoder.0.weight`` is ``(out, in)`` whatever an engine keeps in memory, so a file written by one loads in the other.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from typing import Any

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from utils.errors import UserError
from utils.files import written_whole

_RECORD = "record"  # the header's one entry: what the arrays belong to, as JSON


def save_arrays(path: str | os.PathLike, arrays: Mapping[str, np.ndarray], record: Mapping[str, Any]) -> None:
    """Write named arrays and a JSON-able ``record`` to ``path``, whole or not at all."""
    contiguous = {name: np.asarray(array, order="C") for name, array in arrays.items()}
    with written_whole(path) as temporary:
        save_file(contiguous, temporary, metadata={_RECORD: json.dumps(record)})


def load_arrays(path: str | os.PathLike) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """The arrays and the record of a file written by :func:`save_arrays`.

    Raises ``UserError`` when the file is not such a file or is damaged, ``OSError`` when it cannot be opened.
    """
    with open(path, "rb"):
        pass  # a missing file is an OSError with its name, whatever safetensors would make of it
    try:
        with safe_open(path, framework="numpy") as stored:
            record = json.loads((stored.metadata() or {})[_RECORD])
            arrays = {name: stored.get_tensor(name) for name in stored.keys()}  # noqa: SIM118 (not a mapping)
    except (SafetensorError, KeyError, ValueError) as error:
        raise UserError(f"{path} is not a weights file of this project or is damaged ({error})") from error
    return arrays, record


def check_shapes(weights: Mapping[str, np.ndarray], wanted: Mapping[str, tuple[int, ...]]) -> None:
    """Raise ``ValueError`` unless ``weights`` holds exactly the ``wanted`` names with the ``wanted`` shapes."""
    if odd := sorted(set(weights) ^ set(wanted)):
        raise ValueError(f"the weights differ from the model's in {', '.join(odd[:4])}")
    for name, shape in wanted.items():
        if weights[name].shape != shape:
            raise ValueError(f"{name} is {weights[name].shape}, the model needs {shape}")
