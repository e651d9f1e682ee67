"""Preparing data, from the raw file to the loaded result, against merely reading that file.

    python -m benchmarks.data_prep --check                  # both sources; writes 1.2 GB to a temporary folder first
    python -m benchmarks.data_prep --source movielens --dir /tmp/raw --rounds 3

movielens: a csv of 20,000,263 ratings, and as the floor the time pandas needs to read it with its pyarrow engine.
amazon: 1,697,533 JSON records with review texts, gzipped, and as the floor the time to decompress them. Both files are
synthetic, with the published sizes and skew (``benchmarks.raw_ratings``); with ``--dir`` they are written once and
kept. Each measurement is a fresh process, floor and preparation in turn; imports are not timed.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from tabulate import tabulate

from benchmarks.children import told_by
from benchmarks.raw_ratings import AMAZON_REVIEWS, ML_RATINGS
from utils.system.command_line import filled, integer, option, parser_for, real
from utils.system.errors import guarded

_WHAT = "what is measured"
_WORKER = "benchmarks.data_prep_worker"


@dataclass(frozen=True)
class Source:
    """A raw file: its name and rows, the work that is its floor, and the targets (times the floor; GiB)."""

    file: str
    rows: int
    floor: str
    floor_title: str
    most_ratio: float
    most_memory: float


SOURCES = {
    "movielens": Source("ratings.csv", ML_RATINGS, "pandas", "pandas reads it (pyarrow engine)", 3.0, 3.0),
    "amazon": Source("reviews_Movies_and_TV_5.json.gz", AMAZON_REVIEWS, "decompress", "decompressing it", 4.0, 1.0),
}


@dataclass(frozen=True)
class PrepOptions:
    """The options of the benchmark."""

    source: str = option("both", _WHAT, "the raw file", choices=("both", *SOURCES))
    scale: float = option(1.0, _WHAT, "part of the published number of rows", real(above=0))
    rounds: int = option(2, _WHAT, "rounds of floor and preparation", integer(1))
    dir: str | None = option(None, _WHAT, "folder that keeps the raw files (default: a temporary one)")
    check: bool = option(False, _WHAT, "exit with 1 when a target is missed")


def main(argv: Sequence[str] | None = None) -> int:
    """The command; see the module. Returns 1 when ``--check`` finds a target missed."""
    options = filled(PrepOptions, parser_for(PrepOptions, "python -m benchmarks.data_prep", __doc__).parse_args(argv))
    missed = 0
    for name in SOURCES if options.source == "both" else (options.source,):
        with tempfile.TemporaryDirectory() as temporary:
            missed += measured(SOURCES[name], Path(options.dir or temporary), options)
    return 1 if options.check and missed else 0


def measured(source: Source, folder: Path, options: PrepOptions) -> int:
    """Measure one source and print its table; the number of targets missed."""
    rows = max(1, round(source.rows * options.scale))
    path = raw_file(source, folder, rows)
    seconds, peaks = {source.floor: [], "prepare": []}, {source.floor: 0.0, "prepare": 0.0}
    for _ in range(options.rounds):
        for work in seconds:
            told = told_by(_WORKER, work, path)
            seconds[work].append(told["seconds"])
            peaks[work] = max(peaks[work], told["peak"])
    times, floor = np.array(seconds["prepare"]), np.array(seconds[source.floor])
    print(f"{path.name}: {rows:,} rows, {path.stat().st_size / 1e6:,.0f} MB")
    lines = [
        (title, f"{np.median(seconds[work]):.2f}", " ".join(f"{each:.2f}" for each in seconds[work]),
         f"{peaks[work]:.2f}")
        for title, work in ((source.floor_title, source.floor), ("the whole preparation", "prepare"))
    ]  # fmt: skip
    print(tabulate(lines, ["", "s, median", "s, each", "peak GiB"], disable_numparse=True))
    results = (
        ("preparation / floor", float(np.median(times / floor)), source.most_ratio),
        ("peak of the preparation, GiB", peaks["prepare"], source.most_memory),
    )
    verdicts = [(*result, "met" if result[1] <= result[2] else "MISSED") for result in results]
    print(tabulate(verdicts, ["", "measured", "at most", ""], floatfmt=".2f"), end="\n\n")
    return sum(verdict[-1] == "MISSED" for verdict in verdicts)


def raw_file(source: Source, folder: Path, rows: int) -> Path:
    """The raw file with ``rows`` rows in ``folder``, written unless it is there."""
    path = folder / f"{rows}-rows" / source.file
    if not path.exists():
        print(f"writing {path} ({rows:,} rows) ...", flush=True)
        told_by(_WORKER, "write", path, rows)
    return path


if __name__ == "__main__":
    sys.exit(guarded(main))
