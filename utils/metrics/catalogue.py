"""What lists are like beyond their accuracy: how much of the catalogue they show, how popular it is, to whom it serves.

Popularity is always that of the training users: what a model could know. Lists are int ``(users, k)``, columns of the
training matrix, best first, -1 where there are fewer.
"""

from __future__ import annotations

import numpy as np
from scipy.sparse import csr_matrix

from utils.metrics.ranking import find_hits, ndcg

#: Bands of items by popularity, each with a third of all training clicks.
BANDS = ("head", "middle", "tail")


def shown_counts(lists: np.ndarray, n_items: int) -> np.ndarray:
    """How many of the lists hold each item, int ``(n_items,)``."""
    return np.bincount(lists[lists >= 0], minlength=n_items)


def coverage(counts: np.ndarray) -> float:
    """The share of the items that stand in at least one list; ``counts`` as :func:`shown_counts` gives them."""
    return float(np.mean(counts > 0))


def gini(counts: np.ndarray) -> float:
    """The Gini coefficient of how often each item is shown: 0 all alike, near 1 always the same few.

    ``sum_i (2i - n - 1) x_i / (n sum x)`` over the counts ascending, items never shown among them; NaN without lists.
    """
    ordered, n = np.sort(counts).astype(np.float64), len(counts)
    total = ordered.sum()
    return float((2 * np.arange(1, n + 1) - n - 1) @ ordered / (n * total)) if total else float("nan")


def mean_popularity(lists: np.ndarray, popularity: np.ndarray) -> float:
    """The popularity ``(n_items,)`` of what is shown, the mean of each list's mean; NaN without lists."""
    shown = lists >= 0
    rows = shown.any(axis=1)
    if not rows.any():
        return float("nan")
    sums = np.where(shown, popularity[np.maximum(lists, 0)], 0.0).sum(axis=1)
    return float(np.mean(sums[rows] / shown.sum(axis=1)[rows]))


def popularity_bands(clicks: np.ndarray) -> np.ndarray:
    """The band of each item (place in ``BANDS``), int ``(n_items,)``, from its training clicks ``(n_items,)``.

    Items by descending clicks (ties by index) are cut where a third and two thirds of all clicks are passed; an item
    belongs to the band in which its own clicks begin.
    """
    order = np.argsort(-clicks, kind="stable")
    begins = np.cumsum(clicks[order]) - clicks[order]
    bands = np.empty(len(clicks), dtype=np.int64)
    total = max(int(clicks.sum()), 1)
    bands[order] = np.minimum(len(BANDS) * begins // total, len(BANDS) - 1)
    return bands


def ndcg_in_band(lists: np.ndarray, held_out: csr_matrix, in_band: np.ndarray, k: int = 100) -> np.ndarray:
    """NDCG@k of the held-out items of a band alone, of each user who has any, float64 ``(n,)``.

    Items keep their ranks in the whole list. ``in_band``: bool ``(n_items,)``.
    """
    inside = held_out.tocsc()[:, np.flatnonzero(in_band)].tocoo()
    columns = np.flatnonzero(in_band)[inside.col]
    part = csr_matrix((np.ones(len(columns)), (inside.row, columns)), shape=held_out.shape)
    part.sort_indices()
    return ndcg(find_hits(lists, part), k)
