"""Delimited text (csv, tsv, ``::``) in one pass of a fast reader."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pyarrow as pa
import pyarrow.csv

from data_prep.readers.arrow import to_table
from data_prep.readers.sources import Member
from data_prep.table import Table
from utils.errors import UserError

_BLOCK = 8 << 20
#: Text, each distinct one kept once: "007" stays "007", and a column of integers costs no more than as integers.
_TEXT = pa.dictionary(pa.int32(), pa.string())


def read_delimited(
    members: Sequence[Member],
    columns: Mapping[str, str],
    names: Sequence[str],
    delimiter: str = ",",
    header: bool = False,
    quoted: bool = False,
) -> Table:
    """Read one table from ``members``, one after the other.

    Parameters
    ----------
    members : sequence of Member
        Files of the same layout, in order.
    columns : mapping
        Role ("user", "item", "rating", "timestamp") -> the name of its column.
    names : sequence of str
        The names of all columns, in the order of the file.
    delimiter : str, one character
    header : bool
        Whether the first line of each file is to be skipped.
    quoted : bool
        Whether a field may stand in double quotes.

    Raises
    ------
    UserError
        For a row with another number of columns, a rating that is no number, bytes that are not UTF-8.
    """
    where = members[0].label if len(members) == 1 else f"{members[0].path.parent}"
    parts = []
    for member in members:
        try:
            part = _read(member, columns, names, delimiter, header, quoted, numbers=True)
        except pa.ArrowInvalid:
            # Either a value that is no plain number (a date, say), or a fault that reading text will show again.
            part = _read_text(member, columns, names, delimiter, header, quoted)
        parts.append(part)
    if len({part.schema for part in parts}) > 1:
        parts = [_read_text(member, columns, names, delimiter, header, quoted) for member in members]
    table = pa.concat_tables(parts)
    return to_table({role: table.column(name) for role, name in columns.items()}, columns, where)


def _read_text(member: Member, *layout) -> pa.Table:
    try:
        return _read(member, *layout, numbers=False)
    except pa.ArrowInvalid as error:
        raise UserError(f"{member.label}: wrong format ({error})") from error


def _read(
    member: Member,
    columns: Mapping[str, str],
    names: Sequence[str],
    delimiter: str,
    header: bool,
    quoted: bool,
    numbers: bool,
) -> pa.Table:
    types = {columns["user"]: _TEXT, columns["item"]: _TEXT}
    for role, kind in (("rating", pa.float64()), ("timestamp", pa.int64())):
        if role in columns:
            types[columns[role]] = kind if numbers else _TEXT
    with member.opened() as stream:
        return pyarrow.csv.read_csv(
            pa.PythonFile(stream, mode="r"),
            read_options=pyarrow.csv.ReadOptions(
                block_size=_BLOCK, column_names=list(names), skip_rows=1 if header else 0
            ),
            parse_options=pyarrow.csv.ParseOptions(
                delimiter=delimiter, quote_char='"' if quoted else False, newlines_in_values=False
            ),
            convert_options=pyarrow.csv.ConvertOptions(
                include_columns=list(types), column_types=types, null_values=[""], strings_can_be_null=False
            ),
        )
