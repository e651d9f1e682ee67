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
        users: int64 ``(M,)``, the users' rows in the training matrix, of a model with a node for each; else None.
        negatives: int64 ``(2, m)``, row of the batch and item of each draw of what a user did not click, where a step
            looks at these and the clicks alone; else None.
        clean: float32 ``(n,)``, the input at the clicks without dropout, where a training step wants it too; else None.
        takes_snapshot: whether a snapshot of weights is taken before the step (``utils.models.base.Pass``).
    """

    indptr: np.ndarray
    indices: np.ndarray
    values: np.ndarray
    n_items: int
    noise: tuple[np.ndarray, ...] = ()
    part: str = "all"
    users: np.ndarray | None = None
    negatives: np.ndarray | None = None
    clean: np.ndarray | None = None
    takes_snapshot: bool = False

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
        return self._in_places(self.values)

    @property
    def clean_input(self) -> csr_matrix | None:
        """``clean`` in its places, float32 ``(M, I)``; None where there is none."""
        return None if self.clean is None else self._in_places(self.clean)

    def _in_places(self, values: np.ndarray) -> csr_matrix:
        kept = values != 0
        indptr = np.concatenate([[0], np.cumsum(kept)])[self.indptr]
        return csr_matrix((values[kept], self.indices[kept], indptr), shape=(self.n_users, self.n_items))


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


def plain_batch(
    clicks: csr_matrix, part: str = "all", l2_normalised: bool = True, users: np.ndarray | None = None
) -> Batch:
    """The rows of ``clicks`` as a batch without dropout or noise, as at evaluation; else than normalised, of ones."""
    counts = np.diff(clicks.indptr)
    sizes = np.sqrt(np.maximum(counts, 1)) if l2_normalised else np.ones(len(counts))
    values = np.repeat(1.0 / sizes, counts).astype(np.float32)
    indptr, indices = clicks.indptr.astype(np.int64), clicks.indices.astype(np.int64)
    return Batch(indptr, indices, values, clicks.shape[1], part=part, users=users)


def evaluation_batches(
    clicks: csr_matrix, batch_size: int, l2_normalised: bool = True, users: np.ndarray | None = None
) -> Iterator[Batch]:
    """The rows of ``clicks`` in their order, ``batch_size`` users at a time, without noise."""
    for begin in range(0, clicks.shape[0], batch_size):
        some = slice(begin, begin + batch_size)
        yield plain_batch(clicks[some], l2_normalised=l2_normalised, users=None if users is None else users[some])


def checked_users(users: ArrayLike | None, n_rows: int, n_users: int) -> np.ndarray:
    """``users`` as a model with a node for each of its ``n_users`` training users wants them, int64 ``(n_rows,)``.

    Raises ``ValueError`` where they are None, not one for each of the ``n_rows`` asked about, or no rows of the
    training matrix.
    """
    if users is None:
        raise ValueError(
            "the model has a node for each of its training users: say whose clicks these are, users=[row, ...], rows "
            "of the training matrix"
        )
    found = np.asarray(users)
    if found.shape != (n_rows,) or (len(found) and found.dtype.kind not in "iu"):
        raise ValueError(f"users has shape {found.shape} and dtype {found.dtype}; expected {n_rows} whole numbers")
    if len(found) and not (found.min() >= 0 and found.max() < n_users):
        raise ValueError(f"users holds {found.min()} to {found.max()}; expected rows from 0 to {n_users - 1}")
    return found.astype(np.int64)


def draw_unclicked(batch: Batch, per_click: int, random: np.random.Generator) -> np.ndarray:
    """``per_click`` items for each click of a user, uniform over those the user did not click, with replacement.

    Returns:
        int64 ``(2, m)``, row of the batch and item of each draw. A user who clicked everything has none.
    """
    counts = np.diff(batch.indptr)
    n_draws = np.where(counts < batch.n_items, counts * per_click, 0)
    rows = np.repeat(np.arange(batch.n_users), n_draws)
    place = (random.random(len(rows)) * (batch.n_items - counts[rows])).astype(np.int64)  # among the unclicked
    # The click at place c of a user has indices[c] - c unclicked items before it, which never falls; so an unclicked
    # item's index is its place and the number of clicks that have no more unclicked items before them.
    before = batch.indices - (np.arange(len(batch.indices)) - batch.indptr[batch.rows])
    keys = batch.rows * np.int64(batch.n_items + 1) + before
    clicked = np.searchsorted(keys, rows * np.int64(batch.n_items + 1) + place, side="right") - batch.indptr[rows]
    return np.stack([rows, place + clicked])
