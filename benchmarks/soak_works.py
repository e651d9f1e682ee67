"""The pieces of work that the soak disturbs, on tiny data, and how the ends of two of a kind must be alike."""

from __future__ import annotations

import csv
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from random import Random

import numpy as np

from data_prep import DataOptions, load_prepared, prepare
from experiments.grids import command as grid_command
from experiments.report import command as report_command
from experiments.runs import run as run_command
from utils.options import RunOptions
from utils.results import rebuild
from utils.system.files import read_json, write_json

BATCHES = (1, 2, 7, 40, 79, 80, 159, 160, 512)  # of 160 training users
#: What of a row of results may differ: times, memory, the machine's words.
_INCIDENTAL = ("epoch_seconds", "eval_seconds", "seconds", "peak_memory_mib", "finished", "git_commit", "git_dirty")
_BITWISE = ("metrics.json", "per_user.npz", "best.safetensors")
_OLD_ROWS, _ROWS = 20, 30  # of the table that is rebuilt
_GRID = """
description = "soak"
datasets = ["soak"]
seeds = [1, 2]
[every_run]
n_epochs = 3
p_dims = "4,16"
batch_size = {batch_size}
save_every = 0.0
[[runs]]
model = ["vae", "dae"]
"""


@dataclass(frozen=True)
class Work:
    """A piece of work: ``do`` it in a folder, as a command does; how its ends in two folders differ (in words).

    ``make_ready`` makes a folder ready for it, ``faults`` are what may not be there even while it is dead.
    """

    name: str
    do: Callable[[Path], int | None]
    differences: Callable[[Path, Path], list[str]]
    make_ready: Callable[[Path], None] = lambda place: None
    faults: Callable[[Path], list[str]] = lambda place: []


class Works:
    """Pieces of work drawn at ``random`` for one engine, on data of their own in ``folder``."""

    def __init__(self, engine: str, random: Random, folder: Path) -> None:
        self.engine, self.random, self.folder = engine, random, folder
        self.ratings, self.data_dir = folder / "soak.csv", folder / "data"
        _write_ratings(self.ratings)
        self._prepare(self.data_dir)

    def run(self) -> Work:
        """A training run."""
        drawn = self.random
        options = RunOptions(
            dataset="soak", data_dir=str(self.data_dir), p_dims=(4, 16), n_epochs=6, lr=0.01, lr_patience=0,
            batch_size=drawn.choice(BATCHES), eval_batch_size=drawn.choice([1, 7, 500]), seed=drawn.randrange(1000),
            model=drawn.choice(["vae", "dae"]), lr_scheduler=drawn.random() < 0.5, save_results=True,
            weight_decay=drawn.choice([0.0, 0.01]), save_every=drawn.choice([0.0, 30.0]),
        )  # fmt: skip
        argv = options.as_argv()
        return Work(
            "run",
            lambda place: run_command.main(self.engine, [*argv, "--log_dir", str(place)]),
            differences_of_results,
        )

    def grid(self) -> Work:
        """A grid of four runs, each a process of its own; a run that its killed grid left alone goes on."""
        grid = self.folder / f"{self.random.randrange(10**9)}.toml"
        grid.write_text(_GRID.format(batch_size=self.random.choice(BATCHES)))
        words = ["--grid", grid, "--engines", self.engine, "--data_dir", self.data_dir, "--save_results", "--log_dir"]

        def differences(straight: Path, other: Path) -> list[str]:
            logs = [path for path in other.glob("runs/*/log.txt") if path.read_text().count("test (best epoch") != 1]
            return differences_of_results(straight, other) + [f"{log}: not made exactly once" for log in logs]

        return Work("grid", lambda place: grid_command.main([str(word) for word in (*words, place)]), differences)

    def preparation(self) -> Work:
        """A preparation of data."""

        def differences(straight: Path, other: Path) -> list[str]:
            (one,), others = ([*place.glob("soak_processed/*")] for place in (straight, other))
            if len(others) == 1 and load_prepared(others[0]).manifest["files"] == load_prepared(one).manifest["files"]:
                return []
            return [f"{other} does not hold the one preparation that was asked for"]

        return Work("preparation", self._prepare, differences)

    def table(self, results: Path) -> Work:
        """The table of results rebuilt, of more runs than it had: it has the old rows or the new ones.

        The runs are made after that in ``results``.
        """
        model = next(results.glob("runs/*"))

        def rebuild_table(place: Path) -> None:
            rebuild(place)

        def make_ready(place: Path) -> None:
            for number in range(_ROWS):
                if number == _OLD_ROWS:
                    rebuild(place)
                _copy_run(model, place / "runs", number)

        def faults(place: Path) -> list[str]:
            n = len(rows_of(place))
            return [] if n in (_OLD_ROWS, _ROWS) else [f"{place}: {n} rows, expected {_OLD_ROWS} or {_ROWS}"]

        def differences(straight: Path, other: Path) -> list[str]:
            same = rows_of(straight) == rows_of(other) and len(rows_of(other)) == _ROWS
            return [] if same else [f"{other}: the table differs"]

        return Work("table", rebuild_table, differences, make_ready, faults)

    def report(self, results: Path) -> Work:
        """The report of the run in ``results``."""
        words = ["--results", str(results), "--data_dir", str(self.data_dir), "--out"]

        def differences(straight: Path, other: Path) -> list[str]:
            one, two = (
                {(path.relative_to(place), path.read_bytes()) for path in place.rglob("*") if path.is_file()}
                for place in (straight, other)
            )
            return [f"{other / name} differs" for name in {name for name, _ in one ^ two}]

        return Work("report", lambda place: report_command.main([*words, str(place)]), differences)

    def _prepare(self, place: Path) -> None:
        columns = {"user": "user", "item": "item"}
        prepare(DataOptions("soak", columns=columns), self.ratings, place, say=lambda line: None)


def differences_of_results(straight: Path, other: Path) -> list[str]:
    """How two folders of results differ: weights, metrics and per-user figures by a bit, histories and tables but for
    times.
    """
    found = []
    for one in (straight / "runs").iterdir():
        two = other / "runs" / one.name
        differing = [name for name in _BITWISE if (one / name).read_bytes() != (two / name).read_bytes()]
        found += [f"{two / name} differs" for name in differing]
        if _history(one) != _history(two):
            found.append(f"{two / 'history.csv'} differs")
    return found + [f"{other / 'all_results.csv'} differs"] * (rows_of(straight) != rows_of(other))


def rows_of(results: Path) -> list[dict[str, str]]:
    """The rows of the table of results, but for what may differ."""
    with open(results / "all_results.csv", newline="") as stream:
        return [{k: v for k, v in row.items() if k not in _INCIDENTAL} for row in csv.DictReader(stream)]


def _history(run: Path) -> list[dict[str, str]]:
    with open(run / "history.csv", newline="") as stream:
        return [{k: v for k, v in row.items() if not k.endswith("seconds")} for row in csv.DictReader(stream)]


def _write_ratings(path: Path) -> None:
    """200 users with two tastes."""
    random = np.random.default_rng(0)
    lines = [f"{user},{item}" for user in range(200) for item in random.choice(20, 8, replace=False) * 2 + user % 2]
    path.write_text("user,item\n" + "\n".join(lines) + "\n")


def _copy_run(model: Path, runs_dir: Path, number: int) -> None:
    """The run ``model`` once more, under another name and seed."""
    folder = runs_dir / f"{model.name}-{number:03}"
    folder.mkdir(parents=True)
    write_json(folder / "options.json", {**read_json(model / "options.json"), "seed": number})
    write_json(folder / "run.json", {**read_json(model / "run.json"), "sha256": {}})
    write_json(folder / "metrics.json", {**read_json(model / "metrics.json"), "run_id": folder.name})
