"""Sparse batches of users, with everything random already drawn, ready for either engine.

A batch is never dense: Liang et al.'s input (clicks, L2-normalised, dropped out) is the values of a compressed
sparse row matrix, and the clicks themselves are its indices.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike
from scipy.sparse import csr_matrix, issparse, sparray, spmatrix

#: Users' clicks as they may be given: see :func:`binary_clicks`.
ClickMatrix: TypeAlias = spmatrix | sparray | ArrayLike


@dataclass(frozen=True)
class Batch:
    """Users' clicks as both engines take them; M users, n clicks, I items.

    Attributes:
        indptr: int64 ``(M + 1,)``, where each user's clicks begin and end.
        indices: int64 ``(n,)``, the clicked items, ascending within a user.
        values: float32 ``(n,)``, the network's input at the clicks: ``1 / sqrt(N_u)`` (or 1), and in training
            multiplied by the input's dropout mask.
        n_items: I.
        noise: float32 arrays the network multiplies or adds, in the order it meets them: masks of the encoder
            layers ``(M, width)``, epsilon ``(M, K)`` of a variational model, masks of the decoder layers.
            Empty at evaluation.
        part: the pass of the epoch that a training batch belongs to (``utils.models.base.Pass``).
    """

    indptr: np.ndarray
    indices: np.ndarray
    values: np.ndarray
    n_items: int
    noise: tuple[np.ndarray, ...] = ()
    part: str = "all"

    @property
    def n_users(self) -> int:
        """M, the number of users."""
        return len(self.indptr) - 1

    @property
    def rows(self) -> np.ndarray:
        """The user (row of the batch) of each click, int64 ``(n,)``."""
        return np.repeat(np.arange(self.n_users), np.diff(self.indptr))

    @property
    def network_input(self) -> csr_matrix:
        """``values`` in their places, float32 ``(M, I)``; what dropout made zero is left out, and costs nothing."""
        kept = self.values != 0
        indptr = np.concatenate([[0], np.cumsum(kept)])[self.indptr]
        return csr_matrix((self.values[kept], self.indices[kept], indptr), shape=(self.n_users, self.n_items))


def binary_clicks(given: ClickMatrix, n_items: int) -> csr_matrix:
    """Users' clicks in any form, as batches are made of them: a new matrix of ones; ``given`` stays as it is.

    Args:
        given: ``(users, items)``, a SciPy sparse matrix or array of any format, or a dense array or list of rows, of
            booleans or real numbers. A positive number is one click, whatever its size and however often its place
            is stored; a zero, stored or not, is none.
        n_items: the items of the model, which the columns are to be.

    Returns:
        float32 ``(users, n_items)``, each click once, items ascending within a user.

    Raises:
        ValueError: not two-dimensional, no numbers, negative ones or ones that are not finite, or another number of
            columns.
    """
    clicks: Any = given if issparse(given) else _dense(given)
    if clicks.ndim != 2:
        raise ValueError(f"the clicks have {clicks.ndim} dimension(s); expected 2, users and items, for one user too")
    if clicks.dtype.kind not in "biuf":
        raise ValueError(f"the clicks are of dtype {clicks.dtype}; expected booleans or real numbers")
    if clicks.shape[1] != n_items:
        raise ValueError(
            f"{clicks.shape[1]} columns were given, the model has {n_items} items; expected a column for each, in the "
            f"order of the item_ids of its data"
        )
    if issparse(clicks):
        entries = clicks.tocoo()
        users, items, values = entries.row, entries.col, entries.data
    else:
        users, items = clicks.nonzero()
        values = clicks[users, items]
    bad = np.flatnonzero(~(np.isfinite(values) & (values >= 0)))
    if len(bad):
        user, item, value = users[bad[0]], items[bad[0]], values[bad[0]]
        raise ValueError(
            f"the value at row {user}, column {item} is {value}; expected a positive number for a click, 0 for none"
        )
    clicked = np.flatnonzero(values)
    ones = np.ones(len(clicked), np.float32)
    matrix = csr_matrix((ones, (users[clicked], items[clicked])), shape=clicks.shape)  # sorted, repetitions added up
    matrix.data[:] = 1
    return matrix


def _dense(given: ArrayLike) -> np.ndarray:
    try:
        return np.asarray(np.ma.filled(given, 0))  # what is masked is not known, and no click
    except ValueError as error:
        raise ValueError(f"the clicks are no array ({error}); expected rows of equal length") from error


def plain_batch(clicks: csr_matrix, part: str = "all", l2_normalised: bool = True) -> Batch:
    """The rows of ``clicks`` as a batch without dropout or noise, as at evaluation; else than normalised, of ones."""
    counts = np.diff(clicks.indptr)
    sizes = np.sqrt(np.maximum(counts, 1)) if l2_normalised else np.ones(len(counts))
    values = np.repeat(1.0 / sizes, counts).astype(np.float32)
    indptr, indices = clicks.indptr.astype(np.int64), clicks.indices.astype(np.int64)
    return Batch(indptr, indices, values, clicks.shape[1], part=part)


def evaluation_batches(clicks: csr_matrix, batch_size: int, l2_normalised: bool = True) -> Iterator[Batch]:
    """The rows of ``clicks`` in their order, ``batch_size`` users at a time, without noise."""
    for begin in range(0, clicks.shape[0], batch_size):
        yield plain_batch(clicks[begin : begin + batch_size], l2_normalised=l2_normalised)
