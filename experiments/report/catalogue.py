"""Beyond accuracy, from the stored lists: coverage, Gini, popularity, and NDCG@100 by popularity band."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from data_prep import PreparedData
from experiments.analysis.number_text import decimals, percent, with_error
from experiments.analysis.runs import Run
from experiments.analysis.settings_text import shared_and_varying
from experiments.analysis.table import Column, Table, key_columns
from experiments.report.data import prepared
from experiments.report.settings import Setting, best_settings
from utils.metrics.catalogue import (
    BANDS,
    coverage,
    gini,
    mean_popularity,
    ndcg_in_band,
    popularity_bands,
    shown_counts,
)
from utils.metrics.ranking import mean_and_error
from utils.run_arrays import LISTS_FILE, read_lists
from utils.system.errors import UserError, one_line

_LENGTHS = (20, 100)  # of the lists looked at: what a page shows, and all that is stored


@dataclass(frozen=True)
class CatalogueFigures:
    """What the best settings recommend: a record each (for a table and a figure), the runs, what is missing."""

    records: list[dict[str, Any]]
    runs: list[Run]
    notes: list[str]


def catalogue_figures(settings: Sequence[Setting], data_dir: str) -> CatalogueFigures:
    """Look at the lists of the best setting of each framework and model, means over its runs."""
    _, varying = shared_and_varying([found.options for found in settings])
    used: list[Run] = []
    records, notes, without = [], [], []
    for found in best_settings(settings):
        if not all((Path(run["folder"] or ".") / LISTS_FILE).is_file() for run in found.runs):
            without.append(f"{found.model} in {found.framework}")
            continue
        try:
            data = prepared(found.runs, data_dir)
            figures = [_of_run(run, data) for run in found.runs]
        except (UserError, IndexError) as error:
            why = one_line(error) if isinstance(error, UserError) else "its lists are not of these data"
            notes.append(f"{found.model} in {found.framework}: {why}.")
            continue
        means = {name: float(np.mean([each[name] for each in figures])) for name in figures[0]}
        about = {"model": found.model, "framework": found.framework, "setting": found.words(varying)}
        records.append({**about, **means, "seeds": len(found.runs)})
        used += found.runs
    if without:
        notes.append(f"No stored lists ({LISTS_FILE}; older runs have none): {', '.join(without)}.")
    return CatalogueFigures(records, used, notes)


def catalogue_table(found: CatalogueFigures, name: str) -> Table:
    """The table of :func:`catalogue_figures`."""
    columns = [
        *key_columns(("setting", "setting"), ("framework", "framework")),
        *(Column(f"coverage@{k}", "r", lambda row, k=k: percent(row[f"coverage{k}"])) for k in _LENGTHS),
        *(Column(f"Gini@{k}", "r", lambda row, k=k: decimals(row[f"gini{k}"], 3)) for k in _LENGTHS),
        *(Column(f"popularity@{k}", "r", lambda row, k=k: percent(row[f"popularity{k}"])) for k in _LENGTHS),
        *(Column(f"NDCG@100 {b}", "r", lambda row, b=b: with_error(row[b], row[f"{b}_se"])) for b in BANDS),
        Column("seeds", "r", lambda row: str(row["seeds"])),
    ]
    caption = (
        "From the stored lists of the test users, means over the seeds. Coverage: share of the items that stand in at "
        "least one list; Gini: of how often items are shown, 0 all alike, 1 one only; popularity: the mean over lists "
        "of the share of training users who clicked what is shown. Head, middle and tail: the items by training "
        "clicks, a third of all clicks each; NDCG@100 counts their held-out items alone (standard error over users)."
    )
    return Table(name, "Beyond accuracy", columns, found.records, caption, found.notes, found.runs)


def _of_run(run: Run, data: PreparedData) -> dict[str, float]:
    """What one run's lists are like. ``UserError`` without lists, ``IndexError`` with those of other data."""
    users, lists = read_lists(run["folder"])
    clicks = np.bincount(data.train.indices, minlength=data.n_items)
    if lists.size and lists.max() >= data.n_items:
        raise IndexError("an item outside the data")
    figures: dict[str, float] = {}
    for k in _LENGTHS:
        counts = shown_counts(lists[:, :k], data.n_items)
        figures |= {
            f"coverage{k}": coverage(counts), f"gini{k}": gini(counts),
            f"popularity{k}": mean_popularity(lists[:, :k], clicks / data.train.n_users),
        }  # fmt: skip
    held_out, bands = data.test_held_out.binary()[users], popularity_bands(clicks)
    for place, band in enumerate(BANDS):
        values = ndcg_in_band(lists, held_out, bands == place)
        mean, error = mean_and_error(values)
        figures |= {band: mean, f"{band}_se": error, f"{band}_users": len(values)}
    return figures
