"""Which events count: the rating filter, duplicates, and the click filters (steps 1 and 2 of the protocol)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from scipy import sparse

from data_prep.options import KEEP_ALL, DataOptions, format_value
from data_prep.ratings_table import RatingsTable, still_used
from utils.system.errors import UserError

_BLOCK = 1 << 20


@dataclass(frozen=True)
class Events:
    """Distinct (user, item) pairs, sorted by user, then item.

    Parameters
    ----------
    table : RatingsTable
        What they are chosen from.
    rows : int32 (n_events,)
        The row of ``table`` each event stands in.
    users, items : int32 (n_events,)
        Positions in ``user_ids`` and ``item_ids``; every id has at least one event.
    user_ids, item_ids : int64 or unicode
        Ascending.
    dropped : mapping
        Why rows are no events: "low_rating", "duplicate" (an earlier row has the same user and item), "rare_item",
        "inactive_user" -> how many. With the events they are all rows of the table.
    """

    table: RatingsTable
    rows: np.ndarray
    users: np.ndarray
    items: np.ndarray
    user_ids: np.ndarray
    item_ids: np.ndarray
    dropped: Mapping[str, int]

    def __len__(self) -> int:
        return len(self.users)


def filter_events(table: RatingsTable, options: DataOptions) -> Events:
    """Steps 1 and 2 of the protocol: ratings above ``min_rating``, first of each pair, enough clicks.

    Items are filtered before users, one pass each (Liang et al.'s notebook). Raises ``UserError`` when nothing is left,
    or a rating filter is asked of a table without ratings.
    """
    rows = _above_min_rating(table, options)
    users, items = table.users[rows], table.items[rows]
    order = _by_user_then_item(users, items, len(table.user_ids), len(table.item_ids))
    users, items, rows = users[order], items[order], rows[order]
    first = _first_of_run(users, items)
    dropped = {"low_rating": len(table) - len(first), "duplicate": int(len(first) - first.sum())}
    users, items, rows = users[first], items[first], rows[first]

    kept = (np.bincount(items, minlength=len(table.item_ids)) >= options.min_item_click)[items]
    dropped["rare_item"] = int(len(kept) - kept.sum())
    users, items, rows = users[kept], items[kept], rows[kept]
    kept = (np.bincount(users, minlength=len(table.user_ids)) >= options.min_user_click)[users]
    if not kept.any():
        raise UserError(
            f"the filters leave nothing of {len(table):,} events (min_rating {format_value(options.min_rating)}, "
            f"min_item_click {options.min_item_click}, min_user_click {options.min_user_click}); loosen them"
        )
    dropped["inactive_user"] = int(len(kept) - kept.sum())
    users, user_ids = still_used(users[kept], table.user_ids)
    items, item_ids = still_used(items[kept], table.item_ids)
    return Events(table, rows[kept], users, items, user_ids, item_ids, dropped)


def first_of_each_pair(table: RatingsTable) -> np.ndarray:
    """Boolean (n_events,): True at the first row of each (user, item) pair."""
    order = _by_user_then_item(table.users, table.items, len(table.user_ids), len(table.item_ids))
    first = np.zeros(len(table), dtype=bool)
    first[order[_first_of_run(table.users[order], table.items[order])]] = True
    return first


def exceeds(values: np.ndarray, threshold: float) -> np.ndarray:
    """``values > threshold`` compared as float64, block by block (a small integer type would round the threshold)."""
    above = np.empty(len(values), dtype=bool)
    for start in range(0, len(values), _BLOCK):
        stop = start + _BLOCK
        np.greater(values[start:stop].astype(np.float64), np.float64(threshold), out=above[start:stop])
    return above


def counting_argsort(codes: np.ndarray, n_codes: int) -> np.ndarray:
    """The stable order of ``codes`` (each below ``n_codes``) in linear time: int32 (n,).

    A sparse matrix with one entry a row, turned column-wise, lists the rows of each column in ascending order.
    """
    n = len(codes)
    one_a_row = np.arange(n + 1, dtype=np.int32)
    matrix = sparse.csr_matrix((np.ones(n, dtype=bool), codes, one_a_row), shape=(n, n_codes))
    return matrix.tocsc().indices


def _above_min_rating(table: RatingsTable, options: DataOptions) -> np.ndarray:
    if options.min_rating == KEEP_ALL:
        return np.arange(len(table), dtype=np.int32)
    if table.ratings is None:
        raise UserError(
            f"--min_rating {options.min_rating}: the source has no ratings; name their column (--columns rating=NAME) "
            "or say --min_rating none"
        )
    return np.flatnonzero(exceeds(table.ratings, options.min_rating)).astype(np.int32)


def _by_user_then_item(users: np.ndarray, items: np.ndarray, n_users: int, n_items: int) -> np.ndarray:
    by_item = counting_argsort(items, n_items)
    return by_item[counting_argsort(users[by_item], n_users)]


def _first_of_run(users: np.ndarray, items: np.ndarray) -> np.ndarray:
    first = np.ones(len(users), dtype=bool)
    first[1:] = (users[1:] != users[:-1]) | (items[1:] != items[:-1])
    return first
