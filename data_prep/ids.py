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
        order = present[np.argsort(values[present], kind="stable")]
        ids = values[order].astype(np.int64, copy=False)
    else:
        used = [values[index] for index in present]
        _check_text(used, what)
        if all(_CANONICAL_INTEGER.fullmatch(value) for value in used):
            numbers = [int(value) for value in used]
            places = sorted(range(len(used)), key=numbers.__getitem__)
            fits = not numbers or (_INT64.min <= min(numbers) and max(numbers) <= _INT64.max)
            ids = np.array([(numbers if fits else used)[place] for place in places], dtype=np.int64 if fits else None)
        else:
            places = sorted(range(len(used)), key=used.__getitem__)  # Python compares text by code points
            ids = np.array([used[place] for place in places])
        order = present[places]
    rank = np.empty(len(values), np.int32)
    rank[order] = np.arange(len(order), dtype=np.int32)
    return rank[codes], ids


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
