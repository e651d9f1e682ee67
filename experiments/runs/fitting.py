"""The life of a model that is fitted once: fit, validate, and nothing to go on from."""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

import numpy as np

from experiments.runs.folder import RunFolder
from experiments.runs.losses import Losses, losses
from experiments.runs.out_of_memory import memory_explained
from experiments.tasks.clicks import ClickTask
from utils.engine import FittedLearner
from utils.figures import FIGURES
from utils.options import RunOptions
from utils.system.interruption import Interruption, LeftOffError


class Fitting:
    """A learner fitted on ``task``, led and recorded as ``experiments.runs.loop.Training`` leads one through epochs.

    An interruption ends it; the same command fits anew, and to the same numbers.
    """

    diverged = None
    seconds_before = 0.0

    def __init__(
        self, learner: FittedLearner, task: ClickTask, options: RunOptions, folder: RunFolder,
        interruption: Interruption | None = None,
    ) -> None:  # fmt: skip
        self.learner, self.task, self.options, self.folder = learner, task, options, folder
        self.interruption = interruption or Interruption()
        self.losses: Losses = partial(losses, options.model)
        self.test_knobs: dict[str, float] = {}
        self.best: dict[str, Any] = {}
        self.fit_seconds = self.eval_seconds = math.nan

    def epochs(self) -> Iterator[dict[str, Any]]:
        """Fit and judge on the validation users: once, so one item, the seconds that each took."""
        with self.saved_when_left_off():
            begun = time.perf_counter()
            with memory_explained(self.options, self.task.n_items, "fitting"):
                self.learner.fit(self.task.clicks, self.interruption.heed)
            self.fit_seconds = time.perf_counter() - begun
            self.interruption.heed()
            self.best = {"validation": {}}
            told = f"fitted in {self.fit_seconds:.1f} s"
            if self.options.settings.validation == "held_out":
                told += self._validated()
        self.folder.log(told)
        yield self.timing()

    def _validated(self) -> str:
        begun, watched = time.perf_counter(), self.task.watched
        with memory_explained(self.options, self.task.n_items, "evaluating"):
            judged = self.task.judge(self.learner, self.task.validation, heed=self.interruption.heed)
        self.eval_seconds = time.perf_counter() - begun
        found = {name: mean for name, (mean, _) in judged.means().items()}
        self.best = {"validation": self.losses(judged.evaluation, {}) | found}
        return f"  val {FIGURES[watched].title} {found[watched]:.4f}"

    @contextlib.contextmanager
    def saved_when_left_off(self) -> Iterator[None]:
        """Where the block heeds an interruption, tell so in a ``KeyboardInterrupt``; there is nothing to save."""
        try:
            yield
        except LeftOffError:
            raise KeyboardInterrupt("a model fitted once has no state to save; the same command fits it anew") from None

    def timing(self) -> dict[str, float]:
        """Seconds of the fit, as of an epoch, and of an evaluation."""
        return {"epoch_seconds": self.fit_seconds, "eval_seconds": self.eval_seconds, "saving_seconds": 0.0}

    def epochs_summary(self) -> dict[str, Any]:
        """What ``metrics.json`` says of the epochs: there were none."""
        return {
            "best_epoch": None,
            "epochs": None,
            "updates": None,
            "beta": None,
            "validation": self.best["validation"],
        }

    def take_best(self) -> bool:
        """Whether the learner has the weights to be tested; it has."""
        return True

    def kept_weights(self) -> Mapping[str, np.ndarray]:
        """The weights to keep: a copy."""
        return self.learner.weights()
