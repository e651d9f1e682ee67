"""A table that no catalogue lists, in any layout that its first bytes show; columns as named, or as the header says."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Mapping, Sequence

import pyarrow as pa
import pyarrow.parquet

from data_prep.options import ROLES, format_columns
from data_prep.ratings_table import RatingsSource, RatingsTable
from data_prep.readers.adjacency import is_adjacency, read_adjacency
from data_prep.readers.arrow import seconds_of, to_table
from data_prep.readers.delimited import DelimitedLayout, read_delimited
from data_prep.readers.jsonlines import first_fields, read_json_lines
from data_prep.readers.lines import not_utf8
from data_prep.readers.matrices import MATRIX_MARKET, is_npz, read_matrix_market, read_npz_matrix
from data_prep.readers.sniff import Sample, format_separator, sample_of
from data_prep.readers.sources import Member
from utils.system.errors import UserError

_PARQUET = b"PAR1"
_KINDS = "csv, tsv, Parquet or JSON lines"
_MEANING = {
    "npz": "rows are users, columns are items, numbered from 0",
    "matrix market": "rows are users, columns are items, numbered from 1",
    "lists": "each line is a user followed by items",
}
#: What headers call each role, most telling first; compared without case, signs and RecBole's ``:type``.
_ALIASES = {
    "user": ("user", "userid", "uid", "reviewerid", "customerid", "customer", "profileid", "memberid", "visitorid"),
    "item": ("item", "itemid", "iid", "sid", "movieid", "movie", "parentasin", "asin", "productid", "product", "songid",
             "song", "trackid", "artistid", "bookid", "isbn", "businessid", "gameid", "appid"),
    "rating": ("rating", "ratings", "overall", "stars", "score"),
    "timestamp": ("timestamp", "unixreviewtime", "unixtime", "time", "datetime", "date", "ts"),
}  # fmt: skip


def detect_source(member: Member, columns: Mapping[str, str] | None, separator: str | None = None) -> RatingsSource:
    """Find out what ``member`` is from its bytes, and which of its columns to read.

    Raises ``UserError`` when it is of no known kind, a named column is missing, or none is named and the header does
    not say which is which.
    """
    line = member.first_line()
    if line.startswith(_PARQUET):
        return _parquet(member, columns)
    if member.inside is None and is_npz(member.path):
        return _fixed("npz", member, columns, lambda: read_npz_matrix(member))
    if line.startswith(MATRIX_MARKET):
        return _fixed("matrix market", member, columns, lambda: read_matrix_market(member))
    text = _as_text(line, member)
    if text.lstrip().startswith(("{", "[")):
        return _json_lines(member, text, columns)
    return _delimited(member, columns, separator)


def _as_text(line: bytes, member: Member) -> str:
    """The first line; ``UserError`` when it is none of UTF-8 text."""
    if b"\0" in line:
        raise UserError(f"{member.label}: wrong format; {_KINDS} were expected, text in UTF-8, maybe .gz")
    try:
        return line.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise UserError(not_utf8(member) or f"{member.label}: wrong format; {_KINDS} were expected") from None


def _fixed(
    kind: str, member: Member, columns: Mapping[str, str] | None, read: Callable[[], RatingsTable]
) -> RatingsSource:
    """A layout that has no columns to choose from."""
    if columns:
        raise UserError(f"{member.label}: a file of the kind {kind} has no columns to name; leave --columns out")
    return RatingsSource((member.path,), kind, read, notes=(f"read as {kind}: {_MEANING[kind]}",))


def _parquet(member: Member, columns: Mapping[str, str] | None) -> RatingsSource:
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

    def read() -> RatingsTable:
        table = load(list(chosen.values()))
        return to_table({role: table.column(name) for role, name in chosen.items()}, chosen, member.label)

    return RatingsSource((member.path,), "parquet", read, chosen, guessed)


def _json_lines(member: Member, first: str, columns: Mapping[str, str] | None) -> RatingsSource:
    try:
        record = json.loads(first)
    except (ValueError, RecursionError) as error:
        raise UserError(f"{member.label}: wrong format, line 1 is not JSON ({error})") from error
    if not isinstance(record, dict):
        raise UserError(f"{member.label}: wrong format; JSON lines were expected, one object a line")
    chosen, guessed = choose_columns(columns, first_fields(member), member.label)
    return RatingsSource((member.path,), "json lines", lambda: read_json_lines(member, chosen), chosen, guessed)


def _delimited(member: Member, columns: Mapping[str, str] | None, separator: str | None) -> RatingsSource:
    sample = sample_of(member, separator)
    if not columns and is_adjacency(sample):
        return _fixed("lists", member, columns, lambda: read_adjacency(member, sample.comments))
    _refuse_libsvm(sample)
    notes = [] if separator else [f"separator found: {format_separator(sample.separator)} (--separator says otherwise)"]
    names, header = sample.first, True
    if columns and (places := _positions(columns, sample)):
        header = sample.first_line_names_numbers() or {"user", "item"} <= set(_guess(sample.first))
        if header:
            columns = {role: sample.first[place - 1] for role, place in places.items()}
            notes.append(f"{sample.where} is taken for a header: {', '.join(sample.first[:8])}")
        else:
            names = [str(place) for place in range(1, len(sample.first) + 1)]
            notes.append(f"{sample.where} is taken for an event, not for a header: {', '.join(sample.first[:8])}")
    chosen, guessed = choose_columns(columns, names, member.label)
    if repeated := [name for name in chosen.values() if names.count(name) > 1]:
        raise UserError(f"{member.label} has two columns named {repeated[0]!r}; rename one")
    if guessed and (unread := _unreadable_time(sample, names, chosen)) is not None:
        notes.append(f"column {chosen.pop('timestamp')!r} is left out: {unread!r} in it is no time that can be read")
    layout = DelimitedLayout(tuple(names), sample.separator, sample.comments, header, sample.quoted, stripped=True)
    kind = "tsv" if sample.separator == "\t" else "csv"
    return RatingsSource(
        (member.path,), kind, lambda: read_delimited([member], chosen, layout), chosen, guessed, notes=tuple(notes)
    )


def _positions(columns: Mapping[str, str], sample: Sample) -> dict[str, int] | None:
    """The columns as positions from 1; None where they are names. Numbers are positions wherever they can be."""
    if not all(re.fullmatch(r"[0-9]{1,4}", name) for name in columns.values()):
        return None
    places = {role: int(name) for role, name in columns.items()}
    if min(places.values()) < 1 and set(columns.values()) <= set(sample.first):
        return None  # a header that numbers its columns from 0
    if wrong := [place for place in places.values() if not 1 <= place <= len(sample.first)]:
        raise UserError(
            f"--columns {format_columns(columns)}: {sample.label} has columns 1 to {len(sample.first)}, no {wrong[0]}"
        )
    return places


def _unreadable_time(sample: Sample, names: Sequence[str], chosen: Mapping[str, str]) -> str | None:
    """The first value that is no time, in a column that was only guessed to hold times."""
    if "timestamp" not in chosen:
        return None
    values = sample.values(list(names).index(chosen["timestamp"]))
    return next((value for value in values if math.isnan(seconds_of(value))), None)


def _refuse_libsvm(sample: Sample) -> None:
    if sample.separator == " " and all(re.fullmatch(r"[0-9]+:\S+", field) for row in sample.rows for field in row[1:]):
        raise UserError(
            f"{sample.label} looks like libsvm's format, which is not read; convert it with "
            "sklearn.datasets.load_svmlight_file and scipy.sparse.save_npz, and name the .npz"
        )


def choose_columns(columns: Mapping[str, str] | None, found: Sequence[str], where: str) -> tuple[dict[str, str], bool]:
    """The columns to read: those of ``columns``, else a guess from the names ``found``; and whether it is a guess."""
    listed = ", ".join(name[:40] for name in found[:20]) + (", ..." if len(found) > 20 else "")
    if columns:
        if missing := [name for name in columns.values() if name not in found]:
            raise UserError(f"{where} has no column {missing[0]!r}; it has: {listed}")
        return {role: columns[role] for role in ROLES if role in columns}, False
    guess = _guess(found)
    if "user" not in guess or "item" not in guess:
        raise UserError(
            f"{where}: which columns are the user and the item? Say --columns user=NAME,item=NAME (positions, "
            f"user=1,item=2, where there is no header); it has: {listed}"
        )
    return guess, True


def _guess(found: Sequence[str]) -> dict[str, str]:
    """The roles that the names ``found`` tell."""
    plain = {re.sub(r"[^a-z0-9]", "", name.split(":")[0].lower()): name for name in reversed(found)}
    return {
        role: plain[alias]
        for role in ROLES
        for alias in reversed(_ALIASES[role])
        if alias in plain  # reversed: the most telling alias is written last and stays
    }
