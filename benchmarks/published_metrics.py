"""Metrics the way published code computes them from dense scores: a baseline to measure against, not to use."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from scipy.sparse import csr_matrix


def published_metrics(
    scores: Iterable[np.ndarray], fold_in: Iterable[csr_matrix], held_out: csr_matrix
) -> dict[str, float]:
    """NDCG@100, Recall@20 and Recall@50, means over users, each with a partial sort of all scores of its own.

    Args:
        scores: of each batch, float ``(M, items)``; overwritten.
        fold_in: of each batch, its clicks ``(M, items)``, set to ``-inf``.
        held_out: of all batches together, ``(users, items)``, no user without any.
    """
    values: dict[str, list[np.ndarray]] = {"n100": [], "r20": [], "r50": []}
    begin = 0
    for batch, clicks in zip(scores, fold_in, strict=True):
        batch[clicks.nonzero()] = -np.inf
        wanted = held_out[begin : begin + len(batch)].toarray()
        begin += len(batch)
        values["n100"].append(_ndcg(batch, wanted, 100))
        values["r20"].append(_recall(batch, wanted, 20))
        values["r50"].append(_recall(batch, wanted, 50))
    return {name: float(np.mean(np.concatenate(parts))) for name, parts in values.items()}


def _ndcg(scores: np.ndarray, wanted: np.ndarray, k: int) -> np.ndarray:
    k = min(k, scores.shape[1] - 1)
    top = np.argpartition(-scores, k, axis=1)[:, :k]
    best_first = np.argsort(-np.take_along_axis(scores, top, axis=1), axis=1)
    ranked = np.take_along_axis(top, best_first, axis=1)
    discount = 1.0 / np.log2(np.arange(2, k + 2))
    gained = (np.take_along_axis(wanted, ranked, axis=1) * discount).sum(axis=1)
    best = np.cumsum(discount)[np.minimum(wanted.sum(axis=1).astype(int), k) - 1]
    return gained / best


def _recall(scores: np.ndarray, wanted: np.ndarray, k: int) -> np.ndarray:
    top = np.argpartition(-scores, k, axis=1)[:, :k]
    chosen = np.zeros_like(scores, dtype=bool)
    np.put_along_axis(chosen, top, True, axis=1)
    clicked = wanted > 0
    found = np.logical_and(clicked, chosen).sum(axis=1).astype(np.float32)
    return found / np.minimum(k, clicked.sum(axis=1))
