"""The comparison of the two frameworks: what each found where both ran the same options.

    python -m experiments.compare                                  # results/all_results.csv
    python -m experiments.compare --results DIR study.csv --dataset movielens --csv comparison.csv

Reads tables of this project and of the published layout (18 columns). Prints; writes nothing but the file
``--csv`` names. From Python: ``compare(load(file))``.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from experiments.analysis.comparison_text import has_no_framework, pairs_text, published_text, unpaired_text
from experiments.analysis.pairs import COMPARED, Pair, pair_up
from experiments.analysis.published import PUBLISHED_FILE, published
from experiments.analysis.runs import OPTIONS, add_results, data_of, read_all
from experiments.analysis.statistics import deviation
from utils.engine import ENGINES
from utils.system.command_line import option, parser_for
from utils.system.errors import UserError
from utils.system.files import written_whole

__all__ = ["compare", "main"]

#: What is said of each framework beside the figures.
ABOUT = ("best_epoch", "epochs", "epoch_seconds", "seconds", "peak_memory_mib")
_WHAT, _HOW = "what is compared", "what comes out"


@dataclass(frozen=True)
class CompareOptions:
    """The options of the comparison, but for ``--results``, which takes several values."""

    dataset: str | None = option(None, _WHAT, "this data set only (default: all)")
    csv: str | None = option(None, _HOW, "also write the comparison, one row per setting, to this file")
    published: bool = option(False, _HOW, "also print all published figures of the data sets compared")


def main(argv: Sequence[str] | None = None) -> int:
    """The command; see the module. Raises ``UserError`` on a wrong option or file."""
    parser = parser_for(CompareOptions, "python -m experiments.compare", "Compare what the two frameworks found.")
    given = add_results(parser).parse_args(argv)
    if given.csv and Path(given.csv).is_dir():
        raise UserError(f"--csv {given.csv} is a folder; expected the file to write")
    frames = read_all(given.results, given.dataset)
    pairs, unpaired = pair_up(frames)
    table = table_of(pairs)
    figures = published() if given.published or PUBLISHED_FILE.exists() else None
    parts = [pairs_text(table, unpaired, figures)] if pairs else [
        "No two runs differ in the framework only: nothing to compare yet."
    ]  # fmt: skip
    shown = {data_of(pair.options) for pair in pairs}
    alone = [run for run in unpaired if not (has_no_framework(run) and data_of(run) in shown)]
    parts += [unpaired_text(alone)] if alone else []
    if given.published:
        datasets = dict.fromkeys(name for frame in frames for name in frame["dataset"])
        parts.append(published_text(figures, datasets) or "Nothing is published for these data sets.")
    print("\n\n".join(parts))
    if given.csv:
        with written_whole(given.csv) as temporary:
            table.to_csv(temporary, index=False)
    return 0


def compare(frames: pd.DataFrame | Iterable[pd.DataFrame]) -> pd.DataFrame:
    """Compare the frameworks wherever they ran the same options, one row per setting.

    Args:
        frames: tables of results (``utils.results.load``, ``collect``), one or several; a run that stands in
            two of them counts once.

    Returns:
        One row per setting that two frameworks ran with at least one common seed, by data set, model,
        ``p_dims`` and cap. Columns: the options (``OPTIONS``, "" where not known); ``seeds`` (their number),
        ``seed_list`` (text) and ``test_users``; for each of ``COMPARED`` and ``ABOUT`` and each engine
        ``<name>_<engine>`` and ``<name>_<engine>_sd``, mean and standard deviation over the common seeds (NaN
        for one seed); for each of ``COMPARED`` ``<name>_diff`` (PyTorch - MXNet), ``<name>_diff_se`` and
        ``<name>_p``: the standard error and the paired t-test over users of the per-user differences, averaged
        over the seeds first (NaN where a run's ``per_user.npz`` is absent).
    """
    return table_of(pair_up(frames)[0])


def table_of(pairs: Sequence[Pair]) -> pd.DataFrame:
    """The table of :func:`compare`, of pairs of two frameworks."""
    of_engines = [f"{name}_{engine}{end}" for name in (*COMPARED, *ABOUT) for engine in ENGINES for end in ("", "_sd")]
    of_both = [f"{name}_{what}" for name in COMPARED for what in ("diff", "diff_se", "p")]
    columns = [*OPTIONS, "seeds", "seed_list", "test_users", *of_engines, *of_both]
    return pd.DataFrame([_row_of(pair) for pair in pairs], columns=columns)


def _row_of(pair: Pair) -> dict[str, Any]:
    seeds = ["deterministic"] if pair.is_deterministic else [str(seed) for seed in pair.seeds if seed != ""]
    users = pair.over_seeds(next(iter(pair.runs)), "test_users")[0]
    row = {**pair.options, "seeds": len(pair.seeds), "seed_list": ", ".join(seeds), "test_users": users}
    for name in (*COMPARED, *ABOUT):
        for engine in pair.runs:
            values = pair.over_seeds(engine, name)
            row |= {f"{name}_{engine}": float(np.mean(values)), f"{name}_{engine}_sd": deviation(values)}
    for name in COMPARED:
        found = pair.difference(name)
        row |= {f"{name}_diff": found.mean, f"{name}_diff_se": found.test.error, f"{name}_p": found.test.p}
    return row
