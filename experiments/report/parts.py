"""What a report is made of: tables and figures, each with the runs it used, what is missing, and its own command."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from experiments.analysis.pairs import Run

Record = Mapping[str, Any]


@dataclass(frozen=True)
class Column:
    """A column as people read it: its heading, its side (``l`` or ``r``), and the text of a record in it."""

    title: str
    align: str
    show: Callable[[Record], str]


@dataclass(frozen=True)
class ReportTable:
    """A table: records with all their digits, and how people read them.

    Attributes:
        name: of its files; unique in a report.
        title, caption: a line; what must be known to read it.
        columns: how a record is shown.
        records: flat; all with the same keys, the columns of the csv.
        runs: those it was made of.
        notes: what is missing, and why.
        filtered: whether the page offers to filter its rows.
    """

    name: str
    title: str
    caption: str
    columns: Sequence[Column]
    records: Sequence[Record]
    runs: Sequence[Run] = ()
    notes: Sequence[str] = ()
    filtered: bool = False

    @property
    def shown(self) -> list[Column]:
        """The columns that say anything."""
        return [column for column in self.columns if any(column.show(each) not in ("", "-") for each in self.records)]

    def csv(self) -> str:
        """The records, all digits, blank where not known; "" without records."""
        if not self.records:
            return ""
        stream = io.StringIO()
        writer = csv.DictWriter(stream, list(self.records[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows({name: _cell(value) for name, value in record.items()} for record in self.records)
        return stream.getvalue()

    def latex(self) -> str:
        """The table as LaTeX with booktabs rules, as people read it; "" without records."""
        if not self.records:
            return ""
        shown = self.shown
        rows = [[latex_text(column.show(record)) for column in shown] for record in self.records]
        lines = [" & ".join(row) + r" \\" for row in [[latex_text(column.title) for column in shown], *rows]]
        body = "\n".join(["\\toprule", lines[0], "\\midrule", *lines[1:], "\\bottomrule"])
        columns = "".join(column.align for column in shown)
        return (
            "% \\usepackage{booktabs}\n\\begin{table}\n\\centering\n"
            f"\\caption{{{latex_text(f'{self.title}. {self.caption}')}}}\n\\label{{tab:{self.name}}}\n"
            f"\\begin{{tabular}}{{{columns}}}\n{body}\n\\end{{tabular}}\n\\end{{table}}\n"
        )


@dataclass(frozen=True)
class ReportFigure:
    """A figure: what is drawn, by which drawing of ``experiments.report.drawings``; without content only its notes.

    ``caption`` is also what those are told who do not see it.
    """

    name: str
    title: str
    caption: str
    drawing: str
    content: Any
    runs: Sequence[Run] = ()
    notes: Sequence[str] = ()


@dataclass(frozen=True)
class Section:
    """A data set's part of the report, or what all have in common: a heading, what is found in a line each, parts."""

    name: str
    title: str
    findings: Sequence[str]
    parts: Sequence[ReportTable | ReportFigure] = field(default_factory=list)


_LATEX = {
    "\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_", "{": r"\{", "}": r"\}",
    "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "±": r"$\pm$", "β": r"$\beta$", "–": "--", "<": "$<$",
    ">": "$>$", "≥": r"$\geq$", "→": r"$\to$", "×": r"$\times$",
}  # fmt: skip


def latex_text(text: str) -> str:
    """``text`` as LaTeX prints it; a sign before a number becomes a minus."""
    escaped = "".join(_LATEX.get(letter, letter) for letter in text)
    return re.sub(r"(?<![\w.$-])-(?=[\d.])", "$-$", escaped)


def _cell(value: Any) -> str:
    if value is None or value != value:  # NaN
        return ""
    return repr(float(value)) if isinstance(value, float) else str(value)
