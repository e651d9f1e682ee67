"""What each deviation costs, row by row: the differences in NDCG@100 and their intervals."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from scipy import stats

from experiments.analysis.settings_text import setting
from studies.recotour2020.runs import Difference, Effect, difference, told_of_effects

LARGE = 0.05  # NDCG@100: from here on a row is large: its scale would hide the others
CONFIDENCE = 0.95


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
    _, varying = told_of_effects(effects)
    rows: dict[str, CostRow] = {}
    for effect in effects:
        _, *parts = setting({**effect.pair.options, "anneal_cap": ""}, varying)
        label = "\n".join([" + ".join(effect.names), *([", ".join(parts)] if parts else [])])
        rows.setdefault(label, CostRow(label, [])).points.append((effect, difference(effect.pair)))
    return list(rows.values())


def interval(found: Difference) -> tuple[float, float] | None:
    """The ``CONFIDENCE`` interval of a mean difference over users (Student's t); None where users are not known."""
    if found.per_user is None or len(found.per_user) < 2:
        return None
    low, high = stats.ttest_1samp(found.per_user, 0.0).confidence_interval(CONFIDENCE)
    return float(low), float(high)


def costs_in_words(effects: Sequence[Effect]) -> str:
    """What the figure shows: each row with its smallest and its largest difference."""
    told = []
    for row in cost_rows(effects):
        means = sorted(found.mean for _, found in row.points)
        span = " to ".join(dict.fromkeys(f"{mean:+.4f}" for mean in (means[0], means[-1])))
        told.append(f"{row.label.replace(chr(10), ', ')}: {span}")
    return "; ".join(told)
