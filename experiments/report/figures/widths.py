"""The figure of widths: test NDCG@100 against the width of the first decoder layer, a panel per model."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from experiments.analysis.plot_style import engine_colour, engine_line, spread_out
from experiments.analysis.runs import Run, widths_of
from experiments.report.figures.panels import Point, known, panels, without_far
from experiments.report.parts import ReportFigure
from experiments.report.settings import Setting
from utils.engine import ENGINES
from utils.figures import PRIMARY

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class WidthPoint(Point):
    """A setting at the width ``x``, whose decoder has ``layers``."""

    layers: int = 0


def widths_figure(settings: Sequence[Setting], name: str) -> ReportFigure:
    """Every setting of the models that have widths, by model."""
    content: dict[str, list[WidthPoint]] = {}
    used: list[Run] = []
    for found in settings:
        if not found.engine or not (widths := widths_of(found.options)):
            continue
        score, error = (float(found.values(name).mean()) for name in (PRIMARY, f"{PRIMARY}_se"))
        point = WidthPoint(found.model, found.engine, float(widths[0]), score, y_error=error, layers=len(widths))
        content.setdefault(found.model, []).append(point)
        used += found.runs
    alone = [model for model, points in content.items() if len({point.x for point in points}) == 1]
    notes = [f"{', '.join(alone)}: one width only was run."] if alone else []
    if len(alone) == len(content):
        content, used, notes = {}, [], ["Each model was run in one width only: there is no trend to see."]
    caption = (
        "Test NDCG@100 of every setting against the width of the first decoder layer, the latent one; bars: standard "
        "error over users, means over the seeds. The line joins the best of each width, of decoders as deep as most."
    )
    return ReportFigure(name, "Widths", caption, draw, content, used, notes)


def draw(content: Mapping[str, Sequence[WidthPoint]], narrow: bool) -> Figure:
    """A panel per model, the best of each width joined."""
    engines = [point.engine for points in content.values() for point in points]
    figure, axes_of = panels(len(content), narrow, 3.2, share_y=True, engines=engines)
    for axes, (model, points) in zip(axes_of, content.items(), strict=True):
        widths = sorted({point.x for point in points})
        _draw_points(axes, without_far(axes, points))
        axes.set_title(model)
        axes.set_xscale("log")
        axes.set_xlim(widths[0] / 1.3, widths[-1] * 1.3)
        axes.set_xticks(widths, [f"{width:g}" for width in widths])
        axes.set_xticks([], minor=True)
        axes.set_xlabel("width of the first decoder layer")
        axes.set_ylabel("test NDCG@100")
    return figure


def _draw_points(axes: Axes, points: Sequence[WidthPoint]) -> None:
    usual = Counter(point.layers for point in points).most_common(1)[0][0]
    for engine, aside in zip(ENGINES, spread_out(len(ENGINES), 0.04), strict=True):
        shift = 1 + aside  # side by side where they agree
        own = [point for point in points if point.engine == engine]
        for point in own:
            axes.errorbar(point.x * shift, point.y, known(point.y_error), fmt="o", color=engine_colour(engine),
                          markersize=4, elinewidth=0.8, alpha=0.75)  # fmt: skip
        alike = [point for point in own if point.layers == usual]
        best = [(x * shift, max(point.y for point in alike if point.x == x)) for x in sorted({p.x for p in alike})]
        if len(best) > 1:
            axes.plot(*zip(*best, strict=True), color=engine_colour(engine), **engine_line(engine))
