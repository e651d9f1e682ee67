"""Learning curves from the runs' ``history.csv``: against epochs, beta and the clock, and where two of them part."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from experiments.analysis.runs import Run, engine_of, number, option_value, seed_of
from utils.system.errors import UserError

PARTED = 1e-4  # NDCG@100: half a unit of the third decimal of a published figure is five times this


@dataclass(frozen=True)
class LearningCurve:
    """The validation NDCG@100 of a run over the ``n`` epochs that were evaluated.

    Attributes:
        run: whose it is.
        epochs: int ``(n,)``, from 1.
        scores: float64 ``(n,)``, NDCG@100.
        betas: float64 ``(n,)``, beta at the end of each epoch; NaN of a model without one.
        seconds: float64 ``(n,)``, of training and evaluation, up to the end of each epoch.
        losses: the mean training loss by epoch, of all epochs.
        best: the place of the best epoch in the arrays; of the nearest, should it not be among them.
    """

    run: Run
    epochs: np.ndarray
    scores: np.ndarray
    betas: np.ndarray
    seconds: np.ndarray
    losses: pd.Series
    best: int

    @property
    def engine(self) -> str | None:
        """The engine of the run."""
        return engine_of(self.run)

    @property
    def seed(self) -> Any:
        """The seed of the run."""
        return seed_of(self.run)

    @property
    def profile(self) -> str:
        """The profile of the run."""
        return option_value(self.run, "profile")


def read_curve(run: Run, *needed: str) -> LearningCurve:
    """The learning curve of a run, NaN where its history has no such column, other than those ``needed``.

    Raises ``UserError`` when the history is missing, damaged or has no evaluation.
    """
    path = Path(run.get("folder") or "missing") / "history.csv"
    try:
        history = pd.read_csv(path).set_index("epoch")
        if lacking := [name for name in ("val_n100", *needed) if name not in history]:
            raise ValueError(f"no {lacking[0]}")
        history = history.reindex(columns=["val_n100", "beta", "seconds", "eval_seconds", "loss"])
        elapsed = (history["seconds"] + history["eval_seconds"].fillna(0.0)).cumsum()
        evaluated = history.assign(elapsed=elapsed).dropna(subset="val_n100")
        if evaluated.empty:
            raise ValueError("no epoch was evaluated")
    except (OSError, KeyError, ValueError) as error:
        raise UserError(f"{path}: no history of a run ({error}); run the run again") from error
    epochs = evaluated.index.to_numpy()
    columns = [evaluated[name].to_numpy(float) for name in ("val_n100", "beta", "elapsed")]
    best = int(np.argmin(np.abs(epochs - number(run.get("best_epoch")))))
    return LearningCurve(run, epochs, *columns, history["loss"], best)


def read_curves(runs: Sequence[Run], *needed: str) -> tuple[list[LearningCurve], list[str]]:
    """The curves of ``runs`` (see :func:`read_curve`); a line for each run without a usable history."""
    curves, notes = [], []
    for run in runs:
        try:
            curves.append(read_curve(run, *needed))
        except UserError:
            name = run.get("run_id") or "a run"
            notes.append(f"{name} has no history to draw (history.csv missing or damaged).")
    return curves, notes


@dataclass(frozen=True)
class CurvePair:
    """Two runs' validation NDCG@100 over the ``n`` epochs both evaluated.

    Attributes:
        epochs: int ``(n,)``.
        scores: float ``(2, n)``, in the order of the runs given.
        train_loss_apart: float, the largest relative difference of the mean training loss of an epoch.
    """

    epochs: np.ndarray
    scores: np.ndarray
    train_loss_apart: float

    @property
    def apart(self) -> np.ndarray:
        """The absolute difference at each epoch, ``(n,)``."""
        return np.abs(self.scores[0] - self.scores[1])

    @property
    def parting(self) -> int | None:
        """The first epoch at which they differ by more than ``PARTED``; None when they never do."""
        parted = np.flatnonzero(self.apart > PARTED)
        return int(self.epochs[parted[0]]) if len(parted) else None


def read_curve_pair(first: Run, second: Run) -> CurvePair:
    """The curves of two runs side by side. Raises ``UserError`` when a history is missing or damaged."""
    one, other = (read_curve(run, "loss") for run in (first, second))
    epochs, of_one, of_other = np.intersect1d(one.epochs, other.epochs, return_indices=True)
    loss_apart = float(((one.losses - other.losses).abs() / other.losses.abs()).max())
    return CurvePair(epochs, np.stack([one.scores[of_one], other.scores[of_other]]), loss_apart)
