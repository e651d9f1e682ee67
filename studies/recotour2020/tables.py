"""The tables of the discrepancy: the core, the cost of each deviation, the gap, the point of comparison."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import product

import numpy as np

from experiments.analysis.number_text import decimals, p_text, range_text, signed, signed_with_error, spread
from experiments.analysis.runs import Run
from experiments.analysis.settings_text import option_text, setting_parts, shared_and_varying
from experiments.analysis.statistics import Equivalence, deviation, prediction_interval
from experiments.analysis.table import Table, text_columns
from studies.recotour2020.runs import WITH, WITHOUT, Cell, Effect, shared_and_varying_of
from utils.deviations import PROFILES
from utils.engine import ENGINES
from utils.figures import PRIMARY

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
        of_engines = [list(cell.runs[engine].values()) for engine in ENGINES]
        scores = [_spread([run[PRIMARY] for run in runs]) for runs in of_engines]
        epochs = [_mean([run["best_epoch"] for run in runs], 0) for runs in of_engines]
        seeds = dict.fromkeys(str(len(runs)) for runs in of_engines)
        rows.append((*_place(cell), *scores, *_difference(cell), " / ".join(epochs), " / ".join(seeds)))
    header = ("profile", "cap", "weight decay", *_TITLES, f"{_DIFFERENCE} (error)", "p", "best epoch", "seeds")
    legend = (
        f"{_setting_of([run for cell in cells for run in cell.all_runs])}. Mean test NDCG@100 over the seeds ± "
        "standard deviation over them; in brackets the standard error of the difference, paired (each user's "
        "difference averaged over the common seeds, over users); p: paired t-test over users; best epoch: mean."
    )
    notes = _missing(cells) if rows else [NO_CORE]
    return Table("core", "The core", text_columns(header, "lrrrrrrrr"), rows, legend, notes)


def effects_table(effects: Sequence[Effect], notes: Sequence[str]) -> Table:
    """What each deviation costs: NDCG@100 with it and without it, all else equal."""
    shared, varying = shared_and_varying_of(effects)
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
    none = [] if rows else ["No finished run with a single deviation yet."]
    columns = text_columns(header, "llllrrrrrrr")
    return Table("deviations", "What each deviation costs", columns, rows, legend, [*none, *notes])


def gap_table(cells: Sequence[Cell], margin: float) -> Table:
    """Whether the frameworks agree: the equivalence test of each place of the core that both ran."""
    rows, notes = [], []
    for cell in (cell for cell in cells if cell.pair is not None):
        found = cell.pair.difference()
        tests = found.equivalence(margin)
        if tests["users"].n < 2:
            place = _words(cell.profile, cell.cap, cell.weight_decay)
            notes.append(f"{place}: per_user.npz is missing, so nothing is known over users.")
        texts = [text for test in tests.values() for text in (range_text(test.low, test.high), p_text(test.p))]
        rows.append((*_place(cell), signed(found.mean), *texts, _verdict(tests), str(tests["seeds"].n)))
    header = (
        "profile", "cap", "weight decay", _DIFFERENCE, "over users, 90 %", "p", "over seeds, 90 %", "p",
        f"within {margin:g}", "seeds",
    )  # fmt: skip
    legend = (
        f"Two one-sided t-tests against a difference of {margin:g} NDCG@100 (Schuirmann 1987), at 5 %, and the "
        "interval that belongs to them. equal: a difference of that size is ruled out over users and over seeds; "
        "apart: both intervals lie beyond it; open: neither is shown. One seed says nothing over seeds."
    )
    none = [] if rows else ["No place of the core that both frameworks ran yet."]
    title = "Does the paper's profile close the gap?"
    return Table("gap", title, text_columns(header, "lrrrrrrrlr"), rows, legend, [*none, *notes])


def original_table(cells: Sequence[Cell], dataset: str) -> Table:
    """The 2020 profile against the study's own code on the same split."""
    chosen = [cell for cell in cells if (cell.profile, cell.cap, cell.weight_decay) == ("recotour2020", 0.2, 0.0)]
    rows = [
        _original_row(engine, [run[PRIMARY] for run in cell.runs[engine].values()])
        for cell in chosen
        for engine in ENGINES
        if cell.runs[engine] and dataset == ORIGINAL_DATASET
    ]
    header = (
        "framework", "its code", "profile recotour2020", "difference", f"within {NEAR:g}", "one more seed, 95 %",
        "seeds",
    )  # fmt: skip
    legend = (
        "Test NDCG@100 at cap 0.2, weight decay 0: mean over the seeds ± standard deviation over them; one more "
        "seed: where one more run would lie, so an original beyond it is more than a matter of seeds (prediction "
        "interval, Student's t)."
    )
    if dataset == ORIGINAL_DATASET:
        none = ["No finished run of the 2020 profile at cap 0.2 and weight decay 0 yet."]
    else:
        none = [f"The study's code was run on {ORIGINAL_DATASET} only; nothing to hold {dataset} against."]
    title = "Against the study's own code"
    return Table("original", title, text_columns(header, "lrrrlrr"), rows, legend, [] if rows else none)


def _place(cell: Cell) -> tuple[str, str, str]:
    return cell.profile, option_text(cell.cap), option_text(cell.weight_decay)


def _words(profile: str, cap: float, weight_decay: float) -> str:
    return f"{profile}, cap {option_text(cap)}, weight decay {option_text(weight_decay)}"


def _setting_of(runs: Sequence[Run]) -> str:
    """What all runs of the core share: data set, users, widths, and options that are not at their defaults."""
    if not runs:
        return ""
    users = sorted({f"{run['test_users']:.0f}" for run in runs if not math.isnan(run["test_users"])})
    shared, _ = shared_and_varying(runs)
    return ", ".join([runs[0]["dataset"], f"{' or '.join(users)} test users", setting_parts(runs[0], [])[0], *shared])


def _missing(cells: Sequence[Cell]) -> list[str]:
    """A line that names the places of the grid's core that have no run."""
    ran = {(cell.profile, cell.cap, cell.weight_decay, name) for cell in cells for name in ENGINES if cell.runs[name]}
    lacking: dict[str, list[str]] = {}
    for profile, cap, decay, engine in product(PROFILES, _CAPS, _WEIGHT_DECAYS, ENGINES):
        if (profile, cap, decay, engine) not in ran:
            lacking.setdefault(_words(profile, cap, decay), []).append(ENGINES[engine].title)
    named = "; ".join(f"{place} ({' and '.join(titles)})" for place, titles in lacking.items())
    return [f"Not run yet: {named}."] if named else []


def _difference(cell: Cell) -> tuple[str, str]:
    if cell.pair is None:
        return "-", "-"
    found = cell.pair.difference()
    return signed_with_error(found.mean, found.test.error), p_text(found.test.p)


def _effect_row(effect: Effect, varying: Sequence[str], one_model: bool) -> tuple[str, ...]:
    pair, found = effect.pair, effect.pair.difference()
    scores = [_mean(pair.over_seeds(side, PRIMARY), 4) for side in (WITHOUT, WITH)]
    epochs = [_mean(pair.over_seeds(side, "best_epoch"), 0) for side in (WITHOUT, WITH)]
    span = range_text(found.per_seed.min(), found.per_seed.max()) if len(pair.seeds) > 1 else "-"
    return (
        ", ".join(effect.names), f"{'+' if effect.added else '-'} {effect.profile}", ENGINES[effect.engine].title,
        ", ".join(setting_parts(pair.options, varying)[one_model:]), *scores,
        signed_with_error(found.mean, found.test.error), span, p_text(found.test.p), " / ".join(epochs),
        str(len(pair.seeds)),
    )  # fmt: skip


def _original_row(engine: str, scores: Sequence[float]) -> tuple[str, ...]:
    apart = float(np.mean(scores)) - ORIGINAL[engine]
    ends = prediction_interval(scores, 0.95)
    return (
        ENGINES[engine].title, decimals(ORIGINAL[engine], 3), _spread(scores), signed(apart),
        "yes" if abs(apart) <= NEAR else "no", " to ".join(decimals(end, 4) for end in ends) if ends else "-",
        str(len(scores)),
    )  # fmt: skip


def _verdict(tests: Mapping[str, Equivalence]) -> str:
    """What the tests over users and over seeds show; with one seed, what that over users shows."""
    one_seed = tests["seeds"].n == 1
    counted = [tests["users"]] if one_seed else list(tests.values())
    suffix = " over users" if one_seed else ""
    if all(test.shown for test in counted):
        return f"equal{suffix}"
    return f"apart{suffix}" if all(test.apart for test in counted) else "open"


def _mean(values: Sequence[float] | np.ndarray, places: int) -> str:
    return decimals(np.mean(values) if len(values) else math.nan, places)


def _spread(values: Sequence[float]) -> str:
    return spread(float(np.mean(values)), deviation(values)) if len(values) else "-"
