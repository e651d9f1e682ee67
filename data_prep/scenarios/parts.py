"""What every split makes: items numbered by first appearance, and events as rows of users."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from scipy import sparse

from data_prep.filtering import Events
from data_prep.interactions import Interactions

TRAIN, VALIDATION, TEST = 0, 1, 2


@dataclass(frozen=True)
class Split:
    """The parts of a data set, and what else its scenario draws and counts.

    Parameters
    ----------
    item_ids : int64 or unicode (n_items,)
        The items in order of first appearance: among the training events (strong), among all (weak, leave-one-out).
    parts : dict
        Name -> ``Interactions``. Strong has all five, the two of a held-out set with the same users in the same rows.
        The others have ``train``, ``validation_held_out`` and ``test_held_out``, each with all users; the fold-ins
        follow from them (``data_prep.prepared.all_parts``).
    source_rows : dict
        Name -> int32 (nnz,), the row of the table (from 0) of each event, beside the ``indices`` of that part.
    candidates : dict or None
        "validation", "test" -> int32 (n_users, 99): see ``data_prep.scenarios.leave_one_out``; None where all items
        are.
    counts : mapping
        What a manifest counts of this scenario alone.
    """

    item_ids: np.ndarray
    parts: dict[str, Interactions]
    source_rows: dict[str, np.ndarray]
    candidates: dict[str, np.ndarray] | None = None
    counts: Mapping[str, int] = field(default_factory=dict)


def divide_events(events: Events, group: np.ndarray) -> Split:
    """The split in which every user has a row in every part: each event in that of its ``group`` (int8 (n_events,))."""
    kept_items, new_item = number_items(events, np.ones(len(events), dtype=bool))
    everyone = np.ones(len(events.user_ids), dtype=bool)
    parts, source_rows = {}, {}
    for name, which in (("train", TRAIN), ("validation_held_out", VALIDATION), ("test_held_out", TEST)):
        parts[name], source_rows[name] = part_of(events, new_item, np.flatnonzero(group == which), everyone)
    return Split(events.item_ids[kept_items], parts, source_rows)


def number_items(events: Events, is_known: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The items of the events that ``is_known`` marks, in order of first appearance in the source among these.

    Their positions in ``events.item_ids``; and each item's new index, int32, -1 where it is not among them.
    """
    never = np.iinfo(np.int64).max
    first = np.full(len(events.item_ids), never)
    np.minimum.at(first, events.items[is_known], events.rows[is_known].astype(np.int64))
    kept = np.flatnonzero(first < never)
    kept = kept[np.argsort(first[kept])]
    new_item = np.full(len(events.item_ids), -1, dtype=np.int32)
    new_item[kept] = np.arange(len(kept), dtype=np.int32)
    return kept, new_item


def part_of(
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
