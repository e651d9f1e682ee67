"""The soak for one engine: ``python -m benchmarks.soak_worker ENGINE SEED FOLDER NUMBERS``.

Rounds in which work is killed come first (``benchmarks.soak_rounds``), then those here, in which it is asked to end.
Reports its tally as the last line of its output.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from benchmarks.children import report
from benchmarks.soak_child import ASKING, run_child
from benchmarks.soak_rounds import BITWISE, GRID, KILLS_IN_A_ROW, Soak, rows_of
from experiments.runs import run as runs
from utils.engine import load_engine
from utils.options import RunOptions
from utils.system.command_line import as_argv
from utils.system.errors import UserError


class InterruptedSoak(Soak):
    """One engine's soak in which work is also asked to end: ``interrupts`` counts what it was doing then."""

    def __init__(self, engine: str, seed: int, folder: Path) -> None:
        super().__init__(engine, seed, folder)
        self.interrupts: Counter[str] = Counter()

    def go(self, kills: int, grid_kills: int, interrupts: int = 0, grid_interrupts: int = 0) -> None:
        """Rounds of kills, then of ``interrupts``, the last ``grid_interrupts`` of them of a grid."""
        super().go(kills, grid_kills)
        while self.interrupts.total() < interrupts - grid_interrupts:
            self.interrupt_round(interrupts - grid_interrupts - self.interrupts.total())
        while self.interrupts.total() < interrupts:
            self.interrupted_grid_round(interrupts - self.interrupts.total())

    def interrupt_round(self, most: int) -> None:
        """A run asked to end again and again ends with 130 each time, and at last as one that was not.

        Batches of one user to all of them, so that an epoch may be one step.
        """
        place = self._place("interrupted")
        options = RunOptions(
            dataset="soak", data_dir=str(self.data_dir), p_dims=(4, 16), n_epochs=8, lr=0.01, save_results=True,
            batch_size=self.random.choice([1, 2, 7, 40, 79, 80, 159, 160, 512]), seed=self.random.randrange(1000),
            model=self.random.choice(["vae", "dae"]), eval_batch_size=self.random.choice([1, 7, 500]),
        )  # fmt: skip

        def work(log_dir: str) -> Callable[[], int]:
            return lambda: runs.door(self.engine, [*as_argv(options), "--log_dir", str(place / log_dir)])

        straight = self._undisturbed(work("straight"))
        for _ in range(min(most, KILLS_IN_A_ROW)):
            end = run_child(
                work("interrupted"), self.doing, self.folder / "stderr.txt",
                after=self.random.uniform(0.0, straight.seconds), number=self.random.choice(ASKING),
            )  # fmt: skip
            is_over = bool(list((place / "interrupted").glob("runs/*/metrics.json")))
            if not end.asked or (end.code == 0 and is_over):
                break  # it had ended, but for its process, when it was asked
            self.interrupts[end.doing] += 1
            if end.code != 130 or len(end.said.strip().splitlines()) != 1:
                self._note(f"{place}, interrupted while {end.doing}, ended with {end.code}: {end.said}")
        self._undisturbed(work("interrupted"))
        self._compare_results(place / "straight", place / "interrupted")
        self.rounds["interrupted runs"] += 1

    def interrupted_grid_round(self, most: int) -> None:
        """A grid asked to end again and again ends with 130 each time, and at last as one that was not."""
        place = self._place("interrupted_grid")
        size = self.random.choice([1, 7, 80, 160, 512])
        (place / "soak.toml").write_text(GRID.replace("batch_size = 40", f"batch_size = {size}"))
        straight = self._grid(place, "straight")
        listens = self._said_by(straight, place / "straight.txt")
        straight.wait()
        usual = time.perf_counter() - listens
        for _ in range(min(most, KILLS_IN_A_ROW)):
            grid = self._grid(place, "interrupted")
            self._said_by(grid, place / "interrupted.txt")
            time.sleep(self.random.uniform(0.0, usual))
            if grid.poll() is not None:
                break
            number = self.random.choice(ASKING)
            grid.send_signal(number)
            code = grid.wait(timeout=120)
            if code == 0 and rows_of(place / "interrupted") == rows_of(place / "straight"):
                break  # likewise
            self.interrupts["a grid"] += 1
            if code != 130:
                self._note(f"{place}: a grid that {number.name} asked to end ended with {code}")
        if self._grid(place, "interrupted").wait() != 0:
            self._note(f"{place}: the last grid failed")
        if rows_of(place / "straight") != rows_of(place / "interrupted"):
            self._note(f"{place / 'interrupted' / 'all_results.csv'} differs from that of the undisturbed grid")
        for run in (place / "straight" / "runs").iterdir():
            other = place / "interrupted" / "runs" / run.name
            if any((run / name).read_bytes() != (other / name).read_bytes() for name in BITWISE):
                self._note(f"{other} is not bit for bit that of the undisturbed grid")
        self._expect_tidy(place / "interrupted")
        self.rounds["interrupted grids"] += 1

    def _said_by(self, grid: subprocess.Popen, console: Path) -> float:
        """Waits until ``grid`` has said its first line, when it listens; returns the time."""
        before = console.stat().st_size
        while console.stat().st_size == before and grid.poll() is None:
            time.sleep(0.01)
        return time.perf_counter()


def main(engine: str, seed: str, folder: str, *numbers: str) -> None:
    """Soak, and report; ``numbers`` are those of :meth:`InterruptedSoak.go`."""
    place = Path(folder)
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir(parents=True)
    # Loaded with all that it loads late, but not used: a framework that has started threads does not survive a fork.
    load_engine(engine, 1).build(RunOptions(p_dims=(2,)).resolved(), 3)
    soak = InterruptedSoak(engine, int(seed), place)
    begun = time.perf_counter()
    try:
        soak.go(*map(int, numbers))
    except UserError as error:
        soak.wrong.append(str(error))
    report(
        kills=soak.kills, interrupts=soak.interrupts, faults=soak.faults, rounds=soak.rounds, wrong=soak.wrong,
        seconds=time.perf_counter() - begun,
    )  # fmt: skip


if __name__ == "__main__":
    main(*sys.argv[1:])
