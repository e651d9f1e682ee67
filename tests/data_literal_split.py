"""The splits in plain Python: the oracle of the tests.

Strong, the published protocol's steps 1 to 5, is written from the text of the protocol alone, with the global
``numpy.random`` it names; the others from their definitions. It shares no code with ``data_prep``. Rows are ``(user,
item, rating)`` with the ids as the text of the source, and for leave-one-out a time behind them.
"""

from __future__ import annotations

import re

import numpy as np
from numpy.random import Generator, Philox


def typed(column):
    """Integers if every one of the column is canonically one, else the strings."""

    def canonical(text):
        try:
            return str(int(text)) == text
        except ValueError:
            return False

    return [int(text) for text in column] if all(canonical(text) for text in column) else list(column)


def spelled(column):
    """A column of a csv: no spaces around an id; where 5 also stands as 5.0, every whole number without its .0."""
    texts = [text.strip(" ") for text in column]
    plain = [re.sub(r"^(0|-?[1-9][0-9]*)\.0+$", r"\1", text) for text in texts]
    return plain if len(set(plain)) < len(set(column)) else texts


def literal_events(rows, min_rating, min_item_click, min_user_click):
    """Steps 1 and 2: the events that count, (user, item, rating, source row), in the order of the source."""
    users = typed(spelled([row[0] for row in rows]))
    items = typed(spelled([row[1] for row in rows]))
    events = [(users[i], items[i], rows[i][2], i) for i in range(len(rows))]

    # 1. Keep rating > min_rating. Of duplicates the first is kept, after that and before any counting.
    if min_rating is not None:
        events = [event for event in events if event[2] > min_rating]
    seen = set()
    distinct = []
    for event in events:
        if (event[0], event[1]) not in seen:
            seen.add((event[0], event[1]))
            distinct.append(event)
    events = distinct

    # 2. Keep items, then users, with enough clicks.
    clicks = {}
    for event in events:
        clicks[event[1]] = clicks.get(event[1], 0) + 1
    events = [event for event in events if clicks[event[1]] >= min_item_click]
    clicks = {}
    for event in events:
        clicks[event[0]] = clicks.get(event[0], 0) + 1
    return [event for event in events if clicks[event[0]] >= min_user_click]


def literal_split(rows, min_rating, min_item_click, min_user_click, test_users_size, test_size, seed):
    """The item ids in order, and for each part a dictionary user -> [(item, rating, source row)].

    Too few users give empty parts. A held-out user whose events all fall away has an empty list in both of his parts.
    """
    events = literal_events(rows, min_rating, min_item_click, min_user_click)

    # 3. Users in ascending id order, seed, permutation; the last n test, the n before them validate.
    ids = sorted({event[0] for event in events})
    n = test_users_size if test_users_size >= 1 else int(test_users_size * len(ids))
    np.random.seed(seed)
    permuted = [ids[place] for place in np.random.permutation(len(ids))]
    if n < 1 or 2 * n >= len(ids):
        return [], {"train": {}}
    training = set(permuted[: len(ids) - 2 * n])
    validation = set(permuted[len(ids) - 2 * n : len(ids) - n])
    test = set(permuted[len(ids) - n :])

    # 4. Items of the training users, in order of first appearance; others are dropped from validation and test.
    order = []
    for event in events:
        if event[0] in training and event[1] not in order:
            order.append(event[1])
    events = [event for event in events if event[1] in set(order)]

    parts = {"train": {user: [] for user in sorted(training)}}
    for user, item, rating, row in events:
        if user in training:
            parts["train"][user].append((item, rating, row))

    # 5. Within each held-out set: ascending ids, one seed for the set, a choice for each user with at least 5 events.
    for name, members in (("validation", validation), ("test", test)):
        fold_in = parts[f"{name}_fold_in"] = {}
        held_out = parts[f"{name}_held_out"] = {}
        np.random.seed(seed)
        for user in sorted(members):
            own = [(item, rating, row) for who, item, rating, row in events if who == user]
            drawn = set()
            if len(own) >= 5:
                drawn = set(np.random.choice(len(own), size=int(test_size * len(own)), replace=False).tolist())
            fold_in[user] = [event for place, event in enumerate(own) if place not in drawn]
            held_out[user] = [event for place, event in enumerate(own) if place in drawn]
    return order, parts


def philox(seed, purpose, epoch, step):
    """The numbers of a purpose at a step."""
    return Generator(Philox(key=[seed, purpose], counter=[0, 0, step, epoch]))


def by_user(events):
    """User, ascending -> his events (item, rating, source row) in the order of the source."""
    own = {user: [] for user in sorted({event[0] for event in events})}
    for user, item, rating, row in events:
        own[user].append((item, rating, row))
    return own


def literal_weak_split(events, test_size, seed):
    """For each stored part a dictionary user -> [(item, rating, source row)], of ``literal_events``."""
    parts = {"train": {}, "validation_held_out": {}, "test_held_out": {}}
    for place, (user, own) in enumerate(by_user(events).items()):
        test, validation = [], []
        if len(own) >= 5:
            shuffled = [own[at] for at in philox(seed, 8, 0, place).permutation(len(own))]
            n_test = int(test_size * len(own))
            n_validation = min(int(0.1 * len(own)), len(own) - n_test - 1)
            test, validation = shuffled[:n_test], shuffled[n_test : n_test + n_validation]
        parts["test_held_out"][user], parts["validation_held_out"][user] = test, validation
        parts["train"][user] = [event for event in own if event not in test and event not in validation]
    return parts


def literal_leave_one_out(events, times, catalogue_items, seed):
    """The parts as above; and for both folds user -> the candidates' indices, ascending.

    ``times`` has the time of each row of the source. Items are numbered in the order of ``events``.
    """
    parts = {"train": {}, "validation_held_out": {}, "test_held_out": {}}
    candidates = {"validation": {}, "test": {}}
    items = list(dict.fromkeys(item for _, item, _, _ in events))
    for place, (user, own) in enumerate(by_user(events).items()):
        in_order = sorted(own, key=lambda event: (times[event[2]], event[2]))
        n_known = len(own) - 2 if len(own) >= 3 else len(own)
        parts["train"][user] = in_order[:n_known]
        parts["validation_held_out"][user] = in_order[n_known : n_known + 1]
        parts["test_held_out"][user] = in_order[n_known + 1 :]
        seen = {items.index(item) for item, _, _ in own}
        unseen = [item for item in range(catalogue_items or len(items)) if item not in seen]
        for fold, name in enumerate(candidates):
            drawn = []
            if len(own) >= 3:
                generator = philox(seed, 7, fold, place)
                drawn = generator.choice(len(unseen), min(99, len(unseen)), replace=False, shuffle=False).tolist()
            candidates[name][user] = sorted(unseen[at] for at in drawn)
    return parts, candidates
