"""From tables of results to the sections of a report: which parts there are, and what each is made of."""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from experiments.analysis.equivalence import MARGIN
from experiments.analysis.pairs import Pair, Run, distinct_runs, pair_up
from experiments.analysis.published import published
from experiments.analysis.settings_text import shared_and_varying
from experiments.report import figures as of
from experiments.report.beyond import beyond_accuracy, beyond_table
from experiments.report.comparisons import frameworks_table, models_table, verdict
from experiments.report.data import data_table
from experiments.report.parts import ReportTable, Section
from experiments.report.settings import best_run, by_validation, contenders, known, merit, settings_of
from experiments.report.tables import best_table, likelihood_table, runs_table, seeds_table
from experiments.report.text import counted, metric
from utils.system.errors import UserError


@dataclass(frozen=True)
class Source:
    """Where a report comes from: the tables as they were named, the data, the margin of the equivalence test.

    ``dataset`` is the only one told, or None.
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


def sections(frames: Sequence[pd.DataFrame], source: Source) -> list[Section]:
    """The report of tables of results (``utils.results.load``): what all data sets share, then each of them.

    Raises ``UserError`` when no run has a result.
    """
    runs, left_out = known(distinct_runs(frames))
    if not runs:
        raise UserError("no run in the results has a figure to report; run bash run_experiments.sh first")
    figures = published()
    overview = Section("overview", "Overview", left_out, [best_table(runs, figures), data_table(runs, source.data_dir)])
    pairs, _ = pair_up(pd.DataFrame(runs))
    found = []
    for dataset in dict.fromkeys(run["dataset"] for run in runs):
        of_dataset = [run for run in runs if run["dataset"] == dataset]
        of_pairs = [pair for pair in pairs if pair.options["dataset"] == dataset]
        found.append(_of_dataset(dataset, of_dataset, of_pairs, figures, source))
    return [overview, *found, Section("all-runs", "All runs", [], [runs_table(runs)])]


def _of_dataset(
    dataset: str, runs: Sequence[Run], pairs: Sequence[Pair], figures: pd.DataFrame, source: Source
) -> Section:
    name = re.sub(r"[^\w.-]+", "-", dataset)  # of files and of places in the page
    settings = settings_of(runs)
    frameworks = frameworks_table(pairs, source.margin, f"{name}-frameworks-test")
    beyond = beyond_accuracy(settings, source.data_dir)
    parts = [
        of.frameworks_figure(pairs, source.margin, f"{name}-frameworks"),
        frameworks,
        of.quintiles_figure(settings, source.data_dir, f"{name}-quintiles"),
        models_table(settings, f"{name}-models"),
        of.annealing_figure(settings, f"{name}-annealing"),
        of.time_figure(settings, f"{name}-time"),
        of.widths_figure(settings, f"{name}-widths"),
        of.losses_figure(runs, f"{name}-losses"),
        of.bands_figure(beyond, f"{name}-bands"),
        beyond_table(beyond, f"{name}-beyond"),
        seeds_table(settings, f"{name}-seeds"),
        likelihood_table(runs, figures, f"{name}-likelihoods"),
    ]
    return Section(name, dataset, _findings(runs, frameworks), parts)


def _findings(runs: Sequence[Run], frameworks: ReportTable) -> list[str]:
    """What is found of a data set, a sentence each."""
    _, varying = shared_and_varying(runs)
    best = max(contenders(settings_of(runs)), key=merit)
    run = best_run(best)
    where = f" in {best.framework}" if best.framework else ""
    score = metric(float(run["n100"]), float(run.get("n100_se", float("nan"))))
    of_what = f"{counted(len(runs), 'run')} of {counted(len(settings_of(runs)), 'setting')}"
    chosen = "on the validation users" if by_validation(best) else "on the test users"
    found = [f"{of_what}. Best {chosen}: {best.words(varying)}{where}, test NDCG@100 {score}."]
    if rows := [row for row in frameworks.records if verdict(row, "users") != "-"]:
        equal = sum(verdict(row, "users") == "equal" for row in rows)
        within = f"within {rows[0]['margin']:g} NDCG@100"
        found.append(
            f"PyTorch and MXNet: {equal} of {counted(len(rows), 'setting')} shown to be equal {within}, over users."
        )
    return found
