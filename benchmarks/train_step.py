"""A training step: its floor, the straightforward dense one, ours.

    python -m benchmarks.train_step --engine pytorch --shape ml-20m --check
    python -m benchmarks.train_step --engine mxnet --shape amazon --model dae

The floor is the output layer's three matrix products in the same framework and nothing else. Ours is all that a run
does for a step: the batch sliced, its noise drawn, the update, the loss read. All step in turn, so that a slow moment
of the machine meets them all; ratios are medians over rounds.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from tabulate import tabulate

from benchmarks.shapes import SHAPES
from benchmarks.timing import interleaved, ratio
from utils.engine import ENGINES
from utils.models import MODELS
from utils.system.command_line import filled, integer, option, parser_for
from utils.system.errors import UserError, guarded

_ROOT = Path(__file__).resolve().parent.parent
_WHAT = "what is measured"
#: Ratios that must not be exceeded (``most``) or missed (``least``) at the ML-20M shape, by engine: (over, under).
MOST = {
    "pytorch": {("ours", "floor"): 1.30},
    "mxnet": {("ours", "floor"): 1.45, ("ours", "pytorch's ours"): 1.30},
}
LEAST = {
    "pytorch": {("dense", "ours"): 2.5},
    "mxnet": {("dense", "ours"): 1.8, ("dense as installed", "ours"): 2.5},
}


@dataclass(frozen=True)
class StepOptions:
    """The options of the benchmark."""

    engine: str = option("pytorch", _WHAT, "the engine", choices=tuple(ENGINES))
    shape: str = option("ml-20m", _WHAT, "the shape of the data", choices=tuple(SHAPES))
    model: str = option("both", _WHAT, "the model", choices=("both", *MODELS))
    batch: int = option(500, _WHAT, "users in a batch", integer(1))
    rounds: int = option(15, _WHAT, "counted rounds", integer(1))
    check: bool = option(False, _WHAT, "exit with 1 when a target is missed (ml-20m has targets)")


class Stepper:
    """A worker process (``benchmarks.step_worker``) that does a step when asked; a context manager."""

    def __init__(self, engine: str, options: StepOptions, model: str, environment: Mapping[str, str]) -> None:
        command = [sys.executable, "-m", "benchmarks.step_worker", engine, options.shape, model, str(options.batch)]
        self.process = subprocess.Popen(
            command, cwd=_ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
            env={**os.environ, **environment},
        )  # fmt: skip

    def __enter__(self) -> Stepper:
        return self

    def __exit__(self, *exc: object) -> None:
        self.process.stdin.close()
        self.process.wait()

    def wait(self) -> None:
        """Wait for its answer: that it is ready, once and first, then that a step is done."""
        if not self.process.stdout.readline():
            raise UserError("a worker of the benchmark stopped; what it said stands above")

    def step(self, name: str) -> None:
        """Do the step called ``name`` (see ``benchmarks.step_worker``) once."""
        print(name, file=self.process.stdin, flush=True)
        self.wait()


def main(argv: Sequence[str] | None = None) -> int:
    """The command; see the module. Returns 1 when ``--check`` finds a target missed."""
    options = filled(StepOptions, parser_for(StepOptions, "python -m benchmarks.train_step", __doc__).parse_args(argv))
    missed = 0
    for model in MODELS if options.model == "both" else (options.model,):
        seconds = measure(options, model)
        shape = SHAPES[options.shape]
        print(f"{options.engine}, {model} 200,600 at {options.shape}: {shape.n_items} items, batch {options.batch}")
        print(table(seconds), end="\n\n")
        if options.shape == "ml-20m":
            missed += told(seconds, options.engine)
    return 1 if options.check and missed else 0


def measure(options: StepOptions, model: str) -> dict[str, np.ndarray]:
    """Seconds of each round by name of the step, float64 ``(rounds,)``."""
    with ExitStack() as stack:
        workers = []

        def worker(engine: str, environment: Mapping[str, str] | None = None) -> Stepper:
            workers.append(stack.enter_context(Stepper(engine, options, model, environment or {})))
            return workers[-1]

        own, plain, kept = (worker(options.engine) for _ in range(3))
        calls = {
            "ours": lambda: own.step("ours"),
            "floor": lambda: own.step("floor"),  # in the same process: whatever speeds ours up speeds it up too
            "dense": lambda: plain.step("dense"),
            "dense, memory kept": lambda: kept.step("dense, memory kept"),  # what utils.system.memory alone buys
        }
        if "mixed" in ENGINES[options.engine].precisions:
            mixed = worker(options.engine)
            calls["ours, mixed"] = lambda: mixed.step("ours, mixed")
        if options.engine == "mxnet":  # which takes one thread unless it is told otherwise
            installed, other = worker("mxnet", {"OMP_NUM_THREADS": "1"}), worker("pytorch")
            calls["dense as installed"] = lambda: installed.step("dense")
            calls["pytorch's ours"] = lambda: other.step("ours")
        for started in workers:  # they started together
            started.wait()
        return interleaved(calls, options.rounds)


def table(seconds: Mapping[str, np.ndarray]) -> str:
    """Each step's median and spread, its ratio to the floor, and how many times faster ours is."""
    rows = [
        (name, f"{1e3 * np.median(each):.0f}", f"{1e3 * each.min():.0f} to {1e3 * each.max():.0f}",
         f"{ratio(seconds, name, 'floor'):.2f}", f"{ratio(seconds, name, 'ours'):.2f}")
        for name, each in seconds.items()
    ]  # fmt: skip
    return tabulate(rows, ["step", "ms, median", "ms, range", "over the floor", "over ours"], disable_numparse=True)


def told(seconds: Mapping[str, np.ndarray], engine: str) -> int:
    """Print each target with what was measured; the number of targets missed."""
    rows, missed = [], 0
    for targets, word, sign in ((MOST, "at most", 1), (LEAST, "at least", -1)):
        for (over, under), target in targets[engine].items():
            measured = ratio(seconds, over, under)
            met = sign * measured <= sign * target
            missed += not met
            rows.append((f"{over} / {under}", f"{measured:.2f}", f"{word} {target:.2f}", "met" if met else "MISSED"))
    print(tabulate(rows, ["ratio", "measured", "target", ""], disable_numparse=True), end="\n\n")
    return missed


if __name__ == "__main__":
    sys.exit(guarded(main))
