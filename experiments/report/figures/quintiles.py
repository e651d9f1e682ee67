"""The figure of user activity: test NDCG@100 by quintile of fold-in size, the two best models of each framework."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from experiments.analysis.plot_style import model_order, model_style, spread_out
from experiments.analysis.runs import Run
from experiments.analysis.statistics import quintiles, stars, t_test
from experiments.report.comparisons import NO_USERS
from experiments.report.data import prepared
from experiments.report.figures.panels import panels
from experiments.report.parts import ReportFigure
from experiments.report.settings import Setting, best_settings, score, side_by_side
from utils.figures import PRIMARY
from utils.results_table import NOT_APPLICABLE
from utils.system.errors import UserError, one_line

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class Quintile:
    """A fifth of the test users: its fold-in sizes, each model's mean and error, p of the models' difference."""

    low: int
    high: int
    n: int
    means: dict[str, float]
    errors: dict[str, float]
    p: float


def quintiles_figure(settings: Sequence[Setting], data_dir: str, name: str) -> ReportFigure:
    """The two best models of each framework, a panel each."""
    content: dict[str, list[Quintile]] = {}
    used: list[Run] = []
    notes: list[str] = []
    pairs = two_best(settings)
    for framework, (first, second) in pairs.items():
        try:
            found, runs = _by_quintile(first, second, data_dir)
        except UserError as error:
            notes.append(f"{framework}: {one_line(error)}.")
            continue
        content[framework] = found
        used += runs
        if alone := [str(place) for place, one in enumerate(found, 1) if one.n == 1]:
            notes.append(f"{framework}: one user in quintile {', '.join(alone)}: no error, no test.")
        if empty := 5 - len(found):
            notes.append(f"{framework}: {empty} of the quintiles have no user.")
    if not pairs:
        notes.append("Takes two models of the same framework.")
    caption = (
        "Test NDCG@100 of the two best models by quintile of user activity (fold-in size), means over the seeds with "
        "standard errors over users; paired t-tests: * p < .05, ** p < .01, *** p < .001."
    )
    return ReportFigure(name, "By user activity", caption, draw, content, used, notes)


def two_best(settings: Sequence[Setting]) -> dict[str, tuple[Setting, Setting]]:
    """Of each of our frameworks, by its title, the best model and the next, which may be one without an engine."""
    best = best_settings(settings)
    found = {}
    for framework in dict.fromkeys(each.framework for each in best if each.engine):
        own = max((each for each in best if each.framework == framework), key=score)
        others = [each for each in best if each.model != own.model and each.framework in (framework, NOT_APPLICABLE)]
        if others:
            found[framework] = tuple(sorted((own, max(others, key=score)), key=lambda each: model_order(each.model)))
    return found


def quintiles_of(
    first: tuple[str, np.ndarray], second: tuple[str, np.ndarray], activity: np.ndarray
) -> list[Quintile]:  # fmt: skip
    """Two models by user activity.

    Args:
        first, second: a model's name and the NDCG@100 of each user, float64 ``(users,)``, the same users in both.
        activity: their fold-in sizes, int ``(users,)``.

    Returns:
        The quintiles that have a user, the least active first; errors and p are NaN where a quintile has one.
    """
    found = []
    for places in quintiles(activity):
        if not len(places):
            continue
        tests = {name: t_test(scores[places]) for name, scores in (first, second)}
        means, errors = ({name: getattr(test, what) for name, test in tests.items()} for what in ("mean", "error"))
        p = t_test(first[1][places] - second[1][places]).p
        sizes = activity[places]
        found.append(Quintile(int(sizes.min()), int(sizes.max()), len(places), means, errors, p))
    return found


def draw(content: Mapping[str, Sequence[Quintile]], narrow: bool) -> Figure:
    """Each model's mean in each quintile, with errors and stars."""
    models = {model for found in content.values() for model in found[0].means}
    figure, axes_of = panels(len(content), narrow, 3.4, share_y=True, models=models)
    for axes, (framework, found) in zip(axes_of, content.items(), strict=True):
        for model, aside in zip(found[0].means, spread_out(2, 0.28), strict=True):
            means = [one.means[model] for one in found]
            errors = np.nan_to_num([one.errors[model] for one in found])
            style = model_style(model)
            axes.errorbar(np.arange(len(found)) + aside, means, errors, fmt=style.marker, markersize=5, elinewidth=1.1,
                          capsize=2, color=style.colour)  # fmt: skip
        for place, one in enumerate(found):
            top = max(one.means[model] + np.nan_to_num(one.errors[model]) for model in one.means)
            axes.annotate(stars(one.p), (place, top), (0, 2), textcoords="offset points", ha="center")
        axes.set_title(framework)
        axes.set_xticks(range(len(found)), [f"{one.low}–{one.high}\nn {one.n}" for one in found])
        axes.margins(y=0.18)
        axes.set_xlabel("fold-in items of the user")
        axes.set_ylabel("test NDCG@100")
    return figure


def _by_quintile(first: Setting, second: Setting, data_dir: str) -> tuple[list[Quintile], list[Run]]:
    """The quintiles of two settings over their common seeds, and the runs of these.

    Raises ``UserError`` saying what is missing.
    """
    pair = side_by_side(first, second)
    if pair is None:
        raise UserError(f"{first.model} and {second.model} share no seed")
    if not pair.user_figures:
        raise UserError(NO_USERS)
    users, (one, other) = pair.user_figures["user"], pair.user_figures[PRIMARY].mean(axis=1)
    activity = np.diff(prepared(pair.used, data_dir).test_fold_in.indptr)
    if len(users) and users.max() >= len(activity):
        raise UserError("the prepared data have fewer test users than the runs")
    return quintiles_of((first.model, one), (second.model, other), activity[users]), pair.used
