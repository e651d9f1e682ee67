"""A training step: its floor, the straightforward dense one, ours.

    python -m benchmarks.train_step --engine pytorch --shape ml-20m --check
    python -m benchmarks.train_step --engine mxnet --shape amazon --model dae
    python -m benchmarks.train_step --engine pytorch --shape ml-1m --model cdae --batch 64

The floor is the output layer's three matrix products in the same framework and nothing else. Ours is all that a run
does for a step: the batch sliced, its noise drawn, the update, the loss read; with the multinomial likelihood where no
other is named. CDAE's sampled step has no such floor; beside it stand two ways to write it: a mask over dense outputs,
and the output weights of each sampled item gathered. All step in turn, so that a slow moment of the machine meets them
all; ratios are medians over rounds.
"""

from __future__ import annotations

import functools
import importlib
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass

import numpy as np
from tabulate import tabulate

from benchmarks.shapes import SHAPES, synthetic_clicks
from benchmarks.timing import Target, interleaved, print_targets, ratio
from benchmarks.training import build_learner, train_steps
from benchmarks.worker import Worker
from utils.engine import ENGINES, load_engine
from utils.options import RunOptions
from utils.system.command_line import integer, option, parsed, parser_for
from utils.system.errors import guarded
from utils.system.memory import keep_freed_memory

_WHAT = "what is measured"
_BATCHES = 8  # users enough for so many; a step does not depend on how many there are
_LIKELIHOODS = {"ours, gaussian": "gaussian", "ours, logistic": "logistic"}
_OF_LIKELIHOODS = tuple((name, "ours", "at most", 1.15) for name in _LIKELIHOODS)
_ROWS = "rows gathered"
#: Bounds of CDAE's ratios, at any shape.
CDAE_TARGETS = ((_ROWS, "ours", "at least", 2.0), ("dense", "ours", "at least", 1.0))
#: Bounds of the other models' ratios at the ML-20M shape, by engine: (over, under, bound, wanted).
TARGETS = {
    "pytorch": (("ours", "floor", "at most", 1.30), ("dense", "ours", "at least", 2.5), *_OF_LIKELIHOODS),
    "mxnet": (
        ("ours", "floor", "at most", 1.45), ("ours", "pytorch's ours", "at most", 1.30),
        ("dense", "ours", "at least", 1.8), ("dense as installed", "ours", "at least", 2.5), *_OF_LIKELIHOODS,
    ),
}  # fmt: skip


@dataclass(frozen=True)
class StepOptions:
    """The options of the benchmark."""

    engine: str = option("pytorch", _WHAT, "the engine", choices=tuple(ENGINES))
    shape: str = option("ml-20m", _WHAT, "the shape of the data", choices=tuple(SHAPES))
    model: str = option("both", _WHAT, "the model; both: vae and dae", choices=("both", "vae", "dae", "cdae"))
    batch: int = option(500, _WHAT, "users in a batch", integer(1))
    rounds: int = option(15, _WHAT, "counted rounds", integer(1))
    check: bool = option(False, _WHAT, "exit with 1 when a target is missed (ml-20m has targets)")


def main(argv: Sequence[str] | None = None) -> int:
    """The command; see the module. Returns 1 when ``--check`` finds a target missed."""
    options = parsed(StepOptions, parser_for(StepOptions, "python -m benchmarks.train_step", __doc__), argv)
    missed = 0
    for model in ("vae", "dae") if options.model == "both" else (options.model,):
        seconds = step_seconds(options, model)
        shape, widths = SHAPES[options.shape], ",".join(map(str, RunOptions(model).model.widths))
        print(f"{options.engine}, {model} {widths} at {options.shape}: {shape.n_items} items, batch {options.batch}")
        print(table(seconds), end="\n\n")
        if model == "cdae" or options.shape == "ml-20m":
            missed += print_targets(targets(seconds, CDAE_TARGETS if model == "cdae" else TARGETS[options.engine]))
    return 1 if options.check and missed else 0


def step_seconds(options: StepOptions, model: str) -> dict[str, np.ndarray]:
    """Seconds of each round by name of the step, float64 ``(rounds,)``."""
    with ExitStack() as stack:
        calls: dict[str, Callable[[], object]] = {}

        def worker(engine: str, steps: Mapping[str, str], environment: Mapping[str, str] | None = None) -> Worker:
            words = ("benchmarks.train_step", engine, options.shape, model, options.batch)
            each = stack.enter_context(Worker(*words, environment=environment))
            calls.update({shown: lambda step=step: each.do(step) for shown, step in steps.items()})
            return each

        # All in the same process: whatever speeds ours up speeds the floor and the other likelihoods up too.
        together = ("ours",) if model == "cdae" else ("ours", "floor", *_LIKELIHOODS)
        workers = [worker(options.engine, {name: name for name in together})]
        workers.append(worker(options.engine, {"dense": "dense"}))
        if model == "cdae":
            workers.append(worker(options.engine, {_ROWS: _ROWS}))
        else:  # what utils.system.memory alone buys
            workers.append(worker(options.engine, {"dense, memory kept": "dense, memory kept"}))
            if "mixed" in ENGINES[options.engine].precisions:
                workers.append(worker(options.engine, {"ours, mixed": "ours, mixed"}))
        if options.engine == "mxnet":
            if model != "cdae":  # it takes one thread unless it is told otherwise
                workers.append(worker("mxnet", {"dense as installed": "dense"}, {"OMP_NUM_THREADS": "1"}))
            workers.append(worker("pytorch", {"pytorch's ours": "ours"}))
        for started in workers:  # they started together
            started.ready()
        return interleaved(calls, options.rounds)


def works(engine: str, shape: str, model: str, batch: str) -> dict[str, Callable[[], object]]:
    """What a worker does: one step of each kind, made when it is first asked for.

    To build a learner also sets how a process keeps its memory, so the dense step, which knows nothing of that, is for
    a process of its own.
    """
    load_engine(engine)
    options = RunOptions(model=model, batch_size=int(batch)).resolved()
    clicks = synthetic_clicks(SHAPES[shape], _BATCHES * options.training.batch_size)
    dense = importlib.import_module(f"benchmarks.dense_{engine}")

    def ours(**changes: str) -> Callable[[], None]:
        run = options.replace(**changes).resolved()
        learner = build_learner(engine, run, clicks.shape[1], n_users=clicks.shape[0])
        return train_steps(learner, clicks, run).__next__

    def dense_step(gather_rows: bool = False) -> Callable[[], float]:
        own, size = options.model, options.training.batch_size
        if model == "cdae":
            return dense.cdae_step(clicks, own.hidden, size, own.negatives, gather_rows)
        return dense.dense_step(clicks, own.p_dims[::-1], model == "vae", size)

    makers = {
        "floor": lambda: dense.output_products(options.training.batch_size, options.model.p_dims[-1], clicks.shape[1]),
        _ROWS: lambda: dense_step(gather_rows=True),
        "dense": dense_step,
        "dense, memory kept": lambda: keep_freed_memory() or dense_step(),
        "ours": ours,
        "ours, mixed": lambda: ours(precision="mixed"),
        **{name: functools.partial(ours, likelihood=likelihood) for name, likelihood in _LIKELIHOODS.items()},
    }
    made = functools.cache(lambda name: makers[name]())
    return {name: lambda name=name: made(name)() for name in makers}


def table(seconds: Mapping[str, np.ndarray]) -> str:
    """Each step's median and spread, its ratio to the floor, if any, and how many times faster ours is."""
    rows = [
        (name, f"{1e3 * np.median(each):.3g}", f"{1e3 * each.min():.3g} to {1e3 * each.max():.3g}",
         f"{ratio(seconds, name, 'floor'):.2f}" if "floor" in seconds else "-", f"{ratio(seconds, name, 'ours'):.2f}")
        for name, each in seconds.items()
    ]  # fmt: skip
    return tabulate(rows, ["step", "ms, median", "ms, range", "over the floor", "over ours"], disable_numparse=True)


def targets(seconds: Mapping[str, np.ndarray], bounds: Sequence[tuple[str, str, str, float]]) -> list[Target]:
    """The ratios that ``bounds`` name, measured."""
    return [
        Target(f"{over} / {under}", ratio(seconds, over, under), bound, wanted) for over, under, bound, wanted in bounds
    ]


if __name__ == "__main__":
    sys.exit(guarded(main))
