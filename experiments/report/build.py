"""From tables of results to the sections of a report: which parts there are, and what each is made of."""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from experiments.analysis.equivalence import MARGIN
from experiments.analysis.number_text import counted, with_error
from experiments.analysis.pairs import Pair, pair_up
from experiments.analysis.published import published
from experiments.analysis.runs import Run, data_of, distinct_runs, number
from experiments.analysis.settings_text import shared_and_varying
from experiments.analysis.table import Table
from experiments.report.catalogue import catalogue_figures, catalogue_table
from experiments.report.comparisons import frameworks_table, models_table, verdict
from experiments.report.data import data_table
from experiments.report.figures.annealing import annealing_figure
from experiments.report.figures.bands import bands_figure
from experiments.report.figures.frameworks import frameworks_figure
from experiments.report.figures.losses import losses_figure
from experiments.report.figures.quintiles import quintiles_figure
from experiments.report.figures.time import time_figure
from experiments.report.figures.widths import widths_figure
from experiments.report.parts import ReportFigure, Section
from experiments.report.settings import Setting, best_run, best_settings, by_validation, score, settings_of, with_result
from experiments.report.tables import best_table, likelihood_table, runs_table, seeds_table
from utils.engine import ENGINES
from utils.figures import FIGURES, PRIMARY
from utils.system.errors import UserError

_TITLE = FIGURES[PRIMARY].title


@dataclass(frozen=True)
class ReportInput:
    """What a report is made from: the tables as they were named, the data, the margin of the equivalence test.

    ``dataset`` is the only one reported, or None.
    """

    results: Sequence[str]
    data_dir: str
    margin: float = MARGIN
    dataset: str | None = None

    def command(self, name: str) -> str:
        """The command that writes the part ``name`` again."""
        words = ["python", "-m", "experiments.report", "--results", *self.results, "--only", name]
        words += ["--data_dir", self.data_dir] if self.data_dir != "data" else []
        words += ["--dataset", self.dataset] if self.dataset else []
        words += ["--margin", f"{self.margin:g}"] if self.margin != MARGIN else []
        return shlex.join(words)


def sections(frames: Sequence[pd.DataFrame], given: ReportInput) -> list[Section]:
    """The report of tables of results (``utils.results.load``): what all share, then each data set and scenario.

    Raises ``UserError`` when no run has a result.
    """
    runs, left_out = with_result(distinct_runs(frames))
    if not runs:
        raise UserError("no run in the results has a figure to report; run bash run_experiments.sh first")
    figures = published()
    overview = Section("overview", "Overview", left_out, [best_table(runs, figures), data_table(runs, given.data_dir)])
    pairs, _ = pair_up(pd.DataFrame(runs))
    found = []
    for data in dict.fromkeys(map(data_of, runs)):
        of_data = [run for run in runs if data_of(run) == data]
        of_pairs = [pair for pair in pairs if data_of(pair.options) == data]
        found.append(_of_dataset(data, of_data, of_pairs, figures, given))
    return [overview, *found, Section("all-runs", "All runs", [], [runs_table(runs)])]


def _of_dataset(
    dataset: str, runs: Sequence[Run], pairs: Sequence[Pair], figures: pd.DataFrame, given: ReportInput
) -> Section:
    name = re.sub(r"[^\w.-]+", "-", dataset)  # of files and of places in the page
    settings = settings_of(runs)
    frameworks = frameworks_table(pairs, given.margin, f"{name}-frameworks-test")
    catalogue = catalogue_figures(settings, given.data_dir)
    parts: list[Table | ReportFigure] = [
        frameworks_figure(pairs, given.margin, f"{name}-frameworks"),
        frameworks,
        quintiles_figure(settings, given.data_dir, f"{name}-quintiles"),
        models_table(settings, f"{name}-models"),
        annealing_figure(settings, f"{name}-annealing"),
        time_figure(settings, f"{name}-time"),
        widths_figure(settings, f"{name}-widths"),
        losses_figure(runs, f"{name}-losses"),
        bands_figure(catalogue, f"{name}-bands"),
        catalogue_table(catalogue, f"{name}-beyond"),
        seeds_table(settings, f"{name}-seeds"),
        likelihood_table(runs, figures, f"{name}-likelihoods"),
    ]
    return Section(name, dataset, _findings(runs, settings, frameworks), parts)


def _findings(runs: Sequence[Run], settings: Sequence[Setting], frameworks: Table) -> list[str]:
    """What is found of a data set, a sentence each."""
    _, varying = shared_and_varying(runs)
    best = max(best_settings(settings), key=score)
    run = best_run(best)
    where = f" in {best.framework}" if best.framework else ""
    result = with_error(number(run[PRIMARY]), number(run.get(f"{PRIMARY}_se")))
    of_what = f"{counted(len(runs), 'run')} of {counted(len(settings), 'setting')}"
    chosen = "on the validation users" if by_validation(best) else "on the test users"
    found = [f"{of_what}. Best {chosen}: {best.words(varying)}{where}, test {_TITLE} {result}."]
    if rows := [row for row in frameworks.records if verdict(row, "users") != "-"]:
        equal = sum(verdict(row, "users") == "equal" for row in rows)
        within = f"within {rows[0]['margin']:g} {_TITLE}"
        names = " and ".join(entry.title for entry in ENGINES.values())
        found.append(f"{names}: {equal} of {counted(len(rows), 'setting')} shown to be equal {within}, over users.")
    return found
