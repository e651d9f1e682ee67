"""The annealing figure: validation NDCG@100 against the epoch, beta above it, a panel per architecture."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from experiments.analysis.annealing_panel import annealing_curves, annealing_panel, limits
from experiments.analysis.history import LearningCurve
from experiments.analysis.runs import Run, is_known
from experiments.analysis.settings_text import shared_and_varying
from experiments.report.figures.panels import panels, wrapped
from experiments.report.parts import ReportFigure
from experiments.report.settings import Setting, alike, fullness

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_ARCHITECTURES = 6  # panels of a figure that a reader can take in


def annealing_figure(settings: Sequence[Setting], name: str) -> ReportFigure:
    """The curves of each architecture with a beta: annealed to 1 where that was run, in most frameworks."""
    with_beta = [found for found in settings if found.engine and is_known(found.options["anneal_cap"])]
    _, varying = shared_and_varying([found.options for found in with_beta])
    groups: dict[tuple, list[list[Setting]]] = {}
    for group in alike(with_beta):
        options = group[0].options
        groups.setdefault((options["model"], options["p_dims"], options["profile"]), []).append(group)
    content: dict[str, list[LearningCurve]] = {}
    used: list[Run] = []
    notes: list[str] = []
    for alternatives in groups.values():
        group = max(alternatives, key=lambda group: (group[0].options["anneal_cap"] == 1, *fullness(group)))
        if len(content) == _ARCHITECTURES:
            notes.append(f"{len(groups) - _ARCHITECTURES} more architectures were run; {_ARCHITECTURES} are drawn.")
            break
        runs = [run for found in group for run in found.runs if run.get("folder")]
        curves, without = annealing_curves(runs)
        notes += without
        if curves:
            content[group[0].words(varying)] = curves
            used += runs
    if not content:
        notes.append("No finished run of a model with a beta has a history (history.csv) to draw.")
    caption = (
        "Validation NDCG@100 against the epoch; the upper axis says where beta stands. Lines: mean over the seeds, the "
        "band their range; points: the best epoch of each seed, whose weights are tested."
    )
    return ReportFigure(name, "NDCG@100 while beta rises", caption, draw, content, used, notes)


def draw(content: Mapping[str, Sequence[LearningCurve]], narrow: bool) -> Figure:
    """A panel per architecture."""
    figure, axes_of = panels(len(content), narrow, 3.7)
    for axes, (title, curves) in zip(axes_of, content.items(), strict=True):
        axes.set_title(wrapped(title), pad=34)
        annealing_panel(axes, curves)
        axes.set_ylim(limits(curves))
        axes.set_ylabel("validation NDCG@100")
    return figure
