"""Metrics of a held-out item's rank among sampled candidates, per user (He et al. 2017, NCF, sec. 4.1).

They order models differently than a ranking of all items does (Krichene & Rendle 2020): only the protocol of that paper
has them, to be compared with its tables.
"""

from __future__ import annotations

import numpy as np
from scipy.sparse import csr_matrix

_K = 10
SAMPLED_METRICS = ("sampled_n10", "sampled_hr10")


def with_held_out(candidates: np.ndarray, held_out: csr_matrix) -> np.ndarray:
    """The held-out item of each user and its ``candidates`` ``(users, C)``, int64 ``(users, 1 + C)``; -1 is no item.

    Raises ``ValueError`` when a user has several items held out.
    """
    counts = np.diff(held_out.indptr)
    if len(counts) and counts.max() > 1:
        raise ValueError(f"{counts.max()} items are held out of a user; expected one to rank among its candidates")
    items = np.full(len(candidates), -1, dtype=np.int64)
    items[counts == 1] = held_out.indices
    return np.column_stack([items, candidates])


def sampled_per_user(scores: np.ndarray, items: np.ndarray) -> dict[str, np.ndarray]:
    """NDCG@10 and HR@10 of the first of ``items`` ``(users, 1 + C)`` among them all, by ``scores`` beside them.

    float64 ``(users,)`` each; equal scores go to the lowest item index; -1 is no item, and one first has figures of 0.
    """
    held_out, its_score = items[:, :1], scores[:, :1]
    others = items[:, 1:]
    ahead = (scores[:, 1:] > its_score) | ((scores[:, 1:] == its_score) & (others < held_out))
    rank = 1 + (ahead & (others >= 0)).sum(axis=1)
    hit = (rank <= _K) & (held_out[:, 0] >= 0)
    return {"sampled_n10": np.where(hit, 1.0 / np.log2(rank + 1), 0.0), "sampled_hr10": hit.astype(np.float64)}
