"""The linear family, from the papers' own formulas (Steck 2019, eq. 8; Steck 2020, sec. 3)."""

import numpy as np


def weights(options, clicks):
    """B of an EASE, EDLAE or DLAE."""
    x = clicks.toarray().astype(np.float64)
    gram = x.T @ x
    p = getattr(options, "dropout_p", 0.0)
    gamma = options.l2 + np.diag(gram) * p / (1 - p)
    inverse = np.linalg.inv(gram + np.diag(gamma))
    if options.name == "dlae":
        return {"weight": np.eye(len(gram)) - inverse @ np.diag(gamma)}
    b = -inverse / np.diag(inverse)[None, :]
    np.fill_diagonal(b, 0.0)
    return {"weight": b}


def scores(options, weights, clicks):
    """``x B``."""
    return clicks.toarray().astype(np.float64) @ weights["weight"]
