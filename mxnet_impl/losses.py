"""The two terms of the objective (Liang et al. 2018, eq. 7)."""

from __future__ import annotations

from mxnet_impl.runtime import mx


def click_log_likelihood(logits: mx.nd.NDArray, positions: mx.nd.NDArray) -> mx.nd.NDArray:
    """``log pi_ui`` of each click, ``(n,)``: the multinomial log-likelihood (eq. 2) is their sum.

    ``logits`` ``(M, I)`` are ``f(z_u)``, ``pi = softmax``; ``positions`` ``(2, n)`` are the clicks' users and items.
    """
    if positions.shape[1] == 0:
        return mx.nd.array([], ctx=logits.context, dtype=logits.dtype)
    return mx.nd.gather_nd(mx.nd.log_softmax(logits, axis=1), positions)


def negative_log_likelihood(logits: mx.nd.NDArray, positions: mx.nd.NDArray) -> mx.nd.NDArray:
    """``-log pi_ui`` summed over all clicks, ``(1,)``: 0, with a gradient of 0, where there are none."""
    if positions.shape[1] == 0:
        return mx.nd.zeros_like(logits).sum()
    return -click_log_likelihood(logits, positions).sum()


def kl_divergence(mu: mx.nd.NDArray, logvar: mx.nd.NDArray) -> mx.nd.NDArray:
    """``KL(N(mu, exp(logvar)) || N(0, I))`` of each user, ``(M,)``; ``mu`` and ``logvar`` are ``(M, K)``."""
    return -0.5 * (1 + logvar - mu.square() - logvar.exp()).sum(axis=1)
