"""A preparation on disk: what is written, and how it is read back."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from data_prep.folders import folder_written_whole
from data_prep.interactions import Interactions, joined, merger
from data_prep.options import FORMAT_VERSION
from utils.system.errors import UserError
from utils.system.files import json_text, read_json, sha256_of, write_json
from utils.system.npz import read_npz, save_npz

FORMAT = "prepared-interactions"
MANIFEST = "manifest.json"
ITEMS = "items.npz"
SOURCE_ROWS = "source_rows.npz"  # not in the preparations of earlier versions
CANDIDATES = "candidates.npz"  # only where a scenario has them
TITLES = "item_titles.tsv"
_CHECKSUM = "sha256"  # of the manifest itself, in it
_CHECKSUM_DIFFERS = "its checksum differs"
_READ = ("dataset", "fingerprint", "options", "source", "counts", "files", "prepared_at")  # of every manifest
PARTS = ("train", "validation_fold_in", "validation_held_out", "test_fold_in", "test_held_out")
#: The parts on disk where all users are in every part, and what the fold-ins, not on disk, are made of.
STORED_PARTS = ("train", "validation_held_out", "test_held_out")
_MADE_OF = {"validation_fold_in": ("train",), "test_fold_in": ("train", "validation_held_out")}


@dataclass(frozen=True)
class PreparedData:
    """A data set, filtered and split, as models take it.

    Parameters
    ----------
    folder : Path
        Where it lies: ``<data_dir>/<name>_processed/<scenario>-<fingerprint>``.
    manifest : dict
        Source, options, counts and checksums (``manifest.json``).
    item_ids : int64 or unicode (n_items,)
        The items' own ids; an item's index is its position.
    train, validation_fold_in, validation_held_out, test_fold_in, test_held_out : Interactions
        The parts; the two of a held-out set have the same users in the same rows. Under weak and leave_one_out all
        five have all users in the same rows, ``validation_fold_in`` is ``train``, and ``test_fold_in`` is ``train``
        with ``validation_held_out``: what is known, and masked, when the held-out part is ranked.
    """

    folder: Path
    manifest: dict[str, Any]
    item_ids: np.ndarray
    train: Interactions
    validation_fold_in: Interactions
    validation_held_out: Interactions
    test_fold_in: Interactions
    test_held_out: Interactions

    @property
    def name(self) -> str:
        """The data set's name on the command line."""
        return self.manifest["dataset"]

    @property
    def scenario(self) -> str:
        """How it is split: a name of ``data_prep.scenarios``."""
        return self.manifest["protocol"]

    @property
    def n_items(self) -> int:
        """The number of items: under strong those of the training users, else all that have events."""
        return len(self.item_ids)

    @property
    def n_candidate_items(self) -> int | None:
        """How many items ``candidates`` are drawn from, at least ``n_items``; None where the scenario has none."""
        return self.manifest["counts"].get("candidate_items")

    @property
    def fingerprint(self) -> str:
        """Eight hexadecimal digits that name the preparation: the hash of every option and the source's checksum."""
        return self.manifest["fingerprint"]

    @property
    def origin(self) -> str:
        """Which preparation it is, and of what, for whoever watches: ``preparation d18f650d of u.data``."""
        names = [str(file["name"]) for file in self.manifest["source"].get("files", [])]
        more = f" and {len(names) - 1} more" if len(names) > 1 else ""
        return f"preparation {self.fingerprint} of {names[0] if names else 'unknown files'}{more}"

    def timestamps(self, part: str) -> np.ndarray | None:
        """The times of the events of ``part`` (a name of ``PARTS``): int64 (nnz,), beside its ``indices``.

        In the source's unit (dates in seconds since 1970, in microseconds where one has a fraction); None where the
        source has no times. Of several events of a user and an item the first that the rating filter keeps is the one
        that counts, with its time and its row. Raises ``ValueError`` for the name of no part.
        """
        return self._part(part).order if self.manifest.get("order") == "timestamp" else None

    def source_rows(self, part: str) -> np.ndarray | None:
        """The row of each event of ``part`` (a name of ``PARTS``): int64 (nnz,), beside its ``indices``.

        Rows are counted from 0 in the table as it was read: without header, comments and blank lines, Amazon's
        ratings-only csv within its 5-core. Events of one user at one time are in the order of their rows. None where
        an earlier version prepared a source with times: with ``force`` it is prepared again, under the same name.
        Raises ``UserError`` when the file of the rows is damaged.
        """
        if self.manifest.get("order") == "source row":
            return self._part(part).order
        self._part(part)
        if SOURCE_ROWS not in self.manifest["files"]:
            return None
        made_of = _MADE_OF.get(part, ()) if self.scenario != "strong" else ()
        rows = [self._stored_rows(name) for name in made_of or (part,)]
        return merger(*(self._part(name) for name in made_of))(*rows) if len(rows) == 2 else rows[0]

    def candidates(self, part: str) -> np.ndarray | None:
        """The items among which a user's held-out item of ``part`` ("validation", "test") is ranked, beside that item.

        int32 (n_users, 99), ascending in a row, padded with -1; none where nothing is held out of the user. Indices
        from ``n_items`` to ``n_candidate_items`` are items without events, which no model knows. None where the
        scenario has no candidates. Raises ``ValueError`` for the name of no such part, ``UserError`` when the file is
        damaged.
        """
        if part not in ("validation", "test"):
            raise ValueError(f"{part!r} is none of validation, test")
        if CANDIDATES not in self.manifest["files"]:
            return None
        found = self._candidates.get(part)
        if found is None or found.dtype != np.int32 or found.ndim != 2 or len(found) != self.train.n_users:
            raise _damaged(self.folder / CANDIDATES, f"it has no candidates for each user of {part}")
        return found

    def item_titles(self) -> dict[str, str]:
        """Item id (as text) -> title, with the year where the source says one; empty where it has no titles."""
        if TITLES not in self.manifest["files"]:
            return {}
        titles = {}
        for line in (self.folder / TITLES).read_text(encoding="utf-8").splitlines():
            item, title, year = line.split("\t")
            titles[item] = f"{title} ({year})" if year else title
        return titles

    def titles_of(self, items: Iterable[int]) -> list[str]:
        """The titles of items given by their indices, an item's own id where it has no title.

        Negative indices, such as the -1 that pads a model's lists, are no items and are left out. Raises
        ``IndexError`` on an index past the last item.
        """
        ids = [str(self.item_ids[item]) for item in items if item >= 0]
        return [self._titles.get(each, each) for each in ids]

    def _part(self, part: str) -> Interactions:
        if part not in PARTS:
            raise ValueError(f"{part!r} is none of {', '.join(PARTS)}")
        return getattr(self, part)

    def _stored_rows(self, part: str) -> np.ndarray:
        rows = self._source_rows.get(part)
        if rows is None or rows.dtype != np.int64 or rows.shape != (self._part(part).nnz,):
            raise _damaged(self.folder / SOURCE_ROWS, f"it has no row for each event of {part}")
        return rows

    @cached_property
    def _source_rows(self) -> dict[str, np.ndarray]:
        return _read_or_damaged(self.folder / SOURCE_ROWS)

    @cached_property
    def _candidates(self) -> dict[str, np.ndarray]:
        return _read_or_damaged(self.folder / CANDIDATES)

    @cached_property
    def _titles(self) -> dict[str, str]:
        return self.item_titles()


def all_parts(parts: Mapping[str, Interactions]) -> dict[str, Interactions]:
    """All of ``PARTS``, from those on disk."""
    made = {}
    if "test_fold_in" not in parts:
        made["validation_fold_in"] = parts["train"]
        made["test_fold_in"] = joined(parts["train"], parts["validation_held_out"])
    return {name: made[name] if name in made else parts[name] for name in PARTS}


def write_prepared(
    folder: Path,
    manifest: Mapping[str, Any],
    item_ids: np.ndarray,
    parts: Mapping[str, Interactions],
    titles: str | None = None,
    source_rows: Mapping[str, np.ndarray] | None = None,
    candidates: Mapping[str, np.ndarray] | None = None,
    replace: bool = False,
) -> None:
    """Write a preparation to ``folder``, whole or not at all.

    ``parts`` are all of ``PARTS``, or of a scenario whose fold-ins follow ``STORED_PARTS``. ``source_rows`` (part ->
    integers beside its ``indices``) is for a source with times: else ``order`` says the rows. ``candidates``
    ("validation", "test" -> int32 (n_users, 99)) are for a scenario that has them.

    The files are written to a temporary folder beside it, which is then renamed. When another process has finished the
    same preparation first, that one stays (the two are equal), unless ``replace`` is set.
    """
    with folder_written_whole(folder, replace) as temporary:
        save_npz(temporary / ITEMS, {"item_ids": item_ids})
        for name, part in parts.items():
            save_npz(temporary / f"{name}.npz", _arrays(part))
        if source_rows is not None:
            save_npz(
                temporary / SOURCE_ROWS, {name: rows.astype(np.int64, copy=False) for name, rows in source_rows.items()}
            )
        if candidates is not None:
            save_npz(temporary / CANDIDATES, candidates)
        if titles is not None:
            (temporary / TITLES).write_text(titles, encoding="utf-8")
        files = {
            path.name: {"size": path.stat().st_size, "sha256": sha256_of(path)} for path in sorted(temporary.iterdir())
        }
        whole = {**manifest, "files": files}
        write_json(temporary / MANIFEST, {**whole, _CHECKSUM: _checksum(whole)})


def note_request(prepared: PreparedData, when: str) -> None:
    """Note in the manifest of a finished preparation that it was asked for again: of its like it is the one to take."""
    whole = {name: value for name, value in prepared.manifest.items() if name != _CHECKSUM} | {"asked_at": when}
    write_json(prepared.folder / MANIFEST, {**whole, _CHECKSUM: _checksum(whole)})


def last_request(manifest: Mapping[str, Any]) -> str:
    """When a preparation was asked for last, as text that orders as time does."""
    return manifest.get("asked_at", manifest["prepared_at"])


def load_prepared(folder: str | os.PathLike) -> PreparedData:
    """Read a preparation back, checking its format and the checksum of every file.

    Raises ``UserError`` naming the file that is missing or damaged; the remedy is to prepare again.
    """
    folder = Path(folder)
    manifest = read_manifest(folder)
    for name, recorded in manifest["files"].items():
        path = folder / name
        if not path.is_file():
            raise UserError(f"{path} is missing; prepare the data again with --force")
        if path.stat().st_size != recorded["size"] or sha256_of(path) != recorded["sha256"]:
            raise _damaged(path, _CHECKSUM_DIFFERS)
    item_ids = read_npz(folder / ITEMS)["item_ids"]
    stored = PARTS if manifest.get("protocol", "strong") == "strong" else STORED_PARTS
    parts = {name: _interactions(folder / f"{name}.npz", len(item_ids)) for name in stored}
    return PreparedData(folder=folder, manifest=manifest, item_ids=item_ids, **all_parts(parts))


def read_manifest(folder: Path) -> dict[str, Any]:
    """The manifest of a preparation; ``UserError`` when it is missing, no manifest, or of another format version."""
    path = folder / MANIFEST
    try:
        manifest = read_json(path)
    except FileNotFoundError:
        raise UserError(
            f"{path} is missing: {folder} is no prepared data; prepare it with python -m data_prep"
        ) from None
    except ValueError as error:
        raise _damaged(path, str(error)) from error
    if not isinstance(manifest, dict) or manifest.get("format") != FORMAT:
        raise UserError(f"{path} is no manifest of prepared data; prepare the data again with --force")
    if manifest.get("format_version") != FORMAT_VERSION:
        raise UserError(
            f"{path} has format version {manifest.get('format_version')}, this program reads {FORMAT_VERSION}; "
            "prepare the data again"
        )
    try:
        is_as_written = manifest.get(_CHECKSUM, "") in ("", _checksum(manifest))  # earlier versions wrote none
    except (ValueError, TypeError):  # NaN, or half a character: nothing that we write
        is_as_written = False
    if not is_as_written:
        raise _damaged(path, _CHECKSUM_DIFFERS)
    if not manifest.get(_CHECKSUM) and not all(manifest.get(name) for name in _READ):
        raise UserError(f"{path} is incomplete; prepare the data again with --force")
    return manifest


def _checksum(manifest: Mapping[str, Any]) -> str:
    """The SHA-256 of a manifest but for the checksum in it."""
    text = json_text({name: value for name, value in manifest.items() if name != _CHECKSUM})
    return hashlib.sha256(text.encode("utf-8")).hexdigest()


def _arrays(part: Interactions) -> dict[str, np.ndarray]:
    arrays = {"indptr": part.indptr, "indices": part.indices, "order": part.order, "user_ids": part.user_ids}
    return arrays if part.ratings is None else {**arrays, "ratings": part.ratings}


def _interactions(path: Path, n_items: int) -> Interactions:
    arrays = read_npz(path)
    return Interactions(ratings=arrays.pop("ratings", None), n_items=n_items, **arrays)


def _read_or_damaged(path: Path) -> dict[str, np.ndarray]:
    """The arrays of a file that was whole when the preparation was loaded."""
    try:
        return read_npz(path)
    except ValueError as error:
        raise _damaged(path, str(error)) from error


def _damaged(path: Path, why: str) -> UserError:
    return UserError(f"{path} is damaged ({why}); prepare the data again with --force")
