"""The ratings-only csv of Amazon, reduced to the 5-core in which the reviews are published."""

from __future__ import annotations

import numpy as np

from data_prep.filtering import first_of_each_pair
from data_prep.ratings_table import RatingsTable
from utils.system.errors import UserError

_CORE = 5


def read_five_core(table: RatingsTable, core: int = _CORE) -> RatingsTable:
    """The largest part of ``table`` in which every user and every item has at least ``core`` different partners.

    Users and items below are dropped together, again and again until none is; the result does not depend on the order.
    Duplicate rows count once and stay (the filter drops them later). Raises ``UserError`` when users and items have
    changed places, as in the edition of 2018.
    """
    _check_order(table)
    distinct = first_of_each_pair(table)
    keep = np.ones(len(table), dtype=bool)
    while True:
        counted = keep & distinct
        enough_users = np.bincount(table.users[counted], minlength=len(table.user_ids)) >= core
        enough_items = np.bincount(table.items[counted], minlength=len(table.item_ids)) >= core
        still = keep & enough_users[table.users] & enough_items[table.items]
        if still.sum() == keep.sum():
            return table.take(np.flatnonzero(keep)).with_unused(outside_the_core=int(len(keep) - keep.sum()))
        keep = still


def _check_order(table: RatingsTable) -> None:
    """Ids of Amazon's reviewers begin with A, those of its items with B or a digit."""
    users, items = (np.char.startswith(ids.astype(str), "A").mean() for ids in (table.user_ids, table.item_ids))
    if items > 0.5 > users:
        raise UserError(
            "the first column holds items and the second users, as in Amazon's edition of 2018, where user,item,rating,"
            "timestamp was expected (2014); say --columns user=2,item=1,rating=3,timestamp=4"
        )
