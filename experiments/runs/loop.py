"""The life of a training: epochs, evaluations, schedules, early stopping, and a state to go on from."""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
from tqdm import tqdm

from experiments.runs.divergence import DivergedError, Divergence, check_loss
from experiments.runs.folder import STATE, RunFolder
from experiments.runs.losses import losses
from experiments.runs.out_of_memory import memory_explained
from experiments.runs.steps import Step, training_steps
from experiments.tasks.clicks import ClickTask
from utils.engine import Evaluation, StepLearner, thread_count
from utils.figures import FIGURES
from utils.options import RunOptions
from utils.schedules import PlateauSchedule, Progress
from utils.system.errors import UserError
from utils.system.interruption import Interruption, LeftOffError
from utils.weights import under

LARGEST_SAVING_SHARE = 0.02  # of a run's time, whatever saving its state costs


@dataclass
class Position:
    """Where a training stands: everything but arrays, as JSON can hold it.

    ``epoch`` is under way (counted from 1) with ``step`` of its batches done, all of them where only its evaluation is
    still to come; ``users`` are those of its batches, ``sums`` their terms; ``knobs`` are those of the last update;
    ``history`` has a row per finished epoch.
    """

    epoch: int = 1
    step: int = 0
    users: int = 0
    sums: dict[str, float] = field(default_factory=dict)
    epoch_seconds: float = 0.0
    updates: int = 0
    knobs: dict[str, float] = field(default_factory=dict)
    best: dict[str, Any] = field(default_factory=dict)
    history: list[dict[str, Any]] = field(default_factory=list)
    over: bool = False


class Training:
    """A learner led through its epochs on ``task``, as ``options`` (resolved) say, recorded in ``folder``.

    Continues from the state in ``folder`` where there is one, as if it had never stopped. ``interruption``, entered by
    who makes the training, is heeded between batches (None: nothing interrupts politely).
    """

    schedule_class = PlateauSchedule

    def __init__(
        self, learner: StepLearner, task: ClickTask, options: RunOptions, folder: RunFolder,
        interruption: Interruption | None = None,
    ) -> None:  # fmt: skip
        self.learner, self.task, self.options, self.folder = learner, task, options, folder
        self.model, self.training = options.model, options.training
        self.interruption = interruption or Interruption()
        self.position, self.progress = Position(sums=dict.fromkeys(self.model.terms, 0.0)), Progress()
        self.schedule = self.schedule_class(self.training.lr, self.training.lr_patience)
        self.best_weights: dict[str, np.ndarray] = {}
        self.diverged: Divergence | None = None
        self.seconds_before = 0.0  # spent in earlier processes on the same run
        self.saved_at = self.started_at = time.perf_counter()
        self.save_seconds = self.saving_seconds = 0.0  # the last save, and all of them so far
        self._restore()

    def epochs(self) -> Iterator[dict[str, Any]]:
        """Train an epoch per item, until the last or until nothing improves; gives its row of ``history.csv``.

        The best weights are in ``best_weights``. Stops at a loss that is no longer a number: ``diverged`` then says
        where, and ``best_weights`` are the best so far, empty when no epoch was evaluated before. Raises
        ``KeyboardInterrupt``, the state saved, when the user interrupts, and ``UserError`` when memory runs out.
        """
        with self.saved_when_left_off():
            try:
                while not self.position.over:
                    with memory_explained(self.options, self.task.n_items, "training"):
                        self._epoch()
                    with memory_explained(self.options, self.task.n_items, "evaluating"):
                        self._evaluate_epoch()
                    if self._is_time_to_save():
                        self.save()
                    self.interruption.heed()
                    yield self.position.history[-1]
            except DivergedError as stop:
                self.diverged = stop.where

    @contextlib.contextmanager
    def saved_when_left_off(self) -> Iterator[None]:
        """Where the block heeds an interruption, save the state and tell so in a ``KeyboardInterrupt``.

        A training that diverged has nothing to save: its last state leads there again.
        """
        try:
            yield
        except LeftOffError:
            if self.diverged:
                raise KeyboardInterrupt from None
            self.save()
            here = self.position
            where = "after the last epoch" if here.over else f"in epoch {here.epoch}"
            raise KeyboardInterrupt(f"saved {where}; the same command goes on from there") from None

    def _is_time_to_save(self) -> bool:
        """Whether the state is old enough, and saving it (if it takes as long as before) a small share of the time."""
        since = time.perf_counter() - self.saved_at
        if self.training.save_every == 0:
            return True
        return since > self.training.save_every and self.save_seconds <= LARGEST_SAVING_SHARE * since

    def timing(self) -> dict[str, float]:
        """Mean seconds of an epoch's training and of an evaluation (NaN without one), and all seconds of saving."""
        history = self.position.history
        evaluations = [row["eval_seconds"] for row in history if row["eval_seconds"] is not None]
        return {
            "epoch_seconds": sum(row["seconds"] for row in history) / len(history) if history else math.nan,
            "eval_seconds": sum(evaluations) / len(evaluations) if evaluations else math.nan,
            "saving_seconds": self.saving_seconds,
        }

    def losses(self, evaluation: Evaluation, knobs: Mapping[str, float]) -> dict[str, float]:
        """``loss`` and terms of an evaluation, means over its users."""
        return losses(self.model, evaluation, knobs)

    @property
    def test_knobs(self) -> dict[str, float]:
        """The knobs of the test loss: those of the weights tested."""
        return self.position.best["knobs"]

    def epochs_summary(self) -> dict[str, Any]:
        """What ``metrics.json`` says of the epochs."""
        best, here = self.position.best, self.position
        return {
            "best_epoch": best.get("epoch"), "epochs": len(here.history), "updates": best.get("updates"),
            "beta": best.get("knobs", here.knobs).get("beta"), "validation": best.get("validation", {}),
        }  # fmt: skip

    def take_best(self) -> bool:
        """Give the learner the best weights; False where there are none, as no epoch was evaluated."""
        if self.best_weights:
            self.learner.load_weights(self.best_weights)
        return bool(self.best_weights)

    def kept_weights(self) -> Mapping[str, np.ndarray]:
        """The weights to keep, the best; none where no epoch was evaluated."""
        return self.best_weights

    # An epoch

    def _epoch(self) -> None:
        here, begun = self.position, time.perf_counter()
        bar = tqdm(
            training_steps(self.learner, self.task, here.epoch, self.schedule.lr, here.step),
            desc=f"epoch {here.epoch}/{self.training.n_epochs}", total=self.task.steps_per_epoch, initial=here.step,
            disable=None, leave=False, unit="batch",
        )  # fmt: skip
        before = None
        for step in bar:
            here.updates += 1
            here.step, here.knobs = step.number, {name: step.knobs[name] for name in self.model.knobs}
            if before is not None:  # a step behind, so that reading the loss never makes the device wait
                self._note_terms(before, bar)
            before = step
            if self.interruption.asked:
                break
        if before is not None:
            self._note_terms(before, bar)
        bar.close()
        here.epoch_seconds += time.perf_counter() - begun
        self.interruption.heed()

    def _note_terms(self, step: Step, bar: tqdm) -> None:
        here, terms = self.position, self.learner.read_terms(step.handle)
        check_loss(sum(terms.values()), here.epoch, step.number, step.knobs)
        here.users += step.n_users
        for name, value in terms.items():
            here.sums[name] += value * step.n_users
        if not bar.disable:
            shown = {"loss": f"{self.model.objective(terms, step.knobs):.2f}"}
            shown |= {name: f"{step.knobs[name]:.3f}" for name in self.model.knobs}
            bar.set_postfix(shown | self._last_validation(), refresh=False)

    def _last_validation(self) -> dict[str, str]:
        name = f"val_{self.task.watched}"
        scores = [row[name] for row in self.position.history if row[name] is not None]
        return {f"val {FIGURES[self.task.watched].title}": f"{scores[-1]:.4f}"} if scores else {}

    # Between epochs

    def _evaluate_epoch(self) -> None:
        here = self.position
        row = {
            "epoch": here.epoch, "loss": self.model.objective(here.sums, here.knobs) / here.users,
            **{name: total / here.users for name, total in here.sums.items()},
            "beta": here.knobs.get("beta"), "lr": self.schedule.lr,
            "val_loss": None, **{f"val_{name}": None for name in here.sums}, "val_n100": None, "val_n100_se": None,
            "val_r20": None, "val_r50": None, "seconds": here.epoch_seconds, "eval_seconds": None,
        }  # fmt: skip
        row.setdefault(f"val_{self.task.watched}", None)
        last = here.epoch == self.training.n_epochs
        if self.options.settings.validation == "none":
            self._keep_last(last)
        elif last or here.epoch % self.training.eval_every == 0:
            self._evaluate(row)
        here.history.append(row)
        self.folder.write_history(here.history)
        self.folder.log(_line(row, self.training.n_epochs, self.progress, self.task.watched))
        here.over = last or self.progress.exhausted(self.training.early_stop_patience)
        if here.over and not last:
            self.folder.log(f"stopped early: {self.progress.stalled} evaluations without improvement")
        here.epoch, here.step, here.users, here.epoch_seconds = here.epoch + 1, 0, 0, 0.0
        here.sums = dict.fromkeys(self.model.terms, 0.0)

    def _keep_last(self, last: bool) -> None:
        """Without validation the weights of the last epoch are those to test."""
        if last:
            self.best_weights, here = self.learner.weights(), self.position
            here.best = {"epoch": here.epoch, "updates": here.updates, "knobs": here.knobs, "validation": {}}

    def _evaluate(self, row: dict[str, Any]) -> None:
        here, begun = self.position, time.perf_counter()
        judged = self.task.judge(self.learner, self.task.validation, row["epoch"], self.interruption.heed)
        check_loss(sum(judged.evaluation.means().values()), row["epoch"], None, {"lr": self.schedule.lr, **here.knobs})
        means = judged.means()
        losses_now = self.losses(judged.evaluation, here.knobs)
        row |= {
            **{f"val_{name}": value for name, value in losses_now.items()},
            "val_n100": means["n100"][0], "val_n100_se": means["n100"][1],
            "val_r20": means["r20"][0], "val_r50": means["r50"][0],
            f"val_{self.task.watched}": means[self.task.watched][0],
        }  # fmt: skip
        score = self._score(judged.evaluation, means[self.task.watched][0])
        if self.progress.update(score, row["epoch"]):
            self.best_weights = self.learner.weights()
            here.best = {
                "epoch": row["epoch"], "updates": here.updates, "knobs": here.knobs,
                "validation": losses_now | {name: mean for name, (mean, _) in means.items()},
            }  # fmt: skip
        if self.training.lr_scheduler:
            self.schedule.update(score)
        row["eval_seconds"] = time.perf_counter() - begun

    def _score(self, evaluation: Evaluation, watched: float) -> float:
        """What early stopping wants to grow: the ``watched`` figure, or minus the loss at the final knobs."""
        if self.training.early_stop_score_fn == "loss":
            return -self.losses(evaluation, self.model.final_knobs())["loss"]
        return watched

    def save(self) -> None:
        """Write all that is needed to go on from here."""
        begun = time.perf_counter()
        arrays = {f"weights/{name}": array for name, array in self.learner.weights().items()}
        arrays |= {f"optimizer/{name}": array for name, array in self.learner.memory().items()}
        arrays |= {f"best/{name}": array for name, array in self.best_weights.items()}
        seconds = self.seconds_before + begun - self.started_at
        record = {"position": asdict(self.position), "progress": asdict(self.progress), "seconds": seconds,
                  "saving_seconds": self.saving_seconds, "schedule": asdict(self.schedule),
                  "threads": thread_count()}  # fmt: skip
        self.folder.write_state(arrays, record)
        self.saved_at = time.perf_counter()
        self.save_seconds = self.saved_at - begun
        self.saving_seconds += self.save_seconds

    def _restore(self) -> None:
        stored = self.folder.read_state()
        if stored is None:
            return
        try:
            self._take(*stored)
        except (KeyError, TypeError, ValueError) as error:
            raise UserError(
                f"{self.folder.path}: its saved state is of another version of this program ({error!r}); go on with "
                f"that version, or remove {STATE} there to start from the first epoch"
            ) from error
        threads = stored[1].get("threads", thread_count())
        if threads != thread_count():  # a run from Python, whose framework was loaded before
            self.folder.log(f"it began with {threads} threads and has {thread_count()} now: the last digits may differ")
        self.folder.log(f"going on from epoch {self.position.epoch}, step {self.position.step}")

    def _take(self, arrays: dict[str, np.ndarray], record: dict[str, Any]) -> None:
        position, progress = Position(**record["position"]), Progress(**record["progress"])
        schedule = self.schedule_class(**record["schedule"])
        self.learner.load_weights(under("weights/", arrays))
        self.learner.load_memory(under("optimizer/", arrays))
        self.best_weights = under("best/", arrays)
        self.position, self.progress, self.schedule = position, progress, schedule
        self.seconds_before, self.saving_seconds = record["seconds"], record.get("saving_seconds", 0.0)


def _line(row: dict[str, Any], n_epochs: int, progress: Progress, watched: str) -> str:
    parts = [f"epoch {row['epoch']:3d}/{n_epochs}  loss {row['loss']:.2f}"]
    parts += [f"beta {row['beta']:.3f}"] if row["beta"] is not None else []
    if row[f"val_{watched}"] is not None:
        parts += [f"val loss {row['val_loss']:.2f}", f"val {FIGURES[watched].title} {row[f'val_{watched}']:.4f}"]
        parts += [f"best epoch {progress.best_epoch}"]
    parts.append(f"{row['seconds'] + (row['eval_seconds'] or 0.0):.1f} s")
    return "  ".join(parts)
