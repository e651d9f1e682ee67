"""ItemKNN (Deshpande & Karypis 2004, sec. 4, cosine) and RP3beta (Paudel et al. 2017, sec. 4), item by item."""

import numpy as np


def nearness(options, x):
    """How near each item, a row, is to each other; dense."""
    of_item, of_user = x.sum(0), x.sum(1)
    if options.name == "itemknn":
        norms = np.sqrt(of_item)
        return x.T @ x / (norms[:, None] * norms[None, :] + options.shrink)
    step = x.T / of_item[:, None] ** options.rp3_alpha
    return step @ (x / of_user[:, None] ** options.rp3_alpha) / of_item**options.rp3_beta


def weights(options, clicks):
    """The k nearest of each item, itself at weight 0 where there are fewer, by their indices."""
    near = nearness(options, clicks.toarray().astype(np.float64))
    k = min(options.k, len(near))
    items, found = np.empty((len(near), k), int), np.empty((len(near), k))
    for item, row in enumerate(near):
        others = sorted((-value, other) for other, value in enumerate(row) if other != item and value > 0)
        kept = [other for _, other in others[:k]]
        items[item] = sorted(kept + [item] * (k - len(kept)))
        found[item] = np.where(items[item] == item, 0.0, row[items[item]])
    return {"neighbour.item": items, "neighbour.weight": found}


def scores(options, weights, clicks):
    """Of ItemKNN: over an item's neighbours that are clicked; of RP3beta: over the clicked items' neighbours."""
    x = clicks.toarray().astype(np.float64)
    found = np.zeros(x.shape)
    for item, (neighbours, near) in enumerate(
        zip(weights["neighbour.item"], weights["neighbour.weight"].astype(np.float64), strict=True)
    ):
        if options.name == "itemknn":
            found[:, item] = x[:, neighbours] @ near
        else:
            found[:, neighbours] += x[:, [item]] * near
    return found
