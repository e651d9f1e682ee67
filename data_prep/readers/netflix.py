"""The Netflix Prize files: a ``movie:`` line, then ``user,rating,date`` lines, many times."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import BinaryIO

import numpy as np
import pyarrow as pa
import pyarrow.csv

from data_prep.ratings_table import RatingsTable
from data_prep.readers.arrow import to_table
from data_prep.readers.lines import LineCounter
from data_prep.readers.sources import Member
from utils.system.errors import UserError

_BLOCK = 8 << 20  # bytes taken from the file at a time
_CSV_BLOCK = 8 << 20  # bytes the csv reader works on at a time
_TEXT = pa.dictionary(pa.int32(), pa.string())


class _AsCsv(io.RawIOBase):
    """The same text with every ``movie:`` line turned into ``movie,,:``, so that a csv reader takes it."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._ready = b""
        self._rest = b""

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        while len(self._ready) < size or size < 0:
            block = self._stream.read(_BLOCK)
            text = (self._rest + block).replace(b"\r\n", b"\n")
            if not block:
                text += b"\n" if text and not text.endswith(b"\n") else b""
            whole, newline, self._rest = text.rpartition(b"\n")
            self._ready += (whole + newline).replace(b":\n", b",,:\n")
            if not block:
                break
        taken = self._ready if size < 0 else self._ready[:size]
        self._ready = self._ready[len(taken) :]
        return taken


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
            pa.PythonFile(_AsCsv(counted), mode="r"),
            read_options=pyarrow.csv.ReadOptions(column_names=["user", "rating", "date"], block_size=_CSV_BLOCK),
            parse_options=pyarrow.csv.ParseOptions(quote_char=False),
            convert_options=pyarrow.csv.ConvertOptions(
                column_types={"user": ids, "rating": pa.int8(), "date": _TEXT},
                null_values=[""],
                strings_can_be_null=False,
            ),
        )
    return table, counted.lines
