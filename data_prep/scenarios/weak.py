"""Weak generalisation: a share of every user's events held out at random, every user trained on (Wu et al. 2016)."""

from __future__ import annotations

import numpy as np

from data_prep.filtering import Events
from data_prep.options import DataOptions
from data_prep.scenarios.parts import TEST, VALIDATION, Split, divide_events
from utils.randomness import Purpose, streams

#: A user with fewer events has them all in training.
FEWEST_TO_HOLD_OUT = 5
#: The part of a user's events that is validation, drawn from those that are not test.
VALIDATION_SIZE = 0.1


def split(events: Events, options: DataOptions) -> Split:
    """Of a user's n events ``int(test_size * n)`` are test, ``int(.1 * n)`` of the others validation; one is left.

    They are drawn from the events in the source's order, by a generator of the user's own (seed, row of the user), so
    what one user draws does not depend on the events of others.
    """
    settled, n_events = options.record(), np.bincount(events.users)
    is_divided = n_events >= FEWEST_TO_HOLD_OUT
    n_test = np.where(is_divided, (settled["test_size"] * n_events).astype(np.int64), 0)
    n_tenth = np.minimum((VALIDATION_SIZE * n_events).astype(np.int64), n_events - n_test - 1)
    n_validation = np.where(is_divided, n_tenth, 0)
    in_source_order, starts = np.lexsort((events.rows, events.users)), np.cumsum(n_events) - n_events
    group = np.zeros(len(events), dtype=np.int8)
    users = np.flatnonzero(n_test + n_validation).tolist()
    for user, generator in zip(users, streams(settled["seed"], Purpose.SPLIT, 0, users), strict=True):
        shuffled = generator.permutation(in_source_order[starts[user] : starts[user] + n_events[user]])
        group[shuffled[: n_test[user]]] = TEST
        group[shuffled[n_test[user] : n_test[user] + n_validation[user]]] = VALIDATION
    return divide_events(events, group)
