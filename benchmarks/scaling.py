"""How the time of an epoch grows with users, items, clicks and the batch.

    python -m benchmarks.scaling --engine pytorch --check
    python -m benchmarks.scaling --engine mxnet --check

Each size is varied alone around a base; an epoch is all that a run does in it but for the evaluation: batches drawn,
updates, losses read a step behind. All epochs are timed in turn, round by round. Time must be proportional to the
users: the line through zero is fitted to relative errors, and ``--check`` fails where an epoch is more than 20 % off
it. The data are synthetic.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy.sparse import csr_matrix
from tabulate import tabulate

from benchmarks.shapes import Shape, synthetic_clicks
from benchmarks.timing import Target, interleaved, print_targets, ratio
from benchmarks.training import build_learner, train_epoch
from utils.engine import ENGINES, StepLearner, load_engine
from utils.models import TRAINED
from utils.options import RunOptions
from utils.system.command_line import integer, option, parsed, parser_for
from utils.system.errors import UserError, guarded

MOST_RESIDUAL = 0.20  # of an epoch's time, from proportional to the users
FACTORS = {
    "users": (0.5, 1, 2, 4), "items": (0.5, 1, 2, 4), "clicks": (0.5, 1, 2, 4), "batch": (0.25, 0.5, 1, 2),
}  # fmt: skip

_WHAT, _HOW = "what is measured", "how"


@dataclass(frozen=True)
class ScalingOptions:
    """The options of the command."""

    engine: str = option("pytorch", _WHAT, "the framework", choices=tuple(ENGINES))
    model: str = option("vae", _WHAT, "the model", choices=TRAINED)
    users: int = option(2000, _WHAT, "users of the base", integer(4))
    items: int = option(5000, _WHAT, "items of the base", integer(50))
    clicks: int = option(40, _WHAT, "clicks a user of the base, about", integer(10))
    batch: int = option(500, _WHAT, "users in a batch of the base", integer(4))
    rounds: int = option(5, _HOW, "rounds of epochs that are counted", integer(1))
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
    load_engine(given.engine, given.threads)
    print(f"{ENGINES[given.engine].title}, {given.model} 200,600; medians of {given.rounds} rounds", end="\n\n")
    variants = {name: base.varied(name) for name in FACTORS}
    clicks = {size: clicks_of(size, base) for sizes in variants.values() for size in sizes}
    seconds = interleaved(epochs(clicks, given), given.rounds, warmup=1)
    for name, sizes in variants.items():
        print(growth(name, sizes, base, clicks, seconds), end="\n\n")
    users = np.array([size.users for size in variants["users"]])
    slope, residuals = proportional(users, np.array([np.median(seconds[size]) for size in variants["users"]]))
    print(f"time proportional to users: {1e6 * slope:.0f} µs a user")
    worst = float(np.abs(residuals).max())
    missed = print_targets([Target("largest relative residual", worst, "at most", MOST_RESIDUAL)])
    return 1 if given.check and missed else 0


def clicks_of(size: Size, base: Size) -> csr_matrix:
    """Clicks of a size; more users are the base's and others after them, in the same proportion."""
    most = int(base.users * max(FACTORS["users"]))
    return synthetic_clicks(Shape(most, size.items, size.clicks))[: size.users]


def epochs(clicks: dict[Size, csr_matrix], given: ScalingOptions) -> dict[Size, Callable[[], None]]:
    """By size, a function that trains one epoch; sizes of the same items and batch share a learner."""
    learners: dict[tuple[int, int], StepLearner] = {}

    def epoch_of(size: Size) -> Callable[[], None]:
        options = RunOptions(model=given.model, batch_size=size.batch).resolved()
        key = (size.items, size.batch)
        if key not in learners:  # MXNet's graph plans its memory anew whenever a batch has another number of users
            learners[key] = build_learner(given.engine, options, size.items)
        return lambda: train_epoch(learners[key], clicks[size], options, epoch=1)

    return {size: epoch_of(size) for size in clicks}


def proportional(sizes: np.ndarray, seconds: np.ndarray) -> tuple[float, np.ndarray]:
    """The slope of ``seconds = slope * sizes`` with the least squares of relative residuals, and these ``(n,)``.

    A residual is measured over fitted less 1, so it cannot hide a small epoch behind a large one.
    """
    each = seconds / sizes
    slope = float(np.sum(each**2) / np.sum(each))  # minimises sum((each / slope - 1)**2)
    return slope, each / slope - 1.0


def growth(
    name: str, sizes: Sequence[Size], base: Size, clicks: dict[Size, csr_matrix], seconds: dict[Size, np.ndarray]
) -> str:
    """The table of one size varied: time of an epoch, of a step, and over the base's in the same round."""
    rows = []

    def amount(size: Size) -> float:  # the clicks there are: those drawn twice count once
        return clicks[size].nnz / size.users if name == "clicks" else getattr(size, name)

    for size in sizes:
        median, matrix = np.median(seconds[size]), clicks[size]
        steps = -(-size.users // size.batch)
        rows.append(
            (f"{size.users:,}", f"{size.items:,}", f"{matrix.nnz / size.users:.1f}", f"{size.batch:,}",
             f"{median:.3f}", f"{1e3 * median / steps:.0f}", f"{1e6 * median / size.users:.0f}",
             f"{amount(size) / amount(base):.3g}", f"{ratio(seconds, size, base):.2f}")
        )  # fmt: skip
    headers = ["users", "items", "clicks a user", "batch", "s an epoch", "ms a step", "µs a user"]
    headers += [f"{name}, times the base's", "time, times the base's"]
    return tabulate(rows, headers, tablefmt="github", disable_numparse=True)


if __name__ == "__main__":
    sys.exit(guarded(main))
