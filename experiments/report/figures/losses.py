"""The figure of losses: the ranking metrics against the test loss, a mark per run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from experiments.analysis.plot_style import engine_colour, engine_marker_size, is_hollow, model_marker
from experiments.analysis.runs import Run, engine_of, number
from experiments.report.figures.panels import Point, panels, without_far
from experiments.report.parts import ReportFigure
from utils.engine import ENGINES
from utils.figures import FIGURES, MAIN_FIGURES

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_FEW = 24  # runs that leave room for large marks


def losses_figure(runs: Sequence[Run], name: str) -> ReportFigure:
    """The main figures of every run against its test loss."""
    known = [run for run in runs if engine_of(run) and not np.isnan(number(run.get("loss")))]
    content = {
        FIGURES[figure].title: [
            Point(run["model"], engine_of(run), number(run["loss"]), number(run[figure])) for run in known
        ]
        for figure in MAIN_FIGURES
    }
    missing = len(runs) - len(known)
    notes = [f"{missing} runs are of another library or have no finite loss, and are not drawn."] if missing else []
    caption = (
        "Ranking metrics against the test loss, a mark per run, in the colour of its framework. The loss of a vae "
        "holds beta times the KL term, so that of two betas does not compare, nor that of two models."
    )
    return ReportFigure(name, "Metrics against the loss", caption, draw, content if known else {}, known, notes)


def draw(content: Mapping[str, Sequence[Point]], narrow: bool) -> Figure:
    """A panel per metric."""
    points = [point for of_panel in content.values() for point in of_panel]
    engines, models = ({getattr(point, name) for point in points} for name in ("engine", "model"))
    figure, axes_of = panels(len(content), narrow, 3.2, engines=engines, models=models)
    for axes, (title, points) in zip(axes_of, content.items(), strict=True):
        scale = 0.9 if len(points) <= _FEW else 0.6
        for point in sorted(without_far(axes, points), key=lambda point: list(ENGINES).index(point.engine)):
            colour = engine_colour(point.engine)
            axes.plot(
                point.x, point.y, model_marker(point.model), markersize=scale * engine_marker_size(point.engine),
                markeredgewidth=1.2, color=colour, markerfacecolor="none" if is_hollow(point.model) else colour,
            )  # fmt: skip
        axes.set_title(title)
        axes.set_xlabel("test loss")
        axes.margins(0.1)
    return figure
