"""The peak resident memory of a training run, and how it grows.

    python -m benchmarks.memory --check                     # both engines at ML-20M's shape
    python -m benchmarks.memory --engine pytorch --grow     # also with other batches, items and users

A run is a fresh process that does what the main script does: loads prepared data (synthetic, 116,677 training users by
20,108 items, about 8 million clicks, each with a rating and a time; 10,000 users to validate, 10,000 to test), trains
the last few steps of an epoch, evaluates, saves its state, tests the best weights. The peak is the process's own
(``utils.system.memory.peak_memory``), the framework's code included.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from tabulate import tabulate

from benchmarks.prepared import DATASET, write_synthetic_data
from benchmarks.shapes import SHAPES
from benchmarks.timing import Target, print_targets
from benchmarks.training import build_learner
from benchmarks.worker import measure
from experiments.runs.evaluation import judge_best
from experiments.runs.folder import RunFolder
from experiments.runs.loop import Training
from experiments.runs.run import data_of
from experiments.tasks import task_of
from utils.engine import ENGINES
from utils.options import RunOptions
from utils.system.command_line import integer, option, parsed, parser_for, real
from utils.system.errors import guarded
from utils.system.memory import peak_memory

_WHAT = "what is measured"
_WORKS = "benchmarks.memory"
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
    """A run's size: training users, items, users held out of each kind, users in a batch."""

    users: int
    items: int
    held_out: int
    batch: int = 500

    def variants(self) -> list[Size]:
        """This size with another batch, other items, other users."""
        batches = [replace(self, batch=self.batch * factor) for factor in (2, 4)]
        items = [replace(self, items=int(self.items * factor)) for factor in (0.5, 2, 4)]
        users = [replace(self, users=int(self.users * factor)) for factor in (0.5, 2, 4)]
        return batches + items + users


def main(argv: Sequence[str] | None = None) -> int:
    """The command; see the module. Returns 1 when ``--check`` finds a target missed."""
    options = parsed(MemoryOptions, parser_for(MemoryOptions, "python -m benchmarks.memory", __doc__), argv)
    engines = tuple(ENGINES) if options.engine == "both" else (options.engine,)
    shape = SHAPES["ml-20m"]
    size = Size(*(max(50, int(n * options.scale)) for n in (shape.n_users, shape.n_items, _HELD_OUT)))
    stages = peaks_of(size, engines, options.steps)
    rows = [(name, *(f"{stages[engine][name]:.2f}" for engine in engines)) for name in stages[engines[0]]]
    print(f"{size.users:,} users, {size.items:,} items, batch {size.batch}; GiB at the most, up to each stage")
    print(tabulate(rows, ["", *engines], disable_numparse=True), end="\n\n")
    missed = 0
    if options.scale == 1:
        missed = print_targets(
            Target(f"{engine}, peak, GiB", max(stages[engine].values()), "at most", MOST[engine]) for engine in engines
        )
    if options.grow:
        print(growth({size: stages} | {each: peaks_of(each, engines, options.steps) for each in size.variants()}))
    return 1 if options.check and missed else 0


def peaks_of(size: Size, engines: Sequence[str], steps: int) -> dict[str, dict[str, float]]:
    """The peak (GiB) up to each stage of a run, by engine."""
    with tempfile.TemporaryDirectory() as folder:
        measure(_WORKS, "write", folder, size.users, size.items, size.held_out)
        return {engine: measure(_WORKS, "run", folder, engine, size.batch, steps).result for engine in engines}


def growth(stages: dict[Size, dict[str, dict[str, float]]]) -> str:
    """The table of peaks, a row for each size."""
    engines = list(next(iter(stages.values())))
    rows = [
        (f"{size.batch:,}", f"{size.items:,}", f"{size.users:,}",
         *(f"{max(peaks[engine].values()):.2f}" for engine in engines))
        for size, peaks in stages.items()
    ]  # fmt: skip
    return tabulate(rows, ["batch", "items", "users", *(f"{engine}, GiB" for engine in engines)], disable_numparse=True)


def works() -> dict[str, Callable]:
    """What a worker does: write synthetic prepared data, or make a run on them."""
    return {"write": write_synthetic_data, "run": run}


def run(folder: str, engine: str, batch: int, steps: int) -> dict[str, float]:
    """A run on the data in ``folder``, of its one epoch the last ``steps`` only: the peak up to each stage, GiB."""
    stages = {}

    def note(stage: str) -> None:
        stages[stage] = peak_memory() / 2**30

    note("imports")
    options = RunOptions(dataset=DATASET, data_dir=folder, batch_size=batch, n_epochs=1).resolved()
    data = data_of(options)
    note("data loaded")
    task = task_of(data, options)
    learner = build_learner(engine, options, data.n_items, task)
    with tempfile.TemporaryDirectory(dir=folder) as results, RunFolder(Path(results)) as records:
        training = Training(learner, task, options, records)
        note("engine, weights")
        training.position.step = max(0, task.steps_per_epoch - steps)
        for _ in training.epochs():
            pass
        note("training, evaluation")
        training.save()
        note("state saved")
        judge_best(training, task, options)
        note("test")
    return stages


if __name__ == "__main__":
    sys.exit(guarded(main))
