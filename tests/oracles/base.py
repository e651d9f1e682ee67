"""What the oracles of trained models have in common: what a pass gives, dense input, the paper's likelihoods."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass
class Passed:
    """One forward and backward pass over M users.

    The loss; each term of the objective by name, ``(M,)``; the gradients by canonical name; the scores ``(M, I)``; the
    users' code ``(M, K)``, None of a model without one. The gradients are of the loss, unless a step descends something
    else: ``descended``.
    """

    loss: float
    terms: dict
    gradients: dict
    scores: np.ndarray
    code: np.ndarray | None
    descended: float | None = None

    def __post_init__(self):
        self.descended = self.loss if self.descended is None else self.descended

    def means(self):
        """The mean of each term over the users."""
        return {name: values.mean() for name, values in self.terms.items()}


def dense(batch):
    """The network's input and the clicks of a batch, both float64 ``(M, I)``."""
    given, clicks = np.zeros((2, batch.n_users, batch.n_items))
    given[batch.rows, batch.indices], clicks[batch.rows, batch.indices] = batch.values, 1
    return given, clicks


def log_likelihood(likelihood, X, f, confidence=1.0):
    """``log p(x_ui | f_ui)`` (Liang et al. 2018, eq. 2 to 4) and its derivative by ``f``, both dense ``(M, I)``.

    Constants are left out. For the multinomial the derivative is that of a user's sum.
    """
    if likelihood == "multinomial":
        top = f.max(1, keepdims=True)
        log_pi = f - top - np.log(np.exp(f - top).sum(1, keepdims=True))
        return X * log_pi, X - np.exp(log_pi) * X.sum(1, keepdims=True)
    if likelihood == "gaussian":
        c = np.where(X > 0, confidence, 1.0)
        return -c / 2 * (X - f) ** 2, c * (X - f)
    sigma = 1 / (1 + np.exp(-f))
    return X * np.log(sigma) + (1 - X) * np.log(1 - sigma), X - sigma
