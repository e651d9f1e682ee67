"""Any known format -> the one table."""

from __future__ import annotations

import re
from dataclasses import replace
from functools import partial
from pathlib import Path

from data_prep.catalogue import DATASETS
from data_prep.options import DataOptions
from data_prep.ratings_table import RatingsSource
from data_prep.readers.detect import detect_source
from data_prep.readers.matrices import is_npz
from data_prep.readers.published import LAYOUTS
from data_prep.readers.sniff import found_separator
from data_prep.readers.sources import Member, locate
from utils.system.errors import UserError

#: Files that only a split has: this project's own export (Liang et al.'s layout), and RecBole's.
_SPLIT = {"validation_tr.csv", "test_tr.csv", "train.inter", "valid.inter", "test.inter"}

__all__ = ["open_source"]


def open_source(raw: Path, options: DataOptions) -> RatingsSource:
    """Find the files at ``raw`` and their layout, from names and first lines; nothing large is read yet.

    A catalogued data set may also come as one's own kind of file (Parquet, csv with a header, JSON lines), and does
    whenever ``options.columns`` or ``options.separator`` is given. Raises ``UserError`` for a missing file or an
    unknown format.
    """
    known = DATASETS.get(options.dataset)
    if not known or options.columns or options.separator:
        members = [Member(raw)] if is_npz(raw) else locate(raw, ["*"])
        return _open_own(_single(_most_likely(members), raw), options)
    patterns = [pattern for name in known.formats for pattern in LAYOUTS[name].files]
    members = _with_siblings(locate(raw, patterns), patterns)
    for name in known.formats:
        layout = LAYOUTS[name]
        chosen = [member for member in members if layout.first_line.fullmatch(member.first_line())]
        if len(chosen) == len(members) or (chosen and len(known.formats) > 1):
            if not layout.several:
                chosen = [_single(chosen, raw)]
            files = tuple(dict.fromkeys(member.path for member in chosen))
            notes = (layout.order,) if layout.order and options.scenario == "leave_one_out" else ()
            return RatingsSource(files, name, partial(layout.read, chosen), notes=notes)
    try:
        return _open_own(_single(members, raw), options)
    except UserError as error:
        expected = "; or ".join(LAYOUTS[name].description for name in known.formats)
        raise UserError(
            f"{members[0].label}: wrong format for {options.dataset}, expected {expected} ({error})"
        ) from error


def _open_own(member: Member, options: DataOptions) -> RatingsSource:
    source = detect_source(member, options.columns, options.separator)
    if source.layout in ("csv", "tsv") and options.separator == found_separator(member):
        return source  # the same preparation as without --separator
    return replace(source, separator=options.separator)


def _most_likely(members: list[Member]) -> list[Member]:
    """Of several files those that are called ratings or interactions; all where none or several are."""
    likely = [member for member in members if re.match(r"(ratings|interactions)\.", member.name.lower())]
    return likely if len(likely) == 1 else members


def _single(members: list[Member], raw: Path) -> Member:
    if len(members) == 1:
        return members[0]
    names = [member.inside or member.path.name for member in members]
    if _SPLIT & {re.sub(r"^.*\.(?=(train|valid|test)\.inter$)", "", Path(name).name) for name in names}:
        raise UserError(
            f"--raw {raw} holds a ready-made split ({', '.join(sorted(names)[:5])}), which cannot be read in yet; give "
            "the ratings as they were before, and they are split as published"
        )
    listed = ", ".join(names[:6]) + (", ..." if len(names) > 6 else "")
    raise UserError(
        f"--raw {raw} holds {len(members)} files; name the one that is the ratings table ({raw}/NAME): {listed}"
    )


def _with_siblings(members: list[Member], patterns: list[str]) -> list[Member]:
    """Given NCF's train file alone, its test file beside it belongs to the same table."""
    only = members[0]
    if len(members) > 1 or only.inside or not only.name.endswith(".train.rating"):
        return members
    stem = only.name.removesuffix(".train.rating")
    test = only.path.with_name(f"{stem}.test.rating")
    return [only, Member(test)] if "*.test.rating" in patterns and test.exists() else members
