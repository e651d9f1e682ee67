"""iALS (Hu et al. 2008, eq. 4 and 5), each solve by three steps of conjugate gradients (Takacs et al. 2011, sec. 3)."""

import numpy as np

#: What the order of additions leaves after some iterations.
TOLERANCE = 1e-9


def system(options, fixed, clicked):
    """The matrix and the right side of what gives the factors of one, whose clicks ``clicked`` are, 0 or 1."""
    confidence = np.where(clicked > 0, options.confidence, 1.0)
    a = fixed.T @ (confidence[:, None] * fixed) + options.l2 * np.eye(fixed.shape[1])
    return a, fixed.T @ (confidence * clicked)


def improved(factors, a, b, steps=3):
    """``factors`` nearer to the solution of ``a f = b``."""
    residual = b - a @ factors
    direction = residual
    for _ in range(steps):
        along = a @ direction
        length = residual @ residual / (direction @ along)
        factors, before = factors + length * direction, residual
        residual = residual - length * along
        direction = residual + residual @ residual / (before @ before) * direction
    return factors


def weights(options, clicks):
    """The items' factors after the iterations."""
    x = clicks.toarray().astype(np.float64)
    drawn = options.initial_weights(x.shape[1], options.seed, None, x.shape[0])
    users, items = drawn["user.weight"], drawn["item.weight"]
    for _ in range(options.iterations):
        users = np.array([improved(f, *system(options, items, row)) for f, row in zip(users, x, strict=True)])
        items = np.array([improved(f, *system(options, users, row)) for f, row in zip(items, x.T, strict=True)])
    return {"item.weight": items}


def code(options, weights, clicks):
    """The factors of users, exactly."""
    fixed = weights["item.weight"].astype(np.float64)
    solved = [np.linalg.solve(*system(options, fixed, row)) for row in clicks.toarray().astype(np.float64)]
    return np.array(solved).reshape(-1, fixed.shape[1])


def scores(options, weights, clicks):
    """The product of users' factors and items'."""
    return code(options, weights, clicks) @ weights["item.weight"].astype(np.float64).T
