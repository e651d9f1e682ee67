"""The soak of one engine, in a process of its own: every piece of work undisturbed and disturbed, and their ends."""

from __future__ import annotations

import itertools
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable
from functools import partial
from pathlib import Path
from random import Random
from typing import Any

from benchmarks.soak_child import ASKING, Disturbance, End, run_child
from benchmarks.soak_works import Work, Works
from benchmarks.training import build_learner
from utils.engine import load_engine
from utils.options import RunOptions
from utils.system.errors import EXIT_BAD_INPUT, EXIT_INTERRUPTED

IN_A_ROW = 8  # disturbances of one piece of work, before it is left to end
FAULT = 0.15  # how often one follows a kill, of each kind


def works() -> dict[str, Callable]:
    """What the worker does."""
    return {"soak": soak}


def soak(
    engine: str, seed: int, folder: str, kills: int, grid_kills: int, interrupts: int, grid_interrupts: int
) -> dict[str, Any]:
    """Kill and interrupt so often, the last so many of them grids: the tally, ``wrong`` naming every wrong end."""
    # Loaded with all that it loads late, but not used: a framework that has started threads does not survive a fork.
    load_engine(engine, 1)
    build_learner(engine, RunOptions(p_dims=(2,)).resolved(), 3)
    begun = time.perf_counter()
    this = Soak(engine, Random(f"{engine} {seed}"), Path(folder))
    this.kill(kills - grid_kills, grid_kills)
    this.interrupt(interrupts - grid_interrupts, grid_interrupts)
    return {
        "work": this.work, "kills": this.kills, "interrupts": this.interrupts, "faults": this.faults,
        "wrong": this.wrong, "seconds": time.perf_counter() - begun,
    }  # fmt: skip


class Soak:
    """One engine's soak in ``folder``: counts by name of the work, and every end that was not as it should be."""

    def __init__(self, engine: str, random: Random, folder: Path) -> None:
        folder.mkdir(parents=True)
        self.random, self.folder, self.works = random, folder, Works(engine, random, folder)
        self.work, self.kills, self.interrupts, self.faults = Counter(), Counter(), Counter(), Counter()
        self.wrong: list[str] = []

    def kill(self, kills: int, grid_kills: int) -> None:
        """Kill work of each kind in turn, then grids."""
        results = self.folder / "results"
        self._undisturbed(self.works.run(), results)
        made = self.works
        table, report = (partial(kind, results) for kind in (made.table, made.report))
        for kind in itertools.cycle((made.run, made.preparation, table, report, made.run, made.run, made.run)):
            if (left := kills - self.kills.total()) <= 0:
                break
            self._round(kind(), self._killed, left)
        while (left := kills + grid_kills - self.kills.total()) > 0 and grid_kills:
            self._round(made.grid(), self._killed, left)

    def interrupt(self, interrupts: int, grid_interrupts: int) -> None:
        """Ask runs to end, then grids."""
        while (left := interrupts - self.interrupts.total()) > 0:
            self._round(self.works.run(), self._interrupted, left)
        while (left := interrupts + grid_interrupts - self.interrupts.total()) > 0 and grid_interrupts:
            self._round(self.works.grid(), self._interrupted, left)

    def _round(self, work: Work, disturbed: Callable[[Work, Path, End], bool], most: int) -> None:
        """Do ``work`` once undisturbed, and once disturbed until it ends by itself or ``most`` times; compare."""
        straight, other = (self.folder / f"{work.name}{self.work.total()}" / name for name in ("straight", "disturbed"))
        for place in (straight, other):
            place.mkdir(parents=True)
            work.make_ready(place)
        usual = self._undisturbed(work, straight)
        for _ in range(min(most, IN_A_ROW)):
            if not disturbed(work, other, usual):
                break  # it says that it is done
            self._note(*work.faults(other))
        else:
            self._undisturbed(work, other)
        left = [path for path in other.rglob("*") if path.name.startswith(".") or path.name == "state.safetensors"]
        self._note(*(f"left behind: {path}" for path in left))
        try:
            self._note(*work.differences(straight, other))
        except OSError as error:
            self._note(f"{other}: {error}")
        self.work[work.name] += 1

    def _killed(self, work: Work, place: Path, usual: End) -> bool:
        """Kill ``work`` at a random moment, or at a random operation on a file; whether it was not done before."""
        if self.random.random() < 0.5:
            by = Disturbance(seconds=self.random.uniform(0.0, usual.seconds))
        else:
            by = Disturbance(operation=self.random.randint(1, usual.operations))
        end = self._child(work, place, by)
        if end.code != -signal.SIGKILL:
            if end.code != 0:
                self._note(f"{place}: not killed, it ended with {end.code}: {end.said}")
            return False
        self.kills[work.name] += 1
        if work.name != "grid":  # whose runs may be alive
            if self.random.random() < FAULT:
                self._spoil_states(place)
            if self.random.random() < FAULT:
                self._refuse_writes(work, place)
        return True

    def _interrupted(self, work: Work, place: Path, usual: End) -> bool:
        """Ask ``work`` to end at a random moment; whether it was not done before."""
        by = Disturbance(self.random.choice(ASKING), seconds=self.random.uniform(0.0, usual.seconds))
        end = self._child(work, place, by)
        if end.code == 0:
            return False  # it was done, but for its process, when it was asked
        self.interrupts[work.name] += 1
        lines = end.said.strip().splitlines()
        expected = 2 if work.name == "grid" else 1  # a grid also says that it waits for its runs
        if end.code != EXIT_INTERRUPTED or len(lines) > expected or not lines[-1].startswith("interrupted"):
            self._note(f"{place}, asked to end, ended with {end.code}: {end.said}")
        return True

    def _spoil_states(self, results: Path) -> None:
        """While a run is dead, damage its state."""
        for state in results.glob("runs/*/state.safetensors"):
            content = bytearray(state.read_bytes())
            if self.random.random() < 0.5:
                content = content[: self.random.randrange(len(content))]
                self.faults["state truncated"] += 1
            else:
                content[self.random.randrange(len(content))] ^= 1 << self.random.randrange(8)
                self.faults["state with a flipped bit"] += 1
            state.write_bytes(content)

    def _refuse_writes(self, work: Work, place: Path) -> None:
        """An attempt in which the system refuses files beyond a length: one line and exit code 2, or it is done."""
        end = self._child(work, place, Disturbance(largest_file=self.random.randrange(200, 20_000)))
        self.faults["a write refused"] += 1
        if end.code != 0 and (end.code != EXIT_BAD_INPUT or len(end.said.strip().splitlines()) != 1):
            self._note(f"{place}: a refused write ended with {end.code}: {end.said}")

    def _undisturbed(self, work: Work, place: Path) -> End:
        end = self._child(work, place, Disturbance())
        if end.code != 0:
            self._note(f"{place}: undisturbed, it ended with {end.code}: {end.said}")
        return end

    def _child(self, work: Work, place: Path, by: Disturbance) -> End:
        return run_child(lambda: work.do(place), self.folder / "stderr.txt", by)

    def _note(self, *wrong: str) -> None:
        self.wrong += wrong
        for line in wrong:
            print(f"WRONG: {line}", file=sys.stderr, flush=True)
