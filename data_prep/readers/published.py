"""The layouts in which the known data sets are published."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from data_prep.ratings_table import RatingsTable
from data_prep.readers.amazon import read_five_core
from data_prep.readers.delimited import Layout as Delimited
from data_prep.readers.delimited import read_delimited
from data_prep.readers.jsonlines import read_json_lines
from data_prep.readers.netflix import read_netflix
from data_prep.readers.sources import Member

Read = Callable[[Sequence[Member]], RatingsTable]

_FOUR = ("user", "item", "rating", "timestamp")
_AS_NAMED = {role: role for role in _FOUR}


@dataclass(frozen=True)
class Layout:
    """How one publisher writes ratings.

    Parameters
    ----------
    files : tuple of str
        Names to look for in a zip or a folder.
    first_line : pattern
        What the first line of each file is like.
    shown : str
        The same for people.
    read : callable
        Files -> table.
    several : bool
        Whether the table may come in more than one file.
    """

    files: tuple[str, ...]
    first_line: re.Pattern[bytes]
    shown: str
    read: Read
    several: bool = False


def _movielens_csv(members: Sequence[Member]) -> RatingsTable:
    columns = {"user": "userId", "item": "movieId", "rating": "rating", "timestamp": "timestamp"}
    return read_delimited(members, columns, Delimited(tuple(columns.values()), header=True))


def _movielens_dat(members: Sequence[Member]) -> RatingsTable:
    names = ("user", "-1", "item", "-2", "rating", "-3", "timestamp")  # "::" is an empty column between two colons
    return read_delimited(members, _AS_NAMED, Delimited(names, ":"))


def _movielens_tab(members: Sequence[Member]) -> RatingsTable:
    return read_delimited(members, _AS_NAMED, Delimited(_FOUR, "\t"))


def _movielens_inter(members: Sequence[Member]) -> RatingsTable:
    return read_delimited(members, _AS_NAMED, Delimited(_FOUR, "\t", header=True))


def _amazon_json(members: Sequence[Member]) -> RatingsTable:
    fields = {"user": "reviewerID", "item": "asin", "rating": "overall", "timestamp": "unixReviewTime"}
    return read_json_lines(members[0], fields)


def _amazon_csv(members: Sequence[Member]) -> RatingsTable:
    return read_five_core(read_delimited(members, _AS_NAMED, Delimited(_FOUR)))


def _msd(members: Sequence[Member]) -> RatingsTable:
    columns = {"user": "user", "item": "song"}  # a play count is no rating: the published study ignores it
    return read_delimited(members, columns, Delimited(("user", "song", "count"), "\t"))


def _pinterest(members: Sequence[Member]) -> RatingsTable:
    width = members[0].first_line().count(b"\t") + 1
    names = ("user", "item", "rating", "timestamp", *map(str, range(4, width)))[:width]
    return read_delimited(members, {"user": "user", "item": "item"}, Delimited(tuple(names), "\t"))


def _line(pattern: str) -> re.Pattern[bytes]:
    return re.compile(pattern.encode())


LAYOUTS: dict[str, Layout] = {
    "movielens-csv": Layout(
        ("ratings.csv",),
        _line(r"(\xef\xbb\xbf)?userId,movieId,rating,timestamp"),
        "the header userId,movieId,rating,timestamp",
        _movielens_csv,
    ),
    "movielens-dat": Layout(
        ("ratings.dat",), _line(r"[^:]+::[^:]+::[^:]+::[^:]+"), "user::item::rating::timestamp", _movielens_dat
    ),
    "movielens-tab": Layout(
        ("u.data",),
        _line(r"[^\t]+\t[^\t]+\t[-+.0-9eE]+\t[-+.0-9eE]+"),
        "user, item, rating, timestamp by tabs",
        _movielens_tab,
    ),
    "movielens-inter": Layout(
        ("ml-100k.inter",),
        _line(r"user_id:token\titem_id:token\trating:float\ttimestamp:float"),
        "RecBole's header of an .inter file",
        _movielens_inter,
    ),
    "amazon-json": Layout(
        ("reviews_Movies_and_TV_5.json",),
        _line(r"\s*\{.*"),
        "one JSON object a line (reviewerID, asin, ...)",
        _amazon_json,
    ),
    "amazon-csv": Layout(
        ("ratings_Movies_and_TV.csv",),
        _line(r"[^,]+,[^,]+,[-+.0-9eE]+,[-+.0-9eE]+"),
        "user,item,rating,timestamp without a header",
        _amazon_csv,
    ),
    "netflix": Layout(
        ("combined_data_*.txt", "mv_*.txt"),
        _line(r"[0-9]+:"),
        "'movie:' lines followed by user,rating,date",
        read_netflix,
        several=True,
    ),
    "msd": Layout(
        ("train_triplets.txt",),
        _line(r"[^\t]+\t[^\t]+\t[0-9]+"),
        "user, song, play count by tabs",
        _msd,
    ),
    "pinterest": Layout(
        ("*.train.rating", "*.test.rating"),
        _line(r"[^\t]+\t[^\t]+(\t.*)?"),
        "user and item by tabs (NCF)",
        _pinterest,
        several=True,
    ),
}
