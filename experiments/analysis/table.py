"""One table for every page and terminal: records with all their digits, and how people read them."""

from __future__ import annotations

import csv
import io
import re
import textwrap
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import Any

from tabulate import SEPARATING_LINE, tabulate

from experiments.analysis.runs import Run, is_blank

WIDTH = 120  # of a terminal's lines
#: Among the records of a table: a rule between two of them, where a terminal shows it.
RULE = None


@dataclass(frozen=True)
class Column:
    """A column as people read it: its heading, its side (``l`` or ``r``), and the text of a record in it."""

    title: str
    align: str
    show: Callable[[Any], str]


def key_columns(*keys: tuple[str, str]) -> list[Column]:
    """Columns of text on the left: each (heading, key of the record)."""
    return [Column(title, "l", lambda record, key=key: str(record[key])) for title, key in keys]


def text_columns(header: Sequence[str], align: str) -> list[Column]:
    """Columns of records that are lists of texts; ``align`` has ``l`` or ``r`` for each."""
    return [
        Column(title, side, itemgetter(place)) for place, (title, side) in enumerate(zip(header, align, strict=True))
    ]


@dataclass(frozen=True)
class Table:
    """Records, and what must be said beside them.

    Attributes:
        name: of its files and of its place in a document; unique in a report.
        title: a line; a document has its own headings.
        columns: how a record is shown.
        records: for a csv mappings, all with the same keys, its columns; else whatever the columns show. None leaves
            the notes.
        caption: what must be known to read it.
        notes: what is missing, and why.
        runs: those it was made of.
        filtered: whether a page offers to filter its rows.
    """

    name: str
    title: str
    columns: Sequence[Column]
    records: Sequence[Any]
    caption: str = ""
    notes: Sequence[str] = ()
    runs: Sequence[Run] = ()
    filtered: bool = False

    @property
    def header(self) -> list[str]:
        """The headings of all columns."""
        return [column.title for column in self.columns]

    @property
    def rows(self) -> list[list[str]]:
        """The texts of all columns, a list per record."""
        return [[column.show(record) for column in self.columns] for record in self.records if record is not RULE]

    def without_empty_columns(self) -> Table:
        """The table with the columns that say anything."""
        rows = self.rows
        said = [any(row[place] not in ("", "-") for row in rows) for place in range(len(self.columns))]
        columns = [column for column, says in zip(self.columns, said, strict=True) if says]
        return Table(**{**vars(self), "columns": columns})

    def text(self) -> str:
        """The table for a terminal, below its title."""
        return "\n\n".join([*([self.title] if self.title else []), *self._body("simple")])

    def dense_text(self) -> str:
        """The table for a terminal, no wider than its texts, between rules; without the columns that say nothing."""
        table = self.without_empty_columns()
        lines = [
            SEPARATING_LINE if record is RULE else [column.show(record) for column in table.columns]
            for record in table.records
        ]
        # The header stands as a row: as a header it would be padded.
        return "\n\n".join([table.title, table._tabulated([table.header, SEPARATING_LINE, *lines], "simple", ())])

    def markdown(self) -> str:
        """The table for a document, without its title."""
        return "\n\n".join(self._body("pipe"))

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
        table = self.without_empty_columns()
        header, *rows = (" & ".join(map(latex_text, row)) + r" \\" for row in [table.header, *table.rows])
        body = "\n".join(["\\toprule", header, "\\midrule", *rows, "\\bottomrule"])
        return (
            "% \\usepackage{booktabs}\n\\begin{table}\n\\centering\n"
            f"\\caption{{{latex_text(f'{self.title}. {self.caption}')}}}\n\\label{{tab:{self.name}}}\n"
            f"\\begin{{tabular}}{{{''.join(column.align for column in table.columns)}}}\n{body}\n"
            "\\end{tabular}\n\\end{table}\n"
        )

    def _body(self, form: str) -> list[str]:
        notes = [textwrap.fill(note, WIDTH, break_long_words=False) for note in self.notes]
        if not self.records:
            return notes
        caption = [textwrap.fill(self.caption, WIDTH, break_long_words=False)] if self.caption else []
        return [self._tabulated(self.rows, form, self.header), *caption, *notes]

    def _tabulated(self, lines: Sequence[Any], form: str, header: Sequence[str]) -> str:
        align = ["left" if column.align == "l" else "right" for column in self.columns]
        text = tabulate(lines, header, form, disable_numparse=True, colalign=align)
        return "\n".join(line.rstrip() for line in text.splitlines())


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
    if is_blank(value):
        return ""
    return repr(float(value)) if isinstance(value, float) else str(value)
