"""The comparison of the two frameworks: what each found where both ran the same options.

    python -m experiments.compare                                  # results/all_results.csv
    python -m experiments.compare --results DIR study.csv --dataset movielens --csv comparison.csv

Reads tables of this project and of the published layout (18 columns). Prints; writes nothing but the file
``--csv`` names. From Python: ``compare(load(file))``.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from experiments.analysis.comparison_text import pairs_text, published_text, unpaired_text
from experiments.analysis.pairs import compare, pair_up
from experiments.analysis.published import PUBLISHED_FILE, published
from utils.results import RESULTS_FILE, collect, load
from utils.system.command_line import did_you_mean, option, parser_for
from utils.system.errors import UserError
from utils.system.files import written_whole

__all__ = ["compare", "main", "read"]

DEFAULT_RESULTS = f"results/{RESULTS_FILE}"
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
    frames = of_dataset([read(path) for path in given.results], given.dataset)
    table = compare(frames)
    print(_text(frames, table, given.published))
    if given.csv:
        with written_whole(given.csv) as temporary:
            table.to_csv(temporary, index=False)
    return 0


def add_results(parser: argparse.ArgumentParser, default: str = DEFAULT_RESULTS) -> argparse.ArgumentParser:
    """Give ``parser`` the option ``--results``, which every command on results has."""
    parser.add_argument(
        "--results", nargs="+", default=[default], metavar="FILE_OR_FOLDER",
        help=f"tables of results, or folders that hold {RESULTS_FILE} or runs (default: {default})",
    )  # fmt: skip
    return parser


def read(path: str) -> pd.DataFrame:
    """The results in ``path``: a table, or a folder that holds ``all_results.csv`` or else ``runs``.

    Raises:
        UserError: there is nothing of the kind, or it is damaged.
    """
    place = Path(path)
    if not place.is_dir():
        if path == DEFAULT_RESULTS and not place.exists():
            raise UserError(f"{path}: no results yet; run bash run_experiments.sh first, or name a file with --results")
        return load(place)
    if (place / RESULTS_FILE).exists():
        return load(place / RESULTS_FILE)
    if (place / "runs").is_dir():
        return collect(place)
    raise UserError(f"{path}: a folder without results; expected {RESULTS_FILE} or runs in it")


def of_dataset(frames: Sequence[pd.DataFrame], dataset: str | None) -> list[pd.DataFrame]:
    """The rows of ``dataset`` in each of ``frames`` (None: all). Raises ``UserError`` when there are none."""
    present = sorted({name for frame in frames for name in frame["dataset"]})
    if not present:
        raise UserError("the results hold no finished run; run bash run_experiments.sh or a main script first")
    if dataset is None:
        return list(frames)
    if dataset not in present:
        hint = f"; {hint}" if (hint := did_you_mean(dataset, present)) else ""
        raise UserError(f"--dataset {dataset} is not in the results; they hold {', '.join(present)}{hint}")
    return [frame[frame["dataset"] == dataset] for frame in frames]


def _text(frames: Sequence[pd.DataFrame], table: pd.DataFrame, all_published: bool) -> str:
    _, unpaired = pair_up(frames)
    figures = published() if all_published or PUBLISHED_FILE.exists() else None
    parts = []
    if len(table):
        parts.append(pairs_text(table, unpaired, figures))
    else:
        parts.append("No two runs differ in the framework only: nothing to compare yet.")
    if unpaired:
        parts.append(unpaired_text(unpaired))
    if all_published:
        datasets = dict.fromkeys(name for frame in frames for name in frame["dataset"])
        parts.append(published_text(figures, datasets) or "Nothing is published for these data sets.")
    return "\n\n".join(parts)
