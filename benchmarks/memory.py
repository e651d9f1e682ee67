"""The peak resident memory of a training run, and how it grows.

    python -m benchmarks.memory --check                     # both engines at ML-20M's shape
    python -m benchmarks.memory --engine pytorch --grow     # also with other batches, items and users

A run is a fresh process that does what the main script does: loads prepared data (synthetic, 116,677 training users by
20,108 items, about 8 million clicks, each with a rating and a time; 10,000 users to validate, 10,000 to test), trains
the last few steps of an epoch, evaluates, saves its state, tests the best weights. The peak is the process's own
(``utils.system.memory.peak_memory``), the framework's code included.
"""

from __future__ import annotations

import dataclasses
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass

from tabulate import tabulate

from benchmarks.children import told_by
from benchmarks.shapes import SHAPES
from utils.engine import ENGINES
from utils.system.command_line import filled, integer, option, parser_for, real
from utils.system.errors import guarded

_WHAT = "what is measured"
_WORKER = "benchmarks.memory_worker"
MOST = {"pytorch": 1.5, "mxnet": 2.0}  # GiB, at ML-20M's shape
_HELD_OUT = 10_000


@dataclass(frozen=True)
class MemoryOptions:
    """The options of the benchmark."""

    engine: str = option("both", _WHAT, "the engine", choices=("both", *ENGINES))
    steps: int = option(5, _WHAT, "training steps", integer(1))
    scale: float = option(1.0, _WHAT, "part of ML-20M's users and items", real(above=0))
    grow: bool = option(False, _WHAT, "also measure other batches, items and users")
    check: bool = option(False, _WHAT, "exit with 1 when a target is missed (at the full scale)")


@dataclass(frozen=True)
class Size:
    """A run's size: training users, items, users in a batch."""

    users: int
    items: int
    batch: int = 500

    def variants(self) -> list[Size]:
        """This size with another batch, other items, other users."""
        batches = [dataclasses.replace(self, batch=self.batch * factor) for factor in (2, 4)]
        items = [dataclasses.replace(self, items=int(self.items * factor)) for factor in (0.5, 2, 4)]
        users = [dataclasses.replace(self, users=int(self.users * factor)) for factor in (0.5, 2, 4)]
        return batches + items + users


def main(argv: Sequence[str] | None = None) -> int:
    """The command; see the module. Returns 1 when ``--check`` finds a target missed."""
    options = filled(MemoryOptions, parser_for(MemoryOptions, "python -m benchmarks.memory", __doc__).parse_args(argv))
    engines = tuple(ENGINES) if options.engine == "both" else (options.engine,)
    shape = SHAPES["ml-20m"]
    size = Size(max(50, int(shape.n_users * options.scale)), max(50, int(shape.n_items * options.scale)))
    held_out = max(20, int(_HELD_OUT * options.scale))
    stages = peaks_of(size, engines, options.steps, held_out)
    names = list(stages[engines[0]])
    rows = [(name, *(f"{stages[engine][name]:.2f}" for engine in engines)) for name in names]
    print(f"{size.users:,} users, {size.items:,} items, batch {size.batch}; GiB at the most, up to each stage")
    print(tabulate(rows, ["", *engines], disable_numparse=True), end="\n\n")
    missed = _told(stages) if options.scale == 1 else 0
    if options.grow:
        print(_growth(size, engines, options.steps, held_out, stages), end="\n\n")
    return 1 if options.check and missed else 0


def peaks_of(size: Size, engines: Sequence[str], steps: int, held_out: int) -> dict[str, dict[str, float]]:
    """The peak (GiB) up to each stage of a run, by engine."""
    with tempfile.TemporaryDirectory() as folder:
        told_by(_WORKER, "write", folder, size.users, size.items, held_out)
        return {engine: told_by(_WORKER, "run", folder, engine, size.batch, steps)["stages"] for engine in engines}


def _told(stages: dict[str, dict[str, float]]) -> int:
    """Print each target with what was measured; the number of targets missed."""
    highest = {engine: max(each.values()) for engine, each in stages.items()}
    rows = [
        (engine, peak, MOST[engine], "met" if peak < MOST[engine] else "MISSED") for engine, peak in highest.items()
    ]
    print(tabulate(rows, ["peak, GiB", "measured", "below", ""], floatfmt=".2f"), end="\n\n")
    return sum(row[-1] == "MISSED" for row in rows)


def _growth(size: Size, engines: Sequence[str], steps: int, held_out: int, stages: dict[str, dict[str, float]]) -> str:
    """The table of peaks with other batches, items and users."""
    measured = {size: stages}
    for each in size.variants():
        measured[each] = peaks_of(each, engines, steps, held_out)
    rows = [
        (f"{each.batch:,}", f"{each.items:,}", f"{each.users:,}",
         *(f"{max(found[engine].values()):.2f}" for engine in engines))
        for each, found in measured.items()
    ]  # fmt: skip
    return tabulate(rows, ["batch", "items", "users", *(f"{engine}, GiB" for engine in engines)], disable_numparse=True)


if __name__ == "__main__":
    sys.exit(guarded(main))
