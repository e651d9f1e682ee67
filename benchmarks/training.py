"""An engine's learner, built and led as a run does it: the one place where benchmarks meet what trains."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

from scipy.sparse import csr_matrix

from experiments.runs.steps import training_steps
from experiments.tasks.clicks import ClickTask
from utils.engine import StepLearner, load_engine
from utils.models.base import Statistics
from utils.options import RunOptions


class BareClicks(ClickTask):
    """The task of training users alone: binary ``clicks`` ``(users, items)``, nobody held out."""

    def __init__(self, clicks: csr_matrix, options: RunOptions) -> None:
        self.clicks, self.options, self.n_items = clicks, options, clicks.shape[1]


def build_learner(
    engine: str, options: RunOptions, n_items: int, statistics: Statistics | None = None, n_users: int = 0
) -> StepLearner:
    """A learner of ``engine`` for ``options`` (resolved). This also sets how the process keeps its memory."""
    return load_engine(engine).build(options, n_items, statistics, n_users)


def train_steps(learner: StepLearner, clicks: csr_matrix, options: RunOptions) -> Iterator[None]:
    """Trains one more step whenever the next is asked for: the batch drawn, the update, the loss read."""
    task = BareClicks(clicks, options)
    for epoch in itertools.count(1):
        for step in training_steps(learner, task, epoch, options.training.lr):
            learner.read_terms(step.handle)
            yield


def train_epoch(learner: StepLearner, clicks: csr_matrix, options: RunOptions, epoch: int) -> None:
    """Train the ``epoch``-th epoch (from 1) as ``experiments.runs.loop`` does: each loss is read a step behind."""
    before = None
    for step in training_steps(learner, BareClicks(clicks, options), epoch, options.training.lr):
        if before is not None:
            learner.read_terms(before.handle)
        before = step
    learner.read_terms(before.handle)
