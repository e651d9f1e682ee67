"""Weights and training state on disk: safetensors, under canonical names and shapes, for either engine.

``encoder.0.weight`` is ``(out, in)`` whatever an engine keeps in memory, so a file written by one loads in the other.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from utils.system.errors import UserError
from utils.system.files import written_whole

# The header's one entry, as several would be in no order: what the arrays belong to, as JSON, with a checksum of the
# arrays and of the rest of the record. Earlier versions had it under another name, without a checksum.
_RECORD, _CHECKSUM = "signed record", "sha256"
_UNSIGNED = "record"


def save_arrays(path: str | os.PathLike, arrays: Mapping[str, np.ndarray], record: Mapping[str, Any]) -> None:
    """Write named arrays and a JSON-able ``record`` to ``path``, whole or not at all, with a checksum of both."""
    contiguous = {name: np.asarray(array, order="C") for name, array in arrays.items()}
    header = {_RECORD: json.dumps({**record, _CHECKSUM: _checksum(contiguous, record)})}
    with written_whole(path) as temporary:
        try:
            save_file(contiguous, temporary, metadata=header)
        except SafetensorError as error:
            raise _as_os_error(error) from error


def _checksum(arrays: Mapping[str, np.ndarray], record: Mapping[str, Any]) -> str:
    digest = hashlib.sha256(json.dumps(record, sort_keys=True).encode("utf-8"))
    for name in sorted(arrays):
        array = arrays[name]
        digest.update(f"{name} {array.dtype.str} {array.shape}".encode())
        digest.update(np.ascontiguousarray(array).reshape(-1).view(np.uint8))
    return digest.hexdigest()


def _as_os_error(error: SafetensorError) -> Exception:
    """The refusal of the file system that safetensors tells in words only; ``error`` itself when it is none."""
    number = re.search(r"os error ([0-9]+)", str(error))
    return OSError(int(number[1]), os.strerror(int(number[1]))) if number else error


def load_arrays(path: str | os.PathLike) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """The arrays and the record of a file written by :func:`save_arrays`.

    Raises ``UserError`` when the file is not such a file or is damaged, ``OSError`` when it cannot be opened.
    """
    with _opened(path) as stored:
        record, is_signed = _record_in(stored)
        arrays = {name: stored.get_tensor(name) for name in stored.keys()}  # noqa: SIM118 (not a mapping)
        if is_signed and record.pop(_CHECKSUM) != _checksum(arrays, record):
            raise ValueError("its checksum differs")
    return arrays, record


def peek_record(path: str | os.PathLike) -> dict[str, Any]:
    """The record of a file written by :func:`save_arrays`, its checksum not compared: no array is read.

    Raises as :func:`load_arrays` does.
    """
    with _opened(path) as stored:
        return _record_in(stored)[0]


@contextlib.contextmanager
def _opened(path: str | os.PathLike) -> Iterator[Any]:
    """The file open in the block, where whatever shows that it is damaged becomes a ``UserError``."""
    with open(path, "rb"):
        pass  # a missing file is an OSError with its name, whatever safetensors would make of it
    try:
        with safe_open(path, framework="numpy") as stored:
            yield stored
    except (SafetensorError, KeyError, ValueError, RecursionError, AttributeError, TypeError) as error:
        raise UserError(f"{path} is not a weights file of this project or is damaged ({error})") from error


def _record_in(stored: Any) -> tuple[dict[str, Any], bool]:
    """The record of an open file, and whether a checksum is in it."""
    header = stored.metadata() or {}
    is_signed = _UNSIGNED not in header
    record = json.loads(header[_RECORD if is_signed else _UNSIGNED])
    if not isinstance(record, dict):
        raise ValueError("its record is no JSON object")
    return record, is_signed


def under(prefix: str, arrays: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Those of ``arrays`` whose names begin with ``prefix``, by what stands behind it."""
    return {name.removeprefix(prefix): array for name, array in arrays.items() if name.startswith(prefix)}


def check_shapes(weights: Mapping[str, np.ndarray], wanted: Mapping[str, tuple[int, ...]]) -> None:
    """Raise ``ValueError`` unless ``weights`` holds exactly the ``wanted`` names with the ``wanted`` shapes."""
    if odd := sorted(set(weights) ^ set(wanted)):
        raise ValueError(f"the weights differ from the model's in {', '.join(odd[:4])}")
    for name, shape in wanted.items():
        if weights[name].shape != shape:
            raise ValueError(f"{name} is {weights[name].shape}, the model needs {shape}")
