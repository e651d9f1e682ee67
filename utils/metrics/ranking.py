"""Ranking metrics, per user, from ranked lists and the held-out clicks (both engines' lists end here).

Binary relevance, truncated at k (Liang et al. 2018, sec. 4.2). A user with nothing held out has no value and is
left out; averages are over the users that remain, with the standard error of that mean.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
from scipy.sparse import csr_matrix


@dataclass(frozen=True)
class Hits:
    """Where the ranked lists met the held-out clicks.

    Attributes:
        users: int ``(n,)``, the rows of users with at least one held-out item.
        hit: bool ``(n, k)``, whether the item at each rank is held out.
        n_held_out: int ``(n,)``, their numbers of held-out items, at least 1.
    """

    users: np.ndarray
    hit: np.ndarray
    n_held_out: np.ndarray


def find_hits(ranked: np.ndarray, held_out: csr_matrix) -> Hits:
    """Mark the hits of ``ranked`` (int ``(users, k)``, best first, -1 pads) in ``held_out`` ``(users, items)``.

    ``held_out`` has sorted indices within its rows; stored values are not looked at.
    """
    if ranked.shape[0] != held_out.shape[0]:
        raise ValueError(f"{ranked.shape[0]} ranked lists for {held_out.shape[0]} users")
    n_held_out = np.diff(held_out.indptr)
    users = np.flatnonzero(n_held_out)
    if len(users) == 0:
        return Hits(users, np.zeros((0, ranked.shape[1]), dtype=bool), n_held_out[users])
    # A pair (user, item) as one ascending number: membership is then one binary search in all held-out pairs.
    n_items = held_out.shape[1]
    rows = np.repeat(np.arange(held_out.shape[0], dtype=np.int64), n_held_out)
    pairs = rows * n_items + held_out.indices
    lists = ranked[users].astype(np.int64)
    asked = users[:, None] * np.int64(n_items) + lists
    place = np.minimum(np.searchsorted(pairs, asked), len(pairs) - 1)
    return Hits(users, (pairs[place] == asked) & (lists >= 0), n_held_out[users])


def recall(hits: Hits, k: int) -> np.ndarray:
    """Recall@k of each user: hits in the top k over ``min(k, held-out)``, float64 ``(n,)``."""
    return _top(hits, k).sum(axis=1) / np.minimum(k, hits.n_held_out)


def precision(hits: Hits, k: int) -> np.ndarray:
    """Precision@k of each user: hits in the top k over k, float64 ``(n,)``."""
    return _top(hits, k).sum(axis=1) / k


def ndcg(hits: Hits, k: int) -> np.ndarray:
    """NDCG@k of each user, float64 ``(n,)``: ``DCG = sum hit_r / log2(r + 1)`` over that of the best order."""
    top = _top(hits, k)
    discount = 1.0 / np.log2(np.arange(2, k + 2))
    ideal = np.cumsum(discount)[np.minimum(k, hits.n_held_out) - 1]
    return top @ discount[: top.shape[1]] / ideal


def average_precision(hits: Hits, k: int) -> np.ndarray:
    """AP@k of each user: precision at each hit's rank, summed, over ``min(k, held-out)``, float64 ``(n,)``."""
    top = _top(hits, k)
    at_rank = np.cumsum(top, axis=1) / np.arange(1, top.shape[1] + 1)
    return (at_rank * top).sum(axis=1) / np.minimum(k, hits.n_held_out)


def hit_rate(hits: Hits, k: int) -> np.ndarray:
    """HR@k of each user: 1 when the top k holds a hit, else 0, float64 ``(n,)``."""
    return _top(hits, k).any(axis=1).astype(np.float64)


def reciprocal_rank(hits: Hits, k: int) -> np.ndarray:
    """RR@k of each user: 1 over the rank of the first hit in the top k, 0 without one, float64 ``(n,)``."""
    top = _top(hits, k)
    return np.where(top.any(axis=1), 1.0 / (np.argmax(top, axis=1) + 1), 0.0)


def _top(hits: Hits, k: int) -> np.ndarray:
    if k < 1:
        raise ValueError(f"k is {k}; expected at least 1")
    return hits.hit[:, :k]


#: What every run reports, by the short names of its files.
METRICS: dict[str, Callable[[Hits], np.ndarray]] = {
    "n100": partial(ndcg, k=100),
    "r20": partial(recall, k=20),
    "r50": partial(recall, k=50),
    "n10": partial(ndcg, k=10),
    "r10": partial(recall, k=10),
    "p10": partial(precision, k=10),
    "ap100": partial(average_precision, k=100),
    "hr10": partial(hit_rate, k=10),
    "rr100": partial(reciprocal_rank, k=100),
}
RANKED_ITEMS = 100  # the longest k among METRICS


def per_user(ranked: np.ndarray, held_out: csr_matrix) -> dict[str, np.ndarray]:
    """Every metric of ``METRICS`` per user, float64 ``(n,)``, and under ``user`` the rows they are of, int ``(n,)``."""
    hits = find_hits(ranked, held_out)
    return {"user": hits.users, **{name: metric(hits) for name, metric in METRICS.items()}}


def mean_and_error(values: np.ndarray) -> tuple[float, float]:
    """The mean of per-user values and its standard error (sample standard deviation over ``sqrt(n)``).

    NaN where there are too few users to have one.
    """
    n = len(values)
    mean = float(np.mean(values)) if n else float("nan")
    return mean, float(np.std(values, ddof=1) / np.sqrt(n)) if n > 1 else float("nan")
