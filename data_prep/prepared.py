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
from data_prep.interactions import Interactions
from data_prep.options import FORMAT_VERSION, FOUND_BY
from data_prep.summary import is_whole
from utils.system.errors import UserError
from utils.system.files import json_text, read_json, sha256_of, write_json
from utils.system.npz import read_npz, save_npz

FORMAT = "prepared-interactions"
MANIFEST = "manifest.json"
ITEMS = "items.npz"
SOURCE_ROWS = "source_rows.npz"  # not in the preparations of earlier versions
TITLES = "item_titles.tsv"
_CHECKSUM = "sha256"  # of the manifest itself, in it
PARTS = ("train", "validation_fold_in", "validation_held_out", "test_fold_in", "test_held_out")


@dataclass(frozen=True)
class PreparedData:
    """A data set, filtered and split, as models take it.

    Parameters
    ----------
    folder : Path
        Where it lies: ``<data_dir>/<name>_processed/strong-<fingerprint>``.
    manifest : dict
        Source, options, counts and checksums (``manifest.json``).
    item_ids : int64 or unicode (n_items,)
        The items' own ids; an item's index is its position.
    train, validation_fold_in, validation_held_out, test_fold_in, test_held_out : Interactions
        The parts; the two of a held-out set have the same users in the same rows.
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
    def n_items(self) -> int:
        """The number of items: those of the training users."""
        return len(self.item_ids)

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
        that counts, with its time and its row.
        """
        return self._of(part).order if self.manifest.get("order") == "timestamp" else None

    def source_rows(self, part: str) -> np.ndarray | None:
        """The row of each event of ``part`` (a name of ``PARTS``): int64 (nnz,), beside its ``indices``.

        Rows are counted from 0 in the table as it was read: without header, comments and blank lines, Amazon's
        ratings-only csv within its 5-core. Events of one user at one time are in the order of their rows. None where
        an earlier version prepared a source with times: with ``force`` it is prepared again, under the same name.
        Raises ``UserError`` when the file of the rows is damaged.
        """
        if self.manifest.get("order") == "source row":
            return self._of(part).order
        nnz = self._of(part).nnz
        if SOURCE_ROWS not in self.manifest["files"]:
            return None
        rows = self._source_rows.get(part)
        if rows is None or rows.dtype != np.int64 or rows.shape != (nnz,):
            raise _damaged(self.folder / SOURCE_ROWS, f"it has no row for each event of {part}")
        return rows

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

    def _of(self, part: str) -> Interactions:
        if part not in PARTS:
            raise ValueError(f"{part!r} is none of {', '.join(PARTS)}")
        return getattr(self, part)

    @cached_property
    def _source_rows(self) -> dict[str, np.ndarray]:
        return _load(self.folder / SOURCE_ROWS)

    @cached_property
    def _titles(self) -> dict[str, str]:
        return self.item_titles()


def write_prepared(
    folder: Path,
    manifest: Mapping[str, Any],
    item_ids: np.ndarray,
    parts: Mapping[str, Interactions],
    titles: str | None = None,
    source_rows: Mapping[str, np.ndarray] | None = None,
    replace: bool = False,
) -> None:
    """Write a preparation to ``folder``, whole or not at all.

    ``source_rows`` (part -> integers beside its ``indices``) is for a source with times: else ``order`` says the rows.

    The files are written to a temporary folder beside it, which is then renamed. When another process has finished the
    same preparation first, that one stays (the two are equal), unless ``replace`` is set.
    """
    with folder_written_whole(folder, replace) as temporary:
        save_npz(temporary / ITEMS, {"item_ids": item_ids})
        for name in PARTS:
            save_npz(temporary / f"{name}.npz", _arrays(parts[name]))
        if source_rows is not None:
            save_npz(
                temporary / SOURCE_ROWS, {name: rows.astype(np.int64, copy=False) for name, rows in source_rows.items()}
            )
        if titles is not None:
            (temporary / TITLES).write_text(titles, encoding="utf-8")
        files = {
            path.name: {"size": path.stat().st_size, "sha256": sha256_of(path)} for path in sorted(temporary.iterdir())
        }
        whole = {**manifest, "files": files}
        write_json(temporary / MANIFEST, {**whole, _CHECKSUM: _checksum(whole)})


def ask_again(prepared: PreparedData, when: str) -> None:
    """Note in the manifest of a finished preparation that it was asked for again: of its like it is the one to take."""
    whole = {name: value for name, value in prepared.manifest.items() if name != _CHECKSUM} | {"asked_at": when}
    write_json(prepared.folder / MANIFEST, {**whole, _CHECKSUM: _checksum(whole)})


def last_asked(manifest: Mapping[str, Any]) -> str:
    """When a preparation was asked for last, as text that orders as time does."""
    return manifest.get("asked_at", manifest["prepared_at"])


def load_prepared(folder: str | os.PathLike) -> PreparedData:
    """Read a preparation back, checking its format, checksums, shapes and bounds.

    Raises ``UserError`` naming the file that is missing or damaged; the remedy is to prepare again.
    """
    folder = Path(folder)
    manifest = read_manifest(folder)
    for name, facts in manifest["files"].items():
        path = folder / name
        if not path.is_file():
            raise UserError(f"{path} is missing; prepare the data again with --force")
        if path.stat().st_size != facts["size"] or sha256_of(path) != facts["sha256"]:
            raise UserError(f"{path} is damaged (its checksum differs); prepare the data again with --force")
    item_ids = _load(folder / ITEMS).get("item_ids")
    if item_ids is None or item_ids.ndim != 1 or item_ids.dtype.kind not in "iU":
        raise _damaged(folder / ITEMS, "it holds no ids of items")
    parts = {name: _interactions(folder / f"{name}.npz", len(item_ids)) for name in PARTS}
    for held in ("validation", "test"):
        if not np.array_equal(parts[f"{held}_fold_in"].user_ids, parts[f"{held}_held_out"].user_ids):
            raise _damaged(folder / f"{held}_held_out.npz", "its users are not those of the fold-in part")
    return PreparedData(folder=folder, manifest=manifest, item_ids=item_ids, **parts)


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
        raise UserError(f"{path} is damaged ({error}); prepare the data again with --force") from error
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
        raise UserError(f"{path} is damaged (its checksum differs); prepare the data again with --force")
    if not _is_complete(manifest):
        raise UserError(f"{path} is incomplete; prepare the data again with --force")
    return manifest


def _checksum(manifest: Mapping[str, Any]) -> str:
    """The SHA-256 of a manifest but for the checksum in it."""
    text = json_text({name: value for name, value in manifest.items() if name != _CHECKSUM})
    return hashlib.sha256(text.encode("utf-8")).hexdigest()


def _is_complete(manifest: Mapping[str, Any]) -> bool:
    """Whether a manifest has what is read of it, of the right kinds."""
    kinds = {"dataset": str, "fingerprint": str, "options": dict, "counts": dict, "files": dict, "source": dict,
             "prepared_at": str}  # fmt: skip
    later = {"asked_at": str, "lines": dict, "spellings": dict}  # not in the manifests of earlier versions
    if any(not isinstance(manifest.get(name), kind) for name, kind in kinds.items()):
        return False
    if any(name in manifest and not isinstance(manifest[name], kind) for name, kind in later.items()):
        return False
    files, options = manifest["files"], manifest["options"]
    if not {ITEMS, *(f"{name}.npz" for name in PARTS)} <= set(files) or not is_whole(manifest["counts"]):
        return False
    if any(not isinstance(options.get(name, ""), (int, float, type(None))) for name in FOUND_BY):
        return False
    if not {"dataset", "columns"} <= set(options) or not isinstance(options["columns"], (dict, type(None))):
        return False
    return all(
        Path(name).name == name and isinstance(facts, dict) and {"size", "sha256"} <= set(facts)
        for name, facts in files.items()
    )


def _arrays(part: Interactions) -> dict[str, np.ndarray]:
    arrays = {"indptr": part.indptr, "indices": part.indices, "order": part.order, "user_ids": part.user_ids}
    return arrays if part.ratings is None else {**arrays, "ratings": part.ratings}


def _load(path: Path) -> dict[str, np.ndarray]:
    try:
        return read_npz(path)
    except ValueError as error:
        raise _damaged(path, str(error)) from error


def _interactions(path: Path, n_items: int) -> Interactions:
    arrays = _load(path)
    try:
        part = Interactions(ratings=arrays.pop("ratings", None), n_items=n_items, **arrays)
    except TypeError as error:
        raise _damaged(path, "it lacks an array") from error
    if fault := _fault(part):
        raise _damaged(path, fault)
    return part


def _fault(part: Interactions) -> str | None:
    """What is wrong with a part, if anything: types, shapes, bounds, order."""
    kinds = {"indptr": "int64", "indices": "int32", "order": "int64", "ratings": "float32"}
    for name, kind in kinds.items():
        array = getattr(part, name)
        if array is not None and (array.dtype != kind or array.ndim != 1):
            return f"{name} is {array.dtype} of {array.ndim} dimensions, expected {kind} of 1"
    if len(part.indptr) != part.n_users + 1 or part.indptr[0] != 0 or part.indptr[-1] != part.nnz:
        return "indptr does not match users and events"
    if (np.diff(part.indptr) < 0).any():
        return "indptr descends"
    if len(part.order) != part.nnz or (part.ratings is not None and len(part.ratings) != part.nnz):
        return "order or ratings do not lie beside indices"
    if part.nnz and (part.indices.min() < 0 or part.indices.max() >= part.n_items):
        return f"an item index is outside 0..{part.n_items - 1}"
    rising = np.diff(part.indices) > 0
    between_rows = part.indptr[1:-1] - 1
    rising[between_rows[(between_rows >= 0) & (between_rows < len(rising))]] = True
    return None if rising.all() else "item indices do not ascend within a row"


def _damaged(path: Path, why: str) -> UserError:
    return UserError(f"{path} is damaged ({why}); prepare the data again with --force")
