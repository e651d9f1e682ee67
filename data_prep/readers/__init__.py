"""Any known format -> the one table."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from data_prep.catalogue import DATASETS
from data_prep.options import DataOptions
from data_prep.readers.known import LAYOUTS
from data_prep.readers.own import understand
from data_prep.readers.sources import Member, locate
from data_prep.table import Table
from utils.errors import UserError

__all__ = ["Source", "open_source"]


@dataclass(frozen=True)
class Source:
    """A source whose layout is known and which has not been read yet.

    Parameters
    ----------
    files : tuple of Path
        The files on disk it consists of: what its checksum is of.
    layout : str
        A name of ``LAYOUTS``, or "csv", "tsv", "parquet", "json lines".
    columns : dict or None
        Role -> name for one's own layouts; None where the layout fixes them.
    guessed : bool
        Whether ``columns`` comes from the header alone.
    read : callable
        Reads it.
    """

    files: tuple[Path, ...]
    layout: str
    columns: dict[str, str] | None
    guessed: bool
    read: Callable[[], Table]


def open_source(raw: Path, options: DataOptions) -> Source:
    """Find the files at ``raw`` and their layout, from names and first lines; nothing large is read yet.

    A catalogued data set may also come as one's own kind of file (Parquet, csv with a header, JSON lines), and does
    whenever ``options.columns`` is given. Raises ``UserError`` for a missing file or an unknown format.
    """
    known = DATASETS.get(options.dataset)
    if not known or options.columns:
        return _own(_single(locate(raw, ["*"]), raw), options)
    patterns = [pattern for name in known.formats for pattern in LAYOUTS[name].files]
    members = _with_siblings(locate(raw, patterns), patterns)
    for name in known.formats:
        layout = LAYOUTS[name]
        chosen = [member for member in members if layout.first_line.fullmatch(member.first_line())]
        if len(chosen) == len(members) or (chosen and len(known.formats) > 1):
            if not layout.several:
                chosen = [_single(chosen, raw)]
            files = tuple(dict.fromkeys(member.path for member in chosen))
            return Source(files, name, None, False, partial(layout.read, chosen))
    try:
        return _own(_single(members, raw), options)
    except UserError as error:
        shown = "; or ".join(LAYOUTS[name].shown for name in known.formats)
        raise UserError(
            f"{members[0].label}: wrong format for {options.dataset}, expected {shown} ({error})"
        ) from error


def _own(member: Member, options: DataOptions) -> Source:
    own = understand(member, options.columns)
    return Source((member.path,), own.kind, own.columns, own.guessed, own.read)


def _single(members: list[Member], raw: Path) -> Member:
    if len(members) > 1:
        raise UserError(f"--raw {raw} holds {len(members)} files; name the one that is the ratings table")
    return members[0]


def _with_siblings(members: list[Member], patterns: list[str]) -> list[Member]:
    """Given NCF's train file alone, its test file beside it belongs to the same table."""
    only = members[0]
    if len(members) > 1 or only.inside or not only.name.endswith(".train.rating"):
        return members
    stem = only.name.removesuffix(".train.rating")
    test = only.path.with_name(f"{stem}.test.rating")
    return [only, Member(test)] if "*.test.rating" in patterns and test.exists() else members
