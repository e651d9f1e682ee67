"""Models against each other, frameworks against each other: paired tests over users and seeds."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from typing import Any

import numpy as np

from experiments.analysis.equivalence import LEVEL, Equivalence, equivalence_test
from experiments.analysis.pairs import Pair, Run, user_differences
from experiments.analysis.settings_text import setting, shared_and_varying
from experiments.analysis.statistics import holm, paired_tests, stars
from experiments.report.parts import Column, Record, ReportTable
from experiments.report.settings import Setting, contenders, side_by_side
from experiments.report.text import decimals, interval, listed, p_text, signed
from utils.engine import ENGINES

_METRICS = {"n100": "NDCG@100", "r20": "Recall@20", "r50": "Recall@50"}
_NO_USERS = "figures of each user (per_user.npz) missing or of other users"
_DIFFERENCE = " - ".join(entry.title for entry in ENGINES.values())


def models_table(settings: Sequence[Setting], name: str) -> ReportTable:
    """The best settings of the models in pairs, within a framework: difference, error, t-test and Wilcoxon."""
    records: list[dict[str, Any]] = []
    used: list[Run] = []
    without: dict[str, list[str]] = {"no seed in common": [], _NO_USERS: []}
    for first, second in model_pairs(settings):
        pair = side_by_side(first, second)
        who = f"{first.model} and {second.model} in {first.framework or second.framework or 'no framework named'}"
        if pair is None:
            without["no seed in common"].append(who)
        elif not (differences := user_differences(pair)):
            without[_NO_USERS].append(who)
        else:
            used += [run for side in pair.runs.values() for seed in pair.seeds for run in side[seed]]
            records += [_model_record(first, second, pair, metric, differences[metric]) for metric in _METRICS]
    for test in ("t", "wilcoxon"):
        for record, corrected in zip(records, holm([record[f"{test}_p"] for record in records]), strict=True):
            record[f"{test}_holm"] = float(corrected)
    notes = [f"Not compared, {why}: {listed(pairs, 'pair')}." for why, pairs in without.items() if pairs]
    if not records and not notes:
        notes.append("One model only in each framework: nothing to compare.")
    caption = (
        "The best setting of each model (on the validation users), in pairs: mean difference over the common seeds, in "
        "brackets its standard error, paired over users; p of the paired t-test and of Wilcoxon's signed-rank test "
        f"(users without a difference left out), each corrected by Holm for the {len(records)} rows. Stars, of the "
        "corrected t-test: * p < .05, ** p < .01, *** p < .001."
    )
    columns = [
        Column("models", "l", lambda row: f"{row['first']} - {row['second']}"),
        Column("framework", "l", lambda row: row["framework"]),
        Column("metric", "l", lambda row: row["metric"]),
        Column("first", "r", lambda row: decimals(row["first_mean"], 4)),
        Column("second", "r", lambda row: decimals(row["second_mean"], 4)),
        Column("difference", "r", lambda row: signed(row["difference"], row["error"]) + stars(row["t_holm"])),
        Column("t-test", "r", lambda row: p_text(row["t_p"])),
        Column("Holm", "r", lambda row: p_text(row["t_holm"])),
        Column("Wilcoxon", "r", lambda row: p_text(row["wilcoxon_p"])),
        Column("Holm", "r", lambda row: p_text(row["wilcoxon_holm"])),
        Column("users", "r", lambda row: f"{row['users']:,}"),
        Column("seeds", "r", lambda row: str(row["seeds"])),
    ]
    return ReportTable(name, "Models against each other", caption, columns, records, used, notes)


def model_pairs(settings: Sequence[Setting]) -> list[tuple[Setting, Setting]]:
    """The best settings of two models each, in one framework; a model of another library meets those of all."""
    best = sorted(contenders(settings), key=lambda found: (found.model != "vae", found.model))
    return [
        (first, second)
        for first, second in combinations(best, 2)
        if first.model != second.model and _meet(first, second)
    ]


def frameworks_table(pairs: Sequence[Pair], margin: float, name: str) -> ReportTable:
    """Each setting that both frameworks ran: the difference and the equivalence test, over users and over seeds."""
    _, varying = shared_and_varying([pair.options for pair in pairs])
    records, notes, without = [], [], []
    for pair in pairs:
        first, second = (pair.over_seeds(engine, "n100") for engine in ENGINES)
        words = ", ".join(setting(pair.options, varying))
        users = user_differences(pair).get("n100")
        if users is None:
            without.append(words)
        records.append(_framework_record(words, first, second, users, margin))
    caption = (
        f"NDCG@100, {_DIFFERENCE}, in brackets the standard error, paired over users; p: paired t-test of the same. "
        f"Equal: two one-sided t-tests (Schuirmann 1987) rule out a difference of {margin:g} or more at "
        f"{100 * LEVEL:g} %; the intervals are those that belong to them. "
        "A difference that is not significant is not yet an agreement."
    )
    if without:
        notes.append(f"Nothing is known over users, {_NO_USERS}: {listed(without, 'setting')}.")
    if any(len(pair.seeds) == 1 for pair in pairs):
        notes.append("A setting that ran from one seed says nothing over seeds.")
    if not pairs:
        notes.append("No setting was run by both frameworks from the same seed.")
    columns = [
        Column("setting", "l", lambda row: row["setting"]),
        *(Column(entry.title, "r", _mean_of(engine)) for engine, entry in ENGINES.items()),
        Column("difference", "r", lambda row: signed(row["difference"], row["users_error"])),
        Column("p", "r", lambda row: p_text(row["p"])),
        *_test_columns("users", margin),
        *_test_columns("seeds", margin),
        Column("seeds", "r", lambda row: str(row["seeds_n"])),
    ]
    used = [run for pair in pairs for side in pair.runs.values() for seed in pair.seeds for run in side[seed]]
    return ReportTable(name, "PyTorch against MXNet", caption, columns, records, used, notes)


def verdict(record: Record, over: str) -> str:
    """What the equivalence test over ``users`` or ``seeds`` shows: equal, not shown, or - where there is none."""
    p = record[f"{over}_p"]
    return "-" if np.isnan(p) else "equal" if p < LEVEL else "not shown"


def _meet(first: Setting, second: Setting) -> bool:
    frames = {first.options["dl_frame"], second.options["dl_frame"]}
    ours = {entry.dl_frame for entry in ENGINES.values()}
    return len(frames) == 1 or not frames <= ours


def _model_record(
    first: Setting, second: Setting, pair: Pair, metric: str, differences: np.ndarray
) -> dict[str, Any]:  # fmt: skip
    tests = paired_tests(differences)
    means = [float(pair.over_seeds(side, metric).mean()) for side in pair.runs]
    return {
        "first": first.model, "second": second.model, "framework": first.framework or second.framework,
        "metric": _METRICS[metric], "first_mean": means[0], "second_mean": means[1], "difference": means[0] - means[1],
        "error": tests.error, "t_p": tests.t, "t_holm": np.nan, "wilcoxon_p": tests.wilcoxon, "wilcoxon_holm": np.nan,
        "users": tests.n, "seeds": len(pair.seeds),
    }  # fmt: skip


def _framework_record(
    words: str, first: np.ndarray, second: np.ndarray, users: np.ndarray | None, margin: float
) -> dict[str, Any]:
    over_users = equivalence_test(users if users is not None and len(users) else np.full(1, np.nan), margin)
    over_seeds = equivalence_test(first - second, margin)
    record = {
        "setting": words,
        **{engine: float(np.mean(v)) for engine, v in zip(ENGINES, (first, second), strict=True)},
    }
    record |= {"difference": float(np.mean(first - second))}
    record |= {"p": paired_tests(users).t if users is not None else np.nan, "margin": margin}
    return record | _test_record("users", over_users) | _test_record("seeds", over_seeds)


def _test_record(over: str, test: Equivalence) -> dict[str, Any]:
    names = {"error": test.error, "low": test.low, "high": test.high, "p": test.p, "n": test.n}
    return {f"{over}_{name}": value for name, value in names.items()}


def _test_columns(over: str, margin: float) -> list[Column]:
    return [
        Column(f"over {over}, 90 %", "r", lambda row: interval(row[f"{over}_low"], row[f"{over}_high"])),
        Column(f"within {margin:g}", "l", lambda row: verdict(row, over)),
    ]


def _mean_of(engine: str) -> Any:
    return lambda row: decimals(row[engine], 4)
