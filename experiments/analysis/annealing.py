"""Learning curves while beta rises to 1: read from the runs, and the best epoch of each in a table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from experiments.analysis.comparison_text import short_number
from experiments.analysis.pairs import Run, engine_of, number, seed_of
from experiments.analysis.text_table import Table
from utils.deviations import PROFILES
from utils.engine import ENGINES


@dataclass(frozen=True)
class Curve:
    """The validation NDCG@100 of a run over the epochs that were evaluated.

    Attributes:
        epochs: int ``(n,)``, from 1.
        scores: float64 ``(n,)``, NDCG@100.
        betas: float64 ``(n,)``, beta at the end of each epoch.
        best: the place of the best epoch in the arrays.
    """

    profile: str
    engine: str
    seed: int
    epochs: np.ndarray
    scores: np.ndarray
    betas: np.ndarray
    best: int


def annealing_curves(runs: Sequence[Run]) -> tuple[list[Curve], list[str]]:
    """The curves of ``runs``, by profile, framework and seed; a line for each run without a usable history."""
    curves, notes = [], []
    for run in runs:
        path = Path(run["folder"]) / "history.csv"
        try:
            history = pd.read_csv(path)[["epoch", "val_n100", "beta"]].dropna()
            if history.empty:
                raise ValueError("no epoch was evaluated")
        except (OSError, KeyError, ValueError):
            notes.append(no_history(run))
            continue
        epochs, scores, betas = (history[name].to_numpy() for name in history)
        best = best_place(epochs, run)
        curves.append(Curve(run["profile"], engine_of(run), seed_of(run), epochs, scores, betas, best))
    order = (list(PROFILES), list(ENGINES))
    return sorted(curves, key=lambda c: (order[0].index(c.profile), order[1].index(c.engine), c.seed)), notes


def best_place(epochs: np.ndarray, run: Run) -> int:
    """The place of the run's best epoch in ``epochs``, those evaluated; the nearest, should it not be among them."""
    return int(np.argmin(np.abs(epochs - number(run["best_epoch"]))))


def no_history(run: Run) -> str:
    """A line that says that a run has no curve."""
    return f"{run.get('run_id') or 'a run'} has no history to draw (history.csv missing or damaged)."


def curves_of(curves: Sequence[Curve], profile: str, engine: str | None = None) -> list[Curve]:
    """The curves of a profile, and of one framework if it is named."""
    return [curve for curve in curves if curve.profile == profile and engine in (None, curve.engine)]


def best_in_words(curves: Sequence[Curve]) -> str:
    """Best epoch and beta of some seeds: ``epoch 44, β .26``, or ranges ``epoch 44–51, β .26–.30``."""
    epochs = [int(curve.epochs[curve.best]) for curve in curves]
    betas = [short_number(f"{curve.betas[curve.best]:.2f}") for curve in curves]
    return f"epoch {_range(epochs)}, β {_range(betas)}"


def annealing_table(curves: Sequence[Curve], notes: Sequence[str]) -> Table:
    """Where each framework under each profile was best while beta rose, and where it ended."""
    rows = []
    for profile in PROFILES:
        for engine, entry in ENGINES.items():
            if chosen := curves_of(curves, profile, engine):
                best = [curve.scores[curve.best] for curve in chosen]
                last = [curve.scores[-1] for curve in chosen]
                epochs = _range([int(curve.epochs[curve.best]) for curve in chosen])
                betas = _range([short_number(f"{curve.betas[curve.best]:.2f}") for curve in chosen])
                scores = [short_number(f"{np.mean(values):.4f}") for values in (best, last)]
                rows.append((profile, entry.title, epochs, betas, *scores, str(len(chosen))))
    lacking = [
        f"No finished run annealed to 1: profile {profile}, {entry.title}."
        for profile in PROFILES
        for engine, entry in ENGINES.items()
        if not curves_of(curves, profile, engine)
    ]
    header = ("profile", "framework", "best epoch", "β there", "NDCG@100 there", "at the end", "seeds")
    legend = "Validation NDCG@100, means over the seeds; epoch and β: the smallest and the largest of a seed."
    return Table(
        "annealing", "β annealed to 1", header, "llrrrrr", rows, [*([legend] if rows else []), *lacking, *notes]
    )


def _range(values: Sequence) -> str:
    ordered = sorted(set(values))
    return f"{ordered[0]}" if len(ordered) == 1 else f"{ordered[0]}–{ordered[-1]}"
