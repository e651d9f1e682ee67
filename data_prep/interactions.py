"""The interactions of one part of a split, as compressed sparse rows."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import sparse


@dataclass(frozen=True)
class Interactions:
    """One part of a split; its users are the rows, in ascending id order.

    Parameters
    ----------
    indptr : int64 (n_users + 1,)
        Row u is ``indices[indptr[u]:indptr[u + 1]]``. A held-out user may have an empty row.
    indices : int32 (nnz,)
        Item indices, ascending within a row.
    ratings : float32 (nnz,) or None
        Beside ``indices``; None when the source has none.
    order : int64 (nnz,)
        Beside ``indices``: the timestamp where the source has one, else the row of the source (from 0).
    user_ids : int64 or unicode (n_users,)
        The users' own ids.
    n_items : int
        Columns: the items of the training users.
    """

    indptr: np.ndarray
    indices: np.ndarray
    ratings: np.ndarray | None
    order: np.ndarray
    user_ids: np.ndarray
    n_items: int

    @property
    def n_users(self) -> int:
        """The number of rows."""
        return len(self.user_ids)

    @property
    def nnz(self) -> int:
        """The number of events."""
        return len(self.indices)

    def binary(self) -> sparse.csr_matrix:
        """The clicks: float32 ones, (n_users, n_items), int32 indices, sorted; a new matrix at every call."""
        shape = (self.n_users, self.n_items)
        ones = np.ones(self.nnz, dtype=np.float32)
        matrix = sparse.csr_matrix((ones, self.indices, self.indptr.astype(np.int32)), shape=shape)
        matrix.has_sorted_indices = True
        return matrix
