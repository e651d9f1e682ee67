"""Runs as rows of tables of results: read for the commands, put in order, each cell understood in one place."""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from utils.engine import ENGINES
from utils.models import MODELS
from utils.options.data import SCENARIOS
from utils.results import DECISIVE_OPTIONS, RESULTS_FILE, collect, load
from utils.results_table import NOT_APPLICABLE
from utils.system.command_line import did_you_mean
from utils.system.errors import UserError

Run = Mapping[str, Any]  # a row of a table of results

DEFAULT_RESULTS = "results"
#: The options that two runs must share to be of one setting; the seed is the axis averaged over.
OPTIONS = (*(name for name in DECISIVE_OPTIONS if name != "seed"), "data")
#: The option that says the widths of each model that has any.
WIDTHS = {model: name for model, entry in MODELS.items() for name in list(entry.options().dimensions())[:1]}
_ENGINE_OF = {entry.dl_frame: name for name, entry in ENGINES.items()}


def add_results(parser: argparse.ArgumentParser, default: str = DEFAULT_RESULTS) -> argparse.ArgumentParser:
    """Give ``parser`` the option ``--results``, which every command on results has."""
    parser.add_argument(
        "--results", nargs="+", default=[default], metavar="FILE_OR_FOLDER",
        help=f"folders of runs, or tables of results such as {RESULTS_FILE} (default: {default})",
    )  # fmt: skip
    return parser


def read_all(paths: Iterable[str], dataset: str | None) -> list[pd.DataFrame]:
    """What :func:`read` reads of each of ``paths``, the rows of ``dataset`` alone (None: all).

    Raises ``UserError`` when there are none.
    """
    frames = [read(path) for path in paths]
    present = sorted({name for frame in frames for name in frame["dataset"]})
    if not present:
        raise UserError("the results hold no finished run; run bash run_experiments.sh or a main script first")
    if dataset is None:
        return frames
    if dataset not in present:
        hint = f"; {hint}" if (hint := did_you_mean(dataset, present)) else ""
        raise UserError(f"--dataset {dataset} is not in the results; they hold {', '.join(present)}{hint}")
    return [frame[frame["dataset"] == dataset] for frame in frames]


def read(path: str) -> pd.DataFrame:
    """The results in ``path``: a table, or a folder of ``runs``, which are read themselves, or of a table alone.

    Raises:
        UserError: there is nothing of the kind, or it is damaged.
    """
    place = Path(path)
    if (place / "runs").is_dir():
        return collect(place)
    if (place / RESULTS_FILE).exists():
        return load(place / RESULTS_FILE)
    if path == DEFAULT_RESULTS:
        raise UserError(f"{path}: no results yet; run bash run_experiments.sh first, or name others with --results")
    if place.is_dir():
        raise UserError(f"{path}: a folder without results; expected runs or {RESULTS_FILE} in it")
    return load(place)


def distinct_runs(frames: pd.DataFrame | Iterable[pd.DataFrame]) -> list[Run]:
    """The rows of ``frames``, in their order; a run that stands in two of them once."""
    frames = [frames] if isinstance(frames, pd.DataFrame) else frames
    runs, known = [], set()
    for run in (run for frame in frames for run in frame.to_dict("records")):
        run_id = run.get("run_id", "")
        if run_id and run_id in known:
            continue
        known.add(run_id)
        runs.append(run)
    return runs


def with_profile(run: Run) -> Run:
    """``run`` with the profile that tables older than the profiles, or of others, do not name: the paper's."""
    defaults = {"profile": "paper", "deviations": "[]"}
    return {**run, **{name: value for name, value in defaults.items() if is_blank(run.get(name))}}


def is_blank(value: Any) -> bool:
    """Whether a cell of a table of results says nothing: None, "", NaN, pandas' NA."""
    return bool(pd.isna(value)) or value == ""


def is_known(value: Any) -> bool:
    """Whether a cell holds a value: neither blank nor ``NA``."""
    return not is_blank(value) and value != NOT_APPLICABLE


def number(value: Any) -> float:
    """The value of a cell, NaN where it says nothing or does not apply."""
    return float(value) if is_known(value) else np.nan


def option_value(run: Run, name: str) -> Any:
    """An option of a run; "" where the table does not say."""
    value = run.get(name)
    return "" if is_blank(value) else value


def scenario_of(run: Run) -> str:
    """How the data of a run are split; tables made before there were several scenarios do not say."""
    return option_value(run, "scenario") or SCENARIOS[0]


def data_of(run: Run) -> str:
    """The data set of a run, and the scenario where it is another than most have: what may be compared."""
    scenario = scenario_of(run)
    return run["dataset"] if scenario == SCENARIOS[0] else f"{run['dataset']}, {scenario}"


def seed_of(run: Run) -> Any:
    """The seed of a run; "" in tables without seeds, ``NA`` of a model that draws nothing."""
    seed = run.get("seed")
    return int(seed) if is_known(seed) else option_value(run, "seed")


def is_fitted(run: Run) -> bool:
    """Whether a run is of a model that is fitted once and so has no epochs."""
    return run.get("best_epoch") == NOT_APPLICABLE


def engine_of(run: Run) -> str | None:
    """The engine of a run; None where its framework is not one of ours."""
    return _ENGINE_OF.get(run["dl_frame"])


def framework_title(run: Run) -> str:
    """The framework of a run as people write it."""
    engine = engine_of(run)
    return ENGINES[engine].title if engine else run["dl_frame"]


def widths_of(run: Run) -> list[int]:
    """The widths of a run's model, of a tower's decoder; none where the model has none or the table does not say."""
    value = run.get(WIDTHS.get(run["model"], "p_dims"), "")
    if isinstance(value, (float, np.number)) and is_known(value):  # one width, in a column with blanks
        return [int(value)]
    return [int(width) for width in str(value).strip("[]").split(",") if width.strip().isdigit()]


def reading_order(run: Run) -> tuple:
    """The order of tables: data set, model, widths, cap, then everything else."""
    rest = [sort_key(run.get(name, "")) for name in (*OPTIONS, "dl_frame", "seed")]
    return (run["dataset"], run["model"], widths_of(run), sort_key(run["anneal_cap"]), rest)


def sort_key(value: Any) -> tuple[float, str]:
    """A sort key for a column that holds numbers, text and blanks: blanks, numbers, text."""
    if is_blank(value):
        return (-np.inf, "")
    return (float(value), "") if isinstance(value, (int, float, np.number)) else (np.inf, str(value))


def names_of(runs: Sequence[Run], column: str) -> list[str]:
    """What ``runs`` have in a column, each once, in their order."""
    return list(dict.fromkeys(run[column] for run in runs))
