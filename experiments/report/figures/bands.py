"""The figure of item popularity: NDCG@100 of the held-out items of each popularity band, a panel per framework."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from experiments.analysis.plot_style import model_order, model_style, spread_out
from experiments.analysis.runs import names_of
from experiments.report.catalogue import CatalogueFigures
from experiments.report.figures.panels import panels
from experiments.report.parts import ReportFigure
from utils.metrics.catalogue import BANDS

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def bands_figure(found: CatalogueFigures, name: str) -> ReportFigure:
    """The best setting of each model and framework."""
    caption = (
        "NDCG@100 of the held-out items of each band alone: head, middle and tail of the items by training clicks, a "
        "third of all clicks each; bars: standard errors over users, means over the seeds."
    )
    return ReportFigure(name, "By popularity of the item", caption, draw, found.records, found.runs, found.notes)


def draw(content: Sequence[Mapping[str, Any]], narrow: bool) -> Figure:
    """Each model's figure in each band."""
    frameworks = names_of(content, "framework")
    models = sorted(names_of(content, "model"), key=model_order)
    asides = dict(zip(models, spread_out(len(models), 0.2), strict=True))
    figure, axes_of = panels(len(frameworks), narrow, 3.2, share_y=True, models=models)
    for axes, framework in zip(axes_of, frameworks, strict=True):
        for row in (row for row in content if row["framework"] == framework):
            places = np.arange(len(BANDS)) + asides[row["model"]]
            errors = np.nan_to_num([row[f"{band}_se"] for band in BANDS])
            style = model_style(row["model"])
            axes.errorbar(places, [row[band] for band in BANDS], errors, fmt=style.marker, markersize=5, capsize=2,
                          color=style.colour)  # fmt: skip
        axes.set_title(framework)
        axes.set_xticks(range(len(BANDS)), BANDS)
        axes.set_xlim(-0.5, len(BANDS) - 0.5)
        axes.set_ylim(bottom=0)
        axes.set_xlabel("band of the held-out items")
        axes.set_ylabel("test NDCG@100")
    return figure
