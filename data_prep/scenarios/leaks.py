"""The check of every split: nothing held out is known, and no candidate is an item of the user."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from data_prep.interactions import Interactions

_APART = (
    ("train", "validation_held_out"),
    ("train", "test_held_out"),
    ("validation_held_out", "test_held_out"),
    ("validation_fold_in", "validation_held_out"),
    ("test_fold_in", "test_held_out"),
)


def check_leaks(parts: Mapping[str, Interactions], candidates: Mapping[str, np.ndarray] | None) -> None:
    """Raise ``RuntimeError`` (a fault of this program) where an event is in two of the five ``parts`` that must be
    apart, or where one of the ``candidates`` ((n_users, n) a fold, padded with -1) is an item of its user.
    """
    for one, other in _APART:
        if _shared(parts[one], parts[other]):
            raise RuntimeError(f"the split leaks: {one} and {other} have events in common")
    for fold, drawn in (candidates or {}).items():
        rows, places = np.nonzero((drawn >= 0) & (drawn < parts["train"].n_items))
        pairs = rows * parts["train"].n_items + drawn[rows, places]
        for name in ("test_fold_in", "test_held_out"):  # of a scenario with candidates, these are all events
            if _shared_pairs(parts[name].pairs(), pairs):
                raise RuntimeError(f"the split leaks: candidates of {fold} are items of their user in {name}")


def _shared(one: Interactions, other: Interactions) -> bool:
    """Whether the two have an event in common; parts that have other users must have none in common."""
    if not np.array_equal(one.user_ids, other.user_ids):
        return bool(np.isin(one.user_ids, other.user_ids).any())
    return _shared_pairs(one.pairs(), other.pairs())


def _shared_pairs(one: np.ndarray, other: np.ndarray) -> bool:
    """Whether two arrays have a number in common, ``one`` ascending."""
    if not len(one):
        return False
    places = np.minimum(np.searchsorted(one, other), len(one) - 1)
    return bool((one[places] == other).any())
