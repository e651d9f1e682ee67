"""Leave-one-out with sampled negatives: every user's last event, ranked among 99 items (He et al. 2017, NCF)."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from data_prep.filtering import Events
from data_prep.interactions import Interactions, joined
from data_prep.options import DataOptions
from data_prep.scenarios.parts import TEST, VALIDATION, Split, divide_events
from utils.randomness import Purpose, streams
from utils.system.errors import UserError

#: A user with fewer events has them all in training.
FEWEST_TO_HOLD_OUT = 3
N_CANDIDATES = 99


def split(events: Events, options: DataOptions) -> Split:
    """The last event of a user in time is test, the last but one validation; of events at one time the later row.

    ``candidates`` are ``N_CANDIDATES`` items for each of the two, drawn without replacement, each equally likely, by a
    generator of the user's own, from the items with which the user has no event in any part: ascending, fewer where
    there are fewer, padded with -1; a user of whom nothing is held out has none. They are drawn from
    ``catalogue_items`` items where that is given: from ``n_items`` on they are items without events, which no model
    knows. Raises ``UserError`` when the source has no order, or fewer ``catalogue_items`` than items that have events.
    """
    times = _times(events)
    in_order = np.lexsort((events.rows, times, events.users))
    n_events = np.bincount(events.users)
    is_divided = n_events >= FEWEST_TO_HOLD_OUT
    last = np.cumsum(n_events)[is_divided] - 1
    group = np.zeros(len(events), dtype=np.int8)
    group[in_order[last]], group[in_order[last - 1]] = TEST, VALIDATION
    divided = divide_events(events, group)
    seen = joined(joined(divided.parts["train"], divided.parts["validation_held_out"]), divided.parts["test_held_out"])
    n_candidate_items = _n_candidate_items(seen.n_items, options)
    candidates = {
        name: _draw_candidates(seen, is_divided, n_candidate_items, options.record()["seed"], fold)
        for fold, name in enumerate(("validation", "test"))
    }
    test_is_tied, validation_is_tied = (times[in_order[last - n]] == times[in_order[last - n - 1]] for n in (0, 1))
    counts = {
        "candidate_items": n_candidate_items,
        "users_with_fewer_candidates": int((n_candidate_items - n_events[is_divided] < N_CANDIDATES).sum()),
        "validation_users_decided_by_row": int((validation_is_tied | test_is_tied).sum()),
        "test_users_decided_by_row": int(test_is_tied.sum()),
    }
    return replace(divided, candidates=candidates, counts=counts)


def _times(events: Events) -> np.ndarray:
    """What orders each user's events."""
    table = events.table
    if table.in_order:
        return events.rows
    if table.timestamps is None:
        raise UserError(
            "--scenario leave_one_out needs an order and the source has no time stamps; name the column of the times, "
            "or of the positions in time: --columns user=NAME,item=NAME[,rating=NAME],timestamp=NAME"
        )
    return table.timestamps[events.rows]


def _n_candidate_items(n_items: int, options: DataOptions) -> int:
    if not options.catalogue_items:
        return n_items
    if options.catalogue_items < n_items:
        raise UserError(
            f"--catalogue_items {options.catalogue_items}: {n_items:,} items have events after the filters; give that "
            "number or a larger one"
        )
    return int(options.catalogue_items)


def _draw_candidates(
    seen: Interactions, is_divided: np.ndarray, n_candidate_items: int, seed: int, fold: int
) -> np.ndarray:
    """int32 (n_users, N_CANDIDATES), of the users that ``is_divided`` marks; ``fold`` names the streams."""
    # Of each event: how many items below its own, in the order of indices, the user has no event with; ascending.
    n_unseen_below = seen.indices - np.arange(seen.nnz) + np.repeat(seen.indptr[:-1], np.diff(seen.indptr))
    candidates = np.full((seen.n_users, N_CANDIDATES), -1, dtype=np.int32)
    users = np.flatnonzero(is_divided).tolist()
    for user, generator in zip(users, streams(seed, Purpose.CANDIDATES, fold, users), strict=True):
        below = n_unseen_below[seen.indptr[user] : seen.indptr[user + 1]]
        n_unseen = n_candidate_items - len(below)
        n_drawn = min(N_CANDIDATES, n_unseen)
        drawn = generator.choice(n_unseen, n_drawn, replace=False, shuffle=False)
        drawn.sort()
        # the r-th unseen item has as many of the user's own below it as have at most r unseen ones below them
        candidates[user, :n_drawn] = drawn + below.searchsorted(drawn, side="right")
    return candidates
