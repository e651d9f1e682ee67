"""Users' clicks: batches of users to train on, and lists for held-out users, judged by what was held out of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property, partial

import numpy as np
from scipy.sparse import csr_matrix

from data_prep import PreparedData
from utils.batches import Batch, plain_batch
from utils.engine import Evaluation, Learner
from utils.metrics.ranking import METRICS, RANKED_ITEMS, mean_and_error, per_user
from utils.options import RunOptions
from utils.randomness import Purpose, stream
from utils.system.prefetch import done_ahead


@dataclass(frozen=True)
class Fold:
    """Held-out users: the clicks a model is shown, and those it is to find, both ``(users, items)``, a row per user."""

    fold_in: csr_matrix
    held_out: csr_matrix


@dataclass(frozen=True)
class Judgement:
    """What a learner did on a fold.

    ``evaluation`` is of all its users; ``figures`` are float64 ``(n,)``, one array per figure of the task, of the n
    users with something held out, whose rows of the fold are ``users``.
    """

    evaluation: Evaluation
    users: np.ndarray
    figures: dict[str, np.ndarray]

    def means(self) -> dict[str, tuple[float, float]]:
        """Mean and standard error over the users of each figure."""
        return {name: mean_and_error(values) for name, values in self.figures.items()}


def steps_per_epoch(n_users: int, options: RunOptions) -> int:
    """Batches in an epoch, of all its passes; the last one of a pass may be smaller."""
    return -(-n_users // options.training.batch_size) * len(options.model.passes)


def training_batches(clicks: csr_matrix, options: RunOptions, epoch: int, first_step: int = 0) -> Iterator[Batch]:
    """The batches of one epoch (counted from 1): in each of its passes every user once, in an order drawn for it.

    ``clicks`` is the binary training matrix ``(users, items)``; ``options`` are resolved; ``first_step`` skips the
    batches before it, as a resumed run does. Each batch has random streams of its own, so ``prefetch`` threads draw
    them ahead without changing one.
    """
    training, model, n_users = options.training, options.model, clicks.shape[0]
    orders = [stream(training.seed, Purpose.ORDER, epoch, n).permutation(n_users) for n in range(len(model.passes))]
    steps = steps_per_epoch(n_users, options)

    def drawn(step: int) -> Batch:
        number, place = divmod(step, steps // len(model.passes))
        rows = orders[number][place * training.batch_size : (place + 1) * training.batch_size]
        part = model.passes[number]
        batch = plain_batch(clicks[rows], part.name, model.l2_normalised)
        return model.with_noise(batch, training.seed, epoch, step, part)

    return done_ahead((partial(drawn, step) for step in range(first_step, steps)), training.prefetch)


class ClickTask:
    """The clicks of prepared data, as ``options`` (resolved) have them fed to a model. No framework has a part in it.

    ``figures`` are what it is judged by, ``watched`` the one that early stopping and search watch.
    """

    figures = METRICS
    watched = "n100"

    def __init__(self, data: PreparedData, options: RunOptions) -> None:
        self.data, self.options, self.n_items = data, options, data.n_items

    @cached_property
    def clicks(self) -> csr_matrix:
        """The training users, binary ``(users, items)``."""
        return self.data.train.binary()

    @cached_property
    def validation(self) -> Fold:
        """The validation users."""
        return Fold(self.data.validation_fold_in.binary(), self.data.validation_held_out.binary())

    @cached_property
    def test(self) -> Fold:
        """The test users."""
        return Fold(self.data.test_fold_in.binary(), self.data.test_held_out.binary())

    @cached_property
    def item_popularity(self) -> np.ndarray:
        """The share of the training users that clicked each item, float64 ``(I,)``."""
        return np.asarray(self.clicks.sum(axis=0, dtype=np.float64)).ravel() / max(1, self.clicks.shape[0])

    @property
    def steps_per_epoch(self) -> int:
        """Batches in an epoch, of all its passes."""
        return steps_per_epoch(self.clicks.shape[0], self.options)

    def batches(self, epoch: int, first_step: int = 0) -> Iterator[Batch]:
        """The batches of one epoch: :func:`training_batches` of the training users."""
        return training_batches(self.clicks, self.options, epoch, first_step)

    def judge(self, learner: Learner, fold: Fold, epoch: int = 0, heed: Callable[[], None] = lambda: None) -> Judgement:
        """What ``learner`` recommends to the users of ``fold``, judged by what was held out of them.

        ``epoch`` and ``heed`` are as ``utils.engine.Learner.evaluate`` has them.
        """
        evaluation = learner.evaluate(fold.fold_in, RANKED_ITEMS, epoch, heed)
        values = per_user(evaluation.ranked, fold.held_out)
        return Judgement(evaluation, values["user"], {name: values[name] for name in self.figures})
