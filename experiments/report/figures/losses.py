"""The figure of losses: the ranking metrics against the test loss, a mark per run."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from experiments.analysis.plot_style import engine_style, model_style
from experiments.analysis.runs import Run, engine_of, names_of, number
from experiments.report.figures.panels import panels, without_far
from experiments.report.parts import ReportFigure
from utils.engine import ENGINES
from utils.figures import FIGURES, MAIN_FIGURES

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_FEW = 24  # runs that leave room for large marks


def losses_figure(runs: Sequence[Run], name: str) -> ReportFigure:
    """The main figures of every run against its test loss."""
    known = [run for run in runs if engine_of(run) and not np.isnan(number(run.get("loss")))]
    missing = len(runs) - len(known)
    notes = [f"{missing} runs are of another library or have no finite loss, and are not drawn."] if missing else []
    caption = (
        "Ranking metrics against the test loss, a mark per run, in the colour of its framework. The loss of a vae "
        "holds beta times the KL term, so that of two betas does not compare, nor that of two models."
    )
    return ReportFigure(name, "Metrics against the loss", caption, draw, known, known, notes)


def draw(runs: Sequence[Run], narrow: bool) -> Figure:
    """A panel per metric."""
    engines = {engine_of(run) for run in runs}
    figure, places = panels(len(MAIN_FIGURES), narrow, 3.2, engines=engines, models=names_of(runs, "model"))
    for axes, name in zip(places, MAIN_FIGURES, strict=True):
        _draw_panel(axes, sorted(runs, key=lambda run: list(ENGINES).index(engine_of(run))), name)
        axes.set_title(FIGURES[name].title)
        axes.set_xlabel("test loss")
        axes.margins(0.1)
    return figure


def _draw_panel(axes: Axes, runs: Sequence[Run], name: str) -> None:
    scale = 0.9 if len(runs) <= _FEW else 0.6
    for run in without_far(axes, runs, lambda run: run[name]):
        engine, model = engine_style(engine_of(run)), model_style(run["model"])
        axes.plot(
            run["loss"], run[name], model.marker, markersize=scale * engine.marker_size, markeredgewidth=1.2,
            color=engine.colour, markerfacecolor="none" if model.is_hollow else engine.colour,
        )  # fmt: skip
