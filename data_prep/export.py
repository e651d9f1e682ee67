"""The csv layout of Liang et al.'s notebook, which many tools read, and its like for the other scenarios."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv

from data_prep.folders import exclusive_access, folder_written_whole
from data_prep.ids import ascending
from data_prep.interactions import Interactions
from data_prep.prepared import PreparedData

#: Files of the layout, and the parts they hold: of the notebook's split, and where all users are in every part.
STRONG_LAYOUT = {
    "train.csv": "train",
    "validation_tr.csv": "validation_fold_in",
    "validation_te.csv": "validation_held_out",
    "test_tr.csv": "test_fold_in",
    "test_te.csv": "test_held_out",
}
LAYOUT = {"train.csv": "train", "validation.csv": "validation_held_out", "test.csv": "test_held_out"}


def export_csv(prepared: PreparedData) -> Path:
    """Write the parts as ``uid,sid`` lines beside the preparation, in ``<scenario>-<fingerprint>-csv``.

    Returns the folder. ``sid`` is the item's index and the line (from 0) of its id in ``unique_sid.txt``. Under strong
    ``uid`` numbers the users as the notebook does: in the order of the split's permutation, training users first, then
    validation, then test; else it is the user's row: his place, from 0, among all users in the order of their ids.
    Candidates are lines of the same kind (``validation_candidates.csv``, ``test_candidates.csv``); those beyond the
    lines of ``unique_sid.txt`` are items without events.
    """
    folder = prepared.folder.with_name(f"{prepared.folder.name}-csv")
    is_strong = prepared.scenario == "strong"
    uids = _as_permuted(prepared) if is_strong else _as_rows(prepared)
    with exclusive_access(folder.parent, print), folder_written_whole(folder, replace=folder.exists()) as temporary:
        for name, part in (STRONG_LAYOUT if is_strong else LAYOUT).items():
            _write_part(temporary / name, getattr(prepared, part), uids)
        for fold in ("validation", "test"):
            if (drawn := prepared.candidates(fold)) is not None:
                users, places = np.nonzero(drawn >= 0)
                _write(temporary / f"{fold}_candidates.csv", users, drawn[users, places])
        lines = "".join(f"{item}\n" for item in prepared.item_ids)
        (temporary / "unique_sid.txt").write_text(lines, encoding="utf-8")
    return folder


def _as_permuted(prepared: PreparedData) -> dict[int | str, int]:
    """The user's own id -> uid, by drawing the permutation of the split again."""
    users = np.concatenate(
        [prepared.train.user_ids, prepared.validation_fold_in.user_ids, prepared.test_fold_in.user_ids]
    )
    users = users[ascending(users)]
    permutation = np.random.RandomState(prepared.manifest["options"]["seed"]).permutation(len(users))
    return dict(zip(users[permutation].tolist(), range(len(users)), strict=True))


def _as_rows(prepared: PreparedData) -> dict[int | str, int]:
    """The user's own id -> his row, the same in every part."""
    return {user: row for row, user in enumerate(prepared.train.user_ids.tolist())}


def _write_part(path: Path, part: Interactions, uids: dict[int | str, int]) -> None:
    of_rows = np.array([uids[user] for user in part.user_ids.tolist()], dtype=np.int64)
    _write(path, np.repeat(of_rows, np.diff(part.indptr)), part.indices)


def _write(path: Path, users: np.ndarray, items: np.ndarray) -> None:
    table = pa.table({"uid": users, "sid": items})
    with open(path, "wb") as stream:
        stream.write(b"uid,sid\n")
        pyarrow.csv.write_csv(table, stream, pyarrow.csv.WriteOptions(include_header=False))
