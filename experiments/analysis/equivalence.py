"""Are the two frameworks equal? An equivalence test, and the learning curves side by side.

    python -m experiments.equivalence                                    # results/all_results.csv
    python -m experiments.equivalence --results DIR --dataset movielens-1m --margin 0.003 --curves

A difference that is not significant is not yet an agreement: equal here means that two one-sided t-tests (Schuirmann
1987) both reject a difference of the margin or more, at 5 %, over users (each user's difference averaged over the
seeds) and over seeds. PyTorch less MXNet throughout.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats
from tabulate import tabulate

from experiments.analysis.compare import add_results, of_dataset, read
from experiments.analysis.comparison_text import apart_text, p_text
from experiments.analysis.curves import PARTED, Curves, read_curves
from experiments.analysis.pairs import Pair, pair_up, user_differences
from experiments.analysis.settings_text import setting, shared_and_varying
from utils.engine import ENGINES
from utils.system.command_line import option, parser_for, real
from utils.system.errors import UserError

MARGIN = 0.003  # NDCG@100: about the standard error of the published ML-20M test (0.0021)
LEVEL = 0.05
_LEGEND = (
    f"difference: {' - '.join(entry.title for entry in ENGINES.values())} in NDCG@100, and its standard error; p: the "
    "larger of the two tests'.\n-: not known; one difference alone says nothing of its error."
)


@dataclass(frozen=True)
class EquivalenceOptions:
    """The options of the command, but for ``--results``, which takes several values."""

    dataset: str | None = option(None, "what is compared", "this data set only (default: all)")
    margin: float = option(MARGIN, "what is compared", "difference in NDCG@100 that would matter", real(above=0))
    curves: bool = option(False, "what comes out", "also print the learning curves side by side")


@dataclass(frozen=True)
class Equivalence:
    """Two one-sided t-tests of a mean difference against a margin; ``n`` differences.

    ``low`` and ``high`` bound the mean at twice the level (a 90 % interval): inside the margin when ``p`` is below
    ``LEVEL``. NaN where fewer than two differences say nothing of their spread.
    """

    n: int
    mean: float
    error: float
    low: float
    high: float
    p: float

    @property
    def shown(self) -> bool:
        """Whether a difference as large as the margin is ruled out."""
        return bool(self.p < LEVEL)


def equivalence_test(differences: np.ndarray, margin: float) -> Equivalence:
    """Test whether the mean of paired ``differences`` ``(n,)`` lies within ``(-margin, margin)``.

    p is the larger of the two one-sided tests' (Schuirmann 1987). Differences that are all alike have no error, and a
    p of 0 or 1 as their value lies inside the margin or not.
    """
    n, mean = len(differences), float(np.mean(differences))
    if n < 2:
        return Equivalence(n, mean, np.nan, np.nan, np.nan, np.nan)
    error = float(stats.sem(differences))
    if error == 0:
        return Equivalence(n, mean, 0.0, mean, mean, 0.0 if abs(mean) < margin else 1.0)
    above = stats.ttest_1samp(differences, -margin, alternative="greater").pvalue
    below = stats.ttest_1samp(differences, margin, alternative="less").pvalue
    low, high = stats.t.interval(1 - 2 * LEVEL, n - 1, loc=mean, scale=error)
    return Equivalence(n, mean, error, float(low), float(high), float(max(above, below)))


def main(argv: Sequence[str] | None = None) -> int:
    """The command; see the module. Returns 0 when every pair is shown to be equal, 1 when not."""
    parser = parser_for(EquivalenceOptions, "python -m experiments.equivalence", __doc__.split("\n\n")[0])
    given = add_results(parser).parse_args(argv)
    pairs, _ = pair_up(of_dataset([read(path) for path in given.results], given.dataset))
    if not pairs:
        raise UserError("no two runs differ in the framework only: run the same options with both main scripts")
    _, varying = shared_and_varying([pair.options for pair in pairs])
    verdicts = [_report(pair, varying, given.margin, given.curves) for pair in pairs]
    print(f"{_LEGEND}\n")
    print(f"{sum(verdicts)} of {len(verdicts)} settings: equal within {given.margin:g} NDCG@100, over users and seeds")
    return 0 if all(verdicts) else 1


def _report(pair: Pair, varying: Sequence[str], margin: float, with_curves: bool) -> bool:
    """Print what is known of one setting; whether it is shown to be equal over users and over seeds."""
    seeds = ", ".join(map(str, pair.seeds))
    print(f"{pair.options['dataset']}, {', '.join(setting(pair.options, varying))}, seeds {seeds}")
    differences = user_differences(pair)
    if not differences:
        raise UserError("the runs' per_user.npz are missing, and the test is over users: run them again")
    first, second = (pair.over_seeds(engine, "n100") for engine in ENGINES)
    tests = {"users": equivalence_test(differences["n100"], margin), "seeds": equivalence_test(first - second, margin)}
    rows = [
        (over, test.n, apart_text(test.mean, "+"), apart_text(test.error), _interval(test), p_text(test.p),
         "equal" if test.shown else "not shown")
        for over, test in tests.items()
    ]  # fmt: skip
    headers = ["over", "n", "difference", "error", "90 % interval", "p", f"within {margin:g}"]
    print(tabulate(rows, headers, disable_numparse=True), end="\n\n")
    curves = {seed: _curves_of(pair, seed) for seed in pair.seeds}
    print(_curve_summary(pair, curves), end="\n\n")
    if with_curves:
        print(_curve_table(curves), end="\n\n")
    return all(test.shown for test in tests.values())


def _interval(test: Equivalence) -> str:
    return "-" if np.isnan(test.low) else f"{apart_text(test.low, '+')} to {apart_text(test.high, '+')}"


def _curves_of(pair: Pair, seed: int) -> Curves:
    return read_curves([pair.runs[engine][seed][0]["folder"] for engine in ENGINES])


def _curve_summary(pair: Pair, curves: dict[int, Curves]) -> str:
    rows = []
    for place, (seed, curve) in enumerate(curves.items()):
        best = [int(pair.over_seeds(engine, "best_epoch")[place]) for engine in ENGINES]
        test = [pair.over_seeds(engine, "n100")[place] for engine in ENGINES]
        at = int(curve.epochs[np.argmax(curve.apart)])
        rows.append(
            (seed, len(curve.epochs), curve.parting or "never", f"{apart_text(curve.apart.max())} (epoch {at})",
             apart_text(curve.apart[-1]), apart_text(curve.train_loss_apart), " / ".join(map(str, best)),
             f"{test[0]:.5f} / {test[1]:.5f}")
        )  # fmt: skip
    headers = [
        "seed", "evaluations", f"apart by {PARTED:g} from", "furthest", "at the end", "training loss (relative)",
        "best epoch", "test NDCG@100",
    ]  # fmt: skip
    return tabulate(rows, headers, disable_numparse=True)


def _curve_table(curves: dict[int, Curves]) -> str:
    """Validation NDCG@100 of both engines at about twenty epochs of each seed."""
    rows = []
    for seed, curve in curves.items():
        chosen = sorted({*range(0, len(curve.epochs), max(1, len(curve.epochs) // 20)), len(curve.epochs) - 1})
        rows += [(seed, int(curve.epochs[i]), *(f"{score:.5f}" for score in curve.scores[:, i])) for i in chosen]
    return tabulate(rows, ["seed", "epoch", *(entry.title for entry in ENGINES.values())], disable_numparse=True)
