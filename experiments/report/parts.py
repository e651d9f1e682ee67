"""What a report is made of beside tables: figures, each with the runs it used and what is missing, and sections."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from experiments.analysis.runs import Run
from experiments.analysis.table import Table

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class ReportFigure:
    """A figure: its ``content``, and what draws it, wide for a page and a file or narrow for a phone.

    Without content there are only its notes. ``caption`` is also for those who do not see it.
    """

    name: str
    title: str
    caption: str
    draw: Callable[[Any, bool], Figure]
    content: Any
    runs: Sequence[Run] = ()
    notes: Sequence[str] = ()


@dataclass(frozen=True)
class Section:
    """A data set's part of the report, or what all have in common: a heading, what is found in a line each, parts."""

    name: str
    title: str
    findings: Sequence[str]
    parts: Sequence[Table | ReportFigure]
