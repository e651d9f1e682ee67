"""Models against each other, frameworks against each other: paired tests over users and seeds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import Any

import numpy as np

from experiments.analysis.number_text import figure_text, listed, p_text, range_text, signed_with_error
from experiments.analysis.pairs import Pair
from experiments.analysis.plot_style import model_order
from experiments.analysis.runs import Run
from experiments.analysis.settings_text import setting, shared_and_varying
from experiments.analysis.statistics import LEVEL, holm, signed_rank_p, stars
from experiments.analysis.table import Column, Table, key_columns
from experiments.report.settings import Setting, best_settings, side_by_side
from utils.engine import ENGINES
from utils.figures import FIGURES, MAIN_FIGURES, PRIMARY

NO_USERS = "figures of each user (per_user.npz) missing or of other users"
_NO_SEED = "no seed in common"
_TITLES = [entry.title for entry in ENGINES.values()]
FRAMEWORKS = " against ".join(_TITLES)


def models_table(settings: Sequence[Setting], name: str) -> Table:
    """The best settings of the models in pairs, within a framework: difference, error, t-test and Wilcoxon."""
    records: list[dict[str, Any]] = []
    used: list[Run] = []
    without: dict[str, list[str]] = {_NO_SEED: [], NO_USERS: []}
    for first, second in model_pairs(settings):
        pair = side_by_side(first, second)
        if pair is None or not pair.user_figures:
            where = _framework_of(first, second) or "no framework named"
            without[NO_USERS if pair else _NO_SEED].append(f"{first.model} and {second.model} in {where}")
            continue
        used += pair.used
        records += [_model_record(first, second, pair, figure) for figure in MAIN_FIGURES]
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
        *key_columns(("framework", "framework"), ("metric", "metric")),
        Column("first", "r", lambda row: figure_text(row["first_mean"])),
        Column("second", "r", lambda row: figure_text(row["second_mean"])),
        Column(
            "difference", "r", lambda row: signed_with_error(row["difference"], row["error"]) + stars(row["t_holm"])
        ),
        Column("t-test", "r", lambda row: p_text(row["t_p"])),
        Column("Holm", "r", lambda row: p_text(row["t_holm"])),
        Column("Wilcoxon", "r", lambda row: p_text(row["wilcoxon_p"])),
        Column("Holm", "r", lambda row: p_text(row["wilcoxon_holm"])),
        Column("users", "r", lambda row: f"{row['users']:,}"),
        Column("seeds", "r", lambda row: str(row["seeds"])),
    ]
    return Table(name, "Models against each other", columns, records, caption, notes, used)


def model_pairs(settings: Sequence[Setting]) -> list[tuple[Setting, Setting]]:
    """The best settings of two models each, in one framework; a model without an engine of ours meets those of all."""
    best = sorted(best_settings(settings), key=lambda found: model_order(found.model))
    return [
        (first, second)
        for first, second in combinations(best, 2)
        if first.model != second.model and meet(first, second)
    ]


def meet(first: Setting, second: Setting) -> bool:
    """Whether two settings are of one framework, or one of them is of none of ours."""
    return first.engine == second.engine if first.engine and second.engine else True


def frameworks_table(pairs: Sequence[Pair], margin: float, name: str) -> Table:
    """Each setting that both frameworks ran: the difference and the equivalence test, over users and over seeds."""
    _, varying = shared_and_varying([pair.options for pair in pairs])
    records = [_framework_record(pair, setting(pair.options, varying), margin) for pair in pairs]
    without = [record["setting"] for record, pair in zip(records, pairs, strict=True) if not pair.user_figures]
    caption = (
        f"NDCG@100, {' - '.join(_TITLES)}, in brackets the standard error, paired over users; p: paired t-test of the "
        f"same. Equal: two one-sided t-tests (Schuirmann 1987) rule out a difference of {margin:g} or more at "
        f"{100 * LEVEL:g} %; the intervals are those that belong to them. "
        "A difference that is not significant is not yet an agreement."
    )
    notes = [f"Nothing is known over users, {NO_USERS}: {listed(without, 'setting')}."] if without else []
    if any(len(pair.seeds) == 1 and not pair.is_deterministic for pair in pairs):
        notes.append("A setting that ran from one seed says nothing over seeds.")
    if not pairs:
        notes.append("No setting was run by both frameworks from the same seed.")
    columns = [
        *key_columns(("setting", "setting")),
        *(Column(ENGINES[name].title, "r", lambda row, name=name: figure_text(row[name])) for name in ENGINES),
        Column("difference", "r", lambda row: signed_with_error(row["difference"], row["users_error"])),
        Column("p", "r", lambda row: p_text(row["p"])),
        *_test_columns("users", margin),
        *_test_columns("seeds", margin),
        Column("seeds", "r", lambda row: str(row["seeds_n"])),
    ]
    used = [run for pair in pairs for run in pair.used]
    return Table(name, FRAMEWORKS, columns, records, caption, notes, used)


def verdict(record: Mapping[str, Any], over: str) -> str:
    """What the equivalence test over ``users`` or ``seeds`` shows: equal, not shown, or - where there is none."""
    p = record[f"{over}_p"]
    return "-" if np.isnan(p) else "equal" if p < LEVEL else "not shown"


def _framework_of(first: Setting, second: Setting) -> str:
    """The framework of a pair: that of the model which has one of ours."""
    return (first if first.engine or not second.engine else second).framework or second.framework


def _model_record(first: Setting, second: Setting, pair: Pair, figure: str) -> dict[str, Any]:
    found = pair.difference(figure)
    return {
        "first": first.model, "second": second.model, "framework": _framework_of(first, second),
        "metric": FIGURES[figure].title, "first_mean": float(found.first.mean()),
        "second_mean": float(found.second.mean()), "difference": found.mean, "error": found.test.error,
        "t_p": found.test.p, "t_holm": np.nan, "wilcoxon_p": signed_rank_p(found.per_user), "wilcoxon_holm": np.nan,
        "users": found.test.n, "seeds": len(pair.seeds),
    }  # fmt: skip


def _framework_record(pair: Pair, words: str, margin: float) -> dict[str, Any]:
    found = pair.difference(PRIMARY)
    record: dict[str, Any] = {"setting": words, **dict.fromkeys(ENGINES, np.nan)}
    record |= {
        side: float(np.mean(scores)) for side, scores in zip(pair.runs, (found.first, found.second), strict=True)
    }
    record |= {"difference": found.mean, "p": found.test.p, "margin": margin}
    for over, test in found.equivalence(margin).items():
        record |= {f"{over}_{name}": getattr(test, name) for name in ("error", "low", "high", "p", "n")}
    return record


def _test_columns(over: str, margin: float) -> list[Column]:
    return [
        Column(f"over {over}, 90 %", "r", lambda row: range_text(row[f"{over}_low"], row[f"{over}_high"])),
        Column(f"within {margin:g}", "l", lambda row: verdict(row, over)),
    ]
