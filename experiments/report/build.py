"""From tables of results to the sections of a report: which parts there are, and what each is made of."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from experiments.pairs import Pair, Run, distinct_runs, pair_up
from experiments.published import published
from experiments.report import figures as of
from experiments.report.beyond import beyond_accuracy, beyond_table
from experiments.report.comparisons import frameworks_table, models_table, verdict
from experiments.report.data import data_table
from experiments.report.parts import ReportTable, Section
from experiments.report.settings import best_run, contenders, known, settings_of
from experiments.report.tables import best_table, likelihood_table, runs_table, seeds_table
from experiments.report.text import metric
from experiments.settings_text import shared_and_varying
from utils.errors import UserError


@dataclass(frozen=True)
class Source:
    """Where a report comes from: the tables as they were named, the data, the margin of the equivalence test."""

    results: Sequence[str]
    data_dir: str
    margin: float

    def command(self, name: str) -> str:
        """The command that writes the part ``name`` again."""
        words = ["python", "-m", "experiments.report", "--results", *self.results, "--only", name]
        words += ["--data_dir", self.data_dir] if self.data_dir != "data" else []
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
    settings = settings_of(runs)
    frameworks = frameworks_table(pairs, source.margin, f"{dataset}-frameworks-test")
    beyond = beyond_accuracy(settings, source.data_dir)
    parts = [
        of.frameworks_figure(pairs, source.margin, f"{dataset}-frameworks"),
        frameworks,
        of.quintiles_figure(settings, source.data_dir, f"{dataset}-quintiles"),
        models_table(settings, f"{dataset}-models"),
        of.annealing_figure(settings, f"{dataset}-annealing"),
        of.time_figure(settings, f"{dataset}-time"),
        of.widths_figure(settings, f"{dataset}-widths"),
        of.losses_figure(runs, f"{dataset}-losses"),
        of.bands_figure(beyond, f"{dataset}-bands"),
        beyond_table(beyond, f"{dataset}-beyond"),
        seeds_table(settings, f"{dataset}-seeds"),
        likelihood_table(runs, figures, f"{dataset}-likelihoods"),
    ]
    return Section(dataset, dataset, _findings(runs, frameworks), parts)


def _findings(runs: Sequence[Run], frameworks: ReportTable) -> list[str]:
    """What is found of a data set, a sentence each."""
    _, varying = shared_and_varying(runs)
    best = max(contenders(settings_of(runs)), key=lambda found: float(found.values("n100").mean()))
    run = best_run(best)
    where = f" in {best.framework}" if best.framework else ""
    score = metric(float(run["n100"]), float(run.get("n100_se", float("nan"))))
    found = [f"{len(runs)} runs of {len(settings_of(runs))} settings. Best: {best.words(varying)}{where}, NDCG@100 {score}."]
    if rows := frameworks.records:
        equal = sum(verdict(row, "users") == "equal" for row in rows)
        found.append(
            f"PyTorch and MXNet: {equal} of {len(rows)} settings equal within {rows[0]['margin']:g} NDCG@100 over users."
        )
    return found
