"""The tables of results: the best runs beside what is published, all runs, over seeds, likelihoods."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from experiments.analysis.comparison_text import framework_title
from experiments.analysis.pairs import Run, number, seed_of
from experiments.analysis.published import OUR_PROTOCOL, is_blank
from experiments.analysis.settings_text import option_text, setting, shared_and_varying
from experiments.report.parts import Column, Record, ReportTable
from experiments.report.settings import Setting, best_run, contenders, merit, settings_of
from experiments.report.text import decimals, metric, seconds

_METRICS = {"n100": "NDCG@100", "r20": "Recall@20", "r50": "Recall@50"}
_OURS = "ours"
_LIKELIHOODS = ("multinomial", "gaussian", "logistic")


def best_table(runs: Sequence[Run], figures: pd.DataFrame) -> ReportTable:
    """The best run of each data set, framework and model, then the best that is published of each."""
    records: list[dict[str, Any]] = []
    used: list[Run] = []
    for dataset in dict.fromkeys(run["dataset"] for run in runs):
        of_dataset = [run for run in runs if run["dataset"] == dataset]
        _, varying = shared_and_varying(of_dataset)
        for found in contenders(settings_of(of_dataset)):
            best = best_run(found)
            used.append(best)
            scores = found.values("n100")
            over_seeds = {"mean": float(np.mean(scores)), "sd": _deviation(scores), "seeds": len(scores)}
            records.append(_best_record(best, _source(best), found.words(varying), over_seeds))
        if any(_source(run) != _OURS for run in of_dataset):  # the published figures themselves
            continue
        records += [
            _best_record(row, row["source"], ", ".join(setting(row, [])), {})
            for row in _published_best(figures, dataset)
        ]
    unsure = list(dict.fromkeys(run["dataset"] for run in used if is_blank(run.get("val_n100"))))
    notes = [f"Validation scores are not known, chosen by the test users: {', '.join(unsure)}."] if unsure else []
    caption = (
        "The best run on the validation users of each data set, framework and model, in brackets the standard error "
        "over test users; over seeds: mean ± standard deviation of its setting. Below, the best that is published "
        "under the same protocol."
    )
    columns = [
        _text("data set", "dataset"), _text("setting", "setting"), _text("framework", "framework"),
        _text("by", "source"),
        *(_metric_column(title, name) for name, title in _METRICS.items()),
        Column("loss", "r", lambda row: decimals(row["loss"], 1)),
        Column("best epoch", "r", lambda row: decimals(row["best_epoch"], 0)),
        Column("NDCG@100 over seeds", "r", _over_seeds),
        _count("seeds", "seeds"),
    ]  # fmt: skip
    return ReportTable("best", "The best runs", caption, columns, records, used, notes)


def runs_table(runs: Sequence[Run]) -> ReportTable:
    """Every run, a row each."""
    _, varying = shared_and_varying(runs)
    names = ("n100", "n100_se", "r20", "r20_se", "r50", "r50_se", "n10", "loss", "best_epoch", "epochs",
             "epoch_seconds", "seconds", "peak_memory_mib")  # fmt: skip
    records = [
        {
            "dataset": run["dataset"], "model": run["model"], "framework": framework_title(run),
            "setting": ", ".join(setting(run, varying)), "seed": str(seed_of(run)),
            **{name: number(run.get(name)) for name in names}, "run_id": run.get("run_id", ""),
        }
        for run in runs
    ]  # fmt: skip
    columns = [
        _text("data set", "dataset"), _text("model", "model"), _text("framework", "framework"),
        _text("setting", "setting"), Column("seed", "r", lambda row: row["seed"] or "-"),
        *(_metric_column(title, name) for name, title in _METRICS.items()),
        Column("NDCG@10", "r", lambda row: decimals(row["n10"], 4)),
        Column("loss", "r", lambda row: decimals(row["loss"], 2)),
        Column("best epoch", "r", lambda row: decimals(row["best_epoch"], 0)),
        Column("epochs", "r", lambda row: decimals(row["epochs"], 0)),
        Column("s/epoch", "r", lambda row: seconds(row["epoch_seconds"])),
        Column("seconds", "r", lambda row: seconds(row["seconds"])),
        Column("MiB", "r", lambda row: decimals(row["peak_memory_mib"], 0)),
    ]  # fmt: skip
    caption = "On the test users, in brackets the standard error over them; MiB: the largest memory of the process."
    return ReportTable("runs", "All runs", caption, columns, records, runs, filtered=True)


def seeds_table(settings: Sequence[Setting], name: str) -> ReportTable:
    """Each setting over its seeds: mean, spread, number."""
    _, varying = shared_and_varying([found.options for found in settings])
    records = []
    for found in settings:
        record: dict[str, Any] = {
            "model": found.model, "framework": found.framework, "setting": found.words(varying),
            "seeds": len(found.runs), "seed_list": ", ".join(str(seed) for seed in found.by_seed if seed != ""),
        }  # fmt: skip
        for column in (*_METRICS, "loss", "best_epoch", "epoch_seconds"):
            values = found.values(column)
            record |= {column: float(np.mean(values)), f"{column}_sd": _deviation(values)}
        records.append(record)
    columns = [
        _text("setting", "setting"), _text("framework", "framework"), _count("seeds", "seeds"),
        *(_spread_column(title, name, 4) for name, title in _METRICS.items()), _spread_column("loss", "loss", 2),
        _spread_column("best epoch", "best_epoch", 0),
        Column("s/epoch", "r", lambda row: seconds(row["epoch_seconds"])),
    ]  # fmt: skip
    runs = [run for found in settings for run in found.runs]
    once = sum(len(found.runs) == 1 for found in settings)
    notes = [f"{once} of {len(settings)} settings ran from one seed only, which says nothing of their spread."]
    caption = "Mean ± standard deviation over the seeds, on the test users."
    return ReportTable(name, "Over seeds", caption, columns, records, runs, notes if once else [])


def likelihood_table(runs: Sequence[Run], figures: pd.DataFrame, name: str) -> ReportTable:
    """The likelihoods of the paper's Table 4, ours beside its; without records where only one was run."""
    title, caption = "Likelihoods", "The best run of each likelihood and model; beside it the paper's Table 4."
    found: dict[tuple[str, str, str], list[Run]] = {}
    for run in runs:
        found.setdefault((*likelihood_of(run), run["dl_frame"]), []).append(run)
    if len({likelihood for likelihood, _, _ in found}) < 2:
        ran = next(iter(found))[0]
        return ReportTable(name, title, caption, [], [], [], [f"All runs are of the {ran} likelihood."])
    best = {key: best_run(max(settings_of(of_key), key=merit)) for key, of_key in found.items()}
    published = figures[(figures["source"] == "liang2018") & (figures["dataset"] == runs[0]["dataset"])]
    rows = [(likelihood, model, _OURS, run) for (likelihood, model, _), run in best.items()]
    rows += [(*likelihood_of(row), row["source"], row) for row in published.to_dict("records")]
    records = [
        {"likelihood": likelihood, "model": model, "framework": framework_title(run), "source": source,
         **{name: number(run.get(name)) for name in (*_METRICS, *(f"{name}_se" for name in _METRICS))}}
        for likelihood, model, source, run in sorted(rows, key=lambda row: (row[2] != _OURS, row[1], row[0]))
        if likelihood in _LIKELIHOODS and model in {model for _, model, _ in found}
    ]  # fmt: skip
    columns = [
        _text("likelihood", "likelihood"), _text("model", "model"), _text("framework", "framework"),
        _text("by", "source"), *(_metric_column(title, name) for name, title in _METRICS.items()),
    ]  # fmt: skip
    return ReportTable(name, title, caption, columns, records, list(best.values()))


def likelihood_of(run: Run) -> tuple[str, str]:
    """Likelihood and model of a run: ``gaussian-vae`` is the vae with the Gaussian one."""
    prefix, _, model = run["model"].partition("-")
    if model and prefix in _LIKELIHOODS:
        return prefix, model
    return _LIKELIHOODS[0], run["model"]


def _published_best(figures: pd.DataFrame, dataset: str) -> list[Run]:
    """Of each source, framework and model the published row with the highest NDCG@100, under our protocol."""
    usable = figures["comparable"] & (figures["protocol"] == OUR_PROTOCOL) & figures["n100"].notna()
    of_dataset = figures[usable & (figures["dataset"] == dataset)]
    best: dict[tuple, Run] = {}
    for row in of_dataset.sort_values("n100", ascending=False, kind="stable").to_dict("records"):
        best.setdefault((row["source"], row["dl_frame"], row["model"]), row)
    return list(best.values())


def _source(run: Run) -> str:
    return _OURS if is_blank(run.get("source")) else run["source"]


def _best_record(run: Run, source: str, words: str, over_seeds: dict[str, Any]) -> dict[str, Any]:
    names = (*_METRICS, *(f"{name}_se" for name in _METRICS), "loss", "best_epoch")
    return {
        "dataset": run["dataset"], "model": run["model"], "framework": framework_title(run), "source": source,
        "setting": words, **{name: number(run.get(name)) for name in names}, "mean": np.nan, "sd": np.nan, "seeds": "",
        "run_id": run.get("run_id", ""), **over_seeds,
    }  # fmt: skip


def _deviation(values: np.ndarray) -> float:
    return float(np.std(values, ddof=1)) if len(values) > 1 else np.nan


def _text(title: str, name: str) -> Column:
    return Column(title, "l", lambda row: str(row[name]))


def _count(title: str, name: str) -> Column:
    return Column(title, "r", lambda row: option_text(row[name]))


def _metric_column(title: str, name: str) -> Column:
    def show(row: Record) -> str:
        published = row.get("source", _OURS) != _OURS  # printed with three decimals
        value, error = row[name], row[f"{name}_se"]
        return decimals(value, 3) if published else metric(value, error)

    return Column(title, "r", show)


def _spread_column(title: str, name: str, places: int) -> Column:
    def show(row: Record) -> str:
        mean, deviation = row[name], row[f"{name}_sd"]
        return decimals(mean, places) + ("" if np.isnan(deviation) else f" ± {decimals(deviation, places)}")

    return Column(title, "r", show)


def _over_seeds(row: Record) -> str:
    if np.isnan(row["mean"]):
        return "-"
    return decimals(row["mean"], 4) + ("" if np.isnan(row["sd"]) else f" ± {decimals(row['sd'], 4)}")
