"""The test of a run: its best weights on the test users, and what it leaves when there are none."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from experiments.runs.fitting import Fitting
from experiments.runs.loop import Training
from experiments.runs.losses import Losses
from experiments.runs.out_of_memory import memory_explained
from experiments.tasks.clicks import ClickTask
from utils.engine import Learner
from utils.metrics.ranking import RANKED_ITEMS
from utils.models.base import n_parameters
from utils.options import RunOptions
from utils.results import DIVERGED, FINISHED

Arrays = dict[str, np.ndarray]


def judge_best(
    training: Training | Fitting, task: ClickTask, options: RunOptions
) -> tuple[dict[str, Any], Arrays, Arrays]:
    """Test the best weights of a training that is over: the run's metrics, the figures of each user, the lists.

    A training that diverged is tested with the best weights it had before; where it had none, its figures are None.
    Raises ``KeyboardInterrupt``, the state saved, where ``training.interruption`` asks for it between two batches.
    """
    metrics = {
        "status": DIVERGED if training.diverged else FINISHED,
        "n_parameters": n_parameters(training.learner.shapes()),
        **training.epochs_summary(),
        **({"candidate_items": task.n_candidate_items} if task.n_candidate_items else {}),
    }
    if training.diverged:
        metrics["diverged"] = training.diverged.record()
    if not training.take_best():
        return {**metrics, **_untested(options, task)}, *_nobody(options, task)
    # The knobs of the test loss: those of the weights tested but for one deviation.
    metrics |= {f"test_{name}": value for name, value in training.test_knobs.items()}
    with training.saved_when_left_off(), memory_explained(options, task.n_items, "evaluating"):
        figures, per_user, lists = judge_test_users(
            training.learner, task, training.test_knobs, training.losses, training.interruption.heed
        )
    return {**metrics, **figures}, per_user, lists


def judge_test_users(
    learner: Learner, task: ClickTask, knobs: Mapping[str, float], losses: Losses, heed: Callable[[], None]
) -> tuple[dict[str, Any], Arrays, Arrays]:
    """What the weights score on the test users: ``test``, ``test_se``, ``test_users``; then figures of each, and lists.

    The losses are what ``losses`` makes of all test users under ``knobs``; a figure is over those with something held
    out, and so are the arrays: ``user``, their rows of the test matrix, beside each term of the objective and each
    figure of the task; and beside ``items``, int32 ``(users, RANKED_ITEMS)``, what was recommended to them, best first,
    padded with -1. ``heed`` is called before each batch.
    """
    judged = task.judge(learner, task.test, heed=heed)
    means, users = judged.means(), judged.users
    figures = {
        "test": {**losses(judged.evaluation, knobs), **{name: mean for name, (mean, _) in means.items()}},
        "test_se": {name: error for name, (_, error) in means.items()},
        "test_users": len(users),
    }
    arrays = {name: values[users] for name, values in judged.evaluation.terms.items()} | judged.figures
    user = {"user": users.astype(np.int32)}
    each = user | {name: array.astype(np.float32) for name, array in arrays.items()}
    return figures, each, user | {"items": judged.evaluation.ranked[users].astype(np.int32)}


def _nobody(options: RunOptions, task: ClickTask) -> tuple[Arrays, Arrays]:
    user = {"user": np.zeros(0, np.int32)}
    figures = {name: np.zeros(0, np.float32) for name in (*options.model.terms, *task.figures)}
    return user | figures, user | {"items": np.zeros((0, RANKED_ITEMS), np.int32)}


def _untested(options: RunOptions, task: ClickTask) -> dict[str, Any]:
    return {
        "test": dict.fromkeys(("loss", *options.model.terms, *task.figures)),
        "test_se": dict.fromkeys(task.figures),
        "test_users": None,
    }
