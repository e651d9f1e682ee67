"""Evaluation: ranking users and their metrics, against the network's matrix products and against the published way.

    python -m benchmarks.evaluate --engine pytorch
    python -m benchmarks.evaluate --engine mxnet --shape ml-20m --users 10000 --check

Ours is ``Trainer.rank`` to 100 and ``utils.metrics.ranking.per_user`` (nine metrics). The floor is the network's
forward matrix products on the same batches, in the same framework, and nothing else. The published way is what follows
the scores in the code of Liang et al. (2018) and of all who took it over: the scores out in NumPy (a copy, but for
PyTorch on the CPU), fold-in items set to -inf, ``argpartition`` for each of NDCG@100, Recall@20 and Recall@50, and the
held-out items as a dense matrix. Scores are those of drawn weights with the items' popularity as last bias. All is
timed in turn, round by round.
"""

from __future__ import annotations

import sys
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.sparse import csr_matrix
from tabulate import tabulate

from benchmarks.published_metrics import published_metrics
from benchmarks.scoring import Scoring, scoring_of
from benchmarks.shapes import SHAPES, synthetic_clicks
from benchmarks.timing import interleaved, ratio
from utils.engine import ENGINES, Trainer, load_engine
from utils.metrics.ranking import RANKED_ITEMS, per_user
from utils.models import MODELS
from utils.options import RunOptions
from utils.ranking import resolve_ties
from utils.system.command_line import integer, option, parsed, parser_for
from utils.system.errors import guarded

FLOOR_TARGET = {"pytorch": 1.5, "mxnet": 2.5}  # at most so many times the matrix products
PUBLISHED_TARGET = 3.0  # after the scores, at least so many times faster than the published way
HELD_OUT = 0.2  # share of a user's clicks, at least one
AGREE = 1e-3  # the published way breaks ties as it happens, so means may differ by a little

_WHAT, _HOW = "what is measured", "how"


@dataclass(frozen=True)
class EvaluateOptions:
    """The options of the command."""

    engine: str = option("pytorch", _WHAT, "the framework", choices=tuple(ENGINES))
    shape: str = option("ml-20m", _WHAT, "the data's shape", choices=tuple(SHAPES))
    model: str = option("vae", _WHAT, "the model", choices=tuple(MODELS))
    users: int = option(10_000, _WHAT, "users to evaluate", integer(2))
    eval_batch_size: int = option(RunOptions.eval_batch_size, _HOW, "users in a batch", integer(1))
    rounds: int = option(3, _HOW, "rounds that are counted, after one that is not", integer(1))
    threads: int | None = option(None, _HOW, "CPU threads (default: all of this machine's)", integer(1))
    check: bool = option(False, _HOW, "exit with 1 when a target is missed")


def main(argv: Sequence[str] | None = None) -> int:
    """The command; see the module. Returns 1 when ``--check`` is given and a target is missed, else 0."""
    parser = parser_for(EvaluateOptions, "python -m benchmarks.evaluate", __doc__.split("\n\n")[0])
    given = parsed(EvaluateOptions, parser, argv)
    package = load_engine(given.engine, given.threads)
    fold_in, held_out = split_clicks(synthetic_clicks(SHAPES[given.shape], given.users))
    options = RunOptions(model=given.model, eval_batch_size=given.eval_batch_size).resolved()
    trainer = package.build(options, fold_in.shape[1])
    _load_popularity(trainer, fold_in)
    calls = _calls(trainer, scoring_of(given.engine, trainer, fold_in), fold_in, held_out)
    _check_agreement(calls["rank + metrics"](), calls["published, after the scores"]())
    seconds = interleaved(calls, given.rounds, warmup=1)
    print(f"{ENGINES[given.engine].title}, {given.model}, {given.users:,} users x {fold_in.shape[1]:,} items,", end=" ")
    print(f"batches of {given.eval_batch_size}, medians of {given.rounds} rounds")
    print(_times(seconds), _parts(seconds), sep="\n\n", end="\n\n")
    met = _report_targets(given.engine, seconds)
    return 0 if met or not given.check else 1


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


def _load_popularity(trainer: Trainer, clicks: csr_matrix) -> None:
    """The last bias as the logarithm of the items' clicks: scores spread as those of a trained model."""
    weights = trainer.weights()
    last = max(name for name in weights if name.startswith("decoder.") and name.endswith(".bias"))
    weights[last] = np.log1p(np.bincount(clicks.indices, minlength=clicks.shape[1])).astype(np.float32)
    trainer.load_weights(weights)


def _calls(trainer: Trainer, scoring: Scoring, fold_in: csr_matrix, held_out: csr_matrix) -> dict[str, Callable]:
    """What is timed, by name."""
    k = RANKED_ITEMS
    kept = list(scoring.scores())  # of all users: what follows the scores is timed on these, over and over
    ranked = trainer.rank(fold_in, k)
    masked = [_masked(scoring.to_numpy(scores), rows) for scores, rows in zip(kept, scoring.rows(), strict=True)]
    found = [_best(scores, k + 1) for scores in masked]

    def ties() -> None:
        for (best, items), scores in zip(found, masked, strict=True):
            resolve_ties(best, items, k, lambda rows, scores=scores: scores[rows])

    def published() -> dict[str, float]:
        return published_metrics(map(scoring.to_numpy, kept), scoring.rows(), held_out)

    return {
        "matrix products": lambda: _exhaust(scoring.products()),
        "scores": lambda: _exhaust(scoring.scores()),
        "rank + metrics": lambda: per_user(trainer.rank(fold_in, k), held_out),
        "evaluate + metrics": lambda: per_user(trainer.evaluate(fold_in, k).ranked, held_out),
        "mask, top-k, ties": lambda: scoring.top(kept, k),
        "ties": ties,
        "metrics": lambda: per_user(ranked, held_out),
        "published, after the scores": published,
    }


def _exhaust(batches: Iterator[object]) -> None:
    """Compute every batch and keep none, as an evaluation does."""
    deque(batches, maxlen=0)


def _masked(scores: np.ndarray, clicks: csr_matrix) -> np.ndarray:
    scores = scores.copy()
    scores[clicks.nonzero()] = -np.inf
    return scores


def _best(scores: np.ndarray, m: int) -> tuple[np.ndarray, np.ndarray]:
    """The ``m`` best of each row, best first, as an engine's top-k gives them."""
    items = np.argpartition(-scores, m - 1, axis=1)[:, :m]
    best = np.take_along_axis(scores, items, axis=1)
    order = np.argsort(-best, axis=1)
    return np.take_along_axis(best, order, axis=1), np.take_along_axis(items, order, axis=1)


def _check_agreement(ours: dict[str, np.ndarray], published: dict[str, float]) -> None:
    for name, value in published.items():
        if not abs(float(np.mean(ours[name])) - value) < AGREE:
            raise RuntimeError(f"{name} is {np.mean(ours[name])}, and {value} the published way")


def _after_scores(seconds: dict[str, np.ndarray]) -> np.ndarray:
    return seconds["mask, top-k, ties"] + seconds["metrics"]


def _times(seconds: dict[str, np.ndarray]) -> str:
    whole = {name: seconds[name] for name in ("matrix products", "scores", "rank + metrics", "evaluate + metrics")}
    rows = [
        (name, f"{np.median(s):.3f}", f"{ratio(seconds, name, 'matrix products'):.2f}") for name, s in whole.items()
    ]
    return tabulate(rows, ["", "seconds", "over the products"], disable_numparse=True)


def _parts(seconds: dict[str, np.ndarray]) -> str:
    published = seconds["published, after the scores"]
    parts = {
        "mask, top-k": seconds["mask, top-k, ties"] - seconds["ties"],
        "ties": seconds["ties"],
        "metrics": seconds["metrics"],
        "together": _after_scores(seconds),
        "the published way": published,
    }
    rows = [(name, f"{np.median(s):.3f}", f"{np.median(published / s):.1f}") for name, s in parts.items()]
    return tabulate(rows, ["after the scores", "seconds", "times faster"], disable_numparse=True)


def _report_targets(engine: str, seconds: dict[str, np.ndarray]) -> bool:
    """Print each target beside what was measured; whether all are met."""
    over_floor = ratio(seconds, "rank + metrics", "matrix products")
    faster = float(np.median(seconds["published, after the scores"] / _after_scores(seconds)))
    targets = [
        ("rank + metrics over the matrix products", over_floor, "at most", FLOOR_TARGET[engine]),
        ("published way over ours, after the scores", faster, "at least", PUBLISHED_TARGET),
    ]
    met = [value <= target if bound == "at most" else value >= target for _, value, bound, target in targets]
    rows = [
        (what, f"{value:.2f}", f"{bound} {target:g}", "met" if good else "missed")
        for (what, value, bound, target), good in zip(targets, met, strict=True)
    ]
    print(tabulate(rows, ["", "measured", "target", ""], disable_numparse=True))
    return all(met)


if __name__ == "__main__":
    sys.exit(guarded(main))
