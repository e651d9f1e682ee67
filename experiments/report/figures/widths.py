"""The figure of widths: test NDCG@100 against the width of the first decoder layer, a panel per model."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from experiments.analysis.plot_style import engine_style, spread_out
from experiments.analysis.runs import Run, widths_of
from experiments.report.figures.panels import known, panels, without_far
from experiments.report.parts import ReportFigure
from experiments.report.settings import Setting
from utils.engine import ENGINES
from utils.figures import PRIMARY

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def widths_figure(settings: Sequence[Setting], name: str) -> ReportFigure:
    """Every setting of the models that have widths, by model."""
    content: dict[str, list[Setting]] = {}
    for found in settings:
        if found.engine and widths_of(found.options):
            content.setdefault(found.model, []).append(found)
    alone = [model for model, of_model in content.items() if len({_width(found) for found in of_model}) == 1]
    notes = [f"{', '.join(alone)}: one width only was run."] if alone else []
    if len(alone) == len(content):
        content, notes = {}, ["Each model was run in one width only: there is no trend to see."]
    used: list[Run] = [run for found in settings if found.model in content and found.engine for run in found.runs]
    caption = (
        "Test NDCG@100 of every setting against the width of the first decoder layer, the latent one; bars: standard "
        "error over users, means over the seeds. The line joins the best of each width, of decoders as deep as most."
    )
    return ReportFigure(name, "Widths", caption, draw, content, used, notes)


def draw(content: Mapping[str, Sequence[Setting]], narrow: bool) -> Figure:
    """A panel per model, the best of each width joined."""
    engines = {found.engine for settings in content.values() for found in settings}
    figure, places = panels(len(content), narrow, 3.2, share_y=True, engines=engines)
    for axes, (model, settings) in zip(places, content.items(), strict=True):
        _draw_settings(axes, without_far(axes, settings, _score))
        widths = sorted({_width(found) for found in settings})
        axes.set_title(model)
        axes.set_xscale("log")
        axes.set_xlim(widths[0] / 1.3, widths[-1] * 1.3)
        axes.set_xticks(widths, [f"{width:g}" for width in widths])
        axes.set_xticks([], minor=True)
        axes.set_xlabel("width of the first decoder layer")
        axes.set_ylabel("test NDCG@100")
    return figure


def _draw_settings(axes: Axes, settings: Sequence[Setting]) -> None:
    usual = Counter(_layers(found) for found in settings).most_common(1)[0][0]
    for engine, aside in zip(ENGINES, spread_out(len(ENGINES), 0.04), strict=True):
        style, shift = engine_style(engine), 1 + aside  # side by side where they agree
        own = [found for found in settings if found.engine == engine]
        for found in own:
            error = known(float(np.mean(found.values(f"{PRIMARY}_se"))))
            axes.errorbar(_width(found) * shift, _score(found), error, fmt="o", color=style.colour, markersize=4,
                          elinewidth=0.8, alpha=0.75)  # fmt: skip
        best: dict[float, float] = {}
        for found in sorted((found for found in own if _layers(found) == usual), key=_width):
            best[_width(found) * shift] = max(_score(found), best.get(_width(found) * shift, -np.inf))
        if len(best) > 1:
            axes.plot(list(best), list(best.values()), color=style.colour, **style.line)


def _width(found: Setting) -> float:
    return float(widths_of(found.options)[0])


def _layers(found: Setting) -> int:
    return len(widths_of(found.options))


def _score(found: Setting) -> float:
    return float(np.mean(found.values(PRIMARY)))
