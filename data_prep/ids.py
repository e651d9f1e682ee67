"""Ids as positions in an ascending list: integers where all of a column are, else text in code-point order."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
import pandas as pd

from utils.system.errors import UserError

#: "007", "+5" and "-0" name something else than 7, 5 and 0: such a column stays text.
_CANONICAL_INTEGER = re.compile(r"0|-?[1-9][0-9]*")
#: What a whole number becomes where a column of numbers was stored as floating-point ones.
_AS_FLOAT = re.compile(r"(0|-?[1-9][0-9]*)\.0+")
SPACES = " \t"  # that are no part of an id at either end
_LONGEST = 255
_INT64 = np.iinfo(np.int64)


class ColumnError(UserError):
    """A column does not hold what its part in the table needs; another column might."""


def rank_ids(codes: np.ndarray, values: Sequence[str] | np.ndarray, what: str) -> tuple[np.ndarray, np.ndarray]:
    """Number ids by their rank instead of by ``codes``.

    Parameters
    ----------
    codes : int (n,)
        Positions in ``values``.
    values : int64 array, or strings
        The ids, distinct, in any order; those no code points at are left out.
    what : str
        What an error calls the column.

    Returns
    -------
    codes : int32 (n,)
        Positions in ``ids``.
    ids : int64 or unicode (n_ids,)
        Ascending: by value when every one is a canonical integer, else in code-point order. Integers beyond 64 bits
        are ordered by value and kept as text.

    Raises
    ------
    ColumnError
        For an empty id, one with a NUL or a line end, or one longer than 255 characters.
    """
    present = np.flatnonzero(np.bincount(codes, minlength=len(values)))
    if isinstance(values, np.ndarray):
        used = values[present].astype(np.int64, copy=False)
    else:
        texts = [values[index] for index in present]
        _check_text(texts, what)
        used = np.array(_as_integers(texts) or texts)
    places = ascending(used)
    rank = np.empty(len(values), np.int32)
    rank[present[places]] = np.arange(len(places), dtype=np.int32)
    return rank[codes], used[places]


def ascending(ids: np.ndarray) -> np.ndarray:
    """The positions of distinct ``ids`` (int64 or unicode) in ascending order.

    Text is compared by code points, unless all of it is integers too large for int64: those by value.
    """
    if ids.dtype.kind == "U" and all(_CANONICAL_INTEGER.fullmatch(text) for text in ids.tolist()):
        values = [int(text) for text in ids.tolist()]
        return np.array(sorted(range(len(ids)), key=values.__getitem__), dtype=np.int64)
    return np.argsort(ids, kind="stable")


def _as_integers(texts: Sequence[str]) -> list[int] | None:
    """The integers that ``texts`` canonically are and int64 holds; None when one is anything else."""
    if not all(_CANONICAL_INTEGER.fullmatch(text) for text in texts):
        return None
    values = [int(text) for text in texts]
    return values if all(_INT64.min <= value <= _INT64.max for value in values) else None


def rank_integers(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """``rank_ids`` for a column that holds integers (any integer type) itself."""
    codes, distinct = pd.factorize(values)
    return rank_ids(codes, distinct, "id")


def merge_spellings(values: Sequence[str]) -> tuple[list[str], tuple[int, str, str] | None]:
    """Ids that differ only in spelling as one: ``5``, ``5.0`` and ``" 5"``.

    Parameters
    ----------
    values : sequence of str
        Distinct ids.

    Returns
    -------
    values : list of str
        As given, where none is another in a second spelling. Else all of them without spaces around them and without
        the ``.0`` behind whole numbers, some now equal.
    found : (int, str, str) or None
        How many ids are written in more than one way, and two of the ways one of them is written.
    """
    ways: dict[str, list[str]] = {}
    for value in values:
        plain = value.strip(SPACES)
        whole = _AS_FLOAT.fullmatch(plain)
        ways.setdefault(whole[1] if whole else plain, []).append(value)
    if len(ways) == len(values):
        return list(values), None
    several = [group for group in ways.values() if len(group) > 1]
    plain_of = {value: plain for plain, group in ways.items() for value in group}
    return [plain_of[value] for value in values], (len(several), *sorted(several[0], key=len)[:2])


def _check_text(values: Sequence[str], what: str) -> None:
    for value in values:
        if not value:
            raise ColumnError(f"{what}: an id is empty; every row needs one")
        if len(value) > _LONGEST:
            raise ColumnError(f"{what}: an id of {len(value)} characters ({value[:40]!r}...); is it the right column?")
        if "\0" in value:  # NumPy's text drops it from an end
            raise ColumnError(f"{what}: the id {value!r} holds a NUL character, which is no text")
        if "\n" in value or "\r" in value:  # lists of ids have one a line
            raise ColumnError(f"{what}: the id {value!r} holds a line end; remove it, an id is one line of text")
