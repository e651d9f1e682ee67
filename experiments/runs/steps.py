"""One loop of training steps, for a run, a lock-step and a measurement alike."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from experiments.tasks.clicks import ClickTask
from utils.engine import StepLearner


@dataclass(frozen=True)
class Step:
    """An update that was made: its place in the epoch (from 1), its users, its knobs.

    ``handle`` is for ``StepLearner.read_terms``.
    """

    number: int
    n_users: int
    knobs: Mapping[str, float]
    handle: Any


def training_steps(learner: StepLearner, task: ClickTask, epoch: int, lr: float, first_step: int = 0) -> Iterator[Step]:
    """Make the updates of an epoch (counted from 1) from ``first_step`` on, at learning rate ``lr``, one per item."""
    model, n_epochs, per_epoch = task.options.model, task.options.training.n_epochs, task.steps_per_epoch
    for step, batch in enumerate(task.batches(epoch, first_step), start=first_step):
        knobs = {"lr": lr, **model.knobs_at((epoch - 1) * per_epoch + step, per_epoch, n_epochs)}
        yield Step(step + 1, batch.n_users, knobs, learner.train_step(batch, knobs))
