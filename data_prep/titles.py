"""The films' titles of MovieLens, whatever file they come in, as one table: id, title, year by tabs."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Iterable
from pathlib import Path

from data_prep.readers.sources import locate
from utils.system.errors import UserError

_LARGEST = 64 << 20
_YEAR_AT_END = re.compile(r"(.*?)\s*\(([0-9]{4})\)\s*(?:\(V\))?\s*")  # "(V)": released on video


def _split_title(text: str) -> tuple[str, str]:
    """``Toy Story (1995)`` -> ``Toy Story``, ``1995``; the year is empty where there is none."""
    found = _YEAR_AT_END.fullmatch(text)
    title, year = found.groups() if found else (text, "")
    return " ".join(title.split()), year


def _lines(content: bytes, encoding: str) -> list[str]:
    """Lines as files end them; ``str.splitlines`` would also part a title at a latin-1 control character."""
    return [line.rstrip("\r") for line in content.decode(encoding).split("\n") if line.strip()]


def _u_item(content: bytes) -> Iterable[tuple[str, str]]:
    for line in _lines(content, "latin-1"):
        yield tuple(line.split("|")[:2])


def _dot_item(content: bytes) -> Iterable[tuple[str, str]]:
    for line in _lines(content, "utf-8")[1:]:
        item, title, year = line.split("\t")[:3]
        # RecBole's cut left "... (1995)", "V" of a film released on video, and its "unkonwn" is u.item's "unknown".
        yield item, "unknown" if title == "unkonwn" else f"{title} ({year})"


def _movies_dat(content: bytes) -> Iterable[tuple[str, str]]:
    for line in _lines(content, "latin-1"):
        yield tuple(line.split("::")[:2])


def _movies_csv(content: bytes) -> Iterable[tuple[str, str]]:
    for row in list(csv.reader(io.StringIO(content.decode("utf-8-sig"))))[1:]:
        yield row[0], row[1]


_READERS: dict[str, Callable[[bytes], Iterable[tuple[str, str]]]] = {
    "u.item": _u_item,
    "ml-100k.item": _dot_item,
    "movies.dat": _movies_dat,
    "movies.csv": _movies_csv,
}
_TABLE = "item_titles.tsv"
#: What lies beside the ratings of each data set that has titles.
_FILES = {
    "movielens": ("movies.csv",),
    "movielens-1m": ("movies.dat",),
    "movielens-100k": (_TABLE, "u.item", "ml-100k.item"),
}


def titles_table(name: str, content: bytes) -> str:
    """The table of the file ``name`` (``u.item``, ``ml-100k.item``, ``movies.dat`` or ``movies.csv``).

    Raises ``UserError`` when it is not in that file's format.
    """
    try:
        rows = [(item, *_split_title(text)) for item, text in _READERS[name](content)]
    except (ValueError, IndexError) as error:
        raise UserError(f"{name} is not in the format of MovieLens ({error}); fetch it again") from error
    return "".join("\t".join(row) + "\n" for row in rows)


def titles_beside(dataset: str, raw: Path) -> str | None:
    """The table for the source ``raw`` of ``dataset``, from the same folder or zip; None where there is none."""
    for name in _FILES.get(dataset, ()):
        beside = raw.parent / name
        place = beside if raw.is_file() and beside.is_file() else raw
        try:
            member = next(each for each in locate(place, [name]) if each.name == name)
            with member.opened() as stream:
                content = stream.read(_LARGEST)
        except (UserError, StopIteration):
            continue
        return content.decode("utf-8") if name == _TABLE else titles_table(name, content)
    return None
