"""The figure of what each deviation costs: differences in NDCG@100 with their intervals, the large ones apart."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from experiments.analysis.plot_style import COLOURS, FAINT, new_figure, save, style
from studies.recotour2020.costs import CONFIDENCE, CostRow, cost_rows, interval
from studies.recotour2020.runs import Effect
from utils.deviations import PROFILES
from utils.engine import ENGINES

_ROW = 0.42  # inches
_SPREAD = 0.18  # of a row, from one point to the next


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
            if bounds := interval(found):
                axes.plot(bounds, (height, height), color=COLOURS[effect.engine], linewidth=1.2, zorder=2)
            axes.plot(found.mean, height, **_point(effect.engine, effect.profile))
    axes.set_yticks(range(len(rows)), [row.label for row in rows])
    axes.set_ylim(len(rows) - 0.4, -0.6)
    axes.tick_params(axis="y", length=0)
    axes.locator_params(axis="x", nbins=6)


def _point(engine: str, profile: str) -> dict:
    filled = profile == "paper"
    colour = COLOURS[engine]
    return {
        "marker": "o" if filled else "D", "markersize": 5.0, "linestyle": "none", "color": colour,
        "markerfacecolor": colour if filled else "white", "zorder": 3,
    }  # fmt: skip


def _keys(shown: set[tuple[str, str]]) -> list[Line2D]:
    """An entry of the legend for each framework and profile that is shown."""
    words = {"paper": "added to the paper's profile", "recotour2020": "taken from the study's"}
    return [
        Line2D([], [], label=f"{ENGINES[engine].title}, {words[profile]}", **_point(engine, profile))
        for engine in ENGINES
        for profile in PROFILES
        if (engine, profile) in shown
    ]
