"""RecVAE (Shenbin et al. 2020): a deep encoder, a composite prior that knows the old encoder, one sample.

The old encoder's weights stand beside the others as ``snapshot/encoder...``; of a batch without ``clean``, asked and
not trained on, it is the encoder itself. Gradients are those of the loss; what a pass trains is not judged here.
"""

from __future__ import annotations

import numpy as np
from scipy.special import logsumexp

from oracles.base import Passed, dense, log_likelihood

MIXTURE, WIDE = (3 / 20, 3 / 4, 1 / 10), 10.0


def forward_backward(options, weights, batch, knobs):
    """See ``oracles``."""
    W = {name: np.asarray(value, dtype=np.float64) for name, value in weights.items()}
    (given, clicks), M, epsilon = dense(batch), batch.n_users, options.norm_epsilon
    mu, logvar, tape = encode(W, "encoder", given, epsilon)
    old_mu, old_logvar, noise = mu, logvar, np.zeros_like(mu)
    if batch.clean is not None:
        clean = np.zeros_like(given)
        clean[batch.rows, batch.indices] = batch.clean
        old_mu, old_logvar, _ = encode(W, "snapshot/encoder", clean, epsilon)
        noise = np.asarray(batch.noise[0], dtype=np.float64)
    z = mu + np.exp(logvar / 2) * noise
    log_p, d_log_p = log_prior(z, old_mu, old_logvar)
    log_q = -(np.log(2 * np.pi) + logvar + noise**2) / 2
    kl = clicks.sum(1) * (log_q - log_p).sum(1)
    scores = z @ W["decoder.0.weight"].T + W["decoder.0.bias"]
    log_pi, slope = log_likelihood("multinomial", clicks, scores)
    nll, d_scores = -log_pi.sum(1), -slope / M
    weight = options.gamma * clicks.sum(1)[:, None] / M
    d_z = d_scores @ W["decoder.0.weight"] - weight * d_log_p
    d_logvar = d_z * noise * np.exp(logvar / 2) / 2 - weight / 2  # log q at its own sample knows logvar alone
    gradients = {"decoder.0.weight": d_scores.T @ z, "decoder.0.bias": d_scores.sum(0)}
    back_propagate(W, {"mu": d_z, "logvar": d_logvar}, tape, gradients)
    return Passed(nll.mean() + options.gamma * kl.mean(), {"nll": nll, "kl": kl}, gradients, scores, mu)


def log_prior(z, old_mu, old_logvar):
    """The logarithm of the prior at each number of ``z``, and its derivative by it."""
    means, logvars = [np.zeros_like(z), old_mu, np.zeros_like(z)], [np.zeros_like(z), old_logvar, np.full_like(z, WIDE)]
    logs = np.stack(
        [
            np.log(weight) - (np.log(2 * np.pi) + logvar + (z - mean) ** 2 / np.exp(logvar)) / 2
            for weight, mean, logvar in zip(MIXTURE, means, logvars, strict=True)
        ]
    )
    total = logsumexp(logs, axis=0)
    slopes = [-(z - mean) / np.exp(logvar) for mean, logvar in zip(means, logvars, strict=True)]
    return total, (np.exp(logs - total) * np.stack(slopes)).sum(0)


def encode(W, name, x, epsilon):
    """Mean and log-variance of the code, and what back-propagation needs of each layer."""
    hidden, tape = [], []
    for k in range(5):
        seen = hidden[-1] if hidden else x
        a = seen @ W[f"{name}.{k}.weight"].T + W[f"{name}.{k}.bias"] + (sum(hidden) if hidden else 0)
        sigma = 1 / (1 + np.exp(-a))
        s = a * sigma
        deviation = np.sqrt(s.var(1, keepdims=True) + epsilon)
        plain = (s - s.mean(1, keepdims=True)) / deviation
        hidden.append(plain * W[f"{name}.{k}.norm.weight"] + W[f"{name}.{k}.norm.bias"])
        tape.append((seen, a, sigma, deviation, plain))
    mu, logvar = (hidden[-1] @ W[f"{name}.{head}.weight"].T + W[f"{name}.{head}.bias"] for head in ("mu", "logvar"))
    return mu, logvar, (hidden, tape)


def back_propagate(W, d_heads, taped, gradients):
    """The encoder's gradients, into ``gradients``, from those of its heads."""
    hidden, tape = taped
    d_hidden = [np.zeros_like(h) for h in hidden]
    for head, d in d_heads.items():
        gradients[f"encoder.{head}.weight"], gradients[f"encoder.{head}.bias"] = d.T @ hidden[-1], d.sum(0)
        d_hidden[-1] += d @ W[f"encoder.{head}.weight"]
    for k in reversed(range(5)):
        (seen, a, sigma, deviation, plain), d_h, layer = tape[k], d_hidden[k], f"encoder.{k}"
        gradients[f"{layer}.norm.weight"], gradients[f"{layer}.norm.bias"] = (d_h * plain).sum(0), d_h.sum(0)
        d_plain = d_h * W[f"{layer}.norm.weight"]
        d_s = d_plain - d_plain.mean(1, keepdims=True) - plain * (d_plain * plain).mean(1, keepdims=True)
        d_a = d_s / deviation * (sigma + a * sigma * (1 - sigma))
        gradients[f"{layer}.weight"], gradients[f"{layer}.bias"] = d_a.T @ seen, d_a.sum(0)
        if k:
            d_hidden[k - 1] += d_a @ W[f"{layer}.weight"]
            for earlier in range(k):
                d_hidden[earlier] += d_a
