"""From a ratings file to prepared data: locate, check, read, filter, split, write."""

from __future__ import annotations

import contextlib
import datetime
import hashlib
import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from data_prep.fetch import locate_source
from data_prep.filtering import filter_events
from data_prep.find import dataset_folder, find_latest, is_latest, last_request_of
from data_prep.folders import exclusive_access, remove_leftovers
from data_prep.ids import ColumnError
from data_prep.options import FORMAT_VERSION, DataOptions, format_columns
from data_prep.prepared import FORMAT, PreparedData, all_parts, load_prepared, note_request, write_prepared
from data_prep.ratings_table import RatingsSource, RatingsTable
from data_prep.readers import open_source
from data_prep.scenarios import split
from data_prep.scenarios.leaks import check_leaks
from data_prep.scenarios.parts import Split
from data_prep.summary import compare_with_published, counts_of, lines_of, render, render_lines
from data_prep.titles import titles_beside
from utils.system.errors import UserError
from utils.system.files import sha256_of

Say = Callable[[str], None]
_SAY_OTHERWISE = "--columns says otherwise"


def warn(text: str) -> None:
    """One line on stderr."""
    print(f"warning: {text}", file=sys.stderr)


def prepare(
    options: DataOptions,
    raw: str | os.PathLike | None = None,
    data_dir: str | os.PathLike = "data",
    download: bool = False,
    force: bool = False,
    say: Say = print,
) -> PreparedData:
    """Prepare a data set, or find it finished.

    Parameters
    ----------
    options : DataOptions
    raw : path or None
        The source: a file, a zip or a folder. None takes what ``download`` fetches, or fetched before.
    data_dir : path, default "data"
        Preparations go to ``<data_dir>/<name>_processed/``, downloads to ``<data_dir>/downloads/``.
    download : bool, default False
        Fetch the source where it is not in the cache yet.
    force : bool, default False
        Prepare again even if the same preparation is there.
    say : callable, default print
        Takes each line of the report.

    Returns
    -------
    PreparedData

    Raises
    ------
    UserError
        For a bad option, file or value; nothing is left half-written.
    """
    options = options.resolved()
    data_dir = Path(data_dir)
    if raw is not None and download:
        raise UserError(f"--raw {raw} and --download: give one of them")
    may_be_there = raw is None and not download and not force
    if may_be_there and (finished := _load_or_warn(lambda: find_latest(data_dir, options))):
        return _report_found(finished, say)
    raw = Path(raw) if raw is not None else locate_source(options.dataset, data_dir, download, say)
    source = open_source(raw, options)
    for note in source.notes:
        say(note)
    if source.guessed:
        say(f"columns guessed from the header: {format_columns(source.columns)} ({_SAY_OTHERWISE})")
    settled = replace(options, columns=source.columns, separator=source.separator)
    return _prepare_source(source, raw, settled, data_dir, force, say)


def _prepare_source(
    source: RatingsSource, raw: Path, options: DataOptions, data_dir: Path, force: bool, say: Say
) -> PreparedData:
    """The preparation of ``source``, found in the file or folder ``raw``: made, or found finished."""
    before, origin = _file_states(source), _describe_source(source)
    folder = dataset_folder(data_dir, options.dataset) / f"{options.scenario}-{options.fingerprint(origin['sha256'])}"

    def there() -> PreparedData | None:
        return _load_or_warn(lambda: load_prepared(folder)) if folder.exists() and not force else None

    if (finished := there()) and is_latest(data_dir, finished):
        return _report_found(finished, say)
    with exclusive_access(folder.parent, say):
        if finished := there():  # made by the process that was waited for, or not the last that was asked for
            if not is_latest(data_dir, finished):
                note_request(finished, _now_or_later(last_request_of(data_dir, options.dataset)))
            return _report_found(load_prepared(folder), say)
        manifest, divided = _compute(source, origin, options)
        titles = titles_beside(options.dataset, raw)
        if _file_states(source) != before:
            raise UserError(f"--raw {raw} changed while it was read; nothing was prepared: run again when it is whole")
        manifest["prepared_at"] = _now_or_later(last_request_of(data_dir, options.dataset))
        source_rows = divided.source_rows if manifest["order"] == "timestamp" else None
        write_prepared(
            folder, manifest, divided.item_ids, divided.parts, titles, source_rows, divided.candidates,
            replace=folder.exists(),
        )  # fmt: skip
    say(f"prepared: {folder}")
    prepared = load_prepared(folder)
    _report(prepared, say)
    return prepared


def _now_or_later(last: str | None) -> str:
    """The time of a preparation: now, and after the ``last`` one even where the clock was set back since."""
    now = datetime.datetime.now(datetime.timezone.utc)
    if last is not None:
        with contextlib.suppress(ValueError, TypeError, OverflowError):  # no time of ours orders as text all the same
            now = max(now, datetime.datetime.fromisoformat(last) + datetime.timedelta(microseconds=1))
    return now.isoformat(timespec="microseconds")


def _file_states(source: RatingsSource) -> list[tuple[int, int, int]]:
    """What tells that a file of the source was written to, or replaced."""
    return [(about.st_ino, about.st_size, about.st_mtime_ns) for about in (path.stat() for path in source.files)]


def _load_or_warn(load: Callable[[], PreparedData | None]) -> PreparedData | None:
    """What ``load`` gives; None, with a warning, where it is damaged."""
    try:
        return load()
    except UserError as error:
        warn(f"{error}; it is prepared again")
        return None


def _report_found(finished: PreparedData, say: Say) -> PreparedData:
    remove_leftovers(finished.folder.parent)
    say(f"already prepared: {finished.folder} (--force prepares it again)")
    _report(finished, say)
    return finished


def _describe_source(source: RatingsSource) -> dict[str, Any]:
    """What a manifest says of the source; of several files the checksum is that of their list."""
    files = [{"name": path.name, "size": path.stat().st_size, "sha256": sha256_of(path)} for path in source.files]
    listed = "".join(f"{file['sha256']}  {file['name']}\n" for file in files)
    checksum = files[0]["sha256"] if len(files) == 1 else hashlib.sha256(listed.encode()).hexdigest()
    return {"files": files, "sha256": checksum, "layout": source.layout}


def _read(source: RatingsSource) -> RatingsTable:
    try:
        return source.read()
    except ColumnError as error:
        if not source.guessed:
            raise
        raise UserError(f"{error} (columns guessed: {format_columns(source.columns)}; {_SAY_OTHERWISE})") from error


def _compute(source: RatingsSource, origin: Mapping[str, Any], options: DataOptions) -> tuple[dict[str, Any], Split]:
    """The manifest (files and time apart), and the split."""
    table = _read(source)
    events = filter_events(table, options)
    divided = split(events, options)
    parts = all_parts(divided.parts)
    check_leaks(parts, divided.candidates)
    manifest = {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "protocol": options.scenario,
        "dataset": options.dataset,
        "fingerprint": options.fingerprint(origin["sha256"]),
        "options": options.record(),
        "source": origin,
        "order": "source row" if table.timestamps is None else "timestamp",
        "counts": counts_of(events, parts) | dict(divided.counts),
        "lines": lines_of(events, divided.parts),
        "spellings": {role: list(found) for role, found in table.spellings.items()},
    }
    return manifest, divided


def _report(prepared: PreparedData, say: Say) -> None:
    counts = prepared.manifest["counts"]
    if lines := prepared.manifest.get("lines"):  # kept since version 0.2
        say(render_lines(lines, prepared.manifest["options"]))
    for role, (number, one, other) in prepared.manifest.get("spellings", {}).items():
        warn(f"{number:,} {role} ids are written in more than one way, such as {one!r} and {other!r}: read as one each")
    say(render(prepared.manifest))
    right, line = compare_with_published(prepared.manifest)
    if right is False:
        warn(line)
    elif right:
        say(line)
    for held in ("validation", "test"):
        if not counts[f"{held}_held_out_events"]:
            warn(f"nothing is held out of the {held} users: none has enough events; metrics on them will be undefined")
