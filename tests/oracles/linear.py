"""The linear family in NumPy float64, from the papers' own formulas (Steck 2019, eq. 8; Steck 2020, sec. 3)."""

import numpy as np


def weights(options, clicks):
    """B of ``options`` (an EASE's, EDLAE's or DLAE's) for binary ``clicks`` ``(users, items)``."""
    x = clicks.toarray().astype(np.float64)
    gram = x.T @ x
    p = getattr(options, "dropout_p", 0.0)
    gamma = options.l2 + np.diag(gram) * p / (1 - p)
    inverse = np.linalg.inv(gram + np.diag(gamma))
    if options.name == "dlae":
        return np.eye(len(gram)) - inverse @ np.diag(gamma)
    b = -inverse / np.diag(inverse)[None, :]
    np.fill_diagonal(b, 0.0)
    return b
