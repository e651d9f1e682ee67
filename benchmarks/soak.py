"""Kills and interrupts work at random, and compares its ends: ``python -m benchmarks.soak``.

    python -m benchmarks.soak --kills 240 --grid_kills 40 --seed 1
    python -m benchmarks.soak --kills 0 --grid_kills 0 --interrupts 100 --grid_interrupts 20

Each engine's share runs beside the other's, on tiny data. Every piece of work (a run, a preparation, the table of
results rebuilt, a report, a grid) is done once undisturbed; then again, up to eight times killed (SIGKILL) at a random
moment or at a random operation on a file, with faults in between (a state truncated or a bit of it flipped, a write
refused by the system), and must end with the same weights and metrics bit for bit, the same history and table but for
times, and nothing left lying about. Runs and grids are also asked to end (SIGINT, SIGTERM) at random moments, with
batches of one user to all of them: they must end with 130 each time, and as undisturbed ones at last. It stands among
the benchmarks because it measures the program and no user needs it. Exit code 1 when any end was not as it should be.
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

from benchmarks.worker import measure
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
    grid_kills: int = option(40, _WHAT, "how many of them of grids, whose processes take seconds each", integer(0))
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
    numbers = (options.kills, options.grid_kills, options.interrupts, options.grid_interrupts)
    shares = [-(-number // len(engines)) for number in numbers]
    with tempfile.TemporaryDirectory(prefix="soak") as folder, ThreadPoolExecutor(len(engines)) as pool:

        def soaked(engine: str) -> dict[str, Any]:
            words = ("benchmarks.soak_worker", "soak", engine, options.seed, str(Path(folder) / engine), *shares)
            return measure(*words, environment={"OMP_NUM_THREADS": "1"}).result

        tallies = dict(zip(engines, pool.map(soaked, engines), strict=True))
    totals: Counter[str] = Counter()
    for engine, tally in tallies.items():
        print(f"{ENGINES[engine].title}, {tally['seconds']:.0f} s")
        for what in ("work", "kills", "interrupts", "faults"):
            counts = tally[what]
            totals[what] += sum(counts.values())
            print(f"  {what}: {', '.join(f'{name} {n}' for name, n in sorted(counts.items())) or 'none'}")
        totals["wrong"] += len(tally["wrong"])
        for line in tally["wrong"]:
            print(f"  WRONG: {line}")
    counted = ", ".join(f"{totals[what]} {what}" for what in ("kills", "interrupts", "faults"))
    print(f"in all: {counted}, {totals['work']} pieces of work; {totals['wrong']} ends were not as they should be")
    return 1 if totals["wrong"] else 0


if __name__ == "__main__":
    sys.exit(guarded(main))
