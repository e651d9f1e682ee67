"""Sparse matrices as ratings tables: SciPy's ``.npz`` and MatrixMarket. Rows are users, columns are items."""

from __future__ import annotations

import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import scipy.io
from scipy import sparse

from data_prep.ids import rank_integers
from data_prep.ratings_table import RatingsTable
from data_prep.readers.sources import DAMAGED, Member, largest_unpacked
from utils.system.errors import UserError

MATRIX_MARKET = b"%%MatrixMarket"


def is_npz(path: Path) -> bool:
    """Whether ``path`` is an archive of NumPy's arrays."""
    if not path.is_file():  # opening a pipe would wait without end
        return False
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
    except (OSError, *DAMAGED):
        return False
    return bool(names) and all(name.endswith(".npy") for name in names)


def read_npz_matrix(member: Member) -> RatingsTable:
    """The stored entries of what ``scipy.sparse.save_npz`` wrote; ids are the numbers of rows and columns, from 0.

    Raises ``UserError`` when it holds other arrays, or Python objects.
    """

    def load() -> sparse.spmatrix:
        with zipfile.ZipFile(member.path) as archive:
            if sum(info.file_size for info in archive.infolist()) > largest_unpacked(member.path):
                raise ValueError("it unpacks to too much")
        return sparse.load_npz(member.path)

    return _table(member, load, "a matrix of scipy.sparse.save_npz", from_one=False)


def read_matrix_market(member: Member) -> RatingsTable:
    """The stored entries of a MatrixMarket file; ids are the numbers of rows and columns as the file has them, from 1.

    Raises ``UserError`` when it is damaged.
    """

    def load() -> sparse.spmatrix:
        with member.opened() as stream:
            return sparse.coo_matrix(scipy.io.mmread(stream))

    return _table(member, load, "MatrixMarket", from_one=True)


def _table(member: Member, load: Callable[[], sparse.spmatrix], expected: str, from_one: bool) -> RatingsTable:
    try:
        matrix = load().tocoo()
        values = matrix.data.astype(np.float64)
    except (ValueError, TypeError, KeyError, IndexError, AttributeError, OverflowError, EOFError, *DAMAGED) as error:
        raise UserError(f"{member.label}: wrong format, expected {expected} ({error})") from error
    if matrix.ndim != 2 or np.iscomplexobj(matrix.data) or not np.isfinite(values).all():
        raise UserError(f"{member.label}: wrong format, expected {expected} with finite real numbers, users by items")
    stored = values != 0
    if not stored.any():
        raise UserError(f"{member.label} has no entries; a ratings table was expected")
    users, user_ids = rank_integers(matrix.row[stored].astype(np.int64) + from_one)
    items, item_ids = rank_integers(matrix.col[stored].astype(np.int64) + from_one)
    table = RatingsTable(users, items, user_ids, item_ids, values[stored])
    return table.with_unused(stored_zero=int(len(values) - stored.sum()))
