"""What a command line asks of a grid, settled for this machine: which runs, on which data, finished or not."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from experiments.grids.file import read_grid
from experiments.grids.planned import Planned
from experiments.runs.folder import RunFolder
from experiments.runs.run import data_of
from utils.engine import ENGINES, check_engine, engine_obstacle, model_obstacle, thread_count
from utils.options import DataSelection, RunOptions
from utils.randomness import LARGEST_SEED
from utils.results import DIVERGED
from utils.system.command_line import integer, list_of, option
from utils.system.errors import UserError

_WHAT, _HOW, _WHERE = "what to run", "how", "where"


def _engine(text: str) -> str:
    if text not in ENGINES:
        raise ValueError(" or ".join(ENGINES))
    return text


@dataclass(frozen=True)
class GridOptions:
    """The options of the grid; field by field: type, default, meaning (also ``--help``)."""

    grid: str = option("quick", _WHAT, "a grid's name (see --list), or the path of one's own .toml file")
    dataset: str | None = option(None, _WHAT, "the prepared data set to run on (default: the grid's own)")
    engines: tuple[str, ...] | None = option(
        None, _WHAT, "the frameworks (default: pytorch,mxnet, those that this machine has)",
        list_of(_engine, "pytorch,mxnet", ENGINES),
    )  # fmt: skip
    seeds: tuple[int, ...] | None = option(
        None,
        _WHAT,
        "the seeds of weights, order and noise (default: the grid's own)",
        list_of(integer(0, LARGEST_SEED), "1,2,3"),
    )
    jobs: int = option(1, _HOW, "runs at once; they share the CPU threads", integer(1))
    dry_run: bool = option(False, _HOW, "list the runs and estimate hours and memory; train nothing")
    list: bool = option(False, _HOW, "list the grids there are")
    save_results: bool = option(False, _HOW, "keep the best weights of every run")
    log_dir: str = option("results", _WHERE, "folder of the results")
    data_dir: str = option("data", _WHERE, "folder of the prepared data")


@dataclass(frozen=True)
class Grid:
    """A grid settled for this machine: its runs in order, and the options they were settled from."""

    runs: tuple[Planned, ...]
    options: GridOptions

    @property
    def datasets(self) -> tuple[str, ...]:
        """The data sets it needs, each once."""
        return tuple(dict.fromkeys(planned.options.data.dataset for planned in self.runs))


def settle(options: GridOptions) -> Grid:
    """The runs that ``options`` ask for, on the engines this machine has.

    An engine that is missing is left out, with a line on stderr, unless it was asked for by name: then, as for
    an unknown grid, a bad grid file or a choice that leaves no run, ``UserError``. So is a model whose package is
    missing.
    """
    file = read_grid(options.grid)
    engines = _available(options.engines)
    datasets = (options.dataset,) if options.dataset else file.datasets
    runs = _that_can_run(file.runs(datasets, engines, options.seeds or file.seeds))
    if not runs:
        raise UserError(
            f"--grid {options.grid} has no run for {', '.join(datasets)} in {', '.join(engines)}: "
            "choose another --dataset or other --engines"
        )
    for planned in runs:
        check_engine(planned.engine, planned.options)
    here = {
        "data_dir": options.data_dir,
        "log_dir": options.log_dir,
        "save_results": options.save_results,
        "threads": max(1, thread_count() // options.jobs) if options.jobs > 1 else None,
    }
    return Grid(tuple(_with_options(planned, here) for planned in runs), options)


def _available(asked: Sequence[str] | None) -> tuple[str, ...]:
    obstacles = {name: engine_obstacle(name) for name in asked or ENGINES}
    missing = {name: why for name, why in obstacles.items() if why is not None}
    if missing and (asked or len(missing) == len(obstacles)):
        name, why = next(iter(missing.items()))
        raise UserError(f"the {name} engine is not available: {why}")
    for name, why in missing.items():
        print(f"{ENGINES[name].title} is left out: {why}", file=sys.stderr)
    return tuple(name for name in obstacles if name not in missing)


def _that_can_run(runs: Sequence[Planned]) -> list[Planned]:
    """Those of the ``runs`` whose model needs nothing that is missing; a line on stderr for each other model."""
    obstacles = {name: model_obstacle(name) for name in dict.fromkeys(run.options.model.name for run in runs)}
    for why in obstacles.values():
        if why is not None:
            print(f"left out: {why}", file=sys.stderr)
    return [run for run in runs if obstacles[run.options.model.name] is None]


def _with_options(planned: Planned, values: Mapping[str, Any]) -> Planned:
    first = planned.first and _with_options(planned.first, values)
    return dataclasses.replace(planned, options=planned.options.replace(**values), first=first)


@dataclass(frozen=True)
class DataFacts:
    """What a grid needs to know of prepared data: its fingerprint, origin and counts (``manifest.json``)."""

    fingerprint: str
    origin: str
    counts: Mapping[str, Any]


class RunIndex:
    """Prepared data and the runs made on it, each data set looked up once."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, DataSelection], DataFacts] = {}

    def facts(self, options: RunOptions) -> DataFacts:
        """The facts of the data that ``options`` name; ``UserError`` says how to prepare what is missing."""
        wanted = options.settings.data_dir, options.data
        if wanted not in self._known:
            data = data_of(options)
            self._known[wanted] = DataFacts(data.fingerprint, data.origin, data.manifest["counts"])
        return self._known[wanted]

    def folder(self, planned: Planned) -> Path:
        """The folder of a run's results."""
        options = planned.options
        return Path(options.settings.log_dir) / "runs" / options.run_id(planned.engine, self.facts(options).fingerprint)

    def is_finished(self, planned: Planned) -> bool:
        """Whether a run is over (one that still has to learn from a first run never is)."""
        return not planned.learned and RunFolder(self.folder(planned)).is_finished(
            planned.options.settings.save_results
        )

    def process_at_work(self, planned: Planned) -> str | None:
        """Which process is at work on a run; None when none is."""
        return RunFolder(self.folder(planned)).process_at_work()

    def tidy(self, planned: Planned) -> None:
        """Remove what a killed process left of a finished run, beside its results."""
        RunFolder(self.folder(planned)).tidy()

    def metrics(self, planned: Planned) -> Mapping[str, Any]:
        """The ``metrics.json`` of a finished run."""
        return RunFolder(self.folder(planned)).metrics()

    def learned(self, planned: Planned) -> Planned:
        """``planned`` with what its first run found, if that one went to its end; else as it is."""
        if planned.first is None or not self.is_finished(planned.first):
            return planned
        found = self.metrics(planned.first)
        return planned if found.get("status") == DIVERGED else planned.learn(found["beta"])
