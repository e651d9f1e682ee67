"""The figure of the frameworks, run by run: one's score against the other's, and each difference with the margin."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from experiments.analysis.number_text import small_text
from experiments.analysis.pairs import Pair
from experiments.analysis.plot_style import FAINT, model_style
from experiments.analysis.runs import Run
from experiments.analysis.settings_text import setting, shared_and_varying
from experiments.report.comparisons import FRAMEWORKS
from experiments.report.figures.panels import known, panels
from experiments.report.parts import ReportFigure
from utils.engine import ENGINES
from utils.figures import PRIMARY

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_TITLES = [entry.title for entry in ENGINES.values()]
_FEW = 3  # settings whose words have room below the axis


@dataclass(frozen=True)
class SeedPair:
    """A seed that both frameworks ran: their scores with standard errors, first and second; the difference, its error.

    ``words`` are those of the setting.
    """

    model: str
    scores: tuple[float, float]
    errors: tuple[float, float]
    difference: float
    error: float
    words: str


def frameworks_figure(pairs: Sequence[Pair], margin: float, name: str) -> ReportFigure:
    """Every seed that both frameworks ran."""
    _, varying = shared_and_varying([pair.options for pair in pairs])
    found: list[SeedPair] = []
    used: list[Run] = []
    for pair in pairs:
        words = setting(pair.options, varying)
        for one in (pair.of_seed(seed) for seed in pair.seeds):
            apart = one.difference(PRIMARY)
            errors = tuple(float(one.over_seeds(side, f"{PRIMARY}_se")[0]) for side in one.runs)
            scores = float(apart.first[0]), float(apart.second[0])
            found.append(SeedPair(pair.options["model"], scores, errors, apart.mean, apart.test.error, words))
            used += one.used
    notes = [] if found else ["No setting was run by both frameworks from the same seed."]
    if missing := sum(math.isnan(one.error) for one in found):
        notes.append(f"{missing} pairs have no paired error: one test user, or figures of each user are missing.")
    caption = (
        "Test NDCG@100 of every seed that both frameworks ran. Left: one against the other, bars of one standard error "
        f"over users, the line of equality. Right: {' - '.join(_TITLES)}, bars of one standard error, paired over "
        f"users; the band is the margin of the equivalence test, {margin:g}."
    )
    content = (found, margin) if found else None
    return ReportFigure(name, f"{FRAMEWORKS}, run by run", caption, draw, content, used, notes)


def draw(content: tuple[Sequence[SeedPair], float], narrow: bool) -> Figure:
    """Left the scores, right the differences."""
    pairs, margin = content
    figure, (left, right) = panels(2, narrow, 3.8, models={pair.model for pair in pairs})
    _draw_scores(left, pairs)
    _draw_differences(right, pairs, margin)
    return figure


def _draw_scores(axes: Axes, pairs: Sequence[SeedPair]) -> None:
    for pair in pairs:
        style = model_style(pair.model)
        (y, x), (y_error, x_error) = pair.scores, map(known, pair.errors)
        axes.errorbar(x, y, y_error, x_error, fmt=style.marker, markersize=5, color=style.colour, elinewidth=0.7,
                      alpha=0.8)  # fmt: skip
    values = [score for pair in pairs for score in pair.scores]
    room = max(0.15 * (max(values) - min(values)), 2 * np.nanmax([pair.errors[0] for pair in pairs] + [0.001]))
    ends = min(values) - room, max(values) + room
    axes.plot(ends, ends, color=FAINT, linewidth=0.9, zorder=1)
    axes.set(xlim=ends, ylim=ends, aspect="equal", title="Score")
    axes.set(xlabel=f"{_TITLES[1]}, test NDCG@100", ylabel=f"{_TITLES[0]}, test NDCG@100")
    axes.annotate("equal", (ends[0], ends[0]), (20, 9), textcoords="offset points", fontsize=8, rotation=45)


def _draw_differences(axes: Axes, pairs: Sequence[SeedPair], margin: float) -> None:
    axes.axhspan(-margin, margin, color=FAINT, alpha=0.25, linewidth=0)
    axes.axhline(0, color=FAINT, linewidth=0.9)
    for place, pair in enumerate(pairs):
        style = model_style(pair.model)
        axes.errorbar(place, pair.difference, known(pair.error), fmt=style.marker, markersize=5, color=style.colour,
                      elinewidth=0.9)  # fmt: skip
    furthest = max(abs(pair.difference) + np.nan_to_num(pair.error) for pair in pairs)
    top = 1.35 * max(furthest, margin)
    axes.set(xlim=(-0.7, len(pairs) - 0.3), ylim=(-top, top), xticks=[], ylabel="NDCG@100")
    largest = max(abs(pair.difference) for pair in pairs)
    text = f"largest difference {small_text(largest)}, grey: margin {margin:g}"
    axes.text(0.98, 0.02, text, transform=axes.transAxes, fontsize=8, ha="right", va="bottom")
    places: dict[str, list[int]] = {}
    for place, pair in enumerate(pairs):
        places.setdefault(pair.words, []).append(place)
    if len(places) <= _FEW:
        axes.set_xticks([float(np.mean(of_words)) for of_words in places.values()],
                        [words.replace(", ", "\n") for words in places])  # fmt: skip
    axes.set_xlabel("runs, by setting and seed")
    axes.set_title(f"Difference, {' - '.join(_TITLES)}")
