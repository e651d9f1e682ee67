"""Mult-VAE and Mult-DAE written out in NumPy, float64, dense and slow: the judge of both engines.

Written from Liang et al. 2018 (sec. 2, eq. 2 to 4 and 7) and not from the engines. Gradients are by hand
(back-propagation in matrix form), and are themselves checked against finite differences in ``test_oracle.py``.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass
class Passed:
    """One forward and backward pass: mean nll, mean kl, gradients by canonical name, and what evaluation sees."""

    nll: float
    kl: float
    gradients: dict
    logits: np.ndarray
    code: np.ndarray
    nll_of_users: np.ndarray
    kl_of_users: np.ndarray


def layers_of(weights: dict, tower: str) -> int:
    return sum(name.startswith(f"{tower}.") and name.endswith(".weight") for name in weights)


def log_likelihood(likelihood, X, f, confidence):
    """``log p(x_ui | f_ui)``, and its derivative by ``f``, both dense ``(M, I)``; constants left out."""
    if likelihood == "multinomial":
        top = f.max(1, keepdims=True)
        log_pi = f - top - np.log(np.exp(f - top).sum(1, keepdims=True))
        return X * log_pi, X - np.exp(log_pi) * X.sum(1, keepdims=True)
    if likelihood == "gaussian":
        c = np.where(X > 0, confidence, 1.0)
        return -c / 2 * (X - f) ** 2, c * (X - f)
    sigma = 1 / (1 + np.exp(-f))
    return X * np.log(sigma) + (1 - X) * np.log(1 - sigma), X - sigma


def forward_backward(
    model, weights, clicks, network_input, beta, masks_enc=None, masks_dec=None, eps=None,
    likelihood="multinomial", confidence=2.5,
) -> Passed:  # fmt: skip
    """``clicks`` and ``network_input`` are dense ``(M, I)``; masks hold an array or None per layer."""
    W = {name: np.asarray(value, dtype=np.float64) for name, value in weights.items()}
    X, M = np.asarray(clicks, dtype=np.float64), len(clicks)
    n_enc, n_dec = layers_of(W, "encoder"), layers_of(W, "decoder")
    masks_enc, masks_dec = masks_enc or [None] * n_enc, masks_dec or [None] * n_dec

    out_enc, tape_enc = _tower_forward(W, "encoder", n_enc, np.asarray(network_input, dtype=np.float64), masks_enc)
    if model == "vae":
        K = out_enc.shape[1] // 2
        mu, logvar = out_enc[:, :K], out_enc[:, K:]
        noise = np.zeros_like(mu) if eps is None else np.asarray(eps, dtype=np.float64)
        z, code = mu + np.exp(logvar / 2) * noise, mu
        kl_of_users = -0.5 * (1 + logvar - mu**2 - np.exp(logvar)).sum(1)
    else:
        z = code = np.tanh(out_enc)
        kl_of_users = np.zeros(M)
    logits, tape_dec = _tower_forward(W, "decoder", n_dec, z, masks_dec)
    log_p, slope = log_likelihood(likelihood, X, logits, confidence)
    nll_of_users = -log_p.sum(1)

    gradients = {}
    d_logits = -slope / M
    d_z = _tower_backward(W, "decoder", d_logits, tape_dec, masks_dec, gradients)
    if model == "vae":
        d_mu = d_z + beta * mu / M
        d_logvar = d_z * noise * np.exp(logvar / 2) / 2 + beta * 0.5 * (np.exp(logvar) - 1) / M
        d_out = np.concatenate([d_mu, d_logvar], axis=1)
    else:
        d_out = d_z * (1 - z**2)
    _tower_backward(W, "encoder", d_out, tape_enc, masks_enc, gradients)
    return Passed(nll_of_users.mean(), kl_of_users.mean(), gradients, logits, code, nll_of_users, kl_of_users)


def oracle_pass(options, weights, batch, beta):
    """The oracle on a batch, its flat noise sorted to where it belongs."""
    dense = np.zeros((batch.n_users, batch.n_items))
    clicks = dense.copy()
    dense[batch.rows, batch.indices], clicks[batch.rows, batch.indices] = batch.values, 1
    noise = iter(batch.noise)

    def masks(rates):
        return [next(noise) if p > 0 and batch.noise else None for p in rates]

    masks_enc = [None, *masks(options.model.dropout_enc[1:])]
    eps = next(noise) if options.model.name == "vae" and batch.noise else None
    masks_dec = masks(options.model.dropout_dec)
    assert next(noise, None) is None, "the batch carries noise that the model has no place for"
    return forward_backward(
        options.model.name, weights, clicks, dense, beta, masks_enc, masks_dec, eps,
        options.model.likelihood, options.model.confidence,
    )  # fmt: skip


def _tower_forward(W, tower, n, x, masks):
    tape = []
    for i in range(n):
        tanned = np.tanh(x) if i > 0 else x
        seen = tanned if masks[i] is None else tanned * masks[i]
        tape.append((tanned, seen))
        x = seen @ W[f"{tower}.{i}.weight"].T + W[f"{tower}.{i}.bias"]
    return x, tape


def _tower_backward(W, tower, d, tape, masks, gradients):
    for i in reversed(range(len(tape))):
        tanned, seen = tape[i]
        gradients[f"{tower}.{i}.weight"], gradients[f"{tower}.{i}.bias"] = d.T @ seen, d.sum(0)
        d = d @ W[f"{tower}.{i}.weight"]
        if masks[i] is not None:
            d = d * masks[i]
        if i > 0:
            d = d * (1 - tanned**2)
    return d


def adam(weights, gradients, state, lr, weight_decay=0.0, decay="decoupled", t=1):
    """One step of Kingma & Ba's Algorithm 1 in float64, in place; decay of matrices only."""
    for name, w in weights.items():
        g = gradients[name]
        if w.ndim == 2 and decay == "l2":
            g = g + weight_decay * w
        m, v = state.setdefault(name, [np.zeros_like(w), np.zeros_like(w)])
        m[:] = 0.9 * m + 0.1 * g
        v[:] = 0.999 * v + 0.001 * g * g
        if w.ndim == 2 and decay == "decoupled":
            w *= 1 - lr * weight_decay
        w -= lr * (m / (1 - 0.9**t)) / (np.sqrt(v / (1 - 0.999**t)) + 1e-8)
