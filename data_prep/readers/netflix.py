"""The Netflix Prize files: a ``movie:`` line, then ``user,rating,date`` lines, many times."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.csv

from data_prep.ratings_table import RatingsTable
from data_prep.readers.arrow import to_table
from data_prep.readers.lines import LineCounter, RewrittenLines
from data_prep.readers.sources import Member
from utils.system.errors import UserError

_BLOCK = 8 << 20  # bytes the csv reader works on at a time
_TEXT = pa.dictionary(pa.int32(), pa.string())


def _heads_as_rows(lines: bytes) -> bytes:
    """Every ``movie:`` line as ``movie,,:``, so that a csv reader takes it."""
    return re.sub(rb":(?=\r?$)", b",,:", lines, flags=re.MULTILINE)


def read_netflix(members: Sequence[Member]) -> RatingsTable:
    """Read the files one after the other; ``timestamps`` are the dates in seconds since 1970.

    Raises ``UserError`` when a file does not begin with a ``movie:`` line, or a row is no user, rating and date.
    """
    try:
        parts = [_read(member, pa.int32()) for member in members]  # as published: numbers
    except pa.ArrowInvalid:
        parts = [_read(member, _TEXT) for member in members]
    table = pa.concat_tables([part for part, _ in parts])
    names = {"user": "user", "item": "movie", "rating": "rating", "timestamp": "date"}
    columns = {role: table.column(name) for role, name in names.items()}
    where = members[0].label if len(members) == 1 else str(members[0].path.parent)
    return to_table(columns, names, where).with_unused(
        movie=sum(lines["movie"] for _, lines in parts), blank=sum(lines["blank"] for _, lines in parts)
    )


def _read(member: Member, ids: pa.DataType) -> tuple[pa.Table, dict[str, int]]:
    """user, movie, rating and date of every rating in one file, and its lines that are none, by reason.

    ``ArrowInvalid`` when ``ids`` does not hold its ids.
    """
    try:
        table, lines = _as_written(member, ids)
    except pa.ArrowInvalid as error:
        if ids is not _TEXT:
            raise
        raise UserError(f"{member.label}: wrong format, expected user,rating,date lines ({error})") from error
    dates = table.column("date").unify_dictionaries().combine_chunks()
    is_head = np.isin(dates.indices.to_numpy(), np.flatnonzero(np.array(dates.dictionary.to_pylist()) == ":"))
    heads = np.flatnonzero(is_head)
    if not len(heads) or heads[0] != 0:
        raise UserError(
            f"{member.label}: wrong format; the first line of a Netflix file is a movie's number and a colon"
        )
    movies = table.column("user").take(pa.array(heads)).combine_chunks()
    of_rows = np.repeat(np.arange(len(heads), dtype=np.int32), np.diff(np.append(heads, len(is_head))))
    table = table.append_column("movie", movies.take(pa.array(of_rows)))
    return table.filter(pa.array(~is_head)), {"movie": len(heads), "blank": lines - len(is_head)}


def _as_written(member: Member, ids: pa.DataType) -> tuple[pa.Table, int]:
    """Every line as a row, and how many lines there are."""
    with member.opened() as stream:
        counted = LineCounter(stream)
        table = pyarrow.csv.read_csv(
            pa.PythonFile(RewrittenLines(counted, _heads_as_rows), mode="r"),
            read_options=pyarrow.csv.ReadOptions(column_names=["user", "rating", "date"], block_size=_BLOCK),
            parse_options=pyarrow.csv.ParseOptions(quote_char=False),
            convert_options=pyarrow.csv.ConvertOptions(
                column_types={"user": ids, "rating": pa.int8(), "date": _TEXT},
                null_values=[""],
                strings_can_be_null=False,
            ),
        )
    return table, counted.lines
