"""The interactions of one part of a split, as compressed sparse rows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy import sparse


@dataclass(frozen=True)
class Interactions:
    """One part of a split; its users are the rows, in ascending id order.

    Parameters
    ----------
    indptr : int64 (n_users + 1,)
        Row u is ``indices[indptr[u]:indptr[u + 1]]``. A user may have an empty row in a held-out part.
    indices : int32 (nnz,)
        Item indices, ascending within a row.
    ratings : float32 (nnz,) or None
        Beside ``indices``; None when the source has none.
    order : int64 (nnz,)
        Beside ``indices``: the timestamp where the source has one, else the row of the source (from 0).
    user_ids : int64 or unicode (n_users,)
        The users' own ids.
    n_items : int
        Columns: the items that models see.
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

    def pairs(self) -> np.ndarray:
        """Each event as one number, ``row * n_items + item``: int64 (nnz,), ascending."""
        rows = np.repeat(np.arange(self.n_users, dtype=np.int64), np.diff(self.indptr))
        rows *= self.n_items
        rows += self.indices
        return rows

    def binary(self) -> sparse.csr_matrix:
        """The clicks: float32 ones, (n_users, n_items), int32 indices, sorted; a new matrix at every call."""
        shape = (self.n_users, self.n_items)
        ones = np.ones(self.nnz, dtype=np.float32)
        matrix = sparse.csr_matrix((ones, self.indices, self.indptr.astype(np.int32)), shape=shape)
        matrix.has_sorted_indices = True
        return matrix


def joined(one: Interactions, other: Interactions) -> Interactions:
    """The events of both, which have the same users in the same rows and no event in common."""
    merge = merger(one, other)
    return Interactions(
        indptr=one.indptr + other.indptr,
        indices=merge(one.indices, other.indices),
        ratings=None if one.ratings is None or other.ratings is None else merge(one.ratings, other.ratings),
        order=merge(one.order, other.order),
        user_ids=one.user_ids,
        n_items=one.n_items,
    )


def merger(one: Interactions, other: Interactions) -> Callable[[np.ndarray, np.ndarray], np.ndarray]:
    """What takes an array beside the ``indices`` of each to the one beside those of ``joined(one, other)``."""
    is_others = np.zeros(one.nnz + other.nnz, dtype=bool)
    is_others[np.searchsorted(one.pairs(), other.pairs()) + np.arange(other.nnz)] = True

    def merge(ones: np.ndarray, others: np.ndarray) -> np.ndarray:
        both = np.empty(len(is_others), dtype=ones.dtype)
        both[~is_others], both[is_others] = ones, others
        return both

    return merge
