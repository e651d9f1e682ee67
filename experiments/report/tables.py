"""The tables of results: the best runs beside what is published, all runs, over seeds, likelihoods."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from experiments.analysis.number_text import decimals, figure_text, seconds, spread, with_error
from experiments.analysis.published import OUR_PROTOCOL
from experiments.analysis.runs import Run, data_of, framework_title, is_blank, number, seed_of
from experiments.analysis.settings_text import option_text, setting, shared_and_varying
from experiments.analysis.statistics import deviation
from experiments.analysis.table import Column, Table, key_columns
from experiments.report.settings import VALIDATION, Setting, best_run, best_settings, score, settings_of
from utils.figures import FIGURES, MAIN_FIGURES, PRIMARY
from utils.results_table import NOT_APPLICABLE

_OURS = "ours"
_LIKELIHOODS = ("multinomial", "gaussian", "logistic")
_WITH_ERRORS = (*MAIN_FIGURES, *(f"{name}_se" for name in MAIN_FIGURES))


def best_table(runs: Sequence[Run], figures: pd.DataFrame) -> Table:
    """The best run of each data set, framework and model, then the best that is published of each."""
    records: list[dict[str, Any]] = []
    used: list[Run] = []
    for data in dict.fromkeys(map(data_of, runs)):
        of_dataset = [run for run in runs if data_of(run) == data]
        _, varying = shared_and_varying(of_dataset)
        for found in best_settings(settings_of(of_dataset)):
            best = best_run(found)
            used.append(best)
            scores = found.values(PRIMARY)
            over_seeds = {"mean": float(np.mean(scores)), "sd": deviation(scores), "seeds": len(scores)}
            records.append(_best_record(best, _source_of(best), found.words(varying)) | over_seeds)
        if all(_source_of(run) == _OURS for run in of_dataset):  # else they are the published figures themselves
            published = _published_best(figures, data)
            records += [_best_record(row, row["source"], setting(row, [])) for row in published]
    unsure = list(dict.fromkeys(data_of(run) for run in used if is_blank(run.get(VALIDATION))))
    notes = [f"Validation scores are not known, chosen by the test users: {', '.join(unsure)}."] if unsure else []
    caption = (
        "The best run on the validation users of each data set, framework and model, in brackets the standard error "
        "over test users; over seeds: mean ± standard deviation of its setting. Below, the best that is published "
        "under the same protocol."
    )
    columns = [
        *key_columns(("data set", "dataset"), ("setting", "setting"), ("framework", "framework"), ("by", "source")),
        *_figure_columns(),
        _decimals_column("loss", "loss", 1),
        _decimals_column("best epoch", "best_epoch", 0),
        Column(f"{FIGURES[PRIMARY].title} over seeds", "r", lambda row: spread(row["mean"], row["sd"])),
        Column("seeds", "r", lambda row: option_text(row["seeds"])),
    ]
    return Table("best", "The best runs", columns, records, caption, notes, used)


def runs_table(runs: Sequence[Run]) -> Table:
    """Every run, a row each."""
    _, varying = shared_and_varying(runs)
    errors = [name for figure in MAIN_FIGURES for name in (figure, f"{figure}_se")]
    names = (*errors, "n10", "loss", "best_epoch", "epochs", "epoch_seconds", "seconds", "peak_memory_mib")
    records = [
        {
            "dataset": data_of(run), "model": run["model"], "framework": framework_title(run),
            "setting": setting(run, varying), "seed": str(seed_of(run)),
            **{name: number(run.get(name)) for name in names}, "run_id": run.get("run_id", ""),
        }
        for run in runs
    ]  # fmt: skip
    about = (("data set", "dataset"), ("model", "model"), ("framework", "framework"), ("setting", "setting"))
    columns = [
        *key_columns(*about),
        Column("seed", "r", lambda row: row["seed"] or "-"),
        *_figure_columns(),
        _decimals_column(FIGURES["n10"].title, "n10", 4),
        _decimals_column("loss", "loss", 2),
        _decimals_column("best epoch", "best_epoch", 0),
        _decimals_column("epochs", "epochs", 0),
        Column("s/epoch", "r", lambda row: seconds(row["epoch_seconds"])),
        Column("seconds", "r", lambda row: seconds(row["seconds"])),
        _decimals_column("MiB", "peak_memory_mib", 0),
    ]
    caption = "On the test users, in brackets the standard error over them; MiB: the largest memory of the process."
    return Table("runs", "All runs", columns, records, caption, runs=runs, filtered=True)


def seeds_table(settings: Sequence[Setting], name: str) -> Table:
    """Each setting over its seeds: mean, spread, number."""
    _, varying = shared_and_varying([found.options for found in settings])
    records = []
    for found in settings:
        record: dict[str, Any] = {
            "model": found.model, "framework": found.framework, "setting": found.words(varying),
            "seeds": len(found.runs), "seed_list": ", ".join(str(seed) for seed in found.by_seed if seed != ""),
        }  # fmt: skip
        for column in (*MAIN_FIGURES, "loss", "best_epoch", "epoch_seconds"):
            values = found.values(column)
            record |= {column: float(np.mean(values)), f"{column}_sd": deviation(values)}
        records.append(record)
    columns = [
        *key_columns(("setting", "setting"), ("framework", "framework")),
        Column("seeds", "r", lambda row: str(row["seeds"])),
        *(_spread_column(FIGURES[name].title, name, FIGURES[name].decimals) for name in (*MAIN_FIGURES, "loss")),
        _spread_column("best epoch", "best_epoch", 0),
        Column("s/epoch", "r", lambda row: seconds(row["epoch_seconds"])),
    ]
    runs = [run for found in settings for run in found.runs]
    once = sum(len(found.runs) == 1 and NOT_APPLICABLE not in found.by_seed for found in settings)
    notes = [f"{once} of {len(settings)} settings ran from one seed only, which says nothing of their spread."]
    caption = "Mean ± standard deviation over the seeds, on the test users."
    return Table(name, "Over seeds", columns, records, caption, notes if once else [], runs)


def likelihood_table(runs: Sequence[Run], figures: pd.DataFrame, name: str) -> Table:
    """The likelihoods of the paper's Table 4, ours beside its; without records where only one was run."""
    title, caption = "Likelihoods", "The best run of each likelihood and model; beside it the paper's Table 4."
    found: dict[tuple[str, str, str], list[Run]] = {}
    for run in runs:
        found.setdefault((*likelihood_of(run), run["dl_frame"]), []).append(run)
    if len(ran := {likelihood for likelihood, _, _ in found} - {NOT_APPLICABLE}) < 2:
        note = f"All runs are of the {ran.pop()} likelihood." if ran else "No run has a likelihood."
        return Table(name, title, [], [], caption, [note])
    best = {key: best_run(max(settings_of(of_key), key=score)) for key, of_key in found.items()}
    published = figures[(figures["source"] == "liang2018") & (figures["dataset"] == runs[0]["dataset"])]
    rows = [(likelihood, model, _OURS, run) for (likelihood, model, _), run in best.items()]
    rows += [(*likelihood_of(row), row["source"], row) for row in published.to_dict("records")]
    records = [
        {"likelihood": likelihood, "model": model, "framework": framework_title(run), "source": source,
         **{name: number(run.get(name)) for name in _WITH_ERRORS}}
        for likelihood, model, source, run in sorted(rows, key=lambda row: (row[2] != _OURS, row[1], row[0]))
        if likelihood in _LIKELIHOODS and model in {model for _, model, _ in found}
    ]  # fmt: skip
    about = (("likelihood", "likelihood"), ("model", "model"), ("framework", "framework"), ("by", "source"))
    columns = [*key_columns(*about), *_figure_columns()]
    return Table(name, title, columns, records, caption, runs=list(best.values()))


def likelihood_of(run: Run) -> tuple[str, str]:
    """Likelihood and model of a run; ``NA`` where the model has none.

    In published tables ``gaussian-vae`` is the vae with the Gaussian one, and whoever says nothing has the multinomial.
    """
    prefix, _, model = run["model"].partition("-")
    if model and prefix in _LIKELIHOODS:
        return prefix, model
    own = run.get("likelihood")
    return (_LIKELIHOODS[0] if is_blank(own) else own), run["model"]


def _published_best(figures: pd.DataFrame, dataset: str) -> list[Run]:
    """Of each source, framework and model the published row with the highest NDCG@100, under our protocol."""
    usable = figures["comparable"] & (figures["protocol"] == OUR_PROTOCOL) & figures[PRIMARY].notna()
    of_dataset = figures[usable & (figures["dataset"] == dataset)]
    best: dict[tuple, Run] = {}
    for row in of_dataset.sort_values(PRIMARY, ascending=False, kind="stable").to_dict("records"):
        best.setdefault((row["source"], row["dl_frame"], row["model"]), row)
    return list(best.values())


def _source_of(run: Run) -> str:
    return _OURS if is_blank(run.get("source")) else run["source"]


def _best_record(run: Run, source: str, words: str) -> dict[str, Any]:
    return {
        "dataset": data_of(run), "model": run["model"], "framework": framework_title(run), "source": source,
        "setting": words, **{name: number(run.get(name)) for name in (*_WITH_ERRORS, "loss", "best_epoch")},
        "mean": np.nan, "sd": np.nan, "seeds": "", "run_id": run.get("run_id", ""),
    }  # fmt: skip


def _figure_columns() -> list[Column]:
    """The main figures with their errors; of what is published three decimals, as printed."""

    def show(row: Mapping[str, Any], name: str) -> str:
        is_published = row.get("source", _OURS) != _OURS
        return figure_text(row[name], name, fewer=1) if is_published else with_error(row[name], row[f"{name}_se"])

    return [Column(FIGURES[name].title, "r", lambda row, name=name: show(row, name)) for name in MAIN_FIGURES]


def _decimals_column(title: str, name: str, places: int) -> Column:
    return Column(title, "r", lambda row: decimals(row[name], places))


def _spread_column(title: str, name: str, places: int) -> Column:
    return Column(title, "r", lambda row: spread(row[name], row[f"{name}_sd"], places))
