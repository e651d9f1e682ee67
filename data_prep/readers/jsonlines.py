"""JSON lines, one object at a time: a file of any size costs the memory of the fields that are asked for."""

from __future__ import annotations

import json
from array import array
from collections.abc import Mapping
from functools import partial
from itertools import islice
from typing import Any

import numpy as np
import pyarrow as pa

from data_prep.ids import ColumnError
from data_prep.ratings_table import RatingsTable
from data_prep.readers.arrow import to_table
from data_prep.readers.sources import LONGEST_LINE, Member
from utils.system.errors import UserError

_LINES = 1000  # that are looked at for the names of fields
_EXPECTED = {"user": "text or a whole number", "item": "text or a whole number", "rating": "a number"}


class _Field:
    """One field of every line: each distinct value once, as text, and which of them each line has."""

    def __init__(self, role: str, name: str, where: str) -> None:
        self.role, self.name, self.where = role, name, where
        self.texts: dict[str, int] = {}
        self.codes = array("i")

    def add(self, record: Mapping[str, Any], line: int) -> None:
        try:
            value = record[self.name]
        except KeyError:
            raise ColumnError(f"{self.where}, line {line}: no field {self.name!r}; every line needs one") from None
        if value.__class__ is not str:
            is_id = self.role in ("user", "item")
            if value.__class__ is not int and (is_id or value.__class__ is not float):
                expected = _EXPECTED.get(self.role, "a number or a date")
                raise ColumnError(f"{self.where}, line {line}: {self.name} {value!r} is not {expected}")
            value = repr(value)
        self.codes.append(self.texts.setdefault(value, len(self.texts)))

    def column(self) -> pa.ChunkedArray:
        try:
            texts = pa.array(list(self.texts), pa.string())
        except UnicodeEncodeError as error:
            raise ColumnError(f"{self.where}: {self.name} {error.object!r} is no valid text") from error
        return pa.chunked_array([pa.DictionaryArray.from_arrays(np.frombuffer(self.codes, np.int32), texts)])


def first_fields(member: Member) -> list[str]:
    """The names of all fields of the first lines, in the order they come up: not every line need have each."""
    names: dict[str, None] = {}
    with member.opened() as stream:
        for number, line in enumerate(islice(iter(partial(stream.readline, LONGEST_LINE), b""), _LINES), start=1):
            if not line.isspace():
                names |= dict.fromkeys(_parsed(line, number, member))
    return list(names)


def read_json_lines(member: Member, columns: Mapping[str, str]) -> RatingsTable:
    """Read the fields ``columns`` (role -> name) of every line; blank lines are passed over.

    Raises ``UserError`` naming the line that is no JSON object, lacks a field, or holds a value of the wrong kind.
    """
    fields, blank = [_Field(role, name, member.label) for role, name in columns.items()], 0
    with member.opened() as stream:
        for number, line in enumerate(iter(partial(stream.readline, LONGEST_LINE), b""), start=1):
            if line.isspace():
                blank += 1
                continue
            record = _parsed(line, number, member)
            for each in fields:
                each.add(record, number)
    if not fields[0].codes:
        raise UserError(f"{member.label} has no rows; a ratings table was expected")
    return to_table({each.role: each.column() for each in fields}, columns, member.label).with_unused(blank=blank)


def _parsed(line: bytes, number: int, member: Member) -> dict:
    if len(line) == LONGEST_LINE:
        raise UserError(f"{member.label}, line {number} is longer than {LONGEST_LINE >> 20} MiB; one object a line")
    try:
        record = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise UserError(f"{member.label}, line {number} is not JSON ({error})") from error
    if not isinstance(record, dict):
        raise UserError(f"{member.label}, line {number}: an object was expected, one a line")
    return record
