"""SLIM (Ning & Karypis 2011, eq. 3), by coordinate descent on the Gram matrix until nothing moves."""

import numpy as np

#: How far from these weights a solver may be that stops at the duality gap of the tiny settings.
TOLERANCE = 1e-6


def weights(options, clicks):
    """W, a column for each item."""
    x = clicks.toarray().astype(np.float64)
    n_users, n_items = x.shape
    gram = x.T @ x / n_users
    l1, l2 = options.slim_alpha * options.l1_ratio, options.slim_alpha * (1 - options.l1_ratio)
    w, moved = np.zeros((n_items, n_items)), np.inf
    while moved > 1e-13:  # a coordinate of every item at once: items have no part in each other's regression
        moved = 0.0
        for i in range(n_items):
            rest = gram[i] - gram[i] @ w + gram[i, i] * w[i]
            new = np.maximum(rest - l1, 0) / (gram[i, i] + l2)
            new[i] = 0.0
            moved = max(moved, np.abs(new - w[i]).max())
            w[i] = new
    return {"weight": w}


def scores(options, weights, clicks):
    """``x W``."""
    return clicks.toarray().astype(np.float64) @ weights["weight"]
