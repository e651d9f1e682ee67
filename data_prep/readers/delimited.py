"""Delimited text (csv, tsv, ``::``) in one pass of a fast reader, every line of it accounted for."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import pyarrow as pa
import pyarrow.csv

from data_prep.ratings_table import RatingsTable
from data_prep.readers.arrow import to_table
from data_prep.readers.lines import LineCounter, Quotes, RewrittenLines, blank_lines, not_utf8, quotes_of
from data_prep.readers.sources import Member
from utils.system.errors import UserError

_BLOCK = 8 << 20
#: Text, each distinct one kept once: "007" stays "007", and a column of integers costs no more than as integers.
_TEXT = pa.dictionary(pa.int32(), pa.string())


@dataclass(frozen=True)
class DelimitedLayout:
    """How a delimited file is written.

    Parameters
    ----------
    names : tuple of str
        The names of all columns, in the order of the file.
    delimiter : str, one character or "::"
        A space is any number of them, and of tabs.
    comments : int
        Lines to be skipped at the beginning of each file.
    header : bool
        Whether the line after them is to be skipped too.
    quoted : bool
        Whether a field may stand in double quotes.
    stripped : bool
        Whether spaces around an id are none of it.
    """

    names: tuple[str, ...]
    delimiter: str = ","
    comments: int = 0
    header: bool = False
    quoted: bool = False
    stripped: bool = False

    def with_one_delimiter(self) -> DelimitedLayout:
        """The same where the delimiter is one character: ``::`` is an empty column between two colons."""
        if self.delimiter != "::":
            return self
        between = [(name, f"\0{place}") for place, name in enumerate(self.names)]
        return replace(self, names=tuple(name for pair in between for name in pair)[:-1], delimiter=":")


def read_delimited(members: Sequence[Member], columns: Mapping[str, str], layout: DelimitedLayout) -> RatingsTable:
    """Read one table from ``members``, files of the same ``layout``, one after the other.

    ``columns`` maps roles ("user", "item", "rating", "timestamp") to names of ``layout``.

    Raises
    ------
    UserError
        For a row with another number of columns, a rating that is no number, bytes that are not UTF-8, a quote that
        nothing closes, and whenever a line of a file is neither read as a row nor known to be none.
    """
    layout = layout.with_one_delimiter()
    where = members[0].label if len(members) == 1 else f"{members[0].path.parent}"
    parts, unused = [], {"header": 0, "comment": 0, "blank": 0, "inside_quotes": 0}
    for member in members:
        try:
            part, lines = _read(member, columns, layout, numbers=True)
        except pa.ArrowInvalid:
            # Either a value that is no plain number (a date, say), or a fault that reading text will show again.
            part, lines = _read_text(member, columns, layout)
        parts.append(part)
        for why, number in lines.items():
            unused[why] += number
    if len({part.schema for part in parts}) > 1:
        parts = [_read_text(member, columns, layout)[0] for member in members]
    table = pa.concat_tables(parts)
    chosen = {role: table.column(name) for role, name in columns.items()}
    return to_table(chosen, columns, where, layout.stripped).with_unused(**unused)


def _read_text(member: Member, columns: Mapping[str, str], layout: DelimitedLayout) -> tuple[pa.Table, dict[str, int]]:
    try:
        return _read(member, columns, layout, numbers=False)
    except pa.ArrowInvalid as error:
        raise UserError(not_utf8(member) or f"{member.label}: wrong format ({error})") from error


def _read(
    member: Member, columns: Mapping[str, str], layout: DelimitedLayout, numbers: bool
) -> tuple[pa.Table, dict[str, int]]:
    """The columns, and the lines of the file that are no rows, by reason."""
    quotes = quotes_of(member, layout.delimiter, layout.comments, len(layout.names)) if layout.quoted else Quotes()
    types = {columns["user"]: _TEXT, columns["item"]: _TEXT}
    for role, kind in (("rating", pa.float64()), ("timestamp", pa.int64())):
        if role in columns:
            types[columns[role]] = kind if numbers else _TEXT
    with member.opened() as stream:
        counted = LineCounter(stream)
        table = pyarrow.csv.read_csv(
            pa.PythonFile(RewrittenLines(counted, _single_spaces) if layout.delimiter == " " else counted, mode="r"),
            read_options=pyarrow.csv.ReadOptions(
                block_size=_BLOCK, column_names=list(layout.names), skip_rows=layout.comments + layout.header
            ),
            parse_options=pyarrow.csv.ParseOptions(
                delimiter=layout.delimiter,
                quote_char='"' if layout.quoted else False,
                newlines_in_values=quotes.line_ends > 0,
            ),
            convert_options=pyarrow.csv.ConvertOptions(
                include_columns=list(types), column_types=types, null_values=[""], strings_can_be_null=False
            ),
        )
    return table, _unused(member, counted.lines, len(table), layout, quotes)


def _single_spaces(lines: bytes) -> bytes:
    """Any run of spaces and tabs as one space, and none at either end of a line."""
    return re.sub(rb"^ | (?=\r?$)", b"", re.sub(rb"[ \t]+", b" ", lines), flags=re.MULTILINE)


def _unused(member: Member, lines: int, rows: int, layout: DelimitedLayout, quotes: Quotes) -> dict[str, int]:
    """Why ``lines`` of the file made fewer ``rows``; ``UserError`` when that is not known of every one."""
    unused = {"header": int(layout.header), "comment": layout.comments, "inside_quotes": quotes.line_ends}
    blank = 0
    if lines != rows + sum(unused.values()):  # seldom: counting blank lines takes a second pass
        lines, blank = blank_lines(member, ignored=" \t" if layout.delimiter == " " else "")
        blank -= quotes.blank
    if lines != rows + blank + sum(unused.values()):
        raise UserError(
            f"{member.label}: wrong format, its {lines:,} lines gave {rows:,} rows and {blank:,} are blank; look for "
            "quotes that nothing closes, or line ends inside of values"
        )
    return {**unused, "blank": blank}
