"""The deviations of ``utils.deviations`` that act in the training both engines share."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

import numpy as np

from experiments.runs.folder import RunFolder
from experiments.runs.loop import Training
from experiments.runs.losses import Losses, losses
from experiments.tasks.clicks import ClickTask
from utils.deviations import shared_deviations
from utils.engine import Evaluation, StepLearner
from utils.models.base import ModelOptions
from utils.options import RunOptions
from utils.schedules import PlateauSchedule
from utils.system.interruption import Interruption


class FallingPlateau(PlateauSchedule):
    """``plateau_min``: the schedule of the study, ``mode='min'`` on a score that is to grow.

    A score that grows never is the lowest again, so the rate falls every ``patience + 1`` evaluations.
    """

    def _is_better(self, score: float) -> bool:
        return score < self.best - self.threshold * abs(self.best)


class DeviantTraining(Training):
    """A training under ``deviations``."""

    def __init__(
        self, learner: StepLearner, task: ClickTask, options: RunOptions, folder: RunFolder, deviations: frozenset[str],
        interruption: Interruption | None = None,
    ) -> None:  # fmt: skip
        self.deviations = deviations
        if "plateau_min" in deviations:
            self.schedule_class = FallingPlateau
        super().__init__(learner, task, options, folder, interruption)

    def losses(self, evaluation: Evaluation, knobs: Mapping[str, float]) -> dict[str, float]:
        """``loss`` and terms of an evaluation; under ``batch_mean_loss`` means of batch means."""
        return _losses(self.deviations, self.options)(evaluation, knobs)

    @property
    def test_knobs(self) -> dict[str, float]:
        """The knobs of the test loss; under ``batch_mean_loss`` the last epoch's."""
        return self.position.knobs if "batch_mean_loss" in self.deviations else super().test_knobs

    def _evaluate_epoch(self) -> None:
        super()._evaluate_epoch()
        row, here = self.position.history[-1], self.position
        was_best = self.progress.best_epoch > 0 and self.progress.stalled == 0
        if "stale_best" in self.deviations and row["val_n100"] is None and was_best:
            self.best_weights = self.learner.weights()
            here.best = {**here.best, "epoch": row["epoch"], "updates": here.updates, "knobs": here.knobs}


def losses_of(options: RunOptions, engine: str) -> Losses:
    """How a run of ``options`` in ``engine`` makes losses of an evaluation."""
    return _losses(shared_deviations(options.model, engine), options)


def _losses(deviations: frozenset[str], options: RunOptions) -> Losses:
    if "batch_mean_loss" in deviations:
        return partial(_batch_mean_losses, options.model, options.training.batch_size)
    return partial(losses, options.model)


def _batch_mean_losses(
    model: ModelOptions, size: int, evaluation: Evaluation, knobs: Mapping[str, float]
) -> dict[str, float]:
    """Batches of ``size`` users; the last one, smaller, weighs as much as any."""
    terms = {name: _mean_of_means(values, size) for name, values in evaluation.terms.items()}
    return {"loss": model.objective(terms, knobs), **terms}


def _mean_of_means(values: np.ndarray, size: int) -> float:
    return float(np.mean([values[begin : begin + size].mean() for begin in range(0, len(values), size)]))
