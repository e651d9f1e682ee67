"""The deviations of ``utils.deviations`` that act in the training both engines share."""

from __future__ import annotations

from functools import partial

import numpy as np

from data_prep import PreparedData
from experiments.runs.folder import RunFolder
from experiments.runs.loop import Losses, Training, losses
from utils.deviations import shared_deviations
from utils.engine import Evaluation, Trainer
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
        self, trainer: Trainer, data: PreparedData, options: RunOptions, folder: RunFolder, deviations: frozenset[str],
        interruption: Interruption | None = None,
    ) -> None:  # fmt: skip
        self.deviations = deviations
        if "plateau_min" in deviations:
            self.schedule_class = FallingPlateau
        super().__init__(trainer, data, options, folder, interruption)

    def losses(self, evaluation: Evaluation, beta: float) -> dict[str, float]:
        """``loss``, ``nll`` and ``kl`` of an evaluation; under ``batch_mean_loss`` means of batch means."""
        return _losses(self.deviations, self.options)(evaluation, beta)

    @property
    def test_beta(self) -> float:
        """beta of the test loss; under ``batch_mean_loss`` the last epoch's."""
        return self.position.beta if "batch_mean_loss" in self.deviations else super().test_beta

    def _evaluate_epoch(self) -> None:
        super()._evaluate_epoch()
        row, here = self.position.history[-1], self.position
        was_best = self.progress.best_epoch > 0 and self.progress.stalled == 0
        if "stale_best" in self.deviations and row["val_n100"] is None and was_best:
            self.best_weights = self.trainer.weights()
            here.best = {**here.best, "epoch": row["epoch"], "updates": here.updates, "beta": here.beta}


def losses_of(options: RunOptions, engine: str) -> Losses:
    """How a run of ``options`` in ``engine`` makes losses of an evaluation."""
    return _losses(shared_deviations(options, engine), options)


def _losses(deviations: frozenset[str], options: RunOptions) -> Losses:
    return partial(_batch_mean_losses, options.batch_size) if "batch_mean_loss" in deviations else losses


def _batch_mean_losses(size: int, evaluation: Evaluation, beta: float) -> dict[str, float]:
    """Batches of ``size`` users; the last one, smaller, weighs as much as any."""
    nll, kl = (_mean_of_means(values, size) for values in (evaluation.nll, evaluation.kl))
    return {"loss": nll + (beta * kl if beta else 0.0), "nll": nll, "kl": kl}


def _mean_of_means(values: np.ndarray, size: int) -> float:
    return float(np.mean([values[begin : begin + size].mean() for begin in range(0, len(values), size)]))
