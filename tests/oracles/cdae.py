"""CDAE (Wu et al. 2016, sec. 3): a hidden layer of sigmoids sees the clicks and, where there is one, the user's node.

A step descends the sum over its users, with an L2 penalty on what each of them touches; the loss told is the mean,
without the penalty. Of a batch with draws of unclicked items (``batch.negatives``) the loss is of the clicks and of
these, each as often as it was drawn; else of all items.
"""

from __future__ import annotations

import numpy as np

from oracles.base import Passed, dense, log_likelihood


def forward_backward(options, weights, batch, knobs):
    """A pass; see the module."""
    W = {name: np.asarray(value, dtype=np.float64) for name, value in weights.items()}
    (given, clicks), users = dense(batch), batch.users
    inner, outer = W["encoder.0.weight"].T, W["encoder.0.weight"].T if options.tied else W["decoder.0.weight"]
    node = 0.0 if users is None else W["user.weight"][users]
    code = 1 / (1 + np.exp(-(given @ inner + node + W["encoder.0.bias"])))
    scores = code @ outer.T + W["decoder.0.bias"]
    times = np.ones_like(clicks)  # how often each item is looked at
    if batch.negatives is not None:
        times = clicks.copy()
        np.add.at(times, tuple(batch.negatives), 1)
    log_p, slope = log_likelihood(options.likelihood, clicks, scores, options.confidence)
    nll = -(times * log_p).sum(1)
    d_scores = -times * slope
    d_code = (d_scores @ outer) * code * (1 - code)
    read, looked_at = (given != 0).sum(0), times.sum(0)
    lam, M = options.l2, batch.n_users
    d_inner = given.T @ d_code + lam * read[:, None] * inner
    d_outer = d_scores.T @ code + lam * looked_at[:, None] * outer
    gradients = {"encoder.0.weight": (d_inner + d_outer if options.tied else d_inner).T}
    gradients["encoder.0.bias"] = d_code.sum(0) + lam * M * W["encoder.0.bias"]
    gradients["decoder.0.bias"] = d_scores.sum(0) + lam * looked_at * W["decoder.0.bias"]
    penalty = (read @ inner**2).sum() + (looked_at @ outer**2).sum() + M * (W["encoder.0.bias"] ** 2).sum()
    penalty += looked_at @ W["decoder.0.bias"] ** 2
    if not options.tied:
        gradients["decoder.0.weight"] = d_outer
    if users is not None:
        gradients["user.weight"] = np.zeros_like(W["user.weight"])
        np.add.at(gradients["user.weight"], users, d_code + lam * node)
        penalty += (node**2).sum()
    return Passed(nll.mean(), {"nll": nll}, gradients, scores, code, descended=nll.sum() + lam / 2 * penalty)
