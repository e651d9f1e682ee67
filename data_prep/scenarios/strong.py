"""Strong generalisation, the published split: users held out whole, a fifth of their events held out (steps 3 to 5).

Liang et al. 2018, section 4.1 and notebook. The draws are those of ``numpy.random.seed`` followed by
``numpy.random.permutation`` and ``numpy.random.choice``, bit for bit: ``RandomState`` is that very generator, without
the global state.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import sparse

from data_prep.filtering import Events
from data_prep.interactions import Interactions
from data_prep.options import DataOptions
from utils.system.errors import UserError

#: A user with fewer events keeps them all in the fold-in part (step 5).
FEWEST_TO_HOLD_OUT = 5

TRAIN, VALIDATION, TEST = 0, 1, 2


@dataclass(frozen=True)
class Split:
    """The items (in order of first appearance among the training events) and the five parts.

    The two parts of a held-out set have the same users in the same rows. ``source_rows`` has the row of the table
    (int32, from 0) of each event, beside the ``indices`` of the part of that name.
    """

    item_ids: np.ndarray
    parts: dict[str, Interactions]
    source_rows: dict[str, np.ndarray]


def split(events: Events, options: DataOptions) -> Split:
    """Steps 3 to 5 of the protocol; ``UserError`` when there are too few users for the held-out sizes."""
    group = assign_users(len(events.user_ids), options)
    group_of_event = group[events.users]
    kept_items, new_item = _number_items(events, group_of_event == TRAIN)
    members = {"train": (np.flatnonzero(group_of_event == TRAIN), group == TRAIN)}
    for name, which in (("validation", VALIDATION), ("test", TEST)):
        known = np.flatnonzero((group_of_event == which) & (new_item[events.items] >= 0))
        held_out = _draw_held_out(events.users[known], events.rows[known], options)
        members[f"{name}_fold_in"] = (known[~held_out], group == which)
        members[f"{name}_held_out"] = (known[held_out], group == which)
    parts, source_rows = {}, {}
    for name, (chosen, is_member) in members.items():
        parts[name], source_rows[name] = _part(events, new_item, chosen, is_member)
    return Split(events.item_ids[kept_items], parts, source_rows)


def assign_users(n_users: int, options: DataOptions) -> np.ndarray:
    """Step 3: int8 (n_users,), each user's group. The last n of the permutation test, the n before them validate."""
    size = options.test_users_size
    n_held_out = int(size) if size >= 1 else int(size * n_users)
    if n_held_out < 1 or 2 * n_held_out >= n_users:
        raise UserError(
            f"--test_users_size {size:g} holds out {n_held_out:,} users twice, and the filters leave {n_users:,}; at "
            "least 1 is needed for each of validation, test and training: choose another size or looser filters"
        )
    permutation = np.random.RandomState(int(options.split_seed)).permutation(n_users)
    group = np.full(n_users, TRAIN, dtype=np.int8)
    group[permutation[-n_held_out:]] = TEST
    group[permutation[-2 * n_held_out : -n_held_out]] = VALIDATION
    return group


def _number_items(events: Events, is_training: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Step 4: the items to keep, in their new order; and each item's new index, -1 where it is dropped."""
    never = np.iinfo(np.int64).max
    first = np.full(len(events.item_ids), never)
    np.minimum.at(first, events.items[is_training], events.rows[is_training].astype(np.int64))
    kept = np.flatnonzero(first < never)
    kept = kept[np.argsort(first[kept])]
    new_item = np.full(len(events.item_ids), -1, dtype=np.int32)
    new_item[kept] = np.arange(len(kept), dtype=np.int32)
    return kept, new_item


def _draw_held_out(users: np.ndarray, rows: np.ndarray, options: DataOptions) -> np.ndarray:
    """Step 5 for one set: boolean beside ``users`` (ascending), drawn from each user's events in the source's order."""
    in_source_order = np.lexsort((rows, users))
    starts = np.flatnonzero(np.diff(users, prepend=-1))
    generator = np.random.RandomState(int(options.split_seed))
    held_out = np.zeros(len(users), dtype=bool)
    stops = np.append(starts, len(users))[1:]
    for start, stop in zip(starts, stops, strict=True):
        n = stop - start
        if n >= FEWEST_TO_HOLD_OUT:  # the draw is made even when it takes none: it advances the generator
            drawn = generator.choice(n, size=int(options.test_size * n), replace=False)
            held_out[in_source_order[start + drawn.astype(np.int64)]] = True
    return held_out


def _part(
    events: Events, new_item: np.ndarray, chosen: np.ndarray, is_member: np.ndarray
) -> tuple[Interactions, np.ndarray]:
    """The events at ``chosen`` (ascending, so by user) as rows of the users that are members; and their source rows."""
    table, counts = events.table, np.bincount(events.users[chosen], minlength=len(is_member))[is_member]
    indptr = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    n_items = int(new_item.max()) + 1
    places = np.arange(len(chosen), dtype=np.int64)
    by_item = sparse.csr_matrix((places, new_item[events.items[chosen]], indptr), shape=(len(counts), n_items))
    by_item.sort_indices()
    rows = events.rows[chosen[by_item.data]]
    part = Interactions(
        indptr=indptr,
        indices=by_item.indices.astype(np.int32, copy=False),
        ratings=None if table.ratings is None else table.ratings[rows].astype(np.float32),
        order=rows.astype(np.int64) if table.timestamps is None else table.timestamps[rows],
        user_ids=events.user_ids[is_member],
        n_items=n_items,
    )
    return part, rows
