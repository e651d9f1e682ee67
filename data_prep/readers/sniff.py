"""What the first lines of a text table tell: comments before it, its separator, whether it has a header."""

from __future__ import annotations

import csv
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from data_prep.readers.sources import Member
from utils.system.errors import UserError

#: Separators as the command line names them.
SEPARATORS = {"tab": "\t", "comma": ",", "semicolon": ";", "pipe": "|", "space": " ", "colons": "::"}
_LINES, _BYTES = 200, 1 << 20  # that are looked at, beyond the first line
_NUMBER = re.compile(r"\s*[-+]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][-+]?[0-9]+)?\s*")


@dataclass(frozen=True)
class Sample:
    """The beginning of a text table.

    Parameters
    ----------
    label : str
        The file, for errors.
    comments : int
        Lines before the table, which begin with ``#`` or ``%``.
    rows : tuple of tuple of str
        The fields of the lines that follow, spaces around them included.
    separator : str
    quoted : bool
        Whether its fields may stand in double quotes.
    """

    label: str
    comments: int
    rows: tuple[tuple[str, ...], ...]
    separator: str
    quoted: bool

    @property
    def first(self) -> list[str]:
        """The fields of the first line: the columns' names if it is a header."""
        return [field.strip() for field in self.rows[0]]

    @property
    def where(self) -> str:
        """What errors call the first line."""
        return f"line {self.comments + 1}"

    def is_ragged(self) -> bool:
        """Whether most lines have another number of fields than the first."""
        return sum(len(row) == len(self.rows[0]) for row in self.rows) * 2 < len(self.rows)

    def values(self, column: int) -> list[str]:
        """The column's fields below the first line."""
        return [row[column] for row in self.rows[1:] if len(row) > column]

    def first_line_names_numbers(self) -> bool:
        """Whether columns of numbers have a word in the first line, each of them: then that line is a header."""
        below = [self.values(place) for place in range(len(self.first))]
        numeric = [place for place, values in enumerate(below) if values and all(map(_NUMBER.fullmatch, values))]
        return bool(numeric) and not any(_NUMBER.fullmatch(self.first[place]) for place in numeric)


def sample_of(member: Member, separator: str | None) -> Sample:
    """Look at the beginning of ``member``; ``separator`` is that of the command line, or None to find it.

    Found is the one that parts most lines into as many fields as the first; of equals the one that makes most fields.
    Raises ``UserError`` when the file is empty or no separator parts its lines.
    """
    lines = _first_lines(member)
    likely = ("\t", ",", ";", "|") if member.suffixes & {".tsv", ".tab"} else (",", "\t", ";", "|")
    comments = _comments(lines, (separator,) if separator else likely)
    table = lines[comments:]
    if not table:
        raise UserError(f"{member.label} has comments only; a ratings table was expected")
    found = (separator, _split(table, separator)) if separator else _best(table, likely)
    if found is None or len(found[1][0]) < 2:
        said = (
            f"--separator {format_separator(separator)} does not part it"
            if separator
            else "is no header of a csv or tsv table"
        )
        raise UserError(f"{member.label}: wrong format; its first line {table[0][:60]!r} {said}")
    return Sample(member.label, comments, found[1], found[0], is_quoted(table[0], found[0]))


def found_separator(member: Member) -> str | None:
    """The separator found in the first lines of ``member``; None where none parts them."""
    try:
        return sample_of(member, None).separator
    except UserError:
        return None


def _best(table: Sequence[str], likely: Sequence[str]) -> tuple[str, tuple[tuple[str, ...], ...]] | None:
    """The separator that parts the lines most evenly, and the fields it makes; None where none parts the first line."""
    uneven = None
    for candidates in (likely, ("::",), (" ",)):
        split = {each: _split(table, each) for each in candidates}
        fitting = [(each, rows) for each, rows in split.items() if len(rows[0]) > 1]
        if not fitting:
            continue
        best = max(fitting, key=lambda each: _evenness(each[1]))  # of equals the first
        is_prose = best[0] == " " and (len(table) < 2 or not any(_NUMBER.fullmatch(field) for field in best[1][-1]))
        if _evenness(best[1])[0] * 2 >= 1 and not is_prose:
            return _spaced(table) or best if best[0] == "\t" else best
        if uneven is None and not is_prose:
            uneven = best  # the reader will name the row, if no other separator does better
    return uneven


def _spaced(table: Sequence[str]) -> tuple[str, tuple[tuple[str, ...], ...]] | None:
    """The fields between spaces and tabs alike, where they are the same number of numbers in every line."""
    rows = _split(table, " ")
    if not all(_NUMBER.fullmatch(field) for row in rows for field in row) or _evenness(rows)[0] < 1:
        return None
    return (" ", rows) if len(rows[0]) > len(table[0].split("\t")) else None


def parse_separator(text: str) -> str:
    """``--separator`` as typed: a name of ``SEPARATORS`` or the character itself; ``ValueError`` says what is known."""
    if text in SEPARATORS:
        return SEPARATORS[text]
    if text in SEPARATORS.values():
        return text
    if text == "\\t":
        return "\t"
    if len(text) == 1 and text.isascii() and text.isprintable() and not text.isalnum() and text not in "\"'.-+_":
        return text
    raise ValueError(f"{', '.join(SEPARATORS)}, or a character that is no letter, digit, quote or sign")


def format_separator(separator: str) -> str:
    """A separator as the command line takes it."""
    return next((name for name, each in SEPARATORS.items() if each == separator), separator)


def _first_lines(member: Member) -> list[str]:
    """The first line, whole, and some more, without their ends and without the blank ones."""
    with member.opened() as stream:
        first = stream.readline(_BYTES << 4)
        more = stream.read(_BYTES).splitlines(keepends=True)
    if more and not more[-1].endswith((b"\n", b"\r")) and len(more) > 1:
        more.pop()  # it may be cut
    if not first.strip():
        raise UserError(f"{member.label} is empty, or begins with an empty line; a ratings table was expected")
    raw = [first, *more[:_LINES]]
    text = [line.decode("utf-8-sig", errors="replace").rstrip("\r\n") for line in raw]
    return [line for line in text if line.strip()]


def _comments(lines: Sequence[str], separators: Sequence[str]) -> int:
    """How many of the first lines are comments: they begin with # or %, and have other columns than what follows."""
    number = 0
    while number < len(lines) and lines[number].lstrip().startswith(("#", "%")):
        number += 1
    if not number or number == len(lines):
        return number
    last, following = lines[number - 1], lines[number : number + 5]
    for separator in separators:
        widths = {len(line.split(separator)) for line in following}
        if widths == {len(last.split(separator))} and widths != {1} and separator != " ":
            return number - 1  # "#user,item" above "1,2" is a header
    return number


def _split(lines: Sequence[str], separator: str) -> tuple[tuple[str, ...], ...]:
    if separator == " ":  # any number of them, and of tabs
        return tuple(tuple(line.split()) for line in lines)
    if not is_quoted(lines[0], separator):
        return tuple(tuple(line.split(separator)) for line in lines)
    try:
        return tuple(tuple(row) for row in csv.reader(lines, delimiter=separator))
    except csv.Error:
        return tuple(tuple(line.split(separator)) for line in lines)


def is_quoted(first: str, separator: str) -> bool:
    """Whether quotes around a field are none of it: not in tab-separated text, unless its first line has some."""
    if separator in ("::", " "):
        return False
    return separator != "\t" or any(re.fullmatch(r'"([^"]|"")*"', field) for field in first.split("\t"))


def _evenness(rows: Sequence[Sequence[str]]) -> tuple[float, int]:
    """The share of lines with as many fields as the first, and that number."""
    widths = Counter(len(row) for row in rows)
    return widths[len(rows[0])] / len(rows), len(rows[0])
