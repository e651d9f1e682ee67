"""The rounds of the soak in which work is killed, for one engine.

Each round does a piece of work once undisturbed and once killed again and again, with faults in between, and compares
the ends.
"""

from __future__ import annotations

import contextlib
import csv
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.soak_child import Doing, End, run_child
from data_prep import DataOptions, load_prepared, prepare
from experiments.report import command as report_command
from experiments.runs import run as runs
from utils.options import RunOptions
from utils.results import rebuild
from utils.system.command_line import as_argv
from utils.system.files import read_json, write_json
from utils.system.locks import holder

ROOT = Path(__file__).resolve().parent.parent
KILLS_IN_A_ROW = 8  # of one piece of work, before it is left to end
BITWISE = ("metrics.json", "per_user.npz", "best.safetensors")
#: What of a row of results may differ: times, memory, the machine's words.
TIMES = ("epoch_seconds", "eval_seconds", "seconds", "peak_memory_mib", "finished", "git_commit", "git_dirty")
GRID = """
description = "soak"
datasets = ["soak"]
seeds = [1, 2]
[every_run]
n_epochs = 3
p_dims = "4,16"
batch_size = 40
save_every = 0.0
[[runs]]
model = ["vae", "dae"]
"""


class Soak:
    """One engine's soak in ``folder``; ``tally`` counts, ``faults`` lists every end that was not as it should be."""

    def __init__(self, engine: str, seed: int, folder: Path) -> None:
        self.engine, self.folder = engine, folder
        self.random = random.Random(f"{engine} {seed}")
        self.doing = Doing()
        self.kills: Counter[str] = Counter()
        self.faults: Counter[str] = Counter()
        self.rounds: Counter[str] = Counter()
        self.wrong: list[str] = []
        self.source = folder / "soak.csv"
        _write_ratings(self.source)
        self.data_dir = folder / "data"
        self._prepare(self.data_dir)

    def go(self, kills: int, grid_kills: int) -> None:
        """Rounds of each kind in turn until there were ``kills``, the last ``grid_kills`` of them in a grid."""
        run = self.run_round
        rounds: tuple[Callable[[], None], ...] = (
            run, run, self.prepare_round, run, run, run, self.table_round, self.report_round,
        )  # fmt: skip
        while self.kills.total() < kills - grid_kills:
            rounds[self.rounds.total() % len(rounds)]()
        if grid_kills:
            self.grid_round(grid_kills)

    # A run

    def run_round(self) -> None:
        """A run that is killed again and again ends as one that is not."""
        place = self._place("run")
        random_ = self.random
        options = RunOptions(
            dataset="soak", data_dir=str(self.data_dir), p_dims=(4, 16), batch_size=40, n_epochs=6, lr=0.01,
            model=random_.choice(["vae", "dae"]), seed=random_.randrange(1000), lr_scheduler=random_.random() < 0.5,
            lr_patience=0, weight_decay=random_.choice([0.0, 0.01]), save_results=True, save_every=0.0,
        )  # fmt: skip

        def work(log_dir: str) -> Callable[[], int]:
            return lambda: runs.door(self.engine, [*as_argv(options), "--log_dir", str(place / log_dir)])

        straight = self._undisturbed(work("straight"))
        self._kill_until_done(work("killed"), straight, lambda: self._spoil_state(place / "killed"))
        self._compare_results(place / "straight", place / "killed")
        self.rounds["runs"] += 1

    def _spoil_state(self, results: Path) -> None:
        """While the run is dead, damage its state, or have the disk refuse its next attempt."""
        for state in results.glob("runs/*/state.safetensors"):
            content = bytearray(state.read_bytes())
            if self.random.random() < 0.5:
                content = content[: self.random.randrange(len(content))]
                self.faults["state truncated"] += 1
            else:
                content[self.random.randrange(len(content))] ^= 1 << self.random.randrange(8)
                self.faults["state with a flipped bit"] += 1
            state.write_bytes(content)

    def _compare_results(self, straight: Path, killed: Path) -> None:
        (one,), (other,) = (list((place / "runs").iterdir()) for place in (straight, killed))
        for name in BITWISE:
            if (one / name).read_bytes() != (other / name).read_bytes():
                self._note(f"{other / name} is not bit for bit that of the undisturbed run")
        if _history(one) != _history(other):
            self._note(f"{other / 'history.csv'} differs")
        if rows_of(straight) != rows_of(killed):
            self._note(f"{killed / 'all_results.csv'} differs")
        self._expect_tidy(killed)

    # Data

    def prepare_round(self) -> None:
        """A preparation that is killed again and again is that of an undisturbed one, and leaves nothing behind."""
        place = self._place("data")
        finished = load_prepared(next((self.data_dir / "soak_processed").iterdir())).manifest
        straight = self._undisturbed(lambda: self._prepare(place / "straight"))
        self._kill_until_done(lambda: self._prepare(place / "killed"), straight)
        folders = list((place / "killed" / "soak_processed").iterdir())
        if len(folders) != 1 or load_prepared(folders[0]).manifest["files"] != finished["files"]:
            self._note(f"{place / 'killed'} does not hold the one preparation that was asked for")
        self.rounds["preparations"] += 1

    def _prepare(self, data_dir: Path) -> None:
        columns = {"user": "user", "item": "item"}
        prepare(DataOptions("soak", columns=columns), self.source, data_dir, say=lambda line: None)

    # The table

    def table_round(self) -> None:
        """Whoever is killed while rebuilding the table leaves the old one or the new one, whole."""
        place = self._place("table")
        model = next((self.folder / f"run{self._last_run}" / "straight" / "runs").iterdir())
        for number in range(30):
            _copy_run(model, place / "runs", number)
        usual = self._undisturbed(lambda: self._rebuild(place))
        sizes = {30}
        for number in range(30, 36):
            _copy_run(model, place / "runs", number)
            sizes.add(number + 1)
            end = self._attempt(lambda: self._rebuild(place), usual)
            if len(rows_of(place)) not in sizes:
                self._note(f"{place}: {len(rows_of(place))} rows, expected one of {sorted(sizes)}")
            if not end.killed:
                sizes = {number + 1}
        rebuild(place)
        if len(rows_of(place)) != 36:
            self._note(f"{place}: a row was lost")
        self._expect_tidy(place)
        self.rounds["tables"] += 1

    def _rebuild(self, place: Path) -> None:
        runs.rebuild(place)

    # The report

    def report_round(self) -> None:
        """A report whose writing is killed again and again is that of an undisturbed one, file by file."""
        place = self._place("report")
        results = self.folder / f"run{self._last_run}" / "straight"

        def work(out: str) -> Callable[[], int]:
            words = ("--results", results, "--data_dir", self.data_dir, "--out", place / out)
            return lambda: report_command.main(list(map(str, words)))

        straight = self._undisturbed(work("straight"))
        self._kill_until_done(work("killed"), straight)
        one, other = (_contents(place / out) for out in ("straight", "killed"))
        if one != other:
            self._note(f"{place / 'killed'} differs in {sorted(name for name, _ in one.items() ^ other.items())}")
        self.rounds["reports"] += 1

    # Grids

    def grid_round(self, kills: int) -> None:
        """Two grids at once on one folder, they and their runs killed, end as one undisturbed, each run made once."""
        place = self._place("grid")
        (place / "soak.toml").write_text(GRID)
        self._grid(place, "straight").wait()
        grids: list[subprocess.Popen] = []
        for _ in range(kills):
            grids = [grid for grid in grids if grid.poll() is None]
            grids += [self._grid(place, "killed") for _ in range(2 - len(grids))]
            time.sleep(self.random.uniform(0.5, 4.0))
            runs_now = [who for lock in (place / "killed" / "runs").glob(".*.lock") if (who := holder(lock))]
            if runs_now and self.random.random() < 0.6:
                _kill(int(self.random.choice(runs_now).split()[1]))
                self.kills["a run of a grid"] += 1
            else:
                self.random.choice(grids).kill()
                self.kills["a grid"] += 1
        for grid in [*grids, self._grid(place, "killed")]:
            grid.wait()
        if self._grid(place, "killed").wait() != 0:  # whatever the killed ones left undone
            self._note(f"{place}: the last grid failed")
        if rows_of(place / "straight") != rows_of(place / "killed"):
            self._note(f"{place / 'killed' / 'all_results.csv'} differs from that of the undisturbed grid")
        for log in (place / "killed").glob("runs/*/log.txt"):
            if log.read_text().count("test (best epoch") != 1:
                self._note(f"{log}: the run was not made exactly once")
        self._expect_tidy(place / "killed")
        self.rounds["grids"] += 1

    def _grid(self, place: Path, log_dir: str) -> subprocess.Popen:
        words = ["--grid", place / "soak.toml", "--engines", self.engine, "--data_dir", self.data_dir, "--save_results"]
        command = [sys.executable, "-m", "experiments.grid", *words, "--log_dir", place / log_dir]
        with open(place / f"{log_dir}.txt", "ab") as console:
            return subprocess.Popen(list(map(str, command)), cwd=ROOT, stdout=console, stderr=console)

    # Killing

    def _place(self, kind: str) -> Path:
        number = self.rounds.total()
        if kind == "run":
            self._last_run = number
        place = self.folder / f"{kind}{number}"
        place.mkdir()
        return place

    def _undisturbed(self, work: Callable[[], Any]) -> End:
        end = run_child(work, self.doing, self.folder / "stderr.txt")
        if end.code != 0:
            self._note(f"an undisturbed child ended with {end.code}: {end.said}")
        return end

    def _kill_until_done(self, work: Callable[[], Any], usual: End, between: Callable[[], None] = lambda: None) -> None:
        """Kill ``work`` (undisturbed it is ``usual``) up to ``KILLS_IN_A_ROW`` times, then let it end."""
        for _ in range(KILLS_IN_A_ROW):
            if not self._attempt(work, usual).killed:
                break
            if self.random.random() < 0.15:
                between()
            if self.random.random() < 0.15:
                self._refuse(work)
        self._undisturbed(work)

    def _attempt(self, work: Callable[[], Any], usual: End) -> End:
        if self.random.random() < 0.5:
            how: dict[str, Any] = {"after": self.random.uniform(0.0, usual.seconds)}
        else:
            how = {"at_operation": self.random.randint(1, usual.operations)}
        end = run_child(work, self.doing, self.folder / "stderr.txt", **how)
        if end.killed:
            self.kills[end.doing] += 1
        elif end.code != 0:
            self._note(f"a child that was not killed ended with {end.code}: {end.said}")
        return end

    def _refuse(self, work: Callable[[], Any]) -> None:
        """An attempt in which the system refuses files beyond a length: one line and exit code 2, or it is done."""
        limit = self.random.randrange(200, 20_000)
        end = run_child(work, self.doing, self.folder / "stderr.txt", largest_file=limit)
        self.faults["a write refused"] += 1
        if end.code not in (0, 2) or (end.code == 2 and len(end.said.strip().splitlines()) != 1):
            self._note(f"a refused write ended with {end.code}: {end.said}")

    def _expect_tidy(self, results: Path) -> None:
        left = [path for path in results.rglob("*") if path.name.startswith(".") or path.name == "state.safetensors"]
        if left:
            self._note(f"left behind: {left}")

    def _note(self, what: str) -> None:
        self.wrong.append(what)
        print(f"WRONG: {what}", file=sys.stderr, flush=True)


def _write_ratings(path: Path) -> None:
    """200 users with two tastes."""
    random_ = np.random.default_rng(0)
    lines = [f"{user},{item}" for user in range(200) for item in random_.choice(20, 8, replace=False) * 2 + user % 2]
    path.write_text("user,item\n" + "\n".join(lines) + "\n")


def _contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def _history(run: Path) -> list[dict[str, str]]:
    with open(run / "history.csv", newline="") as stream:
        return [{k: v for k, v in row.items() if not k.endswith("seconds")} for row in csv.DictReader(stream)]


def rows_of(results: Path) -> list[dict[str, str]]:
    with open(results / "all_results.csv", newline="") as stream:
        return [{name: value for name, value in row.items() if name not in TIMES} for row in csv.DictReader(stream)]


def _copy_run(model: Path, runs_dir: Path, number: int) -> None:
    """The run ``model`` once more, under another name and seed."""
    folder = runs_dir / f"{model.name}-{number:03}"
    folder.mkdir(parents=True)
    write_json(folder / "options.json", {**read_json(model / "options.json"), "seed": number})
    write_json(folder / "run.json", {**read_json(model / "run.json"), "sha256": {}})
    write_json(folder / "metrics.json", {**read_json(model / "metrics.json"), "run_id": folder.name})


def _kill(process: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(process, signal.SIGKILL)
