"""The places in a Markdown document that hold a table or a figure: filled anew, all else in it left alone."""

from __future__ import annotations

import re
from collections.abc import Mapping

from utils.system.errors import UserError

_END = "<!-- end -->"
_BEGIN = re.compile(r"^<!-- ((?:table|figure): \S+) -->$", re.MULTILINE)


def fill_places(document: str, parts: Mapping[str, str], where: str) -> tuple[str, list[str]]:
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
