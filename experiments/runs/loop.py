"""The life of a training: epochs, evaluations, schedules, early stopping, and a state to go on from."""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
from tqdm import tqdm

from data_prep import PreparedData
from experiments.runs.divergence import DivergedError, Divergence, check_loss
from experiments.runs.folder import STATE, RunFolder
from experiments.runs.out_of_memory import memory_told
from utils.batches import steps_per_epoch, training_batches
from utils.engine import Evaluation, Trainer, thread_count
from utils.metrics.ranking import METRICS, RANKED_ITEMS, mean_and_error, per_user
from utils.models import MODELS
from utils.options import RunOptions
from utils.schedules import PlateauSchedule, Progress, beta_at, beta_cap
from utils.system.errors import UserError
from utils.system.interruption import Interruption, LeftOffError

LARGEST_SAVING_SHARE = 0.02  # of a run's time, whatever saving its state costs

#: ``loss``, ``nll`` and ``kl`` of an evaluation at a beta.
Losses = Callable[[Evaluation, float], dict[str, float]]


@dataclass
class Position:
    """Where a training stands: everything but arrays, as JSON can hold it.

    ``epoch`` is under way (counted from 1) with ``step`` of its batches done, all of them where only its evaluation is
    still to come; ``sums`` are its users, and their nll and kl so far; ``history`` has a row per finished epoch.
    """

    epoch: int = 1
    step: int = 0
    sums: list[float] = field(default_factory=lambda: [0.0, 0.0, 0.0])
    epoch_seconds: float = 0.0
    updates: int = 0
    beta: float = 0.0
    best: dict[str, Any] = field(default_factory=dict)
    history: list[dict[str, Any]] = field(default_factory=list)
    over: bool = False


class Training:
    """A trainer led through its epochs on ``data``, as ``options`` (resolved) say, recorded in ``folder``.

    Continues from the state in ``folder`` where there is one, as if it had never stopped. ``interruption``, entered by
    who makes the training, is heeded between batches (None: nothing interrupts politely).
    """

    schedule_class = PlateauSchedule

    def __init__(
        self, trainer: Trainer, data: PreparedData, options: RunOptions, folder: RunFolder,
        interruption: Interruption | None = None,
    ) -> None:  # fmt: skip
        self.trainer, self.options, self.folder = trainer, options, folder
        self.interruption = interruption or Interruption()
        self.clicks = data.train.binary()
        self.fold_in, self.held_out = data.validation_fold_in.binary(), data.validation_held_out.binary()
        self.steps = steps_per_epoch(self.clicks.shape[0], options.batch_size)
        self.position, self.progress = Position(), Progress()
        self.schedule = self.schedule_class(options.lr, options.lr_patience)
        self.best_weights: dict[str, np.ndarray] = {}
        self.diverged: Divergence | None = None
        self.seconds_before = 0.0  # spent in earlier processes on the same run
        self.saved_at = self.started_at = time.perf_counter()
        self.save_seconds = self.saving_seconds = 0.0  # the last save, and all of them so far
        self._restore()

    def run_to_the_end(self) -> None:
        """Train until the last epoch or until nothing improves; the best weights are then in ``best_weights``.

        Stops at a loss that is no longer a number: ``diverged`` then says where, and ``best_weights`` are the best so
        far, empty when no epoch was evaluated before. Raises ``KeyboardInterrupt``, the state saved, when the user
        interrupts, and ``UserError`` when memory runs out.
        """
        with self.saved_when_left_off():
            try:
                while not self.position.over:
                    with memory_told(self.options, self.clicks.shape[1], "training"):
                        self._epoch()
                    with memory_told(self.options, self.clicks.shape[1], "evaluating"):
                        self._evaluate_epoch()
                    if self._is_time_to_save():
                        self.save()
                    self.interruption.heed()
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
        if self.options.save_every == 0:
            return True
        return since > self.options.save_every and self.save_seconds <= LARGEST_SAVING_SHARE * since

    def timing(self) -> dict[str, float]:
        """Mean seconds of an epoch's training and of an evaluation (NaN without one), and all seconds of saving."""
        history = self.position.history
        evaluations = [row["eval_seconds"] for row in history if row["eval_seconds"] is not None]
        return {
            "epoch_seconds": sum(row["seconds"] for row in history) / len(history) if history else math.nan,
            "eval_seconds": sum(evaluations) / len(evaluations) if evaluations else math.nan,
            "saving_seconds": self.saving_seconds,
        }

    def losses(self, evaluation: Evaluation, beta: float) -> dict[str, float]:
        """``loss``, ``nll`` and ``kl`` of an evaluation, means over its users."""
        return losses(evaluation, beta)

    @property
    def test_beta(self) -> float:
        """beta of the test loss: that of the weights tested."""
        return self.position.best["beta"]

    # An epoch

    def _epoch(self) -> None:
        here, begun = self.position, time.perf_counter()
        batches = training_batches(self.clicks, self.options, here.epoch, first_step=here.step)
        bar = tqdm(
            batches, desc=f"epoch {here.epoch}/{self.options.n_epochs}", total=self.steps, initial=here.step,
            disable=None, leave=False, unit="batch",
        )  # fmt: skip
        pending = None
        for batch in bar:
            here.beta = beta_at(here.updates, self.options, self.steps)
            handle = self.trainer.train_step(batch, here.beta, self.schedule.lr)
            here.updates += 1
            here.step += 1
            if pending is not None:  # a step behind, so that reading the loss never makes the device wait
                self._note_losses(*pending, bar)
            pending = (handle, batch.n_users, here.step, here.beta)
            if self.interruption.asked:
                break
        if pending is not None:
            self._note_losses(*pending, bar)
        bar.close()
        here.epoch_seconds += time.perf_counter() - begun
        self.interruption.heed()

    def _note_losses(self, handle: Any, n_users: int, step: int, beta: float, bar: tqdm) -> None:
        nll, kl = self.trainer.read_losses(handle)
        check_loss(nll + kl, self.position.epoch, step, self.schedule.lr, beta)
        for i, amount in enumerate((n_users, nll * n_users, kl * n_users)):
            self.position.sums[i] += amount
        if not bar.disable:
            shown = {"loss": f"{nll + beta * kl:.2f}", "beta": f"{beta:.3f}"}
            bar.set_postfix(shown | self._last_validation(), refresh=False)

    def _last_validation(self) -> dict[str, str]:
        scores = [row["val_n100"] for row in self.position.history if row["val_n100"] is not None]
        return {"val NDCG@100": f"{scores[-1]:.4f}"} if scores else {}

    # Between epochs

    def _evaluate_epoch(self) -> None:
        here = self.position
        users, nll, kl = here.sums
        row = {
            "epoch": here.epoch, "loss": (nll + here.beta * kl) / users, "nll": nll / users, "kl": kl / users,
            "beta": here.beta if MODELS[self.options.model].annealed else None, "lr": self.schedule.lr,
            "val_loss": None, "val_nll": None, "val_kl": None, "val_n100": None, "val_n100_se": None,
            "val_r20": None, "val_r50": None, "seconds": here.epoch_seconds, "eval_seconds": None,
        }  # fmt: skip
        last = here.epoch == self.options.n_epochs
        if last or here.epoch % self.options.eval_every == 0:
            self._evaluate(row)
        here.history.append(row)
        self.folder.write_history(here.history)
        self.folder.log(_line(row, self.options, self.progress))
        here.over = last or self.progress.exhausted(self.options.early_stop_patience)
        if here.over and not last:
            self.folder.log(f"stopped early: {self.progress.stalled} evaluations without improvement")
        here.epoch, here.step, here.sums, here.epoch_seconds = here.epoch + 1, 0, [0.0, 0.0, 0.0], 0.0

    def _evaluate(self, row: dict[str, Any]) -> None:
        begun = time.perf_counter()
        evaluation = self.trainer.evaluate(self.fold_in, RANKED_ITEMS, row["epoch"], self.interruption.heed)
        check_loss(evaluation.loss(1.0), row["epoch"], None, self.schedule.lr, self.position.beta)
        values = per_user(evaluation.ranked, self.held_out)
        means = {name: mean_and_error(values[name]) for name in METRICS}
        losses_now = self.losses(evaluation, self.position.beta)
        row |= {
            **{f"val_{name}": value for name, value in losses_now.items()},
            "val_n100": means["n100"][0], "val_n100_se": means["n100"][1],
            "val_r20": means["r20"][0], "val_r50": means["r50"][0],
        }  # fmt: skip
        on_loss = self.options.early_stop_score_fn == "loss"
        score = -self.losses(evaluation, beta_cap(self.options))["loss"] if on_loss else means["n100"][0]
        if self.progress.update(score, row["epoch"]):
            self.best_weights = self.trainer.weights()
            self.position.best = {
                "epoch": row["epoch"], "updates": self.position.updates, "beta": self.position.beta,
                "validation": losses_now | {name: means[name][0] for name in METRICS},
            }  # fmt: skip
        if self.options.lr_scheduler:
            self.schedule.update(score)
        row["eval_seconds"] = time.perf_counter() - begun

    # State

    def save(self) -> None:
        """Write all that is needed to go on from here."""
        begun = time.perf_counter()
        arrays = {f"weights/{name}": array for name, array in self.trainer.weights().items()}
        arrays |= {f"optimizer/{name}": array for name, array in self.trainer.optimizer_state().items()}
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
        self.trainer.load_weights(_under("weights/", arrays))
        self.trainer.load_optimizer_state(_under("optimizer/", arrays))
        self.best_weights = _under("best/", arrays)
        self.position, self.progress, self.schedule = position, progress, schedule
        self.seconds_before, self.saving_seconds = record["seconds"], record.get("saving_seconds", 0.0)


def losses(evaluation: Evaluation, beta: float) -> dict[str, float]:
    """The loss of an evaluation at ``beta``, and its parts: means over all its users."""
    return {"loss": evaluation.loss(beta), "nll": float(evaluation.nll.mean()), "kl": float(evaluation.kl.mean())}


def _under(prefix: str, arrays: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    return {name.removeprefix(prefix): array for name, array in arrays.items() if name.startswith(prefix)}


def _line(row: dict[str, Any], options: RunOptions, progress: Progress) -> str:
    parts = [f"epoch {row['epoch']:3d}/{options.n_epochs}  loss {row['loss']:.2f}"]
    if row["beta"] is not None:
        parts.append(f"beta {row['beta']:.3f}")
    if row["val_n100"] is not None:
        parts.append(
            f"val loss {row['val_loss']:.2f}  val NDCG@100 {row['val_n100']:.4f}  best epoch {progress.best_epoch}"
        )
    parts.append(f"{row['seconds'] + (row['eval_seconds'] or 0.0):.1f} s")
    return "  ".join(parts)
