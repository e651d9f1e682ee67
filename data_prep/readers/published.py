"""The layouts in which the known data sets are published."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import partial

from data_prep.options import ROLES
from data_prep.ratings_table import RatingsTable
from data_prep.readers.amazon import read_five_core
from data_prep.readers.delimited import DelimitedLayout, read_delimited
from data_prep.readers.jsonlines import read_json_lines
from data_prep.readers.netflix import read_netflix
from data_prep.readers.sources import Member

Read = Callable[[Sequence[Member]], RatingsTable]

_MOVIELENS_CSV = {"user": "userId", "item": "movieId", "rating": "rating", "timestamp": "timestamp"}


@dataclass(frozen=True)
class PublishedLayout:
    """How one publisher writes ratings.

    Parameters
    ----------
    files : tuple of str
        Names to look for in a zip or a folder.
    first_line : pattern
        What the first line of each file is like.
    description : str
        The same for people.
    read : callable
        Files -> table.
    several : bool
        Whether the table may come in more than one file.
    order : str
        What is said of the order of a table without times, where the rows have one.
    """

    files: tuple[str, ...]
    first_line: re.Pattern[bytes]
    description: str
    read: Read
    several: bool = False
    order: str = ""


def _delimited(names: Iterable[str], delimiter: str = ",", header: bool = False, **columns: str) -> Read:
    """Reads files with the columns ``names``, of them ``columns`` (role -> name; all that are called as a role)."""
    layout = DelimitedLayout(tuple(names), delimiter, header=header)
    return partial(read_delimited, columns=columns or {role: role for role in ROLES}, layout=layout)


def _read_amazon_json(members: Sequence[Member]) -> RatingsTable:
    fields = {"user": "reviewerID", "item": "asin", "rating": "overall", "timestamp": "unixReviewTime"}
    return read_json_lines(members[0], fields)


def _read_amazon_csv(members: Sequence[Member]) -> RatingsTable:
    return read_five_core(_delimited(ROLES)(members))


def _read_pinterest(members: Sequence[Member]) -> RatingsTable:
    width = members[0].first_line().count(b"\t") + 1
    names = [*ROLES, *map(str, range(len(ROLES), width))][:width]
    table = _delimited(names, "\t", user="user", item="item")(members)
    names = [member.name.removesuffix(".gz") for member in members]
    is_whole = len(names) == 2 and names[0].endswith(".train.rating") and names[1].endswith(".test.rating")
    return replace(table, in_order=is_whole)


def _line(pattern: str) -> re.Pattern[bytes]:
    return re.compile(pattern.encode())


LAYOUTS: dict[str, PublishedLayout] = {
    "movielens-csv": PublishedLayout(
        ("ratings.csv",),
        _line(r"(\xef\xbb\xbf)?userId,movieId,rating,timestamp"),
        "the header userId,movieId,rating,timestamp",
        _delimited(_MOVIELENS_CSV.values(), header=True, **_MOVIELENS_CSV),
    ),
    "movielens-dat": PublishedLayout(
        ("ratings.dat",),
        _line(r"[^:]+::[^:]+::[^:]+::[^:]+"),
        "user::item::rating::timestamp",
        _delimited(ROLES, "::"),
    ),
    "movielens-tab": PublishedLayout(
        ("u.data",),
        _line(r"[^\t]+\t[^\t]+\t[-+.0-9eE]+\t[-+.0-9eE]+"),
        "user, item, rating, timestamp by tabs",
        _delimited(ROLES, "\t"),
    ),
    "movielens-inter": PublishedLayout(
        ("ml-100k.inter",),
        _line(r"user_id:token\titem_id:token\trating:float\ttimestamp:float"),
        "RecBole's header of an .inter file",
        _delimited(ROLES, "\t", header=True),
    ),
    "amazon-json": PublishedLayout(
        ("reviews_Movies_and_TV_5.json",),
        _line(r"\s*\{.*"),
        "one JSON object a line (reviewerID, asin, ...)",
        _read_amazon_json,
    ),
    "amazon-csv": PublishedLayout(
        ("ratings_Movies_and_TV.csv",),
        _line(r"[^,]+,[^,]+,[-+.0-9eE]+,[-+.0-9eE]+"),
        "user,item,rating,timestamp without a header",
        _read_amazon_csv,
    ),
    "netflix": PublishedLayout(
        ("combined_data_*.txt", "mv_*.txt"),
        _line(r"[0-9]+:"),
        "'movie:' lines followed by user,rating,date",
        read_netflix,
        several=True,
    ),
    "msd": PublishedLayout(
        ("train_triplets.txt",),
        _line(r"[^\t]+\t[^\t]+\t[0-9]+"),
        "user, song, play count by tabs",
        # a play count is no rating: the published study ignores it
        _delimited(("user", "song", "count"), "\t", user="user", item="song"),
    ),
    "pinterest": PublishedLayout(
        ("*.train.rating", "*.test.rating"),
        _line(r"[^\t]+\t[^\t]+(\t.*)?"),
        "user and item by tabs (NCF)",
        _read_pinterest,
        several=True,
        order="order: a user's row in the test file is the last event, that before it the last of his rows in the "
        "training file, as they stand there; candidates are drawn anew, the published .test.negative is not read",
    ),
}
