"""How the figures of a report are drawn: one function each, wide for a page and a file, narrow for a phone."""

from __future__ import annotations

import math
import textwrap
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from experiments.analysis.annealing import Curve
from experiments.analysis.annealing_figure import annealing_panel, limits
from experiments.analysis.comparison_text import short_number, small_number
from experiments.analysis.plot_style import COLOURS, FAINT, LINES, MARKERS, model_colour, new_figure
from experiments.analysis.statistics import stars
from experiments.report.contents import Point, Quintile, TimeCurve
from utils.engine import ENGINES
from utils.metrics.catalogue import BANDS

_NARROW = 3.75  # inches: 360 px of a phone's 390
_WIDTHS = {1: 5.6, 2: 9.2}  # of a whole figure, by panels in a row; more have 10
_WIDE = 10.0
_ROW = 3  # panels at most side by side
_FEW = 24  # runs that leave room for large marks
_FAR = 0.5  # of the best score: a run below it would press all others together
_MARKS = {"vae": "o", "dae": "s"}


def draw_annealing(content: Mapping[str, Sequence[Curve]], narrow: bool) -> Figure:
    """A panel per architecture: NDCG@100 against the epoch, beta above."""
    figure, panels = _panels(len(content), narrow, 3.7)
    for axes, (title, curves) in zip(panels, content.items(), strict=True):
        axes.set_title(_wrapped(title), pad=34)
        annealing_panel(axes, curves)
        axes.set_ylim(limits(curves))
        axes.set_ylabel("validation NDCG@100")
    return figure


def draw_time(content: Mapping[str, Sequence[TimeCurve]], narrow: bool) -> Figure:
    """A panel per model: NDCG@100 against seconds, a line per run."""
    figure, panels = _panels(len(content), narrow, 3.2)
    for axes, (title, curves) in zip(panels, content.items(), strict=True):
        longest = max(float(curve.seconds[-1]) for curve in curves)
        unit, name = (60.0, "minutes") if longest > 300 else (1.0, "seconds")
        for curve in curves:
            line = {**LINES[curve.engine], "linewidth": 1.2}
            axes.plot(curve.seconds / unit, curve.scores, color=COLOURS[curve.engine], **line)
            at = curve.seconds[curve.best] / unit, curve.scores[curve.best]
            axes.plot(*at, "o", color=COLOURS[curve.engine], markeredgecolor="white", **MARKERS[curve.engine])
        axes.set_title(_wrapped(title))
        axes.set_xlim(0, longest / unit * 1.02)
        axes.set_xlabel(f"{name} of training and evaluation")
        axes.set_ylabel("validation NDCG@100")
        engines = {curve.engine for curve in curves}
        _name_engines(axes, engines, lambda engine, curves=curves: _best_time(curves, engine))
    return figure


def draw_widths(content: Mapping[str, Sequence[Point]], narrow: bool) -> Figure:
    """A panel per model: NDCG@100 against the width, the best of each width joined."""
    figure, panels = _panels(len(content), narrow, 3.2, share_y=True)
    for axes, (model, points) in zip(panels, content.items(), strict=True):
        widths = sorted({point.x for point in points})
        points = _without_far(axes, points)
        usual = Counter(point.layers for point in points).most_common(1)[0][0]
        for place, engine in enumerate(ENGINES):
            own = [point for point in points if point.engine == engine]
            shift = 1 + 0.02 * (2 * place - 1)  # side by side where they agree
            for point in own:
                axes.errorbar(point.x * shift, point.y, _known(point.y_error), fmt="o", color=COLOURS[engine],
                              markersize=4, elinewidth=0.8, alpha=0.75)  # fmt: skip
            alike = [point for point in own if point.layers == usual]
            best = [(x * shift, max(point.y for point in alike if point.x == x)) for x in sorted({p.x for p in alike})]
            if len(best) > 1:
                axes.plot(*zip(*best, strict=True), color=COLOURS[engine], **LINES[engine])
        axes.set_title(model)
        axes.set_xscale("log")
        axes.set_xlim(widths[0] / 1.3, widths[-1] * 1.3)
        axes.set_xticks(widths, [f"{width:g}" for width in widths])
        axes.set_xticks([], minor=True)
        axes.set_xlabel("width of the first decoder layer")
        axes.set_ylabel("test NDCG@100")
        _head_engines(axes, {point.engine for point in points})
    return figure


def draw_losses(content: Mapping[str, Sequence[Point]], narrow: bool) -> Figure:
    """A panel per metric: the metric against the test loss, a mark per run."""
    figure, panels = _panels(len(content), narrow, 3.2)
    for axes, (title, points) in zip(panels, content.items(), strict=True):
        scale = 0.9 if len(points) <= _FEW else 0.6
        for point in sorted(_without_far(axes, points), key=lambda point: list(ENGINES).index(point.engine)):
            hollow = point.model == "dae"
            size = scale * MARKERS[point.engine]["markersize"]
            axes.plot(
                point.x, point.y, _MARKS.get(point.model, "^"), markersize=size, markeredgewidth=1.2,
                color=COLOURS[point.engine], markerfacecolor="none" if hollow else COLOURS[point.engine],
            )  # fmt: skip
        axes.set_title(title)
        axes.set_xlabel("test loss  (● vae, □ dae)")
        axes.margins(0.1)
        _head_engines(axes, {point.engine for point in points})
    return figure


def draw_frameworks(content: tuple[Sequence[tuple[Point, Point]], float], narrow: bool) -> Figure:
    """Left: PyTorch's score against MXNet's, with the line of equality. Right: each difference and the margin."""
    pairs, margin = content
    figure, (left, right) = _panels(2, narrow, 3.8)
    models = list(dict.fromkeys(at.model for at, _ in pairs))
    titles = [entry.title for entry in ENGINES.values()]
    for at, _ in pairs:
        left.errorbar(
            at.x, at.y, _known(at.y_error), _known(at.x_error), fmt=_MARKS.get(at.model, "^"), markersize=5,
            color=model_colour(at.model, models), elinewidth=0.7, alpha=0.8,
        )  # fmt: skip
    values = [value for at, _ in pairs for value in (at.x, at.y)]
    room = max(0.15 * (max(values) - min(values)), 2 * np.nanmax([at.y_error for at, _ in pairs] + [0.001]))
    ends = min(values) - room, max(values) + room
    left.plot(ends, ends, color=FAINT, linewidth=0.9, zorder=1)
    left.set(xlim=ends, ylim=ends, aspect="equal")
    left.set(xlabel=f"{titles[1]}, test NDCG@100", ylabel=f"{titles[0]}, test NDCG@100")
    left.set_title("Score")
    left.annotate("equal", (ends[0], ends[0]), (20, 9), textcoords="offset points", fontsize=8, rotation=45)
    for place, model in enumerate(models):
        left.text(0.03, 0.97 - 0.07 * place, model, transform=left.transAxes, va="top", fontweight="bold",
                  color=model_colour(model, models))  # fmt: skip
    _differences(right, pairs, margin, models)
    right.set_title(f"Difference, {titles[0]} - {titles[1]}")
    return figure


def _differences(axes: Axes, pairs: Sequence[tuple[Point, Point]], margin: float, models: Sequence[str]) -> None:
    axes.axhspan(-margin, margin, color=FAINT, alpha=0.25, linewidth=0)
    axes.axhline(0, color=FAINT, linewidth=0.9)
    for place, (_, apart) in enumerate(pairs):
        axes.errorbar(place, apart.y, _known(apart.y_error), fmt=_MARKS.get(apart.model, "^"), markersize=5,
                      color=model_colour(apart.model, models), elinewidth=0.9)  # fmt: skip
    furthest = max(abs(apart.y) + np.nan_to_num(apart.y_error) for _, apart in pairs)
    top = 1.35 * max(furthest, margin)
    axes.set(xlim=(-0.7, len(pairs) - 0.3), ylim=(-top, top), xticks=[], ylabel="NDCG@100")
    largest = max(abs(apart.y) for _, apart in pairs)
    text = f"largest difference {small_number(largest, 'n100', 4)}, grey: margin {margin:g}"
    axes.text(0.98, 0.02, text, transform=axes.transAxes, fontsize=8, ha="right", va="bottom")
    groups: dict[str, list[int]] = {}
    for place, (at, _) in enumerate(pairs):
        groups.setdefault(at.words, []).append(place)
    if len(groups) <= 3:
        axes.set_xticks([float(np.mean(places)) for places in groups.values()], [_broken(words) for words in groups])
    axes.set_xlabel("runs, by setting and seed")


def draw_quintiles(content: Mapping[str, Sequence[Quintile]], narrow: bool) -> Figure:
    """A panel per framework: each model's mean in each quintile, with errors and stars."""
    figure, panels = _panels(len(content), narrow, 3.4, share_y=True)
    for axes, (framework, found) in zip(panels, content.items(), strict=True):
        models = list(found[0].means)
        for index, model in enumerate(models):
            places = np.arange(len(found)) + 0.14 * (2 * index - 1)
            means = np.array([one.means[model] for one in found])
            errors = np.nan_to_num([one.errors[model] for one in found])
            axes.errorbar(places, means, errors, fmt=_MARKS.get(model, "^"), markersize=5, elinewidth=1.1, capsize=2,
                          color=model_colour(model, models))  # fmt: skip
            axes.text(0.02 + 0.12 * index, 0.98, model, transform=axes.transAxes, va="top", fontweight="bold",
                      color=model_colour(model, models))  # fmt: skip
        for place, one in enumerate(found):
            top = max(one.means[model] + np.nan_to_num(one.errors[model]) for model in models)
            axes.annotate(stars(one.p), (place, top), (0, 2), textcoords="offset points", ha="center")
        axes.set_title(framework)
        axes.set_xticks(range(len(found)), [f"{one.low}–{one.high}\nn {one.n}" for one in found])
        axes.margins(y=0.18)
        axes.set_xlabel("fold-in items of the user")
        axes.set_ylabel("test NDCG@100")
    return figure


def draw_bands(content: Sequence[Mapping[str, Any]], narrow: bool) -> Figure:
    """A panel per framework: each model's NDCG@100 in each popularity band."""
    frameworks = list(dict.fromkeys(row["framework"] for row in content))
    models = list(dict.fromkeys(row["model"] for row in content))
    figure, panels = _panels(len(frameworks), narrow, 3.2, share_y=True)
    for axes, framework in zip(panels, frameworks, strict=True):
        for row in (row for row in content if row["framework"] == framework):
            index = models.index(row["model"])
            places = np.arange(len(BANDS)) + 0.1 * (2 * index - 1)
            colour = model_colour(row["model"], models)
            axes.errorbar(places, [row[band] for band in BANDS], np.nan_to_num([row[f"{band}_se"] for band in BANDS]),
                          fmt=_MARKS.get(row["model"], "^"), markersize=5, capsize=2, color=colour)  # fmt: skip
            axes.text(0.98 - 0.12 * index, 0.98, row["model"], transform=axes.transAxes, va="top", ha="right",
                      fontweight="bold", color=colour)  # fmt: skip
        axes.set_title(framework)
        axes.set_xticks(range(len(BANDS)), BANDS)
        axes.set_xlim(-0.5, len(BANDS) - 0.5)
        axes.set_ylim(bottom=0)
        axes.set_xlabel("band of the held-out items")
        axes.set_ylabel("test NDCG@100")
    return figure


#: The drawings by name; each takes what ``experiments.report.figures`` found, and whether it is for a phone.
DRAWINGS: dict[str, Callable[[Any, bool], Figure]] = {
    "annealing": draw_annealing, "time": draw_time, "widths": draw_widths, "losses": draw_losses,
    "frameworks": draw_frameworks, "quintiles": draw_quintiles, "bands": draw_bands,
}  # fmt: skip


def _panels(count: int, narrow: bool, height: float, share_y: bool = False) -> tuple[Figure, list[Axes]]:
    """A figure of ``count`` panels, in rows of three, or below each other where it is to be ``narrow``."""
    columns = 1 if narrow else min(count, _ROW)
    rows = math.ceil(count / columns)
    width = _NARROW if narrow else _WIDTHS.get(columns, _WIDE)
    figure = new_figure(width, rows * height)
    axes = figure.subplots(rows, columns, squeeze=False, sharey=share_y).ravel()
    for unused in axes[count:]:
        unused.set_axis_off()
    return figure, list(axes[:count])


def _name_engines(axes: Axes, engines: set[str], about: Callable[[str], str] = lambda engine: "") -> None:
    """Name each framework in its colour, in the lower right corner, where learning curves are not."""
    for place, engine in enumerate(engine for engine in reversed(ENGINES) if engine in engines):
        axes.text(0.98, 0.06 + 0.075 * place, f"{ENGINES[engine].title}{about(engine)}", transform=axes.transAxes,
                  ha="right", va="bottom", fontsize=8, fontweight="bold", color=COLOURS[engine])  # fmt: skip


def _head_engines(axes: Axes, engines: set[str]) -> None:
    """Name each framework in its colour above the panel, where points may be anywhere in it."""
    for place, engine in enumerate(engine for engine in reversed(ENGINES) if engine in engines):
        axes.annotate(ENGINES[engine].title, (1, 1), (-48 * place, 5), textcoords="offset points", ha="right",
                      xycoords="axes fraction", fontsize=8, fontweight="bold", color=COLOURS[engine])  # fmt: skip


def _best_time(curves: Sequence[TimeCurve], engine: str) -> str:
    own = [float(curve.seconds[curve.best]) for curve in curves if curve.engine == engine]
    mean = float(np.mean(own))
    return f": best after {mean / 60:.3g} min" if mean > 300 else f": best after {mean:.3g} s"


def _without_far(axes: Axes, points: Sequence[Point]) -> list[Point]:
    """The points that are not far below the best; of the others the panel says how many there are, and where."""
    bound = _FAR * max(point.y for point in points)
    far = sorted(point.y for point in points if point.y < bound)
    if far:
        ends = dict.fromkeys(short_number(f"{score:.3f}") for score in (far[0], far[-1]))
        axes.text(0.02, 0.02, f"not shown: {len(far)} at {'–'.join(ends)}", transform=axes.transAxes, fontsize=8)
    return [point for point in points if point.y >= bound]


def _known(error: float) -> float | None:
    return None if math.isnan(error) else error


def _wrapped(words: str) -> str:
    """In lines that a narrow panel has room for."""
    return textwrap.fill(words, 44)


def _broken(words: str) -> str:
    return "\n".join(words.split(", "))
