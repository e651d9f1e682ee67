"""The test of a run: its best weights on the test users, and what it leaves when there are none."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from data_prep import PreparedData
from experiments.runs.loop import Losses, Training
from experiments.runs.out_of_memory import memory_told
from utils.engine import Trainer
from utils.metrics.ranking import METRICS, RANKED_ITEMS, mean_and_error, per_user
from utils.models import MODELS
from utils.options import RunOptions
from utils.results import DIVERGED, FINISHED

#: What ``per_user.npz`` holds of each test user with something held out, beside ``user``, the row of the test matrix.
PER_USER = ("nll", "kl", *METRICS)


Arrays = dict[str, np.ndarray]


def test(training: Training, data: PreparedData, options: RunOptions) -> tuple[dict[str, Any], Arrays, Arrays]:
    """Test the best weights of a training that is over: the run's metrics, the figures of each user, the lists.

    A training that diverged is tested with the best weights it had before; where it had none, its figures are None.
    Raises ``KeyboardInterrupt``, the state saved, where ``training.interruption`` asks for it between two batches.
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
    if best and metrics["beta"] is not None:
        metrics["test_beta"] = training.test_beta  # of the test loss; that of the weights tested but for one deviation
    if training.diverged:
        metrics["diverged"] = training.diverged.record()
    if not best:
        return {**metrics, **_untested()}, *_nobody()
    trainer.load_weights(training.best_weights)
    heed = training.interruption.heed
    with training.saved_when_left_off(), memory_told(options, data.n_items, "evaluating"):
        figures, per_user, lists = tested(trainer, data, training.test_beta, training.losses, heed)
    return {**metrics, **figures}, per_user, lists


def tested(
    trainer: Trainer, data: PreparedData, beta: float, losses: Losses, heed: Callable[[], None]
) -> tuple[dict[str, Any], Arrays, Arrays]:
    """What the weights score on the test users: ``test``, ``test_se``, ``test_users``; then figures of each, and lists.

    The losses are what ``losses`` makes of all test users at ``beta``; a metric is over those with something held out,
    and so are the arrays: ``user``, their rows of the test matrix, beside each of ``PER_USER``; and beside ``items``,
    int32 ``(users, RANKED_ITEMS)``, what was recommended to them, best first, padded with -1. ``heed`` is called before
    each batch.
    """
    evaluation = trainer.evaluate(data.test_fold_in.binary(), RANKED_ITEMS, heed=heed)
    values = per_user(evaluation.ranked, data.test_held_out.binary())
    means = {name: mean_and_error(values[name]) for name in METRICS}
    figures = {
        "test": {**losses(evaluation, beta), **{name: mean for name, (mean, _) in means.items()}},
        "test_se": {name: error for name, (_, error) in means.items()},
        "test_users": len(values["user"]),
    }
    users = values["user"]
    arrays = {"nll": evaluation.nll[users], "kl": evaluation.kl[users], **{name: values[name] for name in METRICS}}
    user = {"user": users.astype(np.int32)}
    each = user | {name: array.astype(np.float32) for name, array in arrays.items()}
    return figures, each, user | {"items": evaluation.ranked[users].astype(np.int32)}


def _nobody() -> tuple[Arrays, Arrays]:
    user = {"user": np.zeros(0, np.int32)}
    figures = {name: np.zeros(0, np.float32) for name in PER_USER}
    return user | figures, user | {"items": np.zeros((0, RANKED_ITEMS), np.int32)}


def _untested() -> dict[str, Any]:
    return {
        "test": dict.fromkeys(("loss", "nll", "kl", *METRICS)),
        "test_se": dict.fromkeys(METRICS),
        "test_users": None,
    }
