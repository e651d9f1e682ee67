"""Users' clicks: batches of users to train on, and lists for users, judged by what was held out of them."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property, partial

import numpy as np
from scipy.sparse import csr_matrix, vstack

from data_prep import PreparedData
from utils.batches import Batch, plain_batch
from utils.engine import Evaluation, Learner
from utils.metrics.ranking import METRICS, RANKED_ITEMS, mean_and_error, per_user
from utils.metrics.sampled import SAMPLED_METRICS, sampled_per_user, with_held_out
from utils.options import RunOptions
from utils.randomness import Purpose, stream
from utils.system.prefetch import done_ahead


@dataclass(frozen=True)
class Fold:
    """Users to be tested: the clicks a model is shown and those it is to find, both ``(users, items)``, a row a user.

    ``rows`` are the users' rows in training, int ``(users,)``, None where they have none; ``candidates`` are what the
    held-out item is ranked against beside all items, int ``(users, C)``, padded with -1, None where nothing is.
    """

    fold_in: csr_matrix
    held_out: csr_matrix
    rows: np.ndarray | None = None
    candidates: np.ndarray | None = None


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
        batch = plain_batch(clicks[rows], part.name, model.l2_normalised, rows if model.has_user_node else None)
        if part.takes_snapshot and place == 0:
            batch = dataclasses.replace(batch, takes_snapshot=True)
        return model.with_noise(batch, training.seed, epoch, step, part)

    return done_ahead((partial(drawn, step) for step in range(first_step, steps)), training.prefetch)


class ClickTask:
    """The clicks of prepared data, as ``options`` (resolved) have them fed to a model. No framework has a part in it.

    ``figures`` are what it is judged by, ``watched`` the one that early stopping and search watch. Under the scenario
    ``strong`` the tested users are none of those trained on; under the others they are the same, in the same rows.
    """

    def __init__(self, data: PreparedData, options: RunOptions) -> None:
        self.data, self.options, self.n_items = data, options, data.n_items
        is_sampled = data.scenario == "leave_one_out"
        self.figures = (*METRICS, *SAMPLED_METRICS) if is_sampled else tuple(METRICS)
        self.watched = "sampled_n10" if is_sampled else "n100"

    @cached_property
    def clicks(self) -> csr_matrix:
        """What is trained on, binary ``(users, items)``: without validation, its part too."""
        data = self.data
        if self.options.settings.validation == "held_out":
            return data.train.binary()
        if data.scenario != "strong":
            return data.test_fold_in.binary()
        validation = data.validation_fold_in.binary() + data.validation_held_out.binary()
        return vstack([data.train.binary(), validation], format="csr")

    @property
    def n_candidate_items(self) -> int | None:
        """How many items the sampled candidates were drawn from; None where there are none."""
        return self.data.n_candidate_items

    @property
    def n_users(self) -> int:
        """The users trained on, as ``clicks`` has them, without making it."""
        joins = self.data.scenario == "strong" and self.options.settings.validation == "none"
        return self.data.train.n_users + (self.data.validation_fold_in.n_users if joins else 0)

    @cached_property
    def validation(self) -> Fold:
        """The validation users, or every user's part for validation."""
        return self._fold("validation")

    @cached_property
    def test(self) -> Fold:
        """The test users, or every user's part for the test."""
        return self._fold("test")

    def _fold(self, part: str) -> Fold:
        fold_in, held_out = (getattr(self.data, f"{part}_{which}").binary() for which in ("fold_in", "held_out"))
        rows = None if self.data.scenario == "strong" else np.arange(fold_in.shape[0])
        return Fold(fold_in, held_out, rows, self.data.candidates(part))

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
        asked = None if fold.candidates is None else with_held_out(fold.candidates, fold.held_out)
        evaluation = learner.evaluate(fold.fold_in, RANKED_ITEMS, epoch, heed, fold.rows, asked)
        values = per_user(evaluation.ranked, fold.held_out)
        if asked is not None and evaluation.candidate_scores is not None:
            of_users = sampled_per_user(evaluation.candidate_scores, asked)
            values |= {name: figures[values["user"]] for name, figures in of_users.items()}
        return Judgement(evaluation, values["user"], {name: values[name] for name in self.figures})
