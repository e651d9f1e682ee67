"""Are the two frameworks equal? An equivalence test, and the learning curves side by side.

    python -m experiments.equivalence                                    # results/all_results.csv
    python -m experiments.equivalence --results DIR --dataset movielens-1m --margin 0.003 --curves

A difference that is not significant is not yet an agreement: equal here means that two one-sided t-tests (Schuirmann
1987) both reject a difference of the margin or more, at 5 %, over users (each user's difference averaged over the
seeds) and over seeds. PyTorch less MXNet throughout.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from experiments.analysis.history import PARTED, CurvePair, read_curve_pair
from experiments.analysis.number_text import magnitude, p_text
from experiments.analysis.pairs import Pair, pair_up
from experiments.analysis.runs import add_results, is_fitted, read_all
from experiments.analysis.settings_text import setting, shared_and_varying
from experiments.analysis.statistics import Equivalence
from experiments.analysis.table import Table, text_columns
from utils.engine import ENGINES
from utils.figures import FIGURES, PRIMARY
from utils.system.command_line import option, parser_for, real
from utils.system.errors import UserError

MARGIN = FIGURES[PRIMARY].margin
_TITLE = FIGURES[PRIMARY].title
_LEGEND = (
    f"difference: {' - '.join(entry.title for entry in ENGINES.values())} in {_TITLE}, and its standard error; p: the "
    "larger of the two tests'.\n-: not known; one difference alone says nothing of its error."
)


@dataclass(frozen=True)
class EquivalenceOptions:
    """The options of the command, but for ``--results``, which takes several values."""

    dataset: str | None = option(None, "what is compared", "this data set only (default: all)")
    margin: float = option(MARGIN, "what is compared", f"difference in {_TITLE} that would matter", real(above=0))
    curves: bool = option(False, "what comes out", "also print the learning curves side by side")


def main(argv: Sequence[str] | None = None) -> int:
    """The command; see the module. Returns 0 when every pair is shown to be equal, 1 when not."""
    parser = parser_for(EquivalenceOptions, "python -m experiments.equivalence", __doc__.split("\n\n")[0])
    given = add_results(parser).parse_args(argv)
    pairs, _ = pair_up(read_all(given.results, given.dataset))
    if not pairs:
        raise UserError("no two runs differ in the framework only: run the same options with both main scripts")
    _, varying = shared_and_varying([pair.options for pair in pairs])
    verdicts = [_report(pair, varying, given.margin, given.curves) for pair in pairs]
    print(f"{_LEGEND}\n")
    print(f"{sum(verdicts)} of {len(verdicts)} settings: equal within {given.margin:g} {_TITLE}, over users and seeds")
    return 0 if all(verdicts) else 1


def _report(pair: Pair, varying: Sequence[str], margin: float, with_curves: bool) -> bool:
    """Print what is known of one setting; whether it is shown to be equal over users and, if it has any, over seeds."""
    seeds = "deterministic" if pair.is_deterministic else f"seeds {', '.join(map(str, pair.seeds))}"
    print(f"{pair.options['dataset']}, {setting(pair.options, varying)}, {seeds}")
    found = pair.difference()
    if found.per_user is None:
        raise UserError("the runs' per_user.npz are missing, and the test is over users: run them again")
    tests = found.equivalence(margin)
    print(_tests_text(tests, margin), end="\n\n")
    if not any(map(is_fitted, pair.used)):
        sides = list(pair.runs.values())
        curves = {seed: read_curve_pair(*(side[seed][0] for side in sides)) for seed in pair.seeds}
        print(_curves_summary(pair, curves), end="\n\n")
        if with_curves:
            print(_curves_text(pair, curves), end="\n\n")
    return tests["users"].shown and (pair.is_deterministic or tests["seeds"].shown)


def _tests_text(tests: Mapping[str, Equivalence], margin: float) -> str:
    rows = []
    for over, test in tests.items():
        low, high = magnitude(test.low, "+"), magnitude(test.high, "+")
        verdict = "equal" if test.shown else "not shown"
        apart = magnitude(test.mean, "+"), magnitude(test.error)
        rows.append((over, test.n, *apart, "-" if low == "-" else f"{low} to {high}", p_text(test.p), verdict))
    headers = ["over", "n", "difference", "error", "90 % interval", "p", f"within {margin:g}"]
    return _text(headers, rows)


def _curves_summary(pair: Pair, curves: Mapping[Any, CurvePair]) -> str:
    rows = []
    for place, (seed, curve) in enumerate(curves.items()):
        best = [int(pair.over_seeds(side, "best_epoch")[place]) for side in pair.runs]
        test = [pair.over_seeds(side, PRIMARY)[place] for side in pair.runs]
        at = int(curve.epochs[np.argmax(curve.apart)])
        rows.append(
            (seed, len(curve.epochs), curve.parting or "never", f"{magnitude(curve.apart.max())} (epoch {at})",
             magnitude(curve.apart[-1]), magnitude(curve.train_loss_apart), " / ".join(map(str, best)),
             f"{test[0]:.5f} / {test[1]:.5f}")
        )  # fmt: skip
    headers = [
        "seed", "evaluations", f"apart by {PARTED:g} from", "furthest", "at the end", "training loss (relative)",
        "best epoch", f"test {_TITLE}",
    ]  # fmt: skip
    return _text(headers, rows)


def _curves_text(pair: Pair, curves: Mapping[Any, CurvePair]) -> str:
    """Validation scores of both sides at about twenty epochs of each seed."""
    rows = []
    for seed, curve in curves.items():
        chosen = sorted({*range(0, len(curve.epochs), max(1, len(curve.epochs) // 20)), len(curve.epochs) - 1})
        rows += [(seed, int(curve.epochs[i]), *(f"{score:.5f}" for score in curve.scores[:, i])) for i in chosen]
    return _text(["seed", "epoch", *(ENGINES[side].title for side in pair.runs)], rows)


def _text(header: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    return Table("", "", text_columns(header, "l" * len(header)), rows).text()
