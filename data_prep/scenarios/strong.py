"""Strong generalisation, the published split: users held out whole, a fifth of their events held out (steps 3 to 5).

Liang et al. 2018, section 4.1 and notebook. The draws are those of ``numpy.random.seed`` followed by
``numpy.random.permutation`` and ``numpy.random.choice``, bit for bit: ``RandomState`` is that very generator, without
the global state.
"""

from __future__ import annotations

import numpy as np

from data_prep.filtering import Events
from data_prep.options import DataOptions
from data_prep.scenarios.parts import TEST, TRAIN, VALIDATION, Split, number_items, part_of
from utils.system.errors import UserError

#: A user with fewer events keeps them all in the fold-in part (step 5).
FEWEST_TO_HOLD_OUT = 5


def split(events: Events, options: DataOptions) -> Split:
    """Steps 3 to 5 of the protocol; ``UserError`` when there are too few users for the held-out sizes."""
    group = assign_users(len(events.user_ids), options)
    group_of_event = group[events.users]
    kept_items, new_item = number_items(events, group_of_event == TRAIN)
    members = {"train": (np.flatnonzero(group_of_event == TRAIN), group == TRAIN)}
    for name, which in (("validation", VALIDATION), ("test", TEST)):
        known = np.flatnonzero((group_of_event == which) & (new_item[events.items] >= 0))
        held_out = _draw_held_out(events.users[known], events.rows[known], options)
        members[f"{name}_fold_in"] = (known[~held_out], group == which)
        members[f"{name}_held_out"] = (known[held_out], group == which)
    parts, source_rows = {}, {}
    for name, (chosen, is_member) in members.items():
        parts[name], source_rows[name] = part_of(events, new_item, chosen, is_member)
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
