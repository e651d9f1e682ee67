"""iALS, fitted by the package ``implicit``; a user's factors are solved from the clicks, seen in training or not."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from implicit.cpu.als import AlternatingLeastSquares
from numpy.typing import ArrayLike
from scipy.sparse import csr_matrix
from threadpoolctl import threadpool_limits

from baselines.learner import BaselineLearner
from utils.batches import ClickMatrix
from utils.engine import thread_count
from utils.models.ials import IALSOptions


class IALS(BaselineLearner):
    """Hu et al. 2008, sec. 4; solved by three steps of conjugate gradients (Takacs et al. 2011), a new user exactly.

    It computes in float64 whatever the precision of the run, and with any number of threads to the same numbers: they
    share users out, and BLAS is held to one.
    """

    model: IALSOptions

    def fit(self, clicks: csr_matrix, heed: Callable[[], None] = lambda: None) -> None:
        """Take the items' factors after the iterations, from factors drawn from the seed."""
        n_users, options = clicks.shape[0], self.model
        drawn = options.initial_weights(self.n_items, options.seed, None, n_users)
        with threadpool_limits(1, "blas"):
            als = self._als(drawn["item.weight"])
            als.user_factors = drawn["user.weight"]
            als.fit(clicks.astype(np.float32), show_progress=False, callback=lambda *_: heed())
        self._weights = {"item.weight": als.item_factors.astype(self.dtype)}

    def score(self, clicks: csr_matrix) -> np.ndarray:
        """The product of users' factors and items'."""
        return (self._codes(clicks) @ self._weights["item.weight"].T).astype(self.dtype)

    def embed(self, fold_in: ClickMatrix, users: ArrayLike | None = None) -> np.ndarray:
        """The factors of each user, ``(M, K)``."""
        codes = [np.empty((0, self.model.factors)), *(self._codes(clicks) for clicks in self._batches(fold_in))]
        return np.concatenate(codes).astype(self.dtype)

    def _codes(self, clicks: csr_matrix) -> np.ndarray:
        """The factors, float64 ``(M, K)``, that binary clicks ``(M, I)`` give users."""
        with threadpool_limits(1, "blas"):
            als = self._als(self._weights["item.weight"].astype(np.float64))
            return als.recalculate_user(np.arange(clicks.shape[0]), clicks.astype(np.float32))

    def _als(self, item_factors: np.ndarray) -> AlternatingLeastSquares:
        options = self.model
        als = AlternatingLeastSquares(
            factors=options.factors, regularization=options.l2, alpha=options.confidence, dtype=np.float64,
            iterations=options.iterations, num_threads=thread_count(),
        )  # fmt: skip
        als.item_factors = item_factors
        return als
