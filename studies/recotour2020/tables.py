"""The tables of the discrepancy: the core, the cost of each deviation, the gap, the point of comparison."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import product

import numpy as np
from scipy import stats

from experiments.analysis.comparison_text import p_text, short_number, small_number
from experiments.analysis.equivalence import Equivalence, equivalence_test
from experiments.analysis.pairs import Run
from experiments.analysis.settings_text import option_text, setting, shared_and_varying
from experiments.analysis.text_table import Table
from studies.recotour2020.runs import WITH, WITHOUT, Cell, Effect, difference, told_of_effects
from utils.deviations import PROFILES
from utils.engine import ENGINES

#: Test NDCG@100 of the study's own published code, run elsewhere on this project's split of MovieLens 1M: cap 0.2,
#: 200-600, its seed not fixed; and how near the 2020 profile should come.
ORIGINAL_DATASET, ORIGINAL, NEAR = "movielens-1m", {"pytorch": 0.400, "mxnet": 0.378}, 0.006
#: The caps and weight decays of the grid's core.
_CAPS, _WEIGHT_DECAYS = (0.0, 0.2), (0.0, 0.001)
_TITLES = [entry.title for entry in ENGINES.values()]
_DIFFERENCE = " - ".join(_TITLES)
NO_CORE = "No finished run of the core yet."


def core_table(cells: Sequence[Cell]) -> Table:
    """Profile, cap and weight decay: test NDCG@100 of both frameworks, and their difference."""
    rows = []
    for cell in cells:
        means = [_spread([run["n100"] for run in cell.runs[engine].values()]) for engine in ENGINES]
        epochs = [_mean([run["best_epoch"] for run in cell.runs[engine].values()], 0) for engine in ENGINES]
        seeds = list(dict.fromkeys(str(len(cell.runs[engine])) for engine in ENGINES))
        rows.append((*_place(cell), *means, *_difference(cell), " / ".join(epochs), " / ".join(seeds)))
    header = ("profile", "cap", "weight decay", *_TITLES, f"{_DIFFERENCE} (error)", "p", "best epoch", "seeds")
    notes = [
        f"{_setting_of([run for cell in cells for run in _runs(cell)])}. Mean test NDCG@100 over the seeds ± standard "
        "deviation over them; in brackets the standard error of the difference, paired (each user's difference "
        "averaged over the common seeds, over users); p: paired t-test over users; best epoch: mean.",
        *_missing(cells),
    ]
    return Table("core", "The core", header, "lrrrrrrrr", rows, notes if rows else [NO_CORE])


def effects_table(effects: Sequence[Effect], notes: Sequence[str]) -> Table:
    """What each deviation costs: NDCG@100 with it and without it, all else equal."""
    shared, varying = told_of_effects(effects)
    one_model = len({effect.pair.options["p_dims"] for effect in effects}) == 1
    rows = [_effect_row(effect, varying, one_model) for effect in effects]
    header = (
        "deviation", "of", "framework", "setting", "without", "with", "difference (error)", "over seeds", "p",
        "best epoch", "seeds",
    )  # fmt: skip
    legend = (
        f"{', '.join(shared) or 'All options not told have their defaults'}. Test NDCG@100, means over the seeds; `+`: "
        "added to the profile, `-`: taken from it; difference: with the deviation less without, in brackets its paired "
        "standard error over users; over seeds: the smallest and the largest difference of a seed; p: paired t-test "
        "over users, each row by itself (not corrected for their number); best epoch: mean, without and with."
    )
    alone = ["No finished run with a single deviation yet."] if not rows else [legend]
    return Table("deviations", "What each deviation costs", header, "llllrrrrrrr", rows, [*alone, *notes])


def gap_table(cells: Sequence[Cell], margin: float) -> Table:
    """Whether the frameworks agree: the equivalence test of each place of the core that both ran."""
    rows, notes = [], []
    for cell in (cell for cell in cells if cell.pair is not None):
        found = difference(cell.pair)
        seeds = equivalence_test(found.per_seed, margin)
        if found.per_user is None or len(found.per_user) < 2:
            users = None
            notes.append(f"{', '.join(_words(cell))}: per_user.npz is missing, so nothing is known over users.")
        else:
            users = equivalence_test(found.per_user, margin)
        tests = [text for test in (users, seeds) for text in _test_texts(test)]
        rows.append((*_place(cell), _signed(found.mean), *tests, _verdict(users, seeds, margin), str(seeds.n)))
    header = (
        "profile", "cap", "weight decay", _DIFFERENCE, "over users, 90 %", "p", "over seeds, 90 %", "p",
        f"within {margin:g}", "seeds",
    )  # fmt: skip
    legend = (
        f"Two one-sided t-tests against a difference of {margin:g} NDCG@100 (Schuirmann 1987), at 5 %, and the "
        "interval that belongs to them. equal: a difference of that size is ruled out over users and over seeds; "
        "apart: both intervals lie beyond it; open: neither is shown. One seed says nothing over seeds."
    )
    alone = [legend] if rows else ["No place of the core that both frameworks ran yet."]
    return Table("gap", "Does the paper's profile close the gap?", header, "lrrrrrrrlr", rows, [*alone, *notes])


def original_table(cells: Sequence[Cell], dataset: str) -> Table:
    """The 2020 profile against the study's own code on the same split."""
    rows = []
    chosen = [cell for cell in cells if (cell.profile, cell.cap, cell.weight_decay) == ("recotour2020", 0.2, 0.0)]
    if dataset == ORIGINAL_DATASET:
        for cell in chosen:
            for engine, entry in ENGINES.items():
                if scores := [run["n100"] for run in cell.runs[engine].values()]:
                    apart = float(np.mean(scores)) - ORIGINAL[engine]
                    near = "yes" if abs(apart) <= NEAR else "no"
                    original = short_number(f"{ORIGINAL[engine]:.3f}")
                    told = (original, _spread(scores), _signed(apart), near, _one_more(scores), str(len(scores)))
                    rows.append((entry.title, *told))
    header = (
        "framework", "its code", "profile recotour2020", "difference", f"within {NEAR:g}", "one more seed, 95 %",
        "seeds",
    )  # fmt: skip
    if rows:
        notes = [
            "Test NDCG@100 at cap 0.2, weight decay 0: mean over the seeds ± standard deviation over them; one more "
            "seed: where one more run would lie, so an original beyond it is more than a matter of seeds (prediction "
            "interval, Student's t)."
        ]
    elif dataset == ORIGINAL_DATASET:
        notes = ["No finished run of the 2020 profile at cap 0.2 and weight decay 0 yet."]
    else:
        notes = [f"The study's code was run on {ORIGINAL_DATASET} only; nothing to hold {dataset} against."]
    return Table("original", "Against the study's own code", header, "lrrrlrr", rows, notes)


def _runs(cell: Cell) -> list[Run]:
    return [run for of_seeds in cell.runs.values() for run in of_seeds.values()]


def _place(cell: Cell) -> tuple[str, str, str]:
    return cell.profile, option_text(cell.cap), option_text(cell.weight_decay)


def _words(cell: Cell) -> tuple[str, str, str]:
    profile, cap, weight_decay = _place(cell)
    return profile, f"cap {cap}", f"weight decay {weight_decay}"


def _setting_of(runs: Sequence[Run]) -> str:
    """What all runs of the core share: data set, users, widths, and options that are not at their defaults."""
    if not runs:
        return ""
    users = sorted({f"{run['test_users']:.0f}" for run in runs if not math.isnan(run["test_users"])})
    shared, _ = shared_and_varying(runs)
    parts = [runs[0]["dataset"], f"{' or '.join(users)} test users", setting({**runs[0], "anneal_cap": ""}, [])[0]]
    return ", ".join([*parts, *shared])


def _missing(cells: Sequence[Cell]) -> list[str]:
    """A line that names the places of the grid's core that have no run."""
    ran = {
        (cell.profile, cell.cap, cell.weight_decay, engine) for cell in cells for engine in ENGINES if cell.runs[engine]
    }
    lacking: dict[str, list[str]] = {}
    for profile, cap, decay, engine in product(PROFILES, _CAPS, _WEIGHT_DECAYS, ENGINES):
        if (profile, cap, decay, engine) not in ran:
            place = f"{profile}, cap {option_text(cap)}, weight decay {option_text(decay)}"
            lacking.setdefault(place, []).append(ENGINES[engine].title)
    named = "; ".join(f"{place} ({' and '.join(titles)})" for place, titles in lacking.items())
    return [f"Not run yet: {named}."] if named else []


def _difference(cell: Cell) -> tuple[str, str]:
    if cell.pair is None:
        return "-", "-"
    found = difference(cell.pair)
    return _with_error(found.mean, found.error), p_text(found.p)


def _effect_row(effect: Effect, varying: Sequence[str], one_model: bool) -> tuple[str, ...]:
    pair, found = effect.pair, difference(effect.pair)
    scores = [_mean(pair.over_seeds(side, "n100"), 4) for side in (WITHOUT, WITH)]
    epochs = [_mean(pair.over_seeds(side, "best_epoch"), 0) for side in (WITHOUT, WITH)]
    several = len(pair.seeds) > 1
    span = f"{_signed(found.per_seed.min())} to {_signed(found.per_seed.max())}" if several else "-"
    return (
        ", ".join(effect.names), f"{'+' if effect.added else '-'} {effect.profile}", ENGINES[effect.engine].title,
        ", ".join(setting(pair.options, varying)[one_model:]), *scores, _with_error(found.mean, found.error), span,
        p_text(found.p), " / ".join(epochs), str(len(pair.seeds)),
    )  # fmt: skip


def _test_texts(test: Equivalence | None) -> tuple[str, str]:
    if test is None or math.isnan(test.p):
        return "-", "-"
    return f"{_signed(test.low)} to {_signed(test.high)}", p_text(test.p)


def _verdict(users: Equivalence | None, seeds: Equivalence, margin: float) -> str:
    """What the tests over users and over seeds show; with one seed, what that over users shows."""
    tests = [users] if seeds.n == 1 else [users, seeds]
    suffix = " over users" if seeds.n == 1 else ""
    if all(test is not None and test.shown for test in tests):
        return f"equal{suffix}"
    if all(test is not None and (test.low > margin or test.high < -margin) for test in tests):
        return f"apart{suffix}"
    return "open"


def _mean(values: Sequence[float] | np.ndarray, decimals: int) -> str:
    mean = np.mean(values) if len(values) else math.nan
    return "-" if math.isnan(mean) else short_number(f"{mean:.{decimals}f}")


def _spread(values: Sequence[float]) -> str:
    mean = _mean(values, 4)
    return mean if len(values) < 2 or mean == "-" else f"{mean} ± {short_number(f'{np.std(values, ddof=1):.4f}')}"


def _one_more(values: Sequence[float]) -> str:
    """Where one more value of the same normal distribution lies with a probability of 95 %."""
    n = len(values)
    if n < 2:
        return "-"
    half = stats.t.ppf(0.975, n - 1) * np.std(values, ddof=1) * math.sqrt(1 + 1 / n)
    low, high = (short_number(f"{np.mean(values) + side * half:.4f}") for side in (-1, 1))
    return f"{low} to {high}"


def _signed(value: float) -> str:
    return small_number(value, "n100", 4, "+")


def _with_error(value: float, error: float) -> str:
    return _signed(value) if math.isnan(error) else f"{_signed(value)} ({small_number(error, 'n100', 4)})"
