"""A panel of learning curves while beta rises: validation NDCG@100 against the epoch, beta on the upper axis."""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from typing import TYPE_CHECKING

import numpy as np

from experiments.analysis.history import LearningCurve, read_curves
from experiments.analysis.number_text import decimals
from experiments.analysis.plot_style import FAINT, INK, engine_style
from experiments.analysis.runs import Run
from utils.deviations import PROFILES
from utils.engine import ENGINES

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_STEPS = (0.2, 0.1, 0.05, 0.02, 0.01)  # of the axis of beta
_CLIMB = 0.04  # share of the epochs whose steep climb may leave the picture at the bottom
_ROOM = 0.3  # of the height, above the curves, for the labels
_HIGHEST, _LABEL_STEP = 0.97, 0.09  # where the first label stands, and how far below it the next, in the panel's height


def annealing_curves(runs: Sequence[Run]) -> tuple[list[LearningCurve], list[str]]:
    """The curves of ``runs``, by profile, framework and seed; a line for each run without a usable history."""
    curves, notes = read_curves(runs, "beta")
    profiles, engines = list(PROFILES), list(ENGINES)

    def order(curve: LearningCurve) -> tuple[int, int, int]:  # a model without profiles comes first
        place = profiles.index(curve.profile) if curve.profile in profiles else -1
        return place, engines.index(curve.engine), curve.seed

    return sorted(curves, key=order), notes


def best_in_words(curves: Sequence[LearningCurve]) -> str:
    """Best epoch and beta of some seeds: ``epoch 44, β .26``, or ranges ``epoch 44–51, β .26–.30``."""
    epochs, betas = best_ranges(curves)
    return f"epoch {epochs}, β {betas}"


def best_ranges(curves: Sequence[LearningCurve]) -> tuple[str, str]:
    """The smallest and the largest best epoch of some seeds, and of the betas there: ``44–51``, ``.26–.30``."""
    epochs = [int(curve.epochs[curve.best]) for curve in curves]
    betas = [decimals(curve.betas[curve.best], 2) for curve in curves]
    return _range(epochs), _range(betas)


def _range(values: Sequence) -> str:
    ordered = sorted(set(values))
    return f"{ordered[0]}" if len(ordered) == 1 else f"{ordered[0]}–{ordered[-1]}"


def annealing_panel(axes: Axes, curves: Sequence[LearningCurve]) -> None:
    """The mean of each framework over its seeds, the range of these behind it, and each seed's best epoch."""
    for engine, chosen in _by_engine(curves):
        style = engine_style(engine)
        colour = style.colour
        epochs, scores = _together(chosen)
        axes.fill_between(epochs, scores.min(axis=0), scores.max(axis=0), color=colour, alpha=0.18, linewidth=0)
        axes.plot(epochs, scores.mean(axis=0), color=colour, **style.line)
        stopped = epochs[-1] if len(epochs) else 0  # where the seed that ended first did; others may have gone on
        for curve in chosen:
            later = curve.epochs >= stopped
            axes.plot(curve.epochs[later], curve.scores[later], color=colour, linewidth=0.7, alpha=0.7)
            at = curve.epochs[curve.best], curve.scores[curve.best]
            axes.plot(*at, "o", color=colour, markeredgecolor="white", clip_on=False, zorder=5,
                      markersize=style.marker_size)  # fmt: skip
    last = max(int(curve.epochs[-1]) for curve in curves)
    axes.set_xlim(0, last)
    axes.set_xlabel("epoch")
    _beta_axis(axes, max(curves, key=lambda curve: len(curve.epochs)))
    _label(axes, curves, last)


def _by_engine(curves: Sequence[LearningCurve]) -> list[tuple[str, list[LearningCurve]]]:
    found = [(engine, [curve for curve in curves if curve.engine == engine]) for engine in ENGINES]
    return [(engine, chosen) for engine, chosen in found if chosen]


def _together(curves: Sequence[LearningCurve]) -> tuple[np.ndarray, np.ndarray]:
    """The epochs that all of ``curves`` evaluated ``(n,)``, and their scores ``(curves, n)``."""
    epochs = reduce(np.intersect1d, [curve.epochs for curve in curves])
    return epochs, np.stack([curve.scores[np.isin(curve.epochs, epochs)] for curve in curves])


def _beta_axis(axes: Axes, curve: LearningCurve) -> None:
    """The upper axis: at which epoch beta reaches round values up to the highest."""
    epochs, betas = np.append(0, curve.epochs), np.append(0.0, curve.betas)
    highest = float(betas.max())
    upper = axes.secondary_xaxis("top")
    upper.spines["top"].set_color(FAINT)
    if highest == curve.betas.min():
        upper.set_xticks([])
        upper.set_xlabel(f"β = {highest:g} throughout", color=INK)
        return
    risen = int(np.argmax(betas)) + 1  # from there on beta stays
    step = next((step for step in _STEPS if highest >= 3 * step), highest / 4)
    reached = step * np.arange(int(highest / step + 1e-6) + 1)
    upper.set_xticks(np.interp(reached, betas[:risen], epochs[:risen]), [f"{beta:g}" for beta in reached])
    upper.set_xlabel("β at the end of the epoch", color=INK)


def _label(axes: Axes, curves: Sequence[LearningCurve], last: int) -> None:
    """Name each framework with its best epoch above the curves, a thin line down to its best points.

    The framework that is best first stands higher; a line that must cross the other's name passes behind it.
    """
    found = sorted(_by_engine(curves), key=lambda pair: _best_place(pair[1])[0])
    for place, (engine, chosen) in enumerate(found):
        height = _HIGHEST - _LABEL_STEP * place
        x, y = _best_place(chosen)
        left = x < last / 2
        heights = axes.get_xaxis_transform()  # epochs across, shares of the panel upwards
        axes.annotate(
            "", xy=(x, y), xytext=(x, height), textcoords=heights, zorder=2,
            arrowprops={
                "arrowstyle": "-", "color": engine_style(engine).colour, "linewidth": 0.6, "shrinkA": 0, "shrinkB": 4,
            },
        )  # fmt: skip
        axes.text(
            x, height, f" {ENGINES[engine].title} best: {best_in_words(chosen)} ", transform=heights,
            ha="left" if left else "right", va="center", fontsize=8, color=engine_style(engine).colour, zorder=4,
            bbox={"facecolor": "white", "edgecolor": "none", "pad": 1.5},
        )  # fmt: skip


def _best_place(curves: Sequence[LearningCurve]) -> tuple[float, float]:
    """Epoch and score of the seed with the highest best score."""
    best = max(curves, key=lambda curve: curve.scores[curve.best])
    return float(best.epochs[best.best]), float(best.scores[best.best])


def limits(curves: Sequence[LearningCurve]) -> tuple[float, float]:
    """What the vertical axis shows: everything but the climb of the first epochs, and room above for the labels."""
    shown = [curve.scores[curve.epochs > _CLIMB * curve.epochs[-1]] for curve in curves]
    low = min(*(scores.min() for scores in shown), *(curve.scores[curve.best] for curve in curves))
    high = max(curve.scores.max() for curve in curves)
    height = max(high - low, 1e-3)
    return low - 0.05 * height, high + _ROOM * height
