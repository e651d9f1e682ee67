"""Kills and interrupts work at random, and compares its ends: ``python -m benchmarks.soak``.

    python -m benchmarks.soak --kills 240 --grid_kills 40 --seed 1
    python -m benchmarks.soak --kills 0 --grid_kills 0 --interrupts 100 --grid_interrupts 20

Each engine's share runs beside the other's, on tiny data. Every piece of work is done once undisturbed; then again,
killed (SIGKILL) up to eight times at a random moment or at a random operation on a file, with faults in between (its
state truncated or a bit of it flipped, a write refused by the system), and must end with the same weights and metrics
bit for bit, the same history and table but for times, and nothing left lying about. Runs and grids are also asked to
end (SIGINT, SIGTERM) at random moments, with batches of one user to all of them: they must end with 130 each time, and
as undisturbed ones at last. It stands among the benchmarks because it measures the program and no user needs it. Exit
code 1 when any end was not as it should be.
"""

from __future__ import annotations

import sys
import tempfile
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.children import told_by
from utils.engine import ENGINES, engine_obstacle
from utils.system.command_line import integer, list_of, option, parsed, parser_for
from utils.system.errors import UserError, guarded

_WHAT = "what is done"


def _engine(text: str) -> str:
    if text not in ENGINES:
        raise ValueError(" or ".join(ENGINES))
    return text


@dataclass(frozen=True)
class SoakOptions:
    """The options of the soak."""

    kills: int = option(240, _WHAT, "kills in all, shared by the engines", integer(0))
    grid_kills: int = option(40, _WHAT, "how many of them in grids, whose processes take seconds each", integer(0))
    interrupts: int = option(0, _WHAT, "interrupts in all, shared by the engines", integer(0))
    grid_interrupts: int = option(0, _WHAT, "how many of them of grids", integer(0))
    seed: int = option(1, _WHAT, "seed of moments and faults (their effects also depend on the clock)", integer(0))
    engines: tuple[str, ...] | None = option(
        None, _WHAT, "the frameworks (default: those that this machine has)", list_of(_engine, "pytorch,mxnet")
    )


def main(argv: Sequence[str] | None = None) -> int:
    """The command; returns the exit code."""
    parser = parser_for(SoakOptions, "python -m benchmarks.soak", "Kill work at random moments and compare its ends.")
    options = parsed(SoakOptions, parser, argv)
    engines = options.engines or tuple(name for name in ENGINES if engine_obstacle(name) is None)
    if not engines:
        raise UserError("no framework is installed; see bash run_experiments.sh")
    with tempfile.TemporaryDirectory(prefix="soak") as folder, ThreadPoolExecutor(len(engines)) as pool:

        def soaked(engine: str) -> dict[str, Any]:
            numbers = (options.kills, options.grid_kills, options.interrupts, options.grid_interrupts)
            shares = [-(-number // len(engines)) for number in numbers]
            environment = {"OMP_NUM_THREADS": "1"}
            place = Path(folder) / engine
            words = ("benchmarks.soak_worker", engine, options.seed, place, *shares)
            return told_by(*words, environment=environment)

        tallies = dict(zip(engines, pool.map(soaked, engines), strict=True))
    for engine, tally in tallies.items():
        _print(engine, tally)
    kills, wrong = (
        sum(sum(tally["kills"].values()) for tally in tallies.values()),
        sum(len(tally["wrong"]) for tally in tallies.values()),
    )
    interrupts = sum(sum(tally["interrupts"].values()) for tally in tallies.values())
    faults = sum(sum(tally["faults"].values()) for tally in tallies.values())
    rounds = sum((Counter(tally["rounds"]) for tally in tallies.values()), Counter())
    print(f"in all: {kills} kills, {interrupts} interrupts, {faults} faults, {_listed(rounds)}; ", end="")
    print(f"{wrong} ends were not as they should be")
    return 1 if wrong else 0


def _print(engine: str, tally: dict[str, Any]) -> None:
    print(f"{ENGINES[engine].title}, {tally['seconds']:.0f} s: {_listed(tally['rounds'])}")
    print(f"  killed while: {_listed(tally['kills'])}")
    print(f"  interrupted while: {_listed(tally['interrupts'])}")
    print(f"  faults: {_listed(tally['faults'])}")
    for line in tally["wrong"]:
        print(f"  WRONG: {line}")


def _listed(counts: dict[str, int]) -> str:
    return ", ".join(f"{what} {number}" for what, number in sorted(counts.items())) or "none"


if __name__ == "__main__":
    sys.exit(guarded(main))
