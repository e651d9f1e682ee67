"""The results of all runs as one table: rebuilt from what the runs left behind, and read back.

A run is ``<results>/runs/<run id>/``; ``<results>/all_results.csv`` has one row per finished run. Its first 18
columns are those of the dual-framework study of 2020, by name and in its order; ours follow. It is never
appended to, always rebuilt from the runs' own files, so that any number of processes may finish at once.
"""

from __future__ import annotations

import csv
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from utils.engine import ENGINES
from utils.metrics.ranking import METRICS
from utils.metrics.sampled import SAMPLED_METRICS
from utils.models import MODELS
from utils.options import DEFAULT_MODEL, defaults_of, fields_of
from utils.results_table import (
    DECISIVE_OPTIONS,
    EARLIER_OPTIONS,
    LATER_OPTIONS,
    NOT_APPLICABLE,
    PREPARATION_OPTIONS,
    as_text,
    fits,
    not_applicable,
    parse_table,
)
from utils.system.errors import UserError, one_line
from utils.system.files import read_json, remove_leftovers, sha256_of, written_whole
from utils.system.locks import held

RESULTS_FILE = "all_results.csv"
#: The ``status`` of a run that is over: it went to its end, or its loss became no number and it stopped there.
FINISHED, DIVERGED = "finished", "diverged"

#: The columns of the study's own ``all_results.csv``, in its order.
PUBLISHED_COLUMNS = (
    "model", "loss", "r20", "dataset", "lr_patience", "lr", "early_stop_patience", "lr_scheduler", "best_epoch",
    "weight_decay", "dropout_dec", "dl_frame", "n100", "dropout_enc", "anneal_cap", "batch_size", "r50", "p_dims",
)  # fmt: skip
#: The option columns among them: what a run of the study was told.
PUBLISHED_OPTIONS = tuple(
    name for name in PUBLISHED_COLUMNS if name not in ("loss", "r20", "best_epoch", "dl_frame", "n100", "r50")
)

_MAIN_METRICS = ("n100", "r20", "r50")
_OTHER_METRICS = tuple(name for name in METRICS if name not in _MAIN_METRICS)
_RUN_COLUMNS = ("epoch_seconds", "eval_seconds", "seconds", "peak_memory_mib", "machine", "threads")
_SAMPLED_COLUMNS = (
    *(column for name in SAMPLED_METRICS for column in (name, f"{name}_se")), "val_sampled_n10", "candidate_items",
)  # fmt: skip
COLUMNS = (
    *PUBLISHED_COLUMNS,
    *(name for name in EARLIER_OPTIONS if name not in PUBLISHED_COLUMNS),
    *PREPARATION_OPTIONS,
    *("run_id", "data", "status", "n_parameters", "epochs", "updates", "beta", "test_users"),
    *(f"{name}_se" for name in _MAIN_METRICS),
    *(column for name in _OTHER_METRICS for column in (name, f"{name}_se")),
    *("nll", "kl", "val_loss", *(f"val_{name}" for name in _MAIN_METRICS)),
    *_RUN_COLUMNS,
    *("framework", "numpy", "python", "git_commit", "git_dirty", "finished"),
    *LATER_OPTIONS,
    *_SAMPLED_COLUMNS,
)


def rebuild(results_dir: str | os.PathLike) -> Path:
    """Write ``<results_dir>/all_results.csv`` anew from the runs and return its path.

    One row per ``runs/*/metrics.json`` (a run without one is not finished, hence no result), sorted by data
    set, model, ``p_dims``, ``anneal_cap``, framework, seed and run id: the same runs give the same bytes. A run
    whose files are damaged is left out, with a line on stderr that names the file. The old table is replaced
    in one rename. One process at a time rebuilds, so the last of several to do so has seen every run. Runs that
    finish meanwhile are not lost either, not even where there are no locks: after the rename the folder is looked
    at again, and whoever finds it changed writes once more.
    """
    results_dir = Path(results_dir)
    path = results_dir / RESULTS_FILE
    with held(path.with_name(f".{RESULTS_FILE}.lock")) as is_alone:
        if is_alone:
            remove_leftovers(results_dir, f"{RESULTS_FILE}.*")
        while True:
            seen = _state(results_dir)
            rows, damaged = _rows(results_dir)
            with written_whole(path) as temporary, open(temporary, "w", newline="", encoding="utf-8") as stream:
                writer = csv.DictWriter(stream, COLUMNS, lineterminator="\n")
                writer.writeheader()
                writer.writerows(rows)
            if _state(results_dir) == seen:
                break
    _warn(damaged)
    return path


def collect(results_dir: str | os.PathLike) -> pd.DataFrame:
    """The table :func:`rebuild` would write, as :func:`load` would read it; writes nothing."""
    rows, damaged = _rows(Path(results_dir))
    _warn(damaged)
    texts = [[row[name] for name in COLUMNS] for row in rows]
    return _with_folders(parse_table(COLUMNS, texts, f"{results_dir}"), Path(results_dir))


def cells(place: str | os.PathLike) -> list[dict[str, str]]:
    """The rows of a table of results as they stand in it, text by column, and whatever columns it has.

    ``place`` is the file, or a folder that holds ``all_results.csv`` or else the runs it would be made of. Raises
    ``UserError`` when there is no such file, or it is no csv.
    """
    path = Path(place)
    if path.is_dir() and not (path / RESULTS_FILE).exists():
        return _rows(path)[0]
    header, rows = _read_csv(path / RESULTS_FILE if path.is_dir() else path)
    return [dict(zip(header, row, strict=True)) for row in rows]


def load(file: str | os.PathLike) -> pd.DataFrame:
    """Read a table of results: one of ours, the study's with its 18 columns, or ``results/published.csv``.

    Args:
        file: csv with a header; the 18 published columns in any order, any others beside them.

    Returns:
        A frame with the file's columns, and ``folder`` (str): the run's folder beside the file, or "" where
        there is none. Numbers are int64 or float64, exactly as written (blank: NaN); a column of numbers with
        ``NA`` in it (``anneal_cap`` of a dae) holds floats and the text ``"NA"``; flags are bool (pandas'
        ``boolean`` where some are blank); lists are text in one form, ``"[200, 600]"``, ``"[0.5, 0.0]"``; the
        rest is text (blank: "").

    Raises:
        UserError: the file is missing, is no csv, or lacks a column; a field is no number, flag or list.
    """
    path = Path(file)
    header, rows = _read_csv(path)
    missing = [name for name in PUBLISHED_COLUMNS if name not in header]
    if missing:
        raise UserError(
            f"{path}: {_some(missing)} missing; expected a table of results with the columns "
            f"{', '.join(PUBLISHED_COLUMNS)}"
        )
    return _with_folders(parse_table(header, rows, f"{path}"), path.parent)


def _state(results_dir: Path) -> dict[str, tuple[int, int, int]]:
    """What the table depends on: each file of a finished run, by number, size and time of change."""
    state = {}
    for metrics in results_dir.glob("runs/*/metrics.json"):
        for path in (metrics, metrics.with_name("options.json"), metrics.with_name("run.json")):
            try:
                about = path.stat()
            except FileNotFoundError:
                continue
            state[str(path)] = (about.st_ino, about.st_size, about.st_mtime_ns)
    return state


def _rows(results_dir: Path) -> tuple[list[dict[str, str]], list[str]]:
    """The rows of the finished runs in their final order, and a line for each file that was no use."""
    found, damaged = [], list[str]()
    for path in sorted(results_dir.glob("runs/*/metrics.json")):
        try:
            found.append(_row(path.parent, damaged))
        except FileNotFoundError as error:
            if path.exists():  # else the run was removed while we read
                damaged.append(f"{error.filename}: missing; the run is left out of {RESULTS_FILE}")
        except (ValueError, OSError) as error:
            damaged.append(f"{one_line(error)}; the run is left out of {RESULTS_FILE}")
    found.sort(key=lambda pair: pair[0])
    return [row for _, row in found], damaged


def _row(folder: Path, damaged: list[str]) -> tuple[tuple, dict[str, str]]:
    """(sort key, row) of the run in ``folder``; ``ValueError`` or ``OSError`` naming the file when it has none."""
    metrics = _checked_metrics(folder / "metrics.json")
    options = _object(folder / "options.json")
    model = options.get("model")
    if model is not None and model not in MODELS:
        raise ValueError(f"{folder / 'options.json'}: the model {model!r} is unknown to this version")
    of_model = {"model", *fields_of(model or DEFAULT_MODEL)}
    if lacking := [name for name in PUBLISHED_OPTIONS if name in of_model and name not in options]:
        raise ValueError(f"{folder / 'options.json'} lacks {_some(lacking)}")
    try:
        run = _object(folder / "run.json")
    except (ValueError, OSError) as error:  # times and versions only: the result stands without them
        damaged.append(f"{one_line(error)}; its times and versions are left blank in {RESULTS_FILE}")
        run = {}
    _compare_checksum(folder / "metrics.json", run.get("sha256"))
    values = {**_option_values(options), **_metric_values(metrics, options["model"]), **_run_values(run, metrics)}
    if misfits := [name for name in COLUMNS if not fits(name, values.get(name))]:
        raise ValueError(f"{folder}: its files are damaged ({misfits[0]} is {values[misfits[0]]!r})")
    try:
        key = _sort_key(values)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{folder / 'options.json'} is damaged ({error})") from None
    return key, {name: as_text(values.get(name)) for name in COLUMNS}


def _sort_key(values: dict[str, Any]) -> tuple:
    cap, widths = values["anneal_cap"], values["p_dims"]
    return (
        str(values["dataset"]), str(values["model"]),
        [] if widths == NOT_APPLICABLE else [int(width) for width in widths],
        -1.0 if cap == NOT_APPLICABLE else float(cap),
        str(values["dl_frame"]), 0 if values["seed"] == NOT_APPLICABLE else int(values["seed"] or 0), values["run_id"],
    )  # fmt: skip


def _option_values(options: dict[str, Any]) -> dict[str, Any]:
    # An option that a run's record does not know came later than the run, which did as its default says.
    model = options["model"]
    known = {"model": model} | {name: options.get(name, default) for name, default in defaults_of(model).items()}
    known |= dict.fromkeys(MODELS[model].options.unused, NOT_APPLICABLE)  # they had no part in the result
    return {name: known.get(name, NOT_APPLICABLE) for name in (*DECISIVE_OPTIONS, *PREPARATION_OPTIONS)}


def _metric_values(metrics: dict[str, Any], model: str) -> dict[str, Any]:
    test, errors, validation = metrics["test"], metrics.get("test_se", {}), metrics.get("validation", {})
    values = {name: test.get(name) for name in ("loss", "nll", "kl", *METRICS)}
    values |= {f"{name}_se": errors.get(name) for name in METRICS}
    values |= {f"val_{name}": validation.get(name) for name in ("loss", *_MAIN_METRICS)}
    values |= _sampled_values(metrics, test, errors, validation)
    plain = ("run_id", "data", "dl_frame", "best_epoch", "n_parameters", "epochs", "updates", "beta", "test_users")
    values |= {name: metrics.get(name) for name in plain}
    values["status"] = metrics.get("status", FINISHED)
    return values | not_applicable(MODELS[model].options, values)


def _sampled_values(
    metrics: dict[str, Any], test: dict[str, Any], errors: dict[str, Any], validation: dict[str, Any]
) -> dict[str, Any]:
    """The figures of sampled candidates: ``NA`` in a run whose protocol has none."""
    if "candidate_items" not in metrics:
        return dict.fromkeys(_SAMPLED_COLUMNS, NOT_APPLICABLE)
    values = {name: test.get(name) for name in SAMPLED_METRICS}
    values |= {f"{name}_se": errors.get(name) for name in SAMPLED_METRICS}
    values["val_sampled_n10"] = validation.get("sampled_n10")
    return values | {"candidate_items": metrics["candidate_items"]}


def _run_values(run: dict[str, Any], metrics: dict[str, Any]) -> dict[str, Any]:
    values = {name: run.get(name) for name in (*_RUN_COLUMNS, "git_commit", "git_dirty", "finished")}
    versions = run["versions"] if isinstance(run.get("versions"), dict) else {}
    engine = ENGINES.get(str(metrics.get("engine")))  # a model without one has no framework either
    values |= {
        "framework": versions.get(engine.framework) if engine else None,
        "numpy": versions.get("numpy"),
        "python": versions.get("python"),
    }
    return values


def _checked_metrics(path: Path) -> dict[str, Any]:
    """A finished run's ``metrics.json``; ``ValueError`` when it is not what a run writes."""
    metrics = _object(path)
    lacking = [name for name in ("run_id", "dl_frame", "beta", "best_epoch", "test") if name not in metrics]
    if lacking:
        raise ValueError(f"{path} lacks {_some(lacking)}")
    for part in ("test", "test_se", "validation"):
        if not isinstance(metrics.get(part, {}), dict):
            raise ValueError(f"{path}: {part} is not a set of figures")
    for name in ("loss", *_MAIN_METRICS):
        value = metrics["test"].get(name, "missing")
        if value is not None and (isinstance(value, bool) or not isinstance(value, (int, float))):
            raise ValueError(f"{path}: test {name} is {value!r}, not a number")
    if metrics.get("status", FINISHED) not in (FINISHED, DIVERGED):
        raise ValueError(f"{path} is of a run that is {metrics['status']}, not finished")
    if metrics["run_id"] != path.parent.name:  # a copy would count the run twice
        raise ValueError(f"{path} is of the run {metrics['run_id']}, not of the folder it lies in")
    return metrics


def _compare_checksum(path: Path, known: Any) -> None:
    """``ValueError`` when ``path`` is not what the run wrote, by the checksums in its ``run.json`` (if it has any)."""
    checksum = known.get(path.name) if isinstance(known, dict) else None
    if checksum is not None and sha256_of(path) != checksum:
        raise ValueError(f"{path} is damaged (its checksum differs)")


def _object(path: Path) -> dict[str, Any]:
    value = read_json(path)
    if not isinstance(value, dict):
        raise ValueError(f"{path} holds no JSON object")
    return value


def _read_csv(path: Path) -> tuple[list[str], list[list[str]]]:
    try:
        with open(path, newline="", encoding="utf-8-sig") as stream:
            lines = [line for line in csv.reader(stream, strict=True) if line]
    except FileNotFoundError:
        raise UserError(f"{path}: no such file of results; run something first, or name another file") from None
    except (UnicodeDecodeError, csv.Error) as error:
        raise UserError(f"{path} is not a csv file ({one_line(error)}); expected a table of results") from None
    return (lines[0], lines[1:]) if lines else ([], [])


def _with_folders(frame: pd.DataFrame, results_dir: Path) -> pd.DataFrame:
    run_ids = frame["run_id"] if "run_id" in frame else [""] * len(frame)
    folders = [results_dir / "runs" / run_id if run_id else None for run_id in run_ids]
    return frame.assign(folder=[str(folder) if folder and folder.is_dir() else "" for folder in folders])


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:4]) + (f" and {len(names) - 4} more" if len(names) > 4 else "")


def _warn(lines: Sequence[str]) -> None:
    for line in lines:
        print(f"warning: {line}", file=sys.stderr)
