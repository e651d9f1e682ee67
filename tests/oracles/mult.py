"""What the oracles of Mult-VAE and Mult-DAE share: two towers around a code, and back-propagation by hand.

Written from Liang et al. 2018 (sec. 2, eq. 2 to 4 and 7).
"""

from __future__ import annotations

import numpy as np

from oracles.base import Passed, dense, log_likelihood


def forward_backward(options, weights, batch, beta, code_of):
    """A pass of ``nll + beta * kl``.

    ``code_of(encoded, noise)`` makes of what the encoder gives ``(M, ...)`` the sample z and the code, ``(M, K)``, the
    KL ``(M,)``, and a function from the gradient by z to that by ``encoded``; it takes of the iterator ``noise`` what
    stands between the masks of the towers.
    """
    W = {name: np.asarray(value, dtype=np.float64) for name, value in weights.items()}
    (given, clicks), M, noise = dense(batch), batch.n_users, iter(batch.noise)

    def masks(rates):
        return [np.asarray(next(noise), dtype=np.float64) if p > 0 and batch.noise else 1.0 for p in rates]

    masks_enc = [1.0, *masks(options.dropout_enc[1:])]  # the input comes dropped out
    encoded, tape_enc = _tower_forward(W, "encoder", given, masks_enc)
    z, code, kl, d_encoded_of = code_of(encoded, noise)
    masks_dec = masks(options.dropout_dec)
    assert next(noise, None) is None, "the batch carries noise that the model has no place for"
    scores, tape_dec = _tower_forward(W, "decoder", z, masks_dec)
    log_p, slope = log_likelihood(options.likelihood, clicks, scores, options.confidence)
    nll, gradients = -log_p.sum(1), {}
    d_z = _tower_backward(W, "decoder", -slope / M, tape_dec, masks_dec, gradients)
    _tower_backward(W, "encoder", d_encoded_of(d_z), tape_enc, masks_enc, gradients)
    return Passed(nll.mean() + beta * kl.mean(), {"nll": nll, "kl": kl}, gradients, scores, code)


def _tower_forward(W, tower, x, masks):
    tape = []
    for i, mask in enumerate(masks):
        tanned = np.tanh(x) if i > 0 else x
        tape.append((tanned, tanned * mask))
        x = tape[-1][1] @ W[f"{tower}.{i}.weight"].T + W[f"{tower}.{i}.bias"]
    return x, tape


def _tower_backward(W, tower, d, tape, masks, gradients):
    for i in reversed(range(len(tape))):
        tanned, seen = tape[i]
        gradients[f"{tower}.{i}.weight"], gradients[f"{tower}.{i}.bias"] = d.T @ seen, d.sum(0)
        d = d @ W[f"{tower}.{i}.weight"] * masks[i]
        if i > 0:
            d = d * (1 - tanned**2)
    return d
