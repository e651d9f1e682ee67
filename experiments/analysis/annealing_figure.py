"""The annealing figure of the study of 2020: validation NDCG@100 against the epoch, beta on the upper axis."""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes

from experiments.analysis.annealing import Curve, best_in_words, curves_of
from experiments.analysis.plot_style import COLOURS, FAINT, INK, LINES, MARKERS, new_figure, note, save, style
from utils.deviations import PROFILES
from utils.engine import ENGINES

_TITLES = {
    "recotour2020": "Profile recotour2020: as the study computed",
    "paper": "Profile paper: as Liang et al. 2018",
}
_PANELS = tuple(sorted(PROFILES, reverse=True))  # the puzzle, then its solution
_STEPS = (0.2, 0.1, 0.05, 0.02, 0.01)  # of the axis of beta
_CLIMB = 0.04  # share of the epochs whose steep climb may leave the picture at the bottom
_ROOM = 0.3  # of the height, above the curves, for the labels
_ROWS = (0.97, 0.88)  # where the labels stand, in the panel's height


def draw_annealing(curves: Sequence[Curve], stem: Path) -> list[Path]:
    """Draw a panel per profile and write ``<stem>.svg`` and ``<stem>.png``; a profile without curves is named so.

    Args:
        curves: of any number of seeds of each profile and framework.
        stem: the path without its ending.

    Returns:
        The files written.
    """
    with style():
        figure = new_figure(9.0, 3.9)
        panels = figure.subplots(1, len(_PANELS), sharey=True)
        for axes, profile in zip(panels, _PANELS, strict=True):
            chosen = curves_of(curves, profile)
            axes.set_title(_TITLES[profile], pad=34 if chosen else 6)
            if chosen:
                annealing_panel(axes, chosen)
            else:
                axes.set_xticks([])
                note(axes, f"no finished run annealed to 1\nunder --profile {profile}")
        panels[0].set_ylabel("validation NDCG@100")
        if curves:
            panels[0].set_ylim(limits(curves))
        return save(figure, stem)


def annealing_panel(axes: Axes, curves: Sequence[Curve]) -> None:
    """The mean of each framework over its seeds, the range of these behind it, and each seed's best epoch."""
    for engine, chosen in _by_engine(curves):
        colour = COLOURS[engine]
        epochs, scores = _together(chosen)
        axes.fill_between(epochs, scores.min(axis=0), scores.max(axis=0), color=colour, alpha=0.18, linewidth=0)
        axes.plot(epochs, scores.mean(axis=0), color=colour, **LINES[engine])
        stopped = epochs[-1] if len(epochs) else 0  # where the seed that ended first did; others may have gone on
        for curve in chosen:
            later = curve.epochs >= stopped
            axes.plot(curve.epochs[later], curve.scores[later], color=colour, linewidth=0.7, alpha=0.7)
            at = curve.epochs[curve.best], curve.scores[curve.best]
            axes.plot(*at, "o", color=colour, markeredgecolor="white", clip_on=False, zorder=5, **MARKERS[engine])
    last = max(int(curve.epochs[-1]) for curve in curves)
    axes.set_xlim(0, last)
    axes.set_xlabel("epoch")
    _beta_axis(axes, max(curves, key=lambda curve: len(curve.epochs)))
    _label(axes, curves, last)


def _by_engine(curves: Sequence[Curve]) -> list[tuple[str, list[Curve]]]:
    found = [(engine, [curve for curve in curves if curve.engine == engine]) for engine in ENGINES]
    return [(engine, chosen) for engine, chosen in found if chosen]


def _together(curves: Sequence[Curve]) -> tuple[np.ndarray, np.ndarray]:
    """The epochs that all of ``curves`` evaluated ``(n,)``, and their scores ``(curves, n)``."""
    epochs = reduce(np.intersect1d, [curve.epochs for curve in curves])
    return epochs, np.stack([curve.scores[np.isin(curve.epochs, epochs)] for curve in curves])


def _beta_axis(axes: Axes, curve: Curve) -> None:
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


def _label(axes: Axes, curves: Sequence[Curve], last: int) -> None:
    """Name each framework with its best epoch above the curves, a thin line down to its best points.

    The framework that is best first stands higher; a line that must cross the other's name passes behind it.
    """
    found = sorted(_by_engine(curves), key=lambda pair: _best_place(pair[1])[0])
    for (engine, chosen), height in zip(found, _ROWS, strict=False):
        x, y = _best_place(chosen)
        left = x < last / 2
        heights = axes.get_xaxis_transform()  # epochs across, shares of the panel upwards
        axes.annotate(
            "", xy=(x, y), xytext=(x, height), textcoords=heights, zorder=2,
            arrowprops={"arrowstyle": "-", "color": COLOURS[engine], "linewidth": 0.6, "shrinkA": 0, "shrinkB": 4},
        )  # fmt: skip
        axes.text(
            x, height, f" {ENGINES[engine].title} best: {best_in_words(chosen)} ", transform=heights,
            ha="left" if left else "right", va="center", fontsize=8, color=COLOURS[engine], zorder=4,
            bbox={"facecolor": "white", "edgecolor": "none", "pad": 1.5},
        )  # fmt: skip


def _best_place(curves: Sequence[Curve]) -> tuple[float, float]:
    """Epoch and score of the seed with the highest best score."""
    best = max(curves, key=lambda curve: curve.scores[curve.best])
    return float(best.epochs[best.best]), float(best.scores[best.best])


def limits(curves: Sequence[Curve]) -> tuple[float, float]:
    """What the vertical axis shows: everything but the climb of the first epochs, and room above for the labels."""
    shown = [curve.scores[curve.epochs > _CLIMB * curve.epochs[-1]] for curve in curves]
    low = min(*(scores.min() for scores in shown), *(curve.scores[curve.best] for curve in curves))
    high = max(curve.scores.max() for curve in curves)
    height = max(high - low, 1e-3)
    return low - 0.05 * height, high + _ROOM * height
