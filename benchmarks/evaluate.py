"""Evaluation: ranking users and their metrics, against the network's matrix products and against the published way.

    python -m benchmarks.evaluate --engine pytorch
    python -m benchmarks.evaluate --engine mxnet --shape ml-20m --users 10000 --check

Ours is ``Learner.rank`` to 100 and ``utils.metrics.ranking.per_user`` (nine metrics). The floor is the network's
forward matrix products on the same batches, in the same framework, and nothing else. The published way is that of the
code of Liang et al. (2018) and of all who took it over: a batch's scores out in NumPy, fold-in items set to -inf,
``argpartition`` for each of NDCG@100, Recall@20 and Recall@50, and the held-out items as a dense matrix. Scores are
those of drawn weights with the items' popularity as last bias. All is timed in turn, round by round.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.sparse import csr_matrix
from tabulate import tabulate

from benchmarks.published_metrics import published_metrics
from benchmarks.shapes import SHAPES, synthetic_clicks
from benchmarks.timing import Target, interleaved, print_targets, ratio
from benchmarks.training import build_learner
from utils.engine import ENGINES, StepLearner, load_engine
from utils.metrics.ranking import RANKED_ITEMS, per_user
from utils.options import DEFAULT_MODEL, RunOptions, defaults_of
from utils.system.command_line import integer, option, parsed, parser_for
from utils.system.errors import guarded

FLOOR_TARGET = {"pytorch": 1.5, "mxnet": 2.5}  # at most so many times the matrix products
PUBLISHED_TARGET = 3.0  # at least so many times faster than the published way
HELD_OUT = 0.2  # share of a user's clicks, at least one
AGREE = 1e-3  # the published way breaks ties as it happens, so means may differ by a little

FLOOR, RANK, EVALUATE, PUBLISHED = "matrix products", "rank + metrics", "evaluate + metrics", "published way"
_WHAT, _HOW = "what is measured", "how"


@dataclass(frozen=True)
class EvaluateOptions:
    """The options of the command."""

    engine: str = option("pytorch", _WHAT, "the framework", choices=tuple(ENGINES))
    shape: str = option("ml-20m", _WHAT, "the data's shape", choices=tuple(SHAPES))
    model: str = option("vae", _WHAT, "the model", choices=("vae", "dae"))
    users: int = option(10_000, _WHAT, "users to evaluate", integer(2))
    eval_batch_size: int = option(defaults_of(DEFAULT_MODEL)["eval_batch_size"], _HOW, "users in a batch", integer(1))
    rounds: int = option(3, _HOW, "rounds that are counted, after one that is not", integer(1))
    threads: int | None = option(None, _HOW, "CPU threads (default: all of this machine's)", integer(1))
    check: bool = option(False, _HOW, "exit with 1 when a target is missed")


def main(argv: Sequence[str] | None = None) -> int:
    """The command; see the module. Returns 1 when ``--check`` is given and a target is missed, else 0."""
    parser = parser_for(EvaluateOptions, "python -m benchmarks.evaluate", __doc__.split("\n\n")[0])
    given = parsed(EvaluateOptions, parser, argv)
    load_engine(given.engine, given.threads)
    fold_in, held_out = split_clicks(synthetic_clicks(SHAPES[given.shape], given.users))
    options = RunOptions(model=given.model, eval_batch_size=given.eval_batch_size).resolved()
    learner = build_learner(given.engine, options, fold_in.shape[1])
    _load_popularity(learner, fold_in)
    calls = calls_to_time(given, learner, fold_in, held_out)
    _check_agreement(calls[RANK](), calls[PUBLISHED]())
    seconds = interleaved(calls, given.rounds, warmup=1)
    print(f"{ENGINES[given.engine].title}, {given.model}, {given.users:,} users x {fold_in.shape[1]:,} items,", end=" ")
    print(f"batches of {given.eval_batch_size}, medians of {given.rounds} rounds")
    rows = [(name, f"{np.median(each):.3f}", f"{ratio(seconds, name, FLOOR):.2f}") for name, each in seconds.items()]
    print(tabulate(rows, ["", "seconds", "over the products"], disable_numparse=True), end="\n\n")
    missed = print_targets((
        Target(f"{RANK} / {FLOOR}", ratio(seconds, RANK, FLOOR), "at most", FLOOR_TARGET[given.engine]),
        Target(f"{PUBLISHED} / {RANK}", ratio(seconds, PUBLISHED, RANK), "at least", PUBLISHED_TARGET),
    ))  # fmt: skip
    return 1 if given.check and missed else 0


def split_clicks(clicks: csr_matrix, seed: int = 1) -> tuple[csr_matrix, csr_matrix]:
    """Fold-in and held-out clicks, as matrices of the shape of ``clicks``: a share of ``HELD_OUT`` drawn per user."""
    counts = np.diff(clicks.indptr)
    rows = np.repeat(np.arange(len(counts)), counts)
    shuffled = np.lexsort((np.random.default_rng(seed).random(len(rows)), rows))
    place = np.arange(len(rows)) - np.repeat(clicks.indptr[:-1], counts)  # within the user, in the drawn order
    held = np.zeros(len(rows), dtype=bool)
    held[shuffled] = place < np.repeat(np.maximum(1, (HELD_OUT * counts).astype(int)), counts)
    return tuple(
        csr_matrix((clicks.data[part], (rows[part], clicks.indices[part])), shape=clicks.shape)
        for part in (~held, held)
    )


def calls_to_time(
    given: EvaluateOptions, learner: StepLearner, fold_in: csr_matrix, held_out: csr_matrix
) -> dict[str, Callable]:
    """What is timed, by name."""
    k, size = RANKED_ITEMS, given.eval_batch_size
    batches = [fold_in[begin : begin + size] for begin in range(0, fold_in.shape[0], size)]
    weights = [weight for weight in learner.weights().values() if weight.ndim == 2]  # from the first layer on
    baseline = importlib.import_module(f"benchmarks.dense_{given.engine}")
    return {
        FLOOR: baseline.forward_products(weights, fold_in, size),
        RANK: lambda: per_user(learner.rank(fold_in, k), held_out),
        EVALUATE: lambda: per_user(learner.evaluate(fold_in, k).ranked, held_out),
        PUBLISHED: lambda: published_metrics(map(learner.scores, batches), batches, held_out),
    }


def _load_popularity(learner: StepLearner, clicks: csr_matrix) -> None:
    """The last bias as the logarithm of the items' clicks: scores spread as those of a trained model."""
    weights = learner.weights()
    last = max(name for name in weights if name.startswith("decoder.") and name.endswith(".bias"))
    weights[last] = np.log1p(np.bincount(clicks.indices, minlength=clicks.shape[1])).astype(np.float32)
    learner.load_weights(weights)


def _check_agreement(ours: dict[str, np.ndarray], published: dict[str, float]) -> None:
    for name, value in published.items():
        if not abs(float(np.mean(ours[name])) - value) < AGREE:
            raise RuntimeError(f"{name} is {np.mean(ours[name])}, and {value} the published way")


if __name__ == "__main__":
    sys.exit(guarded(main))
