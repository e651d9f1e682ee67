"""Neighbourhood models: of each item its k nearest, kept by index and weight, so that memory grows with items x k."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy.sparse import csr_matrix, diags

from baselines.learner import BaselineLearner, best_items
from utils.models.neighbours import ItemKNNOptions, RP3betaOptions

_ITEMS_AT_ONCE = 128  # whose weights stand dense at a time


class NeighbourLearner(BaselineLearner):
    """A subclass says how near each item is to each other one; ties go to the lowest index."""

    def nearness(self, clicks: csr_matrix) -> Callable[[slice], np.ndarray]:
        """What gives the nearness of some items to all, dense float64 ``(items, I)``, 0 where they are none.

        ``clicks`` are float64.
        """
        raise NotImplementedError

    def fit(self, clicks: csr_matrix, heed: Callable[[], None] = lambda: None) -> None:
        """Keep the k nearest of each item; in float64 whatever the precision of what is kept."""
        shapes, nearness = self.shapes(), self.nearness(clicks.astype(np.float64))
        items = np.empty(shapes["neighbour.item"], np.int32)
        weights = np.empty(shapes["neighbour.weight"], self.dtype)
        for begin in range(0, self.n_items, _ITEMS_AT_ONCE):
            heed()
            some = slice(begin, min(begin + _ITEMS_AT_ONCE, self.n_items))
            own = np.arange(some.start, some.stop)[:, None]
            near = nearness(some)
            np.put_along_axis(near, own, 0.0, axis=1)
            best = best_items(np.where(near > 0, near, -np.inf), items.shape[1])
            items[some] = np.sort(np.where(best < 0, own, best), axis=1)
            weights[some] = np.take_along_axis(near, items[some], axis=1)
        self._weights = {"neighbour.item": items, "neighbour.weight": weights}

    def neighbours(self) -> csr_matrix:
        """The weights as a matrix ``(I, I)``: of each item, a row, its neighbours."""
        items, weights = self._weights["neighbour.item"], self._weights["neighbour.weight"]
        starts = np.arange(0, items.size + 1, items.shape[1])
        return csr_matrix((weights.ravel(), items.ravel(), starts), shape=(self.n_items, self.n_items))


class ItemKNN(NeighbourLearner):
    """An item's score is the sum of its cosine similarities to those clicked that are among its k nearest.

    Deshpande & Karypis 2004, sec. 4; its neighbours' similarities are not normalised.
    """

    model: ItemKNNOptions

    def nearness(self, clicks: csr_matrix) -> Callable[[slice], np.ndarray]:
        """The cosine similarity, shrunk."""
        by_item = clicks.T.tocsr()
        norms = np.sqrt(_counts(clicks, axis=0))

        def of(some: slice) -> np.ndarray:
            both = (by_item[some] @ clicks).toarray()
            return np.divide(both, norms[some, None] * norms + self.model.shrink, out=both, where=both > 0)

        return of

    def score(self, clicks: csr_matrix) -> np.ndarray:
        """``x N'``: N has a row of neighbours for each item that is scored."""
        return (clicks.astype(self.dtype) @ self.neighbours().T).toarray()


class RP3beta(NeighbourLearner):
    """A user's walks from each item clicked, to the k likeliest ends of each (Paudel et al. 2017, sec. 4)."""

    model: RP3betaOptions

    def nearness(self, clicks: csr_matrix) -> Callable[[slice], np.ndarray]:
        """How likely a walk of two steps is to end at each item, over a power of the item's clicks."""
        options, of_user, of_item = self.model, _counts(clicks, axis=1), _counts(clicks, axis=0)
        to_user = (diags(_power(of_item, -options.rp3_alpha)) @ clicks.T).tocsr()
        to_item = (diags(_power(of_user, -options.rp3_alpha)) @ clicks).tocsr()
        return lambda some: (to_user[some] @ to_item).toarray() * _power(of_item, -options.rp3_beta)

    def score(self, clicks: csr_matrix) -> np.ndarray:
        """``x N``: N has a row for each item that is clicked."""
        return (clicks.astype(self.dtype) @ self.neighbours()).toarray()


def _counts(clicks: csr_matrix, axis: int) -> np.ndarray:
    return np.asarray(clicks.sum(axis=axis)).ravel()


def _power(counts: np.ndarray, exponent: float) -> np.ndarray:
    """``counts ** exponent``; 0 of no clicks at all."""
    return np.power(counts, exponent, out=np.zeros_like(counts), where=counts > 0)
