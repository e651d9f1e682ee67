"""The prepared data behind the runs: counts for a table, fold-in sizes and popularity for what depends on them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from data_prep import PreparedData, load_prepared
from data_prep.find import dataset_folder
from data_prep.prepared import MANIFEST, read_manifest
from experiments.analysis.number_text import percent
from experiments.analysis.runs import Run, is_blank, option_value, scenario_of
from experiments.analysis.table import Column, Table, key_columns
from utils.system.errors import UserError, one_line
from utils.system.files import read_json

_COUNTS = (
    "events", "users", "items", "training_users", "training_items", "validation_users", "test_users",
    "test_users_with_held_out_events",
)  # fmt: skip


def folder_of(run: Run, data_dir: str) -> Path:
    """Where the data of ``run`` lie: in ``data_dir``, or else where they lay when it ran.

    Raises ``UserError`` where they are in neither.
    """
    if is_blank(run.get("data")):
        raise UserError("the table does not say which preparation it used")
    usual = dataset_folder(data_dir, run["dataset"]) / f"{scenario_of(run)}-{run['data']}"
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


def data_table(runs: Iterable[Run], data_dir: str) -> Table:
    """The data sets: events, users, items, density, held-out users; a row per preparation."""
    one_of: dict[tuple[str, str], Run] = {}
    for run in runs:
        one_of.setdefault((run["dataset"], option_value(run, "data")), run)
    records, notes = [], []
    for (dataset, fingerprint), run in one_of.items():
        try:
            counts = read_manifest(folder_of(run, data_dir))["counts"]
        except UserError as error:
            notes.append(f"{dataset}: {one_line(error)}.")
            continue
        plain = {name: value for name, value in counts.items() if not isinstance(value, dict)}
        records.append({"dataset": dataset, "data": fingerprint, "scenario": scenario_of(run), **plain})
    columns = [
        *key_columns(("data set", "dataset"), ("preparation", "data"), ("scenario", "scenario")),
        *(Column(_title(name), "r", lambda row, name=name: f"{row[name]:,}") for name in _COUNTS),
    ]
    columns.insert(6, Column("density", "r", lambda row: percent(row["density"])))
    caption = "After the filters; density: events over users times items. Training items are those that models see."
    return Table("data-sets", "The data sets", columns, records, caption, notes)


def _title(name: str) -> str:
    return "with held-out items" if name == "test_users_with_held_out_events" else name.replace("_", " ")
