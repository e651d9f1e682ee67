"""The one table every source is read into, and a source before it is read."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np


@dataclass(frozen=True)
class RatingsTable:
    """The events of a source, in the order of its rows.

    Parameters
    ----------
    users, items : int32 (n_events,)
        Positions in ``user_ids`` and ``item_ids``.
    user_ids, item_ids : int64 or unicode (n_users,), (n_items,)
        The ids in ascending order (see ``data_prep.ids``).
    ratings : real (n_events,) or None
        As exact as the source (float64, or its integer type); None where it has none.
    timestamps : int64 (n_events,) or None
        In the source's unit (dates in seconds since 1970); None where it has none.
    in_order : bool
        Whether the rows of each user stand in their order in time, times or none.
    unused : mapping
        Lines of the source that are no events, by reason ("header", "blank", ...): with the events they are all of its
        lines.
    spellings : mapping
        What was read as one: "user" and "item" -> how many ids are written in more than one way, and two of the ways.
    """

    users: np.ndarray
    items: np.ndarray
    user_ids: np.ndarray
    item_ids: np.ndarray
    ratings: np.ndarray | None = None
    timestamps: np.ndarray | None = None
    in_order: bool = False
    unused: Mapping[str, int] = field(default_factory=dict)
    spellings: Mapping[str, tuple[int, str, str]] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.users)

    def take(self, rows: np.ndarray) -> RatingsTable:
        """The events at ``rows`` (ascending), with the ids that still occur."""
        users, user_ids = still_used(self.users[rows], self.user_ids)
        items, item_ids = still_used(self.items[rows], self.item_ids)
        ratings = None if self.ratings is None else self.ratings[rows]
        timestamps = None if self.timestamps is None else self.timestamps[rows]
        return replace(
            self, users=users, items=items, user_ids=user_ids, item_ids=item_ids, ratings=ratings, timestamps=timestamps
        )

    def with_unused(self, **more: int) -> RatingsTable:
        """The same events with further lines of the source counted as none: reason -> how many, zeros left out."""
        return replace(self, unused={**self.unused, **{why: number for why, number in more.items() if number}})


def still_used(codes: np.ndarray, ids: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """``codes`` (positions in ``ids``) as int32 positions in those of ``ids`` that occur; and these."""
    used = np.bincount(codes, minlength=len(ids)) > 0
    return (np.cumsum(used, dtype=np.int32) - 1)[codes].astype(np.int32, copy=False), ids[used]


@dataclass(frozen=True)
class RatingsSource:
    """A source whose layout is known and which has not been read yet.

    Parameters
    ----------
    files : tuple of Path
        The files on disk it consists of: what its checksum is of.
    layout : str
        A name of ``data_prep.readers.published.LAYOUTS``; or of data of one's own "csv", "tsv", "parquet",
        "json lines", "lists", "npz", "matrix market".
    read : callable
        Reads it.
    columns : dict or None
        Role -> name, of data of one's own; None where the layout fixes them.
    guessed : bool
        Whether ``columns`` comes from the header alone.
    separator : str or None
        The one given on the command line, unless it is the one that would be found anyway.
    notes : tuple of str
        What was taken for what, for whoever watches.
    """

    files: tuple[Path, ...]
    layout: str
    read: Callable[[], RatingsTable]
    columns: dict[str, str] | None = None
    guessed: bool = False
    separator: str | None = None
    notes: tuple[str, ...] = ()
