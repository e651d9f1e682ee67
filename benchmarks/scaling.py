"""How the time of an epoch grows with users, items, clicks and the batch, and where a step's time goes.

    python -m benchmarks.scaling --engine pytorch --check
    python -m benchmarks.scaling --engine mxnet --check

Each size is varied alone around a base; an epoch is all that a run does in it but for the evaluation: batches drawn,
updates, losses read a step behind. All epochs are timed in turn, round by round. Time must be proportional to the
users: the line through zero is fitted to relative errors, and ``--check`` fails where an epoch is more than 20 % off
it. The stages of a step are timed at another shape, one by one, each waited for. The data are synthetic.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from scipy.sparse import csr_matrix
from tabulate import tabulate

from benchmarks.shapes import SHAPES, Shape, synthetic_clicks
from benchmarks.stages import APART, BETA, STAGES, WHOLE, StagedStep, stage_seconds
from benchmarks.timing import interleaved, ratio
from utils.batches import steps_per_epoch, training_batches
from utils.engine import ENGINES, Trainer, load_engine
from utils.models import MODELS
from utils.options import RunOptions
from utils.system.command_line import integer, option, parsed, parser_for
from utils.system.errors import UserError, guarded

MOST_RESIDUAL = 0.20  # of an epoch's time, from proportional to the users
FACTORS = {
    "users": (0.5, 1, 2, 4), "items": (0.5, 1, 2, 4), "clicks": (0.5, 1, 2, 4), "batch": (0.25, 0.5, 1, 2),
}  # fmt: skip
_STAGE_BATCHES = 8  # users enough for so many batches, to draw from

_WHAT, _HOW = "what is measured", "how"


@dataclass(frozen=True)
class ScalingOptions:
    """The options of the command."""

    engine: str = option("pytorch", _WHAT, "the framework", choices=tuple(ENGINES))
    model: str = option("vae", _WHAT, "the model", choices=tuple(MODELS))
    users: int = option(2000, _WHAT, "users of the base", integer(4))
    items: int = option(5000, _WHAT, "items of the base", integer(50))
    clicks: int = option(40, _WHAT, "clicks a user of the base, about", integer(10))
    batch: int = option(500, _WHAT, "users in a batch of the base, and of the stages' step", integer(4))
    shape: str = option("ml-20m", _WHAT, "the shape at which stages are timed", choices=tuple(SHAPES))
    rounds: int = option(5, _HOW, "rounds of epochs that are counted", integer(1))
    steps: int = option(15, _HOW, "steps that are counted, of the stages", integer(1))
    threads: int | None = option(None, _HOW, "CPU threads (default: all of this machine's)", integer(1))
    check: bool = option(False, _HOW, "exit with 1 when time is not proportional to the users")


@dataclass(frozen=True)
class Size:
    """An epoch's size; ``clicks`` are those a user asked for."""

    users: int
    items: int
    clicks: int
    batch: int

    def varied(self, name: str) -> list[Size]:
        """This size with ``name`` multiplied by each of its ``FACTORS``."""
        return [replace(self, **{name: int(getattr(self, name) * factor)}) for factor in FACTORS[name]]


def main(argv: Sequence[str] | None = None) -> int:
    """The command; see the module. Returns 1 when ``--check`` is given and the target is missed, else 0."""
    given = parsed(ScalingOptions, parser_for(ScalingOptions, "python -m benchmarks.scaling", __doc__), argv)
    base = Size(given.users, given.items, given.clicks, given.batch)
    if base.users % (2 * base.batch):
        raise UserError(
            f"--users {base.users} with --batch {base.batch}: give users that are a multiple of twice the batch, "
            "so that no epoch ends with a smaller batch"
        )
    package = load_engine(given.engine, given.threads)
    print(f"{ENGINES[given.engine].title}, {given.model} 200,600; medians of {given.rounds} rounds", end="\n\n")
    residual = report_epochs(base, package, given)
    report_stages(package, given)
    return 1 if given.check and residual > MOST_RESIDUAL else 0


def report_epochs(base: Size, package: Any, given: ScalingOptions) -> float:
    """Print a table for each size varied and the fit to users; the largest relative residual of that fit."""
    variants = {name: base.varied(name) for name in FACTORS}
    sizes = dict.fromkeys(size for each in variants.values() for size in each)
    clicks = {size: clicks_of(size, base) for size in sizes}
    seconds = interleaved(epochs(clicks, package, given.model), given.rounds, warmup=1)
    for name, each in variants.items():
        print(_growth(name, each, base, clicks, seconds), end="\n\n")
    users = np.array([size.users for size in variants["users"]])
    slope, residuals = proportional(users, np.array([np.median(seconds[size]) for size in variants["users"]]))
    worst = float(np.abs(residuals).max())
    rows = [
        ("slope", f"{1e6 * slope:.0f} µs a user", "", ""),
        ("largest relative residual", f"{worst:.1%}", f"at most {MOST_RESIDUAL:.0%}",
         "met" if worst <= MOST_RESIDUAL else "MISSED"),
    ]  # fmt: skip
    print(_markdown(rows, ["time proportional to users", "measured", "target", ""]), end="\n\n")
    return worst


def clicks_of(size: Size, base: Size) -> csr_matrix:
    """DeviceBatch of a size; more users are the base's and others after them, in the same proportion."""
    most = int(base.users * max(FACTORS["users"]))
    return synthetic_clicks(Shape(most, size.items, size.clicks))[: size.users]


def epochs(clicks: dict[Size, csr_matrix], package: Any, model: str) -> dict[Size, Callable[[], None]]:
    """By size, a function that trains one epoch; sizes of the same items and batch share a trainer."""
    trainers: dict[tuple[int, int], Trainer] = {}

    def epoch_of(size: Size) -> Callable[[], None]:
        options = RunOptions(model=model, batch_size=size.batch).resolved()
        key = (size.items, size.batch)
        if key not in trainers:  # MXNet's graph plans its memory anew whenever a batch has another number of users
            trainers[key] = package.build(options, size.items)
        return lambda: train_epoch(trainers[key], clicks[size], options)

    return {size: epoch_of(size) for size in clicks}


def train_epoch(trainer: Trainer, clicks: csr_matrix, options: RunOptions) -> None:
    """One epoch as a run trains it: each loss is read a step behind."""
    pending = None
    for batch in training_batches(clicks, options, epoch=1):
        handle = trainer.train_step(batch, BETA, options.lr)
        if pending is not None:
            trainer.read_losses(pending)
        pending = handle
    trainer.read_losses(pending)


def proportional(sizes: np.ndarray, seconds: np.ndarray) -> tuple[float, np.ndarray]:
    """The slope of ``seconds = slope * sizes`` with the least squares of relative residuals, and these ``(n,)``.

    A residual is measured over fitted less 1, so it cannot hide a small epoch behind a large one.
    """
    each = seconds / sizes
    slope = float(np.sum(each**2) / np.sum(each))  # minimises sum((each / slope - 1)**2)
    return slope, each / slope - 1.0


def report_stages(package: Any, given: ScalingOptions) -> None:
    """Print the stages of a step at ``given.shape``: ms and per cent of their sum, and the step undivided."""
    options = RunOptions(model=given.model, batch_size=given.batch).resolved()
    clicks = synthetic_clicks(SHAPES[given.shape], _STAGE_BATCHES * given.batch)
    trainer = package.build(options, clicks.shape[1])
    seconds = stage_seconds(StagedStep(given.engine, trainer, options, clicks), given.steps)
    print(
        f"A step at {given.shape}: {clicks.shape[1]:,} items, {clicks.nnz / clicks.shape[0]:.0f} clicks a user, "
        f"batch {given.batch}; medians of {given.steps} steps",
        end="\n\n",
    )
    rows = [
        (name, f"{1e3 * np.median(seconds[name]):.1f}", f"{100 * ratio(seconds, name, APART):.1f}")
        for name in (*STAGES, APART, WHOLE)
    ]
    print(_markdown(rows, ["stage", "ms", "%"]))


def _growth(
    name: str, sizes: Sequence[Size], base: Size, clicks: dict[Size, csr_matrix], seconds: dict[Size, np.ndarray]
) -> str:
    """The table of one size varied: time of an epoch, of a step, and over the base's in the same round."""
    rows = []

    def amount(size: Size) -> float:  # the clicks there are: those drawn twice count once
        return clicks[size].nnz / size.users if name == "clicks" else getattr(size, name)

    for size in sizes:
        median, matrix = np.median(seconds[size]), clicks[size]
        steps = steps_per_epoch(size.users, size.batch)
        rows.append(
            (f"{size.users:,}", f"{size.items:,}", f"{matrix.nnz / size.users:.1f}", f"{size.batch:,}",
             f"{median:.3f}", f"{1e3 * median / steps:.0f}", f"{1e6 * median / size.users:.0f}",
             f"{amount(size) / amount(base):.3g}", f"{ratio(seconds, size, base):.2f}")
        )  # fmt: skip
    headers = ["users", "items", "clicks a user", "batch", "s an epoch", "ms a step", "µs a user", name, "time"]
    return _markdown(rows, [*headers[:-2], f"{name}, times the base's", "time, times the base's"])


def _markdown(rows: Sequence[tuple], headers: Sequence[str]) -> str:
    return tabulate(rows, headers, tablefmt="github", disable_numparse=True)


if __name__ == "__main__":
    sys.exit(guarded(main))
