"""The Netflix Prize files: a ``movie:`` line, then ``user,rating,date`` lines, many times."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import BinaryIO

import numpy as np
import pyarrow as pa
import pyarrow.csv

from data_prep.readers.arrow import to_table
from data_prep.readers.sources import Member
from data_prep.table import Table
from utils.errors import UserError

_BLOCK = 8 << 20  # bytes taken from the file at a time
_CSV_BLOCK = 8 << 20  # bytes the csv reader works on at a time


class _AsCsv(io.RawIOBase):
    """The same text with every ``movie:`` line widened to three columns, so that a csv reader takes it."""

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
            self._ready += (whole + newline).replace(b":\n", b":,,\n")
            if not block:
                break
        taken = self._ready if size < 0 else self._ready[:size]
        self._ready = self._ready[len(taken) :]
        return taken


def read_netflix(members: Sequence[Member]) -> Table:
    """Read the files one after the other; ``timestamps`` are the dates in seconds since 1970.

    Raises ``UserError`` when a file does not begin with a ``movie:`` line, or a row is no user, rating and date.
    """
    parts = [_read(member) for member in members]
    columns = {
        "user": pa.chunked_array([part.column("user").combine_chunks() for part in parts]),
        "item": pa.chunked_array([part.column("movie").combine_chunks() for part in parts]),
        "rating": pa.chunked_array([part.column("rating").combine_chunks() for part in parts]),
        "timestamp": pa.chunked_array([part.column("date").combine_chunks() for part in parts]),
    }
    where = members[0].label if len(members) == 1 else str(members[0].path.parent)
    names = {"user": "user", "item": "movie", "rating": "rating", "timestamp": "date"}
    return to_table(columns, names, where)


def _read(member: Member) -> pa.Table:
    text = pa.dictionary(pa.int32(), pa.string())
    try:
        with member.opened() as stream:
            table = pyarrow.csv.read_csv(
                pa.PythonFile(_AsCsv(stream), mode="r"),
                read_options=pyarrow.csv.ReadOptions(column_names=["user", "rating", "date"], block_size=_CSV_BLOCK),
                parse_options=pyarrow.csv.ParseOptions(quote_char=False),
                convert_options=pyarrow.csv.ConvertOptions(
                    column_types={"user": text, "rating": pa.int8(), "date": text},
                    null_values=[""],
                    strings_can_be_null=False,
                ),
            )
    except pa.ArrowInvalid as error:
        raise UserError(f"{member.label}: wrong format, expected user,rating,date lines ({error})") from error
    users = table.column("user").unify_dictionaries().combine_chunks()
    texts = users.dictionary.to_pylist()
    codes = users.indices.to_numpy()
    heads = np.flatnonzero(np.array([value.endswith(":") for value in texts])[codes])
    if not len(heads) or heads[0] != 0:
        raise UserError(
            f"{member.label}: wrong format; the first line of a Netflix file is a movie's number and a colon"
        )
    movies = pa.array([texts[code].removesuffix(":") for code in codes[heads]])
    of_rows = np.repeat(np.arange(len(heads), dtype=np.int32), np.diff(np.append(heads, len(codes))))
    table = table.append_column("movie", pa.DictionaryArray.from_arrays(of_rows, movies))
    is_event = np.ones(len(codes), dtype=bool)
    is_event[heads] = False
    return table.filter(pa.array(is_event))
