"""The figure of learning by the clock: validation NDCG@100 against seconds, a panel per model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from experiments.analysis.history import LearningCurve, read_curves
from experiments.analysis.plot_style import engine_style
from experiments.analysis.runs import Run, is_fitted
from experiments.analysis.settings_text import shared_and_varying
from experiments.report.figures.panels import panels, wrapped
from experiments.report.parts import ReportFigure
from experiments.report.settings import Setting, alike, fullness
from utils.engine import ENGINES

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_LONG = 300  # seconds, from which on minutes are shown


def time_figure(settings: Sequence[Setting], name: str) -> ReportFigure:
    """The learning curves of each model by the clock, in the setting that most frameworks and seeds ran."""
    _, varying = shared_and_varying([found.options for found in settings])
    trained = [found for found in settings if found.engine and not any(map(is_fitted, found.runs))]
    content: dict[str, list[LearningCurve]] = {}
    used: list[Run] = []
    notes: list[str] = []
    for model in dict.fromkeys(found.model for found in trained):
        group = max(alike([found for found in trained if found.model == model]), key=fullness)
        runs = [run for found in group for run in found.runs]
        curves, without = read_curves(runs, "seconds", "eval_seconds")
        notes += without
        if curves:
            content[group[0].words(varying)] = curves
            used += [curve.run for curve in curves]
    caption = (
        "Validation NDCG@100 against seconds of training and evaluation, a line per run, on the machine of the run; "
        "points: the best epoch. Of each model the setting that most frameworks and seeds ran."
    )
    return ReportFigure(name, "Learning by the clock", caption, draw, content, used, notes)


def draw(content: Mapping[str, Sequence[LearningCurve]], narrow: bool) -> Figure:
    """A panel per model, a line per run."""
    figure, axes_of = panels(len(content), narrow, 3.2)
    for axes, (title, curves) in zip(axes_of, content.items(), strict=True):
        longest = max(float(curve.seconds[-1]) for curve in curves)
        unit, name = (60.0, "minutes") if longest > _LONG else (1.0, "seconds")
        for curve in curves:
            style = engine_style(curve.engine)
            axes.plot(curve.seconds / unit, curve.scores, color=style.colour, **{**style.line, "linewidth": 1.2})
            at = curve.seconds[curve.best] / unit, curve.scores[curve.best]
            axes.plot(*at, "o", color=style.colour, markeredgecolor="white", markersize=style.marker_size)
        axes.set_title(wrapped(title))
        axes.set_xlim(0, longest / unit * 1.02)
        axes.set_xlabel(f"{name} of training and evaluation")
        axes.set_ylabel("validation NDCG@100")
        _name_engines(axes, curves)
    return figure


def _name_engines(axes: Axes, curves: Sequence[LearningCurve]) -> None:
    """Name each framework in its colour and when it was best, in the lower right corner, where the curves are not."""
    engines = {curve.engine for curve in curves}
    for place, engine in enumerate(engine for engine in reversed(ENGINES) if engine in engines):
        mean = float(np.mean([curve.seconds[curve.best] for curve in curves if curve.engine == engine]))
        best = f"{mean / 60:.3g} min" if mean > _LONG else f"{mean:.3g} s"
        words = f"{ENGINES[engine].title}: best after {best}"
        axes.text(0.98, 0.06 + 0.075 * place, words, transform=axes.transAxes, ha="right", va="bottom", fontsize=8,
                  fontweight="bold", color=engine_style(engine).colour)  # fmt: skip
