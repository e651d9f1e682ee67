"""A table that can be read in a terminal and in a Markdown document, and the places in a document that hold one."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Mapping
from dataclasses import dataclass, field

from tabulate import tabulate

from utils.system.errors import UserError

_WIDTH = 120
_END = "<!-- end -->"
_BEGIN = re.compile(r"^<!-- ((?:table|figure): \S+) -->$", re.MULTILINE)


@dataclass(frozen=True)
class Table:
    """Rows of texts, and what must be said beside them.

    Attributes:
        name: what a document calls it: ``table: NAME``.
        title: one line; a document has its own headings.
        header: a text per column.
        align: ``l`` or ``r`` per column.
        rows: a text per column each; none leaves the notes.
        notes: lines below it.
    """

    name: str
    title: str
    header: tuple[str, ...]
    align: str
    rows: list[tuple[str, ...]]
    notes: list[str] = field(default_factory=list)

    def text(self) -> str:
        """The table for a terminal."""
        return "\n\n".join([self.title, *self._body("simple")])

    def markdown(self) -> str:
        """The table for a document, without its title."""
        return "\n\n".join(self._body("pipe"))

    def _body(self, form: str) -> list[str]:
        table = [self._tabulated(form)] if self.rows else []
        return [*table, *(textwrap.fill(note, _WIDTH, break_long_words=False) for note in self.notes)]

    def _tabulated(self, form: str) -> str:
        align = ["left" if side == "l" else "right" for side in self.align]
        text = tabulate(self.rows, self.header, form, disable_numparse=True, colalign=align)
        return "\n".join(line.rstrip() for line in text.splitlines())


def filled(document: str, parts: Mapping[str, str], where: str) -> tuple[str, list[str]]:
    """Put ``parts`` into the places that ``document`` keeps for them; all else in it stays as it is.

    A place begins with a line ``<!-- table: NAME -->`` or ``<!-- figure: NAME -->`` and ends with ``<!-- end -->``;
    what stood between them is replaced.

    Args:
        document: the text.
        parts: what belongs there, by ``table: NAME`` or ``figure: NAME``.
        where: the document's name in errors.

    Returns:
        The document, and the keys of ``parts`` that it has no place for.

    Raises:
        UserError: a place has no end, or a name that is not among ``parts``.
    """
    kept, at, placed = [], 0, set()
    for begin in _BEGIN.finditer(document):
        if begin[1] not in parts:
            raise UserError(f"{where}: {begin[0]} is not known; expected one of {', '.join(parts)}")
        end = document.find(_END, begin.end())
        following = _BEGIN.search(document, begin.end())
        if end < 0 or (following and following.start() < end):
            raise UserError(f"{where}: {begin[0]} has no {_END} after it; add that line")
        kept += [document[at : begin.end()], f"\n\n{parts[begin[1]]}\n\n"]
        at = end
        placed.add(begin[1])
    return "".join([*kept, document[at:]]), [name for name in parts if name not in placed]


def skeleton(title: str, headings: Mapping[str, str]) -> str:
    """A document with nothing but places, by ``table: NAME`` or ``figure: NAME``, each below its heading."""
    places = [f"## {heading}\n\n<!-- {place} -->\n{_END}" for place, heading in headings.items()]
    return "\n\n".join([f"# {title}", *places]) + "\n"
