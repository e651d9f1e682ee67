"""The counts of a preparation: the table every paper needs, and whether they are those expected."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from data_prep.catalogue import DATASETS
from data_prep.filtering import Events
from data_prep.interactions import Interactions
from data_prep.options import FILTERS, DataOptions

#: Why a line of the source is no event, in the words of ``render_lines``; names in braces are options.
_REASONS = {
    "header": "header",
    "comment": "comments",
    "blank": "blank",
    "inside_quotes": "line ends inside quotes",
    "movie": "lines that name a movie",
    "stored_zero": "stored zeros",
    "user_without_items": "users without items",
    "outside_the_core": "outside the 5-core",
    "low_rating": "rated {min_rating} or below",
    "duplicate": "duplicates (the first of each was kept)",
    "rare_item": "on items with fewer than {min_item_click} events",
    "inactive_user": "of users with fewer than {min_user_click} events",
}
#: The published counts that no split changes.
_BEFORE_THE_SPLIT = ("events", "users", "items")
#: Quantiles of the clicks per user that are recorded and shown.
QUANTILES = {"min": 0.0, "5 %": 0.05, "25 %": 0.25, "median": 0.5, "75 %": 0.75, "95 %": 0.95, "max": 1.0}


def counts_of(events: Events, parts: Mapping[str, Interactions]) -> dict[str, Any]:
    """All counts a manifest records.

    ``events``, ``users`` and ``items`` are those after the filters; ``density`` is events / (users * items); clicks per
    user are over all users; ``training_items`` is the number of items that models see.
    """
    clicks = np.bincount(events.users)
    counts: dict[str, Any] = {
        "source_rows": len(events.table),
        "duplicates_dropped": events.dropped["duplicate"],
        "events": len(events),
        "users": len(events.user_ids),
        "items": len(events.item_ids),
        "density": len(events) / (len(events.user_ids) * len(events.item_ids)),
        "clicks_per_user": {name: float(np.quantile(clicks, at)) for name, at in QUANTILES.items()},
        "training_users": parts["train"].n_users,
        "training_events": parts["train"].nnz,
        "training_items": parts["train"].n_items,
    }
    for held in ("validation", "test"):
        fold_in, held_out = parts[f"{held}_fold_in"], parts[f"{held}_held_out"]
        counts[f"{held}_users"] = fold_in.n_users
        counts[f"{held}_fold_in_events"] = fold_in.nnz
        counts[f"{held}_held_out_events"] = held_out.nnz
        counts[f"{held}_users_with_held_out_events"] = int((np.diff(held_out.indptr) > 0).sum())
    return counts


def lines_of(events: Events, parts: Mapping[str, Interactions]) -> dict[str, Any]:
    """Where every line of the source went, for a manifest: ``read`` = ``events`` + all of ``dropped``.

    Of the ``events`` (after the filters) those of validation and test users on items that no training user has are in
    no part: ``unknown_items`` (under strong alone). Of matrices and lists the stored entries count as lines. ``parts``
    are those that hold each event once.
    """
    unused = events.table.unused
    dropped = {why: number for why, number in {**unused, **events.dropped}.items() if number}
    in_parts = sum(part.nnz for part in parts.values())
    assert set(dropped) <= set(_REASONS), "every reason has its words"
    return {
        "read": len(events.table) + sum(unused.values()),
        "events": len(events),
        "dropped": dropped,
        "unknown_items": len(events) - in_parts,
    }


def render_lines(lines: Mapping[str, Any], options: Mapping[str, Any]) -> str:
    """``lines_of`` for people: what became of the lines that are no events, in a sentence of its own each."""
    dropped = lines["dropped"]
    said = [f"{dropped[name]:,} {why.format(**options)}" for name, why in _REASONS.items() if name in dropped]
    text = f"lines read: {lines['read']:,} = {lines['events']:,} events" + "".join(f" + {each}" for each in said)
    if lines["unknown_items"]:
        text += (
            f"; {lines['unknown_items']:,} of the events are of validation and test users on items that no training "
            "user has, and in no part"
        )
    return text


def render(manifest: Mapping[str, Any]) -> str:
    """The counts of ``manifest`` as a table for people."""
    counts = manifest["counts"]
    quantiles = counts["clicks_per_user"]
    rows = [
        ("events", f"{counts['events']:,}"),
        ("users", f"{counts['users']:,}"),
        ("items", f"{counts['items']:,}"),
        ("density", f"{100 * counts['density']:.3g} %"),
        ("clicks per user", ", ".join(f"{name} {quantiles[name]:,.6g}" for name in QUANTILES)),
        ("training", f"{counts['training_users']:,} users, {counts['training_events']:,} events, "
                     f"{counts['training_items']:,} items"),
    ]  # fmt: skip
    for held in ("validation", "test"):
        rows.append(
            (
                f"{held}, held out",
                f"{counts[f'{held}_users']:,} users, {counts[f'{held}_fold_in_events']:,} fold-in events, "
                f"{counts[f'{held}_held_out_events']:,} held-out events{_of_users(manifest, held)}",
            )
        )
    if "candidate_items" in counts:
        rows.append(("candidates", _candidates_in_words(counts)))
    width = max(len(name) for name, _ in rows)
    return "\n".join(f"  {name:<{width}}  {value}" for name, value in rows)


def _of_users(manifest: Mapping[str, Any], held: str) -> str:
    """Of how many users the held-out events are, where every user could have some; and whose the row alone decided."""
    counts = manifest["counts"]
    if manifest["protocol"] == "strong":
        return ""
    by_row = counts.get(f"{held}_users_decided_by_row")
    decided = f", {by_row:,} times decided by the row alone (events at one time)" if by_row else ""
    return f" of {counts[f'{held}_users_with_held_out_events']:,} users{decided}"


def _candidates_in_words(counts: Mapping[str, Any]) -> str:
    total, fewer = counts["candidate_items"], counts["users_with_fewer_candidates"]
    text = f"99 a user, of {total:,} items, {total - counts['items']:,} of them without events"
    return f"{text}; fewer for {fewer:,} users" if fewer else text


def compare_with_published(manifest: Mapping[str, Any]) -> tuple[bool | None, str]:
    """Whether the counts are the published ones, and one line that says so.

    None when there is nothing to compare with: no published counts, or other options than the published. Of another
    scenario than strong the counts before the split are compared.
    """
    known = DATASETS.get(manifest["dataset"])
    if known is None or not known.expected:
        return None, "no counts are known to compare with"
    is_strong = manifest["protocol"] == "strong"
    published, ours = DataOptions(known.name).record(), manifest["options"]
    expected = {name: known.expected[name] for name in known.expected if is_strong or name in _BEFORE_THE_SPLIT}
    if any(ours[name] != published[name] for name in (published if is_strong else FILTERS) if name != "columns"):
        return None, "other options than the published; their counts do not apply"
    counts = manifest["counts"]
    misses = [
        f"{name} {counts[name]:,} (expected {'about ' if name == 'events' and known.rounded > 1 else ''}{number:,})"
        for name, number in expected.items()
        if not _meets(name, number, counts, known.items_either, known.rounded)
    ]
    if misses:
        return False, f"not the expected counts: {', '.join(misses)}; is the source complete and the right edition?"
    return True, f"counts as expected: {', '.join(expected)}"


def _meets(name: str, expected: int, counts: Mapping[str, Any], items_either: bool, rounded: int) -> bool:
    if name == "events":
        return abs(counts[name] - expected) <= rounded // 2
    if name == "items" and items_either:
        return expected in (counts["items"], counts["training_items"])
    return counts[name] == expected
