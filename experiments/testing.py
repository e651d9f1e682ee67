"""The test of a run: its best weights on the test users, and what it leaves when there are none."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from data_prep import PreparedData
from experiments.out_of_memory import memory_told
from experiments.training import Training, losses
from utils.engine import Trainer
from utils.metrics import METRICS, RANKED_ITEMS, mean_and_error, per_user
from utils.models import MODELS
from utils.options import RunOptions
from utils.results import DIVERGED, FINISHED

#: What ``per_user.npz`` holds of each test user with something held out, beside ``user``, the row of the test matrix.
PER_USER = ("nll", "kl", *METRICS)


def test(training: Training, data: PreparedData, options: RunOptions) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Test the best weights of a training that is over: the run's metrics, and the per-user arrays behind them.

    A training that diverged is tested with the best weights it had before; where it had none, its figures are None.
    """
    best, trainer = training.position.best, training.trainer
    metrics = {
        "status": DIVERGED if training.diverged else FINISHED,
        "n_parameters": sum(math.prod(shape) for shape in trainer.shapes().values()),
        "best_epoch": best.get("epoch"),
        "epochs": len(training.position.history),
        "updates": best.get("updates"),
        "beta": best.get("beta", training.position.beta) if MODELS[options.model].annealed else None,
        "validation": best.get("validation", {}),
    }
    if training.diverged:
        metrics["diverged"] = training.diverged.record()
    if not best:
        return {**metrics, **_untested()}, {name: np.zeros(0, np.float32) for name in ("user", *PER_USER)}
    trainer.load_weights(training.best_weights)
    with memory_told(options, data.n_items, "evaluating"):
        figures, arrays = tested(trainer, data, best["beta"])
    return {**metrics, **figures}, arrays


def tested(trainer: Trainer, data: PreparedData, beta: float) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """What the trainer's weights score on the test users of ``data``: ``test``, ``test_se``, ``test_users``; per user.

    The loss is at ``beta``, over all test users; a metric is over those with something held out.
    """
    evaluation = trainer.evaluate(data.test_fold_in.binary(), RANKED_ITEMS)
    values = per_user(evaluation.ranked, data.test_held_out.binary())
    means = {name: mean_and_error(values[name]) for name in METRICS}
    figures = {
        "test": {**losses(evaluation, beta), **{name: mean for name, (mean, _) in means.items()}},
        "test_se": {name: error for name, (_, error) in means.items()},
        "test_users": len(values["user"]),
    }
    users = values["user"]
    arrays = {"user": users, "nll": evaluation.nll[users], "kl": evaluation.kl[users]}
    arrays |= {name: values[name] for name in METRICS}
    return figures, {name: array.astype(np.int32 if name == "user" else np.float32) for name, array in arrays.items()}


def _untested() -> dict[str, Any]:
    return {
        "test": dict.fromkeys(("loss", "nll", "kl", *METRICS)),
        "test_se": dict.fromkeys(METRICS),
        "test_users": None,
    }
