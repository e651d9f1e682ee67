"""The figures of a report: each with its title, what must be known to read it, its runs, and what is missing."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from experiments.analysis.pairs import Pair, Run, str_or_number
from experiments.report import contents
from experiments.report.beyond import Beyond
from experiments.report.comparisons import model_pairs
from experiments.report.contents import Quintile
from experiments.report.data import prepared
from experiments.report.parts import ReportFigure
from experiments.report.settings import Setting, user_values
from utils.system.errors import UserError, one_line

_QUINTILE_MODELS = ("vae", "dae")


def annealing_figure(settings: Sequence[Setting], name: str) -> ReportFigure:
    """Validation NDCG@100 against the epoch, beta above it, a panel per architecture."""
    content, runs, notes = contents.annealing_content(settings)
    caption = (
        "Validation NDCG@100 against the epoch; the upper axis says where beta stands. Lines: mean over the seeds, the "
        "band their range; points: the best epoch of each seed, whose weights are tested."
    )
    return ReportFigure(name, "NDCG@100 while beta rises", caption, "annealing", content, runs, notes)


def time_figure(settings: Sequence[Setting], name: str) -> ReportFigure:
    """Learning curves by the clock, a panel per model."""
    content, runs, notes = contents.time_content(settings)
    caption = (
        "Validation NDCG@100 against seconds of training and evaluation, a line per run, on the machine of the run; "
        "points: the best epoch. Of each model the setting that most frameworks and seeds ran."
    )
    return ReportFigure(name, "Learning by the clock", caption, "time", content, runs, notes)


def widths_figure(settings: Sequence[Setting], name: str) -> ReportFigure:
    """Test NDCG@100 against the width of the first decoder layer, a panel per model."""
    content, runs, notes = contents.width_content(settings)
    caption = (
        "Test NDCG@100 of every setting against the width of the first decoder layer, the latent one; bars: standard "
        "error over users, means over the seeds. The line joins the best of each width, of decoders as deep as most."
    )
    return ReportFigure(name, "Widths", caption, "widths", content, runs, notes)


def losses_figure(runs: Sequence[Run], name: str) -> ReportFigure:
    """The ranking metrics against the test loss, all runs."""
    content, used, notes = contents.loss_content(runs)
    caption = (
        "Ranking metrics against the test loss, a mark per run: filled vae, hollow dae. The loss of a vae holds beta "
        "times the KL term, so that of two betas does not compare."
    )
    return ReportFigure(name, "Metrics against the loss", caption, "losses", content, used, notes)


def frameworks_figure(pairs: Sequence[Pair], margin: float, name: str) -> ReportFigure:
    """PyTorch against MXNet, run by run."""
    content, runs, notes = contents.framework_content(pairs)
    caption = (
        "Test NDCG@100 of every seed that both frameworks ran. Left: one against the other, bars of one standard error "
        "over users, the line of equality. Right: PyTorch - MXNet, bars of one standard error, paired over users; the "
        f"band is the margin of the equivalence test, {margin:g}."
    )
    drawn = (content, margin) if content else None
    return ReportFigure(name, "PyTorch against MXNet, run by run", caption, "frameworks", drawn, runs, notes)


def quintiles_figure(settings: Sequence[Setting], data_dir: str, name: str) -> ReportFigure:
    """NDCG@100 by user activity, vae against dae, a panel per framework."""
    panels: dict[str, list[Quintile]] = {}
    used: list[Run] = []
    notes: list[str] = []
    pairs = [
        (first, second)
        for first, second in model_pairs(settings)
        if (first.model, second.model) == _QUINTILE_MODELS and first.options["dl_frame"] == second.options["dl_frame"]
    ]
    for first, second in pairs:
        try:
            panels[first.framework], runs = _by_quintile(first, second, data_dir)
        except (UserError, ValueError) as error:
            notes.append(f"{first.framework}: {one_line(error)}.")
            continue
        used += runs
        alone = [str(place) for place, one in enumerate(panels[first.framework], 1) if one.n == 1]
        if alone:
            notes.append(f"{first.framework}: one user in quintile {', '.join(alone)}: no error, no test.")
        if empty := 5 - len(panels[first.framework]):
            notes.append(f"{first.framework}: {empty} of the quintiles have no user.")
    if not pairs:
        notes.append("Takes a vae and a dae of the same framework.")
    caption = (
        "Test NDCG@100 of the best vae and dae by quintile of user activity (fold-in size), means over the seeds with "
        "standard errors over users; paired t-tests: * p < .05, ** p < .01, *** p < .001."
    )
    return ReportFigure(name, "By user activity", caption, "quintiles", panels, used, notes)


def bands_figure(found: Beyond, name: str) -> ReportFigure:
    """NDCG@100 of the held-out items of each popularity band, a panel per framework."""
    caption = (
        "NDCG@100 of the held-out items of each band alone: head, middle and tail of the items by training clicks, a "
        "third of all clicks each; bars: standard errors over users, means over the seeds."
    )
    return ReportFigure(name, "By popularity of the item", caption, "bands", found.records, found.runs, found.notes)


def _by_quintile(first: Setting, second: Setting, data_dir: str) -> tuple[list[Quintile], list[Run]]:
    """The quintiles of two settings over their common seeds, and the runs of these.

    Raises ``UserError`` or ``ValueError`` saying what is missing.
    """
    seeds = sorted(set(first.by_seed) & set(second.by_seed), key=str_or_number)
    if not seeds:
        raise UserError(f"{first.model} and {second.model} share no seed")
    sides = [
        Setting(found.options, tuple(run for seed in seeds for run in found.by_seed[seed]))
        for found in (first, second)
    ]  # fmt: skip
    (users, one), (others, other) = (user_values(side, "n100") for side in sides)
    if not np.array_equal(users, others):
        raise UserError(f"{first.model} and {second.model} were tested on different users")
    runs = [*sides[0].runs, *sides[1].runs]
    activity = np.diff(prepared(runs, data_dir).test_fold_in.indptr)
    if len(users) and users.max() >= len(activity):
        raise UserError("the prepared data have fewer test users than the runs")
    return contents.quintile_content((first.model, one), (second.model, other), activity[users]), runs
