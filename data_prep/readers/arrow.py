"""Arrow columns, whatever their types, as the one table."""

from __future__ import annotations

import datetime
import re
from collections.abc import Mapping

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from data_prep.ids import SPACES, ColumnError, merge_spellings, rank_ids, rank_integers
from data_prep.ratings_table import RatingsTable
from utils.system.errors import UserError

_EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc)


def to_table(
    columns: Mapping[str, pa.ChunkedArray], names: Mapping[str, str], where: str, stripped: bool = False
) -> RatingsTable:
    """Build the table from ``columns`` (role -> column).

    Parameters
    ----------
    columns : mapping
        ``user`` and ``item`` (integers, text or dictionaries of text), ``rating`` (numbers, or text of numbers) and
        ``timestamp`` (whole numbers, dates, or text of either) where the source has them.
    names : mapping
        What the source calls them, for errors.
    where : str
        The file, for errors.
    stripped : bool, default False
        Whether spaces around an id are none of it (text whose separators may stand between spaces).

    Raises
    ------
    UserError
        For a missing id or value, a rating that is no number, an id column that holds neither text nor integers.
    """
    titles = {role: f"{where}: column {names[role]!r}" for role in columns}
    if not len(columns["user"]):
        raise UserError(f"{where} has no rows; a ratings table was expected")
    users, user_ids, of_users = _ids(columns["user"], titles["user"], stripped)
    items, item_ids, of_items = _ids(columns["item"], titles["item"], stripped)
    ratings = _ratings(columns["rating"], titles["rating"]) if "rating" in columns else None
    timestamps = _timestamps(columns["timestamp"], titles["timestamp"]) if "timestamp" in columns else None
    spellings = {role: found for role, found in (("user", of_users), ("item", of_items)) if found is not None}
    return RatingsTable(users, items, user_ids, item_ids, ratings, timestamps, spellings=spellings)


def _ids(
    column: pa.ChunkedArray, title: str, stripped: bool
) -> tuple[np.ndarray, np.ndarray, tuple[int, str, str] | None]:
    """Codes, ids, and what was written in more than one way (``merge_spellings``)."""
    _no_nulls(column, title, "an id")
    kind = column.type
    if pa.types.is_uint64(kind) and pc.max(column).as_py() > np.iinfo(np.int64).max:
        column = column.cast(pa.string())  # beyond int64: ranked orders them by value all the same
    elif pa.types.is_integer(kind):
        return *rank_integers(column.to_numpy()), None
    elif pa.types.is_dictionary(kind) and not pa.types.is_string(kind.value_type):
        column = column.cast(kind.value_type)
    kind = column.type
    if pa.types.is_integer(kind):
        return *rank_integers(column.to_numpy()), None
    if pa.types.is_large_string(kind):
        column = column.cast(pa.string()) if column.nbytes < 1 << 31 else column
    if not _is_text(column.type):
        raise ColumnError(f"{title} holds {kind}; ids must be whole numbers or text")
    codes, values = _used(*_dictionary(column))
    values, found = merge_spellings(values)
    if found is not None or stripped:
        codes, values = _merged(codes, [value.strip(SPACES) for value in values] if stripped else values)
    return *rank_ids(codes, values, title), found


def _is_text(kind: pa.DataType) -> bool:
    if pa.types.is_dictionary(kind):
        return _is_text(kind.value_type)
    return pa.types.is_string(kind) or pa.types.is_large_string(kind)


def _dictionary(column: pa.ChunkedArray) -> tuple[np.ndarray, list[str]]:
    """Codes of the rows and the distinct texts they point at."""
    if not pa.types.is_dictionary(column.type):
        column = column.dictionary_encode()
    column = column.unify_dictionaries()
    values = column.chunk(0).dictionary.to_pylist()
    codes = np.concatenate([chunk.indices.to_numpy(zero_copy_only=False) for chunk in column.chunks])
    return _merged(codes, values)  # a file's own dictionary may repeat a value


def _used(codes: np.ndarray, values: list[str]) -> tuple[np.ndarray, list[str]]:
    """The same rows without the values that none has: they are not to be compared with the others."""
    used = np.bincount(codes, minlength=len(values)) > 0
    places = np.cumsum(used, dtype=codes.dtype) - 1
    return places[codes], [value for value, is_used in zip(values, used, strict=True) if is_used]


def _merged(codes: np.ndarray, values: list[str]) -> tuple[np.ndarray, list[str]]:
    """The same rows with each of ``values`` once."""
    if len(set(values)) == len(values):
        return codes, values
    merged, distinct = pd.factorize(np.array(values, dtype=object))
    return merged[codes], list(distinct)


def _ratings(column: pa.ChunkedArray, title: str) -> np.ndarray:
    _no_nulls(column, title, "a rating")
    kind = column.type
    if _is_text(kind):
        values = _numbers(column, title, "rating")
    elif pa.types.is_floating(kind) or pa.types.is_integer(kind) or pa.types.is_decimal(kind):
        values = (column if pa.types.is_integer(kind) else column.cast(pa.float64())).to_numpy()
    else:
        raise ColumnError(f"{title} holds {kind}; a rating is a number")
    if values.dtype.kind == "f" and not np.isfinite(values).all():
        row = int(np.flatnonzero(~np.isfinite(values))[0])
        raise ColumnError(f"{title}, data row {row + 1}: {values[row]} is no rating; a finite number was expected")
    return values


def _numbers(column: pa.ChunkedArray, title: str, what: str) -> np.ndarray:
    codes, texts = _dictionary(column)
    values = np.array([_number(text) for text in texts], dtype=np.float64)
    if np.isnan(values[codes]).any():
        row = int(np.flatnonzero(np.isnan(values[codes]))[0])
        raise ColumnError(f"{title}, data row {row + 1}: {texts[codes[row]]!r} is no number; a {what} was expected")
    return values[codes]


def _number(text: str) -> float:
    try:
        return float(text) if "_" not in text else np.nan
    except ValueError:
        return np.nan


def _timestamps(column: pa.ChunkedArray, title: str) -> np.ndarray:
    _no_nulls(column, title, "a time")
    kind = column.type
    if pa.types.is_integer(kind):
        return column.cast(pa.int64()).to_numpy()
    if pa.types.is_date(kind) or pa.types.is_timestamp(kind):
        micros = column.cast(pa.timestamp("us", tz=getattr(kind, "tz", None)), safe=False).cast(pa.int64()).to_numpy()
        return micros // 1_000_000 if not (micros % 1_000_000).any() else micros
    if pa.types.is_floating(kind):
        return _whole_units(column.to_numpy().astype(np.float64), title)
    if not _is_text(kind):
        raise ColumnError(f"{title} holds {kind}; a time is a number or a date")
    codes, texts = _dictionary(column)
    if all(re.fullmatch(r"-?[0-9]{1,18}", text) for text in texts):  # exact where a float would round
        return np.array([int(text) for text in texts], dtype=np.int64)[codes]
    values = np.array([seconds_of(text) for text in texts], dtype=np.float64)
    used = np.bincount(codes, minlength=len(texts)) > 0
    if np.isnan(values[used]).any():
        row = int(np.flatnonzero(np.isnan(values[codes]))[0])
        text = texts[codes[row]]
        raise ColumnError(
            f"{title}, data row {row + 1}: {text!r} is no time; seconds or an ISO 8601 date were expected"
        )
    values[~used] = 0  # Netflix's "movie:" lines leave a text behind that no row uses
    return _whole_units(values, title)[codes]


def _whole_units(seconds: np.ndarray, title: str) -> np.ndarray:
    """Seconds where all are whole, else microseconds: the order must not lose what a fraction says."""
    if not np.isfinite(seconds).all():
        row = int(np.flatnonzero(~np.isfinite(seconds))[0])
        raise ColumnError(f"{title}, data row {row + 1}: {seconds[row]} is no time; a finite number was expected")
    whole = seconds if (seconds == np.floor(seconds)).all() else np.rint(seconds * 1e6)
    return whole.astype(np.int64)


def seconds_of(text: str) -> float:
    """The time that ``text`` says, a number or an ISO 8601 date, in seconds (since 1970); NaN where it says none."""
    number = _number(text)
    if np.isfinite(number):
        return number
    try:
        when = datetime.datetime.fromisoformat(text.strip().replace("Z", "+00:00"))
    except ValueError:
        return np.nan
    aware = when if when.tzinfo else when.replace(tzinfo=datetime.timezone.utc)
    return (aware - _EPOCH).total_seconds()


def _no_nulls(column: pa.ChunkedArray, title: str, what: str) -> None:
    if column.null_count:
        row = pc.index(pc.is_null(column), True).as_py()
        raise ColumnError(f"{title}, data row {row + 1} is empty; {what} was expected in every row")
