"""One order of items from either engine's scores: best first, equal scores by the lowest item index.

An engine finds the ``k + 1`` best on its own device; its top-k leaves the order of equal scores open, and which of
several equal ones it keeps at the end. What is decided here is small: ``(users, k + 1)`` numbers.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

NO_ITEM = -1  # pads the list of a user with fewer than k candidates; never a hit


def list_length(k: int) -> int:
    """``k`` as an ``int``; ``ValueError`` unless it is a whole number of at least 1."""
    if isinstance(k, (int, np.integer)) and not isinstance(k, bool) and k >= 1:
        return int(k)
    raise ValueError(f"k is {k!r}; expected a whole number of at least 1, the length of the lists")


def known_candidates(candidates: np.ndarray, n_items: int) -> tuple[np.ndarray, np.ndarray]:
    """Items ``(users, C)`` to look scores up at, those that are none as 0, int64; and which are any, bool."""
    known = (candidates >= 0) & (candidates < n_items)
    return np.where(known, candidates, 0).astype(np.int64), known


def resolve_ties(
    scores: np.ndarray, items: np.ndarray, k: int, all_scores: Callable[[np.ndarray], np.ndarray]
) -> np.ndarray:
    """The ``k`` best items of each user, best first, ties to the lowest index, padded with -1.

    Args:
        scores: float ``(users, m)``, the best scores of each user in any order, ``m = min(k + 1, items)``;
            ``-inf`` where an item is no candidate.
        items: int ``(users, m)``, the items of these scores.
        k: length of the lists, at least 1.
        all_scores: given rows, returns their whole score rows ``(rows, items)``, masked as above. Called only
            for users whose k-th and next score are equal, where the engine's choice is not to be trusted.

    Returns:
        int32 ``(users, k)``.
    """
    loose = np.flatnonzero(~(scores[:, 1:] < scores[:, :-1]).all(axis=1))  # rows that strictly fall are in order
    if len(loose):
        items, scores = items.copy(), scores.copy()
        items[loose], scores[loose] = _in_order(items[loose], scores[loose])

    ranked = np.full((len(items), k), NO_ITEM, dtype=np.int32)
    found = min(k, items.shape[1])
    ranked[:, :found] = np.where(scores[:, :found] == -np.inf, NO_ITEM, items[:, :found])
    if items.shape[1] > k:
        open_ended = (scores[:, k - 1] == scores[:, k]) & (scores[:, k] > -np.inf)
        rows = np.flatnonzero(open_ended)
        if len(rows):
            ranked[rows] = np.argsort(-all_scores(rows), axis=1, kind="stable")[:, :k]
    return ranked


def _in_order(items: np.ndarray, scores: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Both ``(rows, m)``, best first, equal scores by item."""
    by_item = np.argsort(items, axis=1, kind="stable")
    items, scores = _take(items, by_item), _take(scores, by_item)
    by_score = np.argsort(-scores, axis=1, kind="stable")
    return _take(items, by_score), _take(scores, by_score)


def _take(values: np.ndarray, order: np.ndarray) -> np.ndarray:
    return np.take_along_axis(values, order, axis=1)
