"""SLIM, fitted by scikit-learn's elastic net: an independent regression for each item."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable
from functools import partial

import numpy as np
from scipy.sparse import csc_matrix, csr_matrix
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import ElasticNet

from baselines.learner import BaselineLearner
from utils.engine import thread_count
from utils.models.slim import SLIMOptions
from utils.system.prefetch import done_ahead

_SWEEPS = 1000  # of an item's coordinate descent, at the most


class SLIM(BaselineLearner):
    """An item's score is the sum of its coefficients at the items clicked (Ning & Karypis 2011, sec. 4)."""

    model: SLIMOptions

    def fit(self, clicks: csr_matrix, heed: Callable[[], None] = lambda: None) -> None:
        """Regress each item on the others, some at a time in threads; in float64 whatever the precision of the run.

        Items whose regression does not come as near its optimum as asked are counted on stderr.
        """
        columns = clicks.tocsc().astype(np.float64)
        weight, unfinished = np.zeros((self.n_items, self.n_items), self.dtype), 0
        of_items = [partial(self._coefficients, columns, item) for item in range(self.n_items)]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)  # told below, in one line for all items
            for item, (coefficients, sweeps) in enumerate(done_ahead(of_items, thread_count())):
                heed()
                weight[:, item] = coefficients
                unfinished += sweeps == _SWEEPS
        if unfinished:
            print(
                f"--tol {self.model.tol:g}: {unfinished} of {self.n_items} items were left further from their optimum, "
                f"after {_SWEEPS} sweeps; a larger --slim_alpha or --tol ends sooner",
                file=sys.stderr,
            )
        self._weights = {"weight": weight}

    def score(self, clicks: csr_matrix) -> np.ndarray:
        """``x W``."""
        return clicks.astype(self.dtype) @ self._weights["weight"]

    def _coefficients(self, columns: csc_matrix, item: int) -> tuple[np.ndarray, int]:
        """The coefficients ``(I,)`` of an item, 0 at the item itself, and the sweeps that they took."""
        own = slice(columns.indptr[item], columns.indptr[item + 1])
        wanted = np.zeros(columns.shape[0])
        wanted[columns.indices[own]] = 1.0
        data = columns.data.copy()
        data[own] = 0.0  # so that its coefficient is
        others = csc_matrix((data, columns.indices, columns.indptr), shape=columns.shape)
        model = self.model
        net = ElasticNet(
            alpha=model.slim_alpha, l1_ratio=model.l1_ratio, tol=model.tol, max_iter=_SWEEPS, positive=True,
            fit_intercept=False, copy_X=False,
        )  # fmt: skip
        net.fit(others, wanted)
        return net.coef_, net.n_iter_
