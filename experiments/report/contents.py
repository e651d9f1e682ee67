"""What the figures show, read from the runs; how it is drawn is another matter (``experiments.report.drawings``)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from experiments.analysis.annealing import Curve, annealing_curves, best_place, no_history
from experiments.analysis.pairs import Pair, Run, engine_of, error_and_p, number, user_differences
from experiments.analysis.settings_text import setting, shared_and_varying
from experiments.analysis.statistics import quintiles
from experiments.report.settings import Setting, merit
from utils.engine import ENGINES
from utils.models import MODELS
from utils.results_table import NOT_APPLICABLE

_ARCHITECTURES = 6  # panels of a figure that a reader can take in


@dataclass(frozen=True)
class Point:
    """A run or a setting at a place: ``x``, ``y`` and their errors (NaN: not known), whose it is.

    ``layers`` are those of its decoder; ``words`` what it is called.
    """

    model: str
    engine: str
    x: float
    y: float
    x_error: float = np.nan
    y_error: float = np.nan
    words: str = ""
    layers: int = 0


@dataclass(frozen=True)
class TimeCurve:
    """Validation NDCG@100 of a run against seconds of training and evaluation, both ``(n,)``; the best of them."""

    engine: str
    seconds: np.ndarray
    scores: np.ndarray
    best: int


@dataclass(frozen=True)
class Quintile:
    """A fifth of the test users: its fold-in sizes, each model's mean and error, p of the models' difference."""

    low: int
    high: int
    n: int
    means: dict[str, float]
    errors: dict[str, float]
    p: float


def annealing_content(settings: Sequence[Setting]) -> tuple[dict[str, list[Curve]], list[Run], list[str]]:
    """The curves of each architecture with a beta, by its words: annealed to 1 where that was run, in both frameworks.

    Also the runs used, and what is missing.
    """
    annealed = [found for found in _ours(settings) if "beta" in MODELS[found.model].options.knobs]
    _, varying = shared_and_varying([found.options for found in annealed])
    groups: dict[tuple, list[list[Setting]]] = {}
    for group in _alike(annealed):
        options = group[0].options
        groups.setdefault((options["p_dims"], options["profile"]), []).append(group)
    panels, used, notes = {}, [], []
    for alternatives in groups.values():
        group = max(alternatives, key=lambda group: (group[0].options["anneal_cap"] == 1, *_fullness(group)))
        if len(panels) == _ARCHITECTURES:
            notes.append(f"{len(groups) - _ARCHITECTURES} more architectures were run; {_ARCHITECTURES} are drawn.")
            break
        runs = [run for found in group for run in found.runs if run.get("folder")]
        curves, without = annealing_curves(runs)
        notes += without
        if curves:
            panels[group[0].words(varying)] = curves
            used += runs
    if not panels:
        notes.append("No finished run of a model with a beta has a history (history.csv) to draw.")
    return panels, used, notes


def time_content(settings: Sequence[Setting]) -> tuple[dict[str, list[TimeCurve]], list[Run], list[str]]:
    """The learning curves of each model by the clock, in the setting that most frameworks and seeds ran."""
    _, varying = shared_and_varying([found.options for found in settings])
    panels, used, notes = {}, [], []
    for model in dict.fromkeys(found.model for found in _ours(settings)):
        group = max(_alike([found for found in _ours(settings) if found.model == model]), key=_fullness)
        curves = []
        for run in (run for found in group for run in found.runs):
            try:
                curves.append(_time_curve(run))
                used.append(run)
            except (OSError, KeyError, ValueError):
                notes.append(no_history(run))
        if curves:
            panels[group[0].words(varying)] = curves
    return panels, used, notes


def width_content(settings: Sequence[Setting]) -> tuple[dict[str, list[Point]], list[Run], list[str]]:
    """NDCG@100 of every setting against the width of the first decoder layer, by model."""
    panels: dict[str, list[Point]] = {}
    used: list[Run] = []
    for found in _ours(settings):
        widths = found.options["p_dims"].strip("[]").split(",")
        scores, errors = found.values("n100"), found.values("n100_se")
        at = float(widths[0]), float(scores.mean()), np.nan, float(errors.mean())
        panels.setdefault(found.model, []).append(Point(found.model, _engine(found), *at, layers=len(widths)))
        used += found.runs
    alone = [model for model, points in panels.items() if len({point.x for point in points}) == 1]
    if len(alone) == len(panels):
        return {}, [], ["Each model was run in one width only: there is no trend to see."]
    notes = [f"{', '.join(alone)}: one width only was run."] if alone else []
    return panels, used, notes


def loss_content(runs: Sequence[Run]) -> tuple[dict[str, list[Point]], list[Run], list[str]]:
    """NDCG@100, Recall@20 and Recall@50 of every run against its test loss."""
    told = [run for run in runs if engine_of(run) and not np.isnan(number(run.get("loss")))]
    panels = {
        title: [
            Point(run["model"], engine_of(run), number(run["loss"]), number(run[name]))
            for run in told
        ]
        for name, title in (("n100", "NDCG@100"), ("r20", "Recall@20"), ("r50", "Recall@50"))
    }  # fmt: skip
    missing = len(runs) - len(told)
    notes = [f"{missing} runs are of another library or have no finite loss, and are not drawn."] if missing else []
    return (panels if told else {}), told, notes


def framework_content(pairs: Sequence[Pair]) -> tuple[list[tuple[Point, Point]], list[Run], list[str]]:
    """Each seed that both frameworks ran: its scores with their errors, its difference with the paired one."""
    _, varying = shared_and_varying([pair.options for pair in pairs])
    found, used, missing = [], [], 0
    first, second = ENGINES
    for pair in pairs:
        words = ", ".join(setting(pair.options, varying))
        for seed in pair.seeds:
            one = Pair(pair.options, (seed,), pair.runs)
            scores = [float(one.over_seeds(engine, "n100")[0]) for engine in ENGINES]
            errors = [float(one.over_seeds(engine, "n100_se")[0]) for engine in ENGINES]
            paired, _ = error_and_p(user_differences(one).get("n100"))
            missing += int(np.isnan(paired))
            model = pair.options["model"]
            at = Point(model, first, scores[1], scores[0], errors[1], errors[0], words)
            found.append((at, Point(model, first, np.nan, scores[0] - scores[1], np.nan, paired, words)))
            used += [run for engine in (first, second) for run in pair.runs[engine][seed]]
    notes = [] if found else ["No setting was run by both frameworks from the same seed."]
    if missing:
        notes.append(f"{missing} pairs have no paired error: one test user, or figures of each user are missing.")
    return found, used, notes


def quintile_content(
    first: tuple[str, np.ndarray], second: tuple[str, np.ndarray], activity: np.ndarray
) -> list[Quintile]:
    """Two models by user activity.

    Args:
        first, second: a model's name and the NDCG@100 of each user, float64 ``(users,)``, the same users in both.
        activity: their fold-in sizes, int ``(users,)``.

    Returns:
        The quintiles that have a user, the least active first; errors and p are NaN where a quintile has one.
    """
    found = []
    for places in quintiles(activity):
        if not len(places):
            continue
        values = {name: scores[places] for name, scores in (first, second)}
        _, p = error_and_p(values[first[0]] - values[second[0]])
        errors = {name: error_and_p(scores)[0] for name, scores in values.items()}
        means = {name: float(scores.mean()) for name, scores in values.items()}
        sizes = activity[places]
        found.append(Quintile(int(sizes.min()), int(sizes.max()), len(places), means, errors, p))
    return found


def _time_curve(run: Run) -> TimeCurve:
    history = pd.read_csv(Path(run["folder"] or "missing") / "history.csv")
    elapsed = (history["seconds"] + history["eval_seconds"].fillna(0.0)).cumsum()
    told = history["val_n100"].notna()
    if not told.any():
        raise ValueError("no epoch was evaluated")
    best = best_place(history["epoch"][told].to_numpy(), run)
    return TimeCurve(engine_of(run), elapsed[told].to_numpy(), history["val_n100"][told].to_numpy(), best)


def _ours(settings: Sequence[Setting]) -> list[Setting]:
    """The settings of this project's models and engines."""
    return [found for found in settings if found.model in MODELS and engine_of(found.options)]


def _engine(found: Setting) -> str:
    return engine_of(found.options)


def _alike(settings: Sequence[Setting]) -> list[list[Setting]]:
    """Settings that differ in the framework only, together."""
    groups: dict[tuple, list[Setting]] = {}
    for found in settings:
        key = tuple(value for name, value in found.options.items() if name != "dl_frame")
        groups.setdefault(key, []).append(found)
    return list(groups.values())


def _fullness(group: Sequence[Setting]) -> tuple[Any, ...]:
    """Prefers what both frameworks ran, from most seeds, nearest to the defaults, best on the validation users."""
    cap = group[0].options["anneal_cap"]
    told, _ = shared_and_varying([group[0].options])
    score = max(merit(found) for found in group)
    return len(group), sum(len(found.runs) for found in group), -len(told), cap == NOT_APPLICABLE, score
