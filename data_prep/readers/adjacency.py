"""Lines of ``user item item ...``, as LightGCN's code and those after it write their data."""

from __future__ import annotations

import re
from array import array

import numpy as np
import pyarrow as pa

from data_prep.ratings_table import RatingsTable
from data_prep.readers.arrow import to_table
from data_prep.readers.sniff import Sample
from data_prep.readers.sources import Member
from utils.system.errors import UserError

_WHOLE = re.compile(r"-?[0-9]+")


def is_adjacency(sample: Sample) -> bool:
    """Whether lines of different lengths hold whole numbers and nothing else."""
    return (
        sample.separator in (" ", "\t")
        and sample.is_ragged()
        and all(_WHOLE.fullmatch(field) for row in sample.rows for field in row if field)
    )


def read_adjacency(member: Member, comments: int) -> RatingsTable:
    """An event for each item behind a user, in the order of the file; ``comments`` lines at its beginning are skipped.

    Raises ``UserError`` naming the line that holds anything but whole numbers.
    """
    users, items = array("q"), array("q")
    unused = {"comment": comments, "blank": 0, "user_without_items": 0}
    with member.opened() as stream:
        for number, line in enumerate(stream, start=1):
            if number <= comments:
                continue
            try:
                user, *clicked = map(int, line.split())
                items.extend(clicked)
                users.extend([user] * len(clicked))
            except (ValueError, OverflowError):
                if line.strip():
                    shown = line.strip().decode(errors="replace")[:40]
                    raise UserError(
                        f"{member.label}, line {number}: {shown!r} is no user followed by items, whole "
                        "numbers as in the lines before"
                    ) from None
                unused["blank"] += 1
                continue
            unused["user_without_items"] += not clicked
    columns = {"user": pa.chunked_array([np.array(users)]), "item": pa.chunked_array([np.array(items)])}
    return to_table(columns, {"user": "user", "item": "items"}, member.label).with_unused(**unused)
