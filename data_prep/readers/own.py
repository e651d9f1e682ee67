"""One's own table: csv, tsv, Parquet or JSON lines, maybe gzipped; the columns as named, or as the header says."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.parquet

from data_prep.options import ROLES
from data_prep.readers.arrow import to_table
from data_prep.readers.delimited import read_delimited
from data_prep.readers.jsonlines import read_json_lines
from data_prep.readers.sources import Member
from data_prep.table import Table
from utils.errors import UserError

_PARQUET = b"PAR1"
#: What headers call each role, most telling first; compared without case, signs and RecBole's ``:type``.
_ALIASES = {
    "user": ("user", "userid", "uid", "reviewerid", "customerid", "customer", "profileid", "memberid", "visitorid"),
    "item": ("item", "itemid", "iid", "sid", "movieid", "movie", "asin", "parentasin", "productid", "product", "songid",
             "song", "trackid", "artistid", "bookid", "isbn", "businessid", "gameid", "appid"),
    "rating": ("rating", "ratings", "overall", "stars", "score"),
    "timestamp": ("timestamp", "unixreviewtime", "unixtime", "time", "datetime", "date", "ts"),
}  # fmt: skip


@dataclass(frozen=True)
class OwnFile:
    """A file whose layout is understood: its kind, the columns to be read, and how."""

    kind: str
    columns: dict[str, str]
    guessed: bool
    read: Callable[[], Table]


def understand(member: Member, columns: Mapping[str, str] | None) -> OwnFile:
    """Find out what ``member`` is from its bytes, and which of its columns to read.

    Raises ``UserError`` when it is neither text, JSON lines nor Parquet, a named column is missing, or none is named
    and the header does not say which is which.
    """
    if member.starts_with(_PARQUET):
        return _parquet(member, columns)
    line = member.first_line()
    try:
        text = line.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = "\0"
    if "\0" in text:
        raise UserError(
            f"{member.label}: wrong format; csv, tsv, Parquet or JSON lines were expected, UTF-8, maybe .gz"
        )
    if text.lstrip().startswith(("{", "[")):
        return _json_lines(member, text, columns)
    return _delimited(member, text, columns)


def _parquet(member: Member, columns: Mapping[str, str] | None) -> OwnFile:
    def load(wanted: Sequence[str] | None) -> pa.Table | pa.Schema:
        try:
            with member.opened() as stream:
                source = pa.BufferReader(stream.read()) if member.packed else stream
                if wanted is None:
                    return pyarrow.parquet.read_schema(source)
                return pyarrow.parquet.read_table(source, columns=list(wanted))
        except (pa.ArrowException, OSError) as error:
            if getattr(error, "errno", None):  # the file system's own refusal
                raise
            raise UserError(f"{member.label} is no readable Parquet file ({error}); fetch or write it again") from error

    chosen, guessed = choose_columns(columns, load(None).names, member.label)

    def read() -> Table:
        table = load(list(chosen.values()))
        return to_table({role: table.column(name) for role, name in chosen.items()}, chosen, member.label)

    return OwnFile("parquet", chosen, guessed, read)


def _json_lines(member: Member, first: str, columns: Mapping[str, str] | None) -> OwnFile:
    try:
        record = json.loads(first)
    except (ValueError, RecursionError) as error:
        raise UserError(f"{member.label}: wrong format, line 1 is not JSON ({error})") from error
    if not isinstance(record, dict):
        raise UserError(f"{member.label}: wrong format; JSON lines were expected, one object a line")
    chosen, guessed = choose_columns(columns, list(record), member.label)
    return OwnFile("json lines", chosen, guessed, lambda: read_json_lines(member, chosen))


def _delimited(member: Member, first: str, columns: Mapping[str, str] | None) -> OwnFile:
    suffixes = {suffix.lower() for suffix in member.path.suffixes}
    likely = "\t,;|" if {".tsv", ".tab"} & suffixes else ",\t;|"
    delimiter = max(likely, key=first.count)  # the first of those that occur equally often
    if not first.count(delimiter):
        raise UserError(
            f"{member.label}: wrong format; its first line {first[:60]!r} is no header of a csv or tsv table"
        )
    try:
        names = next(csv.reader([first], delimiter=delimiter))
    except csv.Error as error:
        raise UserError(f"{member.label}: wrong format, its first line is no header ({error})") from error
    numbers = [str(position) for position in range(1, len(names) + 1)]
    by_position = bool(columns) and set(columns.values()) <= set(numbers) and not set(columns.values()) <= set(names)
    if by_position:
        names = numbers
    chosen, guessed = choose_columns(columns, names, member.label)
    if repeated := [name for name in chosen.values() if names.count(name) > 1]:
        raise UserError(f"{member.label} has two columns named {repeated[0]!r}; rename one")
    kind = "tsv" if delimiter == "\t" else "csv"
    return OwnFile(
        kind,
        chosen,
        guessed,
        lambda: read_delimited([member], chosen, names, delimiter, header=not by_position, quoted=True),
    )


def choose_columns(columns: Mapping[str, str] | None, found: Sequence[str], where: str) -> tuple[dict[str, str], bool]:
    """The columns to read: those of ``columns``, else a guess from the names ``found``; and whether it is a guess."""
    listed = ", ".join(found[:20]) + (", ..." if len(found) > 20 else "")
    if columns:
        if missing := [name for name in columns.values() if name not in found]:
            raise UserError(f"{where} has no column {missing[0]!r}; it has: {listed}")
        return {role: columns[role] for role in ROLES if role in columns}, False
    plain = {re.sub(r"[^a-z0-9]", "", name.split(":")[0].lower()): name for name in reversed(found)}
    guess = {
        role: plain[alias]
        for role in ROLES
        for alias in reversed(_ALIASES[role])
        if alias in plain  # reversed: the most telling alias is written last and stays
    }
    if "user" not in guess or "item" not in guess:
        raise UserError(
            f"{where}: which columns are the user and the item? Say --columns user=NAME,item=NAME (positions, "
            f"user=1,item=2, where there is no header); it has: {listed}"
        )
    return guess, True
