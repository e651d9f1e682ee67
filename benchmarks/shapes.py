"""The shapes that are measured, and synthetic clicks of such a shape: as many, as skewed, and seeded."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.sparse import csr_matrix


@dataclass(frozen=True)
class Shape:
    """A data set's training matrix: users, items, mean clicks a user."""

    n_users: int
    n_items: int
    clicks: float


#: Training users and items as a correct preparation gives them; clicks a user are their events over their users.
SHAPES = {
    "ml-20m": Shape(116_677, 20_108, 73.2),
    "ml-1m": Shape(4_828, 3_497, 95.8),
    "amazon": Shape(99_168, 50_049, 13.7),
}


def synthetic_clicks(shape: Shape, n_users: int | None = None, seed: int = 1) -> csr_matrix:
    """Clicks like those of ``shape``: float32 ones ``(n_users, n_items)``, sorted, no empty row.

    Users' numbers of clicks are log-normal (sigma 1, at least 5), items' popularity falls as a power of their rank
    (Zipf-Mandelbrot), as in MovieLens, where the most popular tenth of the items holds most of the clicks.
    """
    random = np.random.default_rng(seed)
    n_users = n_users or shape.n_users
    mean = max(shape.clicks - 4.0, 1.0)
    counts = 5 + random.lognormal(np.log(mean) - 0.5, 1.0, n_users).astype(np.int64)
    counts = np.minimum(counts, shape.n_items // 4)
    popularity = 1.0 / (np.arange(shape.n_items) + 0.01 * shape.n_items) ** 1.2
    cumulated = np.cumsum(random.permutation(popularity / popularity.sum()))
    users = np.repeat(np.arange(n_users), counts)
    items = np.minimum(np.searchsorted(cumulated, random.random(len(users))), shape.n_items - 1)
    clicks = csr_matrix((np.ones(len(users), dtype=np.float32), (users, items)), shape=(n_users, shape.n_items))
    clicks.sum_duplicates()  # drawn with replacement: a user's clicks come out a little fewer than asked
    clicks.data[:] = 1.0
    return clicks


def sampled_items(x: np.ndarray, per_click: int, random: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Users and items of the clicks in dense ``x``, and of ``per_click`` unclicked items for each click."""
    users, items = np.nonzero(x)
    again, kept = np.repeat(users, per_click), [(users, items)]
    while len(again):
        drawn = random.integers(x.shape[1], size=len(again))
        is_click = x[again, drawn] > 0
        kept.append((again[~is_click], drawn[~is_click]))
        again = again[is_click]
    return tuple(np.concatenate(part) for part in zip(*kept, strict=True))
