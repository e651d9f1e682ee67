"""Ids as positions in an ascending list: integers where all of a column are, else text in code-point order."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
import pandas as pd

from utils.errors import UserError

#: "007", "+5", "-0" and " 5" name something else than 7, 5, 0 and 5: such a column stays text.
_CANONICAL_INTEGER = re.compile(r"0|-?[1-9][0-9]*")
_LONGEST = 255
_INT64 = np.iinfo(np.int64)


def ranked(codes: np.ndarray, values: Sequence[str] | np.ndarray, what: str) -> tuple[np.ndarray, np.ndarray]:
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
    UserError
        For an empty id, one with a NUL, or one longer than 255 characters.
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


def ranked_integers(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """``ranked`` for a column that holds integers (any integer type) itself."""
    codes, distinct = pd.factorize(values)
    return ranked(codes, distinct, "id")


def _check_text(values: Sequence[str], what: str) -> None:
    for value in values:
        if not value:
            raise UserError(f"{what}: an id is empty; every row needs one")
        if len(value) > _LONGEST:
            raise UserError(f"{what}: an id of {len(value)} characters ({value[:40]!r}...); is it the right column?")
        if "\0" in value:  # NumPy's text drops it from an end
            raise UserError(f"{what}: the id {value!r} holds a NUL character, which is no text")
