"""Preparing data, from the raw file to the loaded result, against merely reading that file.

    python -m benchmarks.data_prep --check                  # both sources; writes 1.2 GB to a temporary folder first
    python -m benchmarks.data_prep --source movielens --dir /tmp/raw --rounds 3

movielens: a csv of 20,000,263 ratings, and as the floor the time pandas needs to read it with its pyarrow engine.
amazon: 1,697,533 JSON records with review texts, gzipped, and as the floor the time to decompress them. Both files are
synthetic, with the published sizes and skew (``benchmarks.raw_ratings``); with ``--dir`` they are written once and
kept. Each measurement is a fresh process, floor and preparation in turn; imports are not timed.
"""

from __future__ import annotations

import gzip
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from tabulate import tabulate

from benchmarks.raw_ratings import AMAZON_REVIEWS, ML_RATINGS, write_amazon_reviews, write_movielens_csv
from benchmarks.timing import Target, print_targets
from benchmarks.worker import measure
from data_prep import DataOptions, prepare
from utils.system.command_line import integer, option, parsed, parser_for, real
from utils.system.errors import guarded

_WHAT = "what is measured"
_WORKS = "benchmarks.data_prep"
_BLOCK = 1 << 20


@dataclass(frozen=True)
class RawFile:
    """A raw file: its name and rows, the work that is its floor, and the targets (times the floor; GiB)."""

    name: str
    rows: int
    floor: str
    floor_title: str
    most_ratio: float
    most_memory: float


SOURCES = {
    "movielens": RawFile("ratings.csv", ML_RATINGS, "pandas", "pandas reads it (pyarrow engine)", 3.0, 3.0),
    "amazon": RawFile("reviews_Movies_and_TV_5.json.gz", AMAZON_REVIEWS, "decompress", "decompressing it", 4.0, 1.0),
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
    options = parsed(PrepOptions, parser_for(PrepOptions, "python -m benchmarks.data_prep", __doc__), argv)
    missed = 0
    for name in SOURCES if options.source == "both" else (options.source,):
        with tempfile.TemporaryDirectory() as temporary:
            missed += measure_source(SOURCES[name], Path(options.dir or temporary), options)
    return 1 if options.check and missed else 0


def measure_source(source: RawFile, folder: Path, options: PrepOptions) -> int:
    """Measure one source and print its table; the number of targets missed."""
    rows = max(1, round(source.rows * options.scale))
    path = raw_file(source, folder, rows)
    answers = {source.floor: [], "prepare": []}
    for _ in range(options.rounds):
        for work, each in answers.items():
            each.append(measure(_WORKS, work, path))
    seconds = {work: np.array([answer.seconds for answer in each]) for work, each in answers.items()}
    peaks = {work: max(answer.peak for answer in each) for work, each in answers.items()}
    print(f"{path.name}: {rows:,} rows, {path.stat().st_size / 1e6:,.0f} MB")
    lines = [
        (title, f"{np.median(seconds[work]):.2f}", " ".join(f"{each:.2f}" for each in seconds[work]),
         f"{peaks[work]:.2f}")
        for title, work in ((source.floor_title, source.floor), ("the whole preparation", "prepare"))
    ]  # fmt: skip
    print(tabulate(lines, ["", "s, median", "s, each", "peak GiB"], disable_numparse=True))
    times = float(np.median(seconds["prepare"] / seconds[source.floor]))
    return print_targets((
        Target("preparation / floor", times, "at most", source.most_ratio),
        Target("peak of the preparation, GiB", peaks["prepare"], "at most", source.most_memory),
    ))  # fmt: skip


def raw_file(source: RawFile, folder: Path, rows: int) -> Path:
    """The raw file with ``rows`` rows in ``folder``, written unless it is there."""
    path = folder / f"{rows}-rows" / source.name
    if not path.exists():
        print(f"writing {path} ({rows:,} rows) ...", flush=True)
        path.parent.mkdir(parents=True, exist_ok=True)
        measure(_WORKS, "write", path, rows)
    return path


def works() -> dict[str, Callable]:
    """What a worker does with the file of a path."""
    return {"write": write, "pandas": read_with_pandas, "decompress": decompress, "prepare": prepare_whole}


def write(path: str, rows: int) -> None:
    """Write the synthetic file that ``path`` names."""
    (write_movielens_csv if path.endswith(".csv") else write_amazon_reviews)(Path(path), rows)


def read_with_pandas(path: str) -> None:
    """Read the csv ``path`` with pandas' pyarrow engine."""
    pd.read_csv(path, engine="pyarrow")


def decompress(path: str) -> None:
    """Decompress the gzipped ``path`` and keep nothing."""
    with gzip.open(path, "rb") as stream:
        while stream.read(_BLOCK):
            pass


def prepare_whole(path: str) -> None:
    """Prepare ``path`` as the data set whose publisher's layout it has, from the first byte to the loaded result."""
    # The published held-out sizes, as fractions; another seed, so that the published counts are not expected.
    name, held_out = ("movielens", 0.073) if path.endswith(".csv") else ("amazon", 0.1)
    options = DataOptions(name, test_users_size=held_out, split_seed=1)
    with tempfile.TemporaryDirectory(dir=Path(path).parent) as folder:
        prepare(options, raw=path, data_dir=folder, say=lambda line: None)


if __name__ == "__main__":
    sys.exit(guarded(main))
