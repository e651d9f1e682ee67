"""The two terms of the objective (Liang et al. 2018, eq. 7), the first for each of the paper's likelihoods.

The negative log-likelihood is a sum over the clicks and, but for the multinomial, one over each user's items: no array
of targets is needed. ``logits`` ``(M, I)`` are ``f(z_u)``, ``positions`` ``(2, n)`` the clicks' users and items; the
options of the ``model`` say which likelihood.
"""

from __future__ import annotations

from pytorch_impl.runtime import torch
from utils.models.base import ModelOptions

LINEAR_FROM = 40  # where softplus(f) is f to the last digit of float64; PyTorch's own 20 is meant for float32


def losses_of_clicks(logits: torch.Tensor, positions: torch.Tensor, model: ModelOptions) -> torch.Tensor:
    """The part of each click, ``(n,)``.

    multinomial (eq. 2): ``-log pi_ui``, ``pi = softmax(f)``; gaussian (eq. 3): ``(c1 (1 - f_ui)^2 - f_ui^2) / 2``,
    where ``model.confidence`` is c1; logistic (eq. 4): ``-f_ui``.
    """
    if model.likelihood == "multinomial":
        return -torch.log_softmax(logits, dim=1)[positions[0], positions[1]]
    at_clicks = logits[positions[0], positions[1]]
    if model.likelihood == "gaussian":
        return 0.5 * (model.confidence * (1 - at_clicks).square() - at_clicks.square())
    return -at_clicks


def losses_of_users(logits: torch.Tensor, model: ModelOptions) -> torch.Tensor | None:
    """The part of each user, ``(M,)``.

    gaussian: ``sum_i f_ui^2 / 2``; logistic: ``sum_i log(1 + exp f_ui)``; None for multinomial, which has no such part.
    """
    if model.likelihood == "multinomial":
        return None
    return _of_any(logits, model).sum(dim=1)


def negative_log_likelihood(
    logits: torch.Tensor, positions: torch.Tensor, model: ModelOptions, negatives: torch.Tensor | None = None
) -> torch.Tensor:
    """Both parts summed up, a scalar: for multinomial 0, with a gradient of 0, where there are no clicks.

    Of the second part the clicks and the ``negatives`` ``(2, m)``, users and items, alone where these are given
    (gaussian and logistic): then what a user clicked and draws of what it did not.
    """
    of_clicks = losses_of_clicks(logits, positions, model).sum()
    if negatives is not None:
        looked_at = torch.cat([positions, negatives], dim=1)
        return of_clicks + _of_any(logits[looked_at[0], looked_at[1]], model).sum()
    of_users = losses_of_users(logits, model)
    return of_clicks if of_users is None else of_clicks + of_users.sum()


def _of_any(logits: torch.Tensor, model: ModelOptions) -> torch.Tensor:
    """What gaussian and logistic have at any item, clicked or not."""
    if model.likelihood == "gaussian":
        return 0.5 * logits.square()
    return torch.nn.functional.softplus(logits, threshold=LINEAR_FROM)


def kl_divergence(mu: torch.Tensor, logvar: torch.Tensor) -> torch.Tensor:
    """``KL(N(mu, exp(logvar)) || N(0, I))`` of each user, ``(M,)``; ``mu`` and ``logvar`` are ``(M, K)``."""
    return -0.5 * (1 + logvar - mu.square() - logvar.exp()).sum(dim=1)
