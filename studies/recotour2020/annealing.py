"""The study's annealing: validation NDCG@100 while beta rises to 1, as a table and as its figure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from experiments.analysis.annealing_panel import annealing_panel, best_in_words, best_ranges, limits
from experiments.analysis.history import LearningCurve
from experiments.analysis.number_text import decimals
from experiments.analysis.plot_style import new_figure, note, save, style
from experiments.analysis.table import Table, text_columns
from utils.deviations import PROFILES
from utils.engine import ENGINES

_TITLES = {
    "recotour2020": "Profile recotour2020: as the study computed",
    "paper": "Profile paper: as Liang et al. 2018",
}
_PANELS = tuple(sorted(PROFILES, reverse=True))  # the puzzle, then its solution


def annealing_table(curves: Sequence[LearningCurve], notes: Sequence[str]) -> Table:
    """Where each framework under each profile was best while beta rose, and where it ended."""
    rows, lacking = [], []
    for profile, title, chosen in _by_profile_and_engine(curves):
        if not chosen:
            lacking.append(f"No finished run annealed to 1: profile {profile}, {title}.")
            continue
        best = decimals(np.mean([curve.scores[curve.best] for curve in chosen]), 4)
        last = decimals(np.mean([curve.scores[-1] for curve in chosen]), 4)
        rows.append((profile, title, *best_ranges(chosen), best, last, str(len(chosen))))
    header = ("profile", "framework", "best epoch", "β there", "NDCG@100 there", "at the end", "seeds")
    legend = "Validation NDCG@100, means over the seeds; epoch and β: the smallest and the largest of a seed."
    return Table("annealing", "β annealed to 1", text_columns(header, "llrrrrr"), rows, legend, [*lacking, *notes])


def annealing_in_words(curves: Sequence[LearningCurve]) -> str:
    """What the figure of annealing shows, for those who do not see it: where each framework was best."""
    best = [
        f"{profile}, {title}: best at {best_in_words(chosen)}"
        for profile, title, chosen in _by_profile_and_engine(curves)
        if chosen
    ]
    return f"Validation NDCG@100 against the epoch while β rises to 1. {'; '.join(best)}."


def draw_annealing(curves: Sequence[LearningCurve], stem: Path) -> list[Path]:
    """Draw a panel per profile and write ``<stem>.svg`` and ``<stem>.png``; a profile without curves is named so.

    Args:
        curves: of any number of seeds of each profile and framework.
        stem: the path without its ending.

    Returns:
        The files written.
    """
    with style():
        figure = new_figure(9.0, 3.9)
        panels = figure.subplots(1, len(_PANELS), sharey=True)
        for axes, profile in zip(panels, _PANELS, strict=True):
            chosen = [curve for curve in curves if curve.profile == profile]
            axes.set_title(_TITLES[profile], pad=34 if chosen else 6)
            if chosen:
                annealing_panel(axes, chosen)
            else:
                axes.set_xticks([])
                note(axes, f"no finished run annealed to 1\nunder --profile {profile}")
        panels[0].set_ylabel("validation NDCG@100")
        if curves:
            panels[0].set_ylim(limits(curves))
        return save(figure, stem)


def _by_profile_and_engine(curves: Sequence[LearningCurve]) -> Iterator[tuple[str, str, list[LearningCurve]]]:
    """Each profile and framework (by its title) with its curves."""
    for profile in PROFILES:
        for engine, entry in ENGINES.items():
            yield profile, entry.title, [each for each in curves if (each.profile, each.engine) == (profile, engine)]
