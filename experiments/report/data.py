"""The prepared data behind the runs: counts for a table, fold-in sizes and popularity for what depends on them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from data_prep import PreparedData, load_prepared
from data_prep.find import dataset_folder
from data_prep.options import PROTOCOL
from data_prep.prepared import MANIFEST, read_manifest
from experiments.analysis.pairs import Run
from experiments.analysis.published import is_blank
from experiments.report.parts import Column, ReportTable
from experiments.report.text import share
from utils.system.errors import UserError, one_line
from utils.system.files import read_json


def folder_of(run: Run, data_dir: str) -> Path:
    """Where the data of ``run`` lie: in ``data_dir``, or else where they lay when it ran.

    Raises ``UserError`` where they are in neither.
    """
    if is_blank(run.get("data")):
        raise UserError("the table does not say which preparation it used")
    usual = dataset_folder(data_dir, run["dataset"]) / f"{PROTOCOL}-{run['data']}"
    if (usual / MANIFEST).is_file():
        return usual
    try:
        then = Path(read_json(Path(run["folder"]) / "run.json")["manifest"]).parent
    except (OSError, ValueError, KeyError, TypeError):
        then = usual
    if then.name == usual.name and (then / MANIFEST).is_file():
        return then
    raise UserError(f"the prepared data {usual} are missing; name their folder with --data_dir")


def prepared(runs: Sequence[Run], data_dir: str) -> PreparedData:
    """The data that all of ``runs`` used. Raises ``UserError`` where they are missing, damaged or several."""
    if len({run.get("data") for run in runs}) > 1:
        raise UserError("the runs used several preparations")
    return load_prepared(folder_of(runs[0], data_dir))


def data_table(runs: Iterable[Run], data_dir: str) -> ReportTable:
    """The data sets: events, users, items, density, held-out users; a row per preparation."""
    by_data: dict[tuple[str, str], list[Run]] = {}
    for run in runs:
        fingerprint = "" if is_blank(run.get("data")) else run["data"]
        by_data.setdefault((run["dataset"], fingerprint), []).append(run)
    records, notes = [], []
    for (dataset, fingerprint), of_data in by_data.items():
        try:
            counts = read_manifest(folder_of(of_data[0], data_dir))["counts"]
        except UserError as error:
            notes.append(f"{dataset}: {one_line(error)}.")
            continue
        records.append({"dataset": dataset, "data": fingerprint, **_flat(counts)})
    columns = [
        Column("data set", "l", lambda row: row["dataset"]),
        Column("preparation", "l", lambda row: row["data"]),
        *(_counted(title, name) for title, name in (("events", "events"), ("users", "users"), ("items", "items"))),
        Column("density", "r", lambda row: share(row["density"])),
        _counted("training users", "training_users"),
        _counted("training items", "training_items"),
        _counted("validation users", "validation_users"),
        _counted("test users", "test_users"),
        _counted("with held-out items", "test_users_with_held_out_events"),
    ]
    caption = "After the filters; density: events over users times items. Training items are those that models see."
    return ReportTable("data-sets", "The data sets", caption, columns, records, [], notes)


def _counted(title: str, name: str) -> Column:
    return Column(title, "r", lambda row: f"{row[name]:,}")


def _flat(counts: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in counts.items() if not isinstance(value, dict)}
