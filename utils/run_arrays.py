"""The arrays a finished run leaves behind: figures of each test user, and what was recommended to them."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np

from utils.system.errors import UserError, one_line
from utils.system.npz import read_npz

PER_USER_FILE, LISTS_FILE = "per_user.npz", "lists.npz"


def read_per_user(run_folder: str | os.PathLike) -> dict[str, np.ndarray]:
    """The test users of a run, from its ``per_user.npz``.

    Returns:
        ``user``: int ``(n,)``, rows of the test matrix, users with at least one held-out item; and float
        ``(n,)`` each: every metric of ``utils.metrics.ranking.METRICS``, ``nll`` and ``kl``.

    Raises:
        UserError: the file is missing or damaged.
    """
    path = Path(run_folder) / PER_USER_FILE
    arrays = _read(path, "the run there has not finished, or its files were removed")
    shapes = {array.shape for array in arrays.values()}
    if "user" not in arrays or len(shapes) != 1 or len(next(iter(shapes))) != 1:
        raise UserError(f"{path} is damaged (expected `user` and arrays of its length); run the run again")
    return arrays


def read_lists(run_folder: str | os.PathLike) -> tuple[np.ndarray, np.ndarray]:
    """What a run recommended to its test users, from its ``lists.npz``.

    Returns:
        The users, int ``(n,)``, rows of the test matrix, and their lists, int ``(n, 100)``: columns of the training
        matrix, best first, -1 where there are fewer.

    Raises:
        UserError: the file is missing (runs older than it have none) or damaged.
    """
    path = Path(run_folder) / LISTS_FILE
    arrays = _read(path, "the run is older than this file, or its files were removed")
    user, items = arrays.get("user"), arrays.get("items")
    whole = user is not None and items is not None and user.ndim == 1 and items.ndim == 2 and len(user) == len(items)
    if not whole or user.dtype.kind != "i" or items.dtype.kind != "i":
        raise UserError(f"{path} is damaged (expected whole numbers, `items` a row per `user`); run the run again")
    return user, items


def _read(path: Path, if_missing: str) -> dict[str, np.ndarray]:
    try:
        return read_npz(path)
    except FileNotFoundError:
        raise UserError(f"{path}: no such file; {if_missing}") from None
    except ValueError as error:
        raise UserError(f"{path} is damaged ({one_line(error)}); remove the run's folder and run it again") from None
