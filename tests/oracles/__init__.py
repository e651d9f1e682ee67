"""Every model in NumPy, float64, dense and slow, written from its paper and not from the engines: their judge.

A module a model, by the name that the registry (``utils.models``) has for it. That of a trained model offers

    forward_backward(options, weights, batch, knobs) -> oracles.base.Passed

and that of a model fitted once

    weights(options, clicks) -> the weights that binary clicks ``(users, I)`` give, by canonical name
    scores(options, weights, clicks) -> the scores ``(M, I)`` of users by their binary clicks ``(M, I)``

(one whose users have codes ``code(options, weights, clicks)`` too, ``(M, K)``; one that an iterative solver comes near
to ``TOLERANCE``, how near)
where ``options`` are the model's own (``utils.models.base.ModelOptions``), resolved.
"""

import importlib

from utils.models import MODELS


def oracle_of(model):
    """The oracle of the model called ``model``; ``ImportError`` where it has none."""
    return importlib.import_module(f"{__name__}.{MODELS[model].module}")
