"""The two terms of the objective (Liang et al. 2018, eq. 7)."""

from __future__ import annotations

from pytorch_impl.runtime import torch


def click_log_likelihood(logits: torch.Tensor, positions: torch.Tensor) -> torch.Tensor:
    """``log pi_ui`` of each click, ``(n,)``: the multinomial log-likelihood (eq. 2) is their sum.

    ``logits`` ``(M, I)`` are ``f(z_u)``, ``pi = softmax``; ``positions`` ``(2, n)`` are the clicks' users and items.
    """
    return torch.log_softmax(logits, dim=1)[positions[0], positions[1]]


def negative_log_likelihood(logits: torch.Tensor, positions: torch.Tensor) -> torch.Tensor:
    """``-log pi_ui`` summed over all clicks, a scalar: 0, with a gradient of 0, where there are none."""
    return -click_log_likelihood(logits, positions).sum()


def kl_divergence(mu: torch.Tensor, logvar: torch.Tensor) -> torch.Tensor:
    """``KL(N(mu, exp(logvar)) || N(0, I))`` of each user, ``(M,)``; ``mu`` and ``logvar`` are ``(M, K)``."""
    return -0.5 * (1 + logvar - mu.square() - logvar.exp()).sum(dim=1)
