"""What each deviation costs, row by row: the differences in NDCG@100 and their intervals, in words and as a figure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from experiments.analysis.plot_style import FAINT, engine_style, new_figure, save, style
from experiments.analysis.settings_text import setting_parts
from experiments.analysis.statistics import Difference, confidence_interval
from studies.recotour2020.runs import Effect, shared_and_varying_of
from utils.deviations import PROFILES
from utils.engine import ENGINES

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.lines import Line2D

LARGE = 0.05  # NDCG@100: from here on a row is large: its scale would hide the others
CONFIDENCE = 0.95
_ROW = 0.42  # inches
_SPREAD = 0.18  # of a row, from one point to the next
_PROFILE_WORDS = {"paper": "added to the paper's profile", "recotour2020": "taken from the study's"}


@dataclass(frozen=True)
class CostRow:
    """The effects of the same deviations in the same setting, of either framework and profile.

    Attributes:
        label: the deviations, and below them the options that are not at their default.
        points: the effects with their differences, in their order.
    """

    label: str
    points: list[tuple[Effect, Difference]]

    @property
    def is_large(self) -> bool:
        """Whether a cost of the row reaches ``LARGE``, in either direction."""
        return any(abs(found.mean) >= LARGE for _, found in self.points)


def cost_rows(effects: Sequence[Effect]) -> list[CostRow]:
    """``effects`` by what was switched and where, in the order in which they are given."""
    _, varying = shared_and_varying_of(effects)
    rows: dict[str, CostRow] = {}
    for effect in effects:
        _, *parts = setting_parts({**effect.pair.options, "anneal_cap": ""}, varying)
        label = "\n".join([" + ".join(effect.names), *([", ".join(parts)] if parts else [])])
        rows.setdefault(label, CostRow(label, [])).points.append((effect, effect.pair.difference()))
    return list(rows.values())


def costs_in_words(effects: Sequence[Effect]) -> str:
    """What the figure shows, for those who do not see it: each row with its smallest and its largest difference."""
    words = []
    for row in cost_rows(effects):
        means = sorted(found.mean for _, found in row.points)
        span = " to ".join(dict.fromkeys(f"{mean:+.4f}" for mean in (means[0], means[-1])))
        words.append(f"{row.label.replace(chr(10), ', ')}: {span}")
    return f"What each deviation costs in test NDCG@100. {'; '.join(words)}."


def draw_costs(effects: Sequence[Effect], stem: Path) -> list[Path]:
    """Draw a panel for large costs above one for the others and write ``<stem>.svg`` and ``<stem>.png``.

    Args:
        effects: at least one; see ``studies.recotour2020.runs.effects``.
        stem: the path without its ending.

    Returns:
        The files written.
    """
    rows = cost_rows(effects)
    panels = [chosen for large in (True, False) if (chosen := [row for row in rows if row.is_large is large])]
    heights = [len(chosen) for chosen in panels]
    with style():
        figure = new_figure(7.5, 1.3 + 0.4 * len(panels) + _ROW * sum(heights))
        places = figure.subplots(len(panels), 1, squeeze=False, height_ratios=heights)[:, 0]
        for axes, chosen in zip(places, panels, strict=True):
            cost_panel(axes, chosen)
        places[-1].set_xlabel(f"NDCG@100 with the deviation less without, {CONFIDENCE:.0%} interval over users")
        shown = {(effect.engine, effect.profile) for effect in effects}
        figure.legend(handles=_keys(shown), loc="outside upper center", ncols=2, frameon=False, fontsize=8)
        return save(figure, stem)


def cost_panel(axes: Axes, rows: Sequence[CostRow]) -> None:
    """The costs of ``rows`` from top to bottom: a point each, with the interval over users."""
    axes.grid(axis="y", visible=False)
    axes.grid(axis="x", visible=True)
    axes.axvline(0.0, color=FAINT, linewidth=1.0, zorder=1)
    for place, row in enumerate(rows):
        for i, (effect, found) in enumerate(row.points):
            height = place + _SPREAD * (i - (len(row.points) - 1) / 2)
            if bounds := cost_interval(found):
                axes.plot(bounds, (height, height), color=engine_style(effect.engine).colour, linewidth=1.2, zorder=2)
            axes.plot(found.mean, height, **_point(effect.engine, effect.profile))
    axes.set_yticks(range(len(rows)), [row.label for row in rows])
    axes.set_ylim(len(rows) - 0.4, -0.6)
    axes.tick_params(axis="y", length=0)
    axes.locator_params(axis="x", nbins=6)


def cost_interval(found: Difference) -> tuple[float, float] | None:
    """The interval of a cost over users; None where they are not known."""
    return None if found.per_user is None else confidence_interval(found.per_user, CONFIDENCE)


def _point(engine: str, profile: str) -> dict[str, Any]:
    is_filled = profile == "paper"
    colour = engine_style(engine).colour
    return {
        "marker": "o" if is_filled else "D", "markersize": 5.0, "linestyle": "none", "color": colour,
        "markerfacecolor": colour if is_filled else "white", "zorder": 3,
    }  # fmt: skip


def _keys(shown: set[tuple[str, str]]) -> list[Line2D]:
    """An entry of the legend for each framework and profile that is shown."""
    from matplotlib.lines import Line2D

    return [
        Line2D([], [], label=f"{ENGINES[engine].title}, {_PROFILE_WORDS[profile]}", **_point(engine, profile))
        for engine in ENGINES
        for profile in PROFILES
        if (engine, profile) in shown
    ]
