"""One piece of work of ``benchmarks.data_prep``, in a process of its own.

``python -m benchmarks.data_prep_worker WORK FILE [N]``: ``write`` the synthetic FILE (N ratings or reviews), read a csv
with ``pandas``, ``decompress`` a gzipped FILE, or ``prepare`` it whole. Imports are not timed, and memory is counted
from the start of the process.
"""

from __future__ import annotations

import gzip
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import pandas as pd

from benchmarks.children import report
from benchmarks.raw_ratings import write_amazon_reviews, write_movielens_csv
from data_prep import DataOptions, prepare

_BLOCK = 1 << 20


def write(path: Path, n: str) -> None:
    """Write the synthetic file that ``path`` names."""
    (write_movielens_csv if path.suffix == ".csv" else write_amazon_reviews)(path, int(n))


def pandas(path: Path) -> None:
    """Read the csv ``path`` with pandas' pyarrow engine."""
    pd.read_csv(path, engine="pyarrow")


def decompress(path: Path) -> None:
    """Decompress the gzipped ``path`` and keep nothing."""
    with gzip.open(path, "rb") as stream:
        while stream.read(_BLOCK):
            pass


def whole(path: Path, folder: Path) -> None:
    """Prepare ``path`` as the data set whose publisher's layout it has, from the first byte to the loaded result."""
    # The published held-out sizes, as fractions; another seed, so that the published counts are not expected.
    name, held_out = ("movielens", 0.073) if path.suffix == ".csv" else ("amazon", 0.1)
    options = DataOptions(name, test_users_size=held_out, split_seed=1)
    prepare(options, raw=path, data_dir=folder, say=lambda line: None)


def main(work: str, path: str, *more: str) -> None:
    """Do ``work`` and report its seconds and the peak."""
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=Path(path).parent) as folder:
        calls: dict[str, Callable[[], None]] = {
            "write": lambda: write(Path(path), *more),
            "pandas": lambda: pandas(Path(path)),
            "decompress": lambda: decompress(Path(path)),
            "prepare": lambda: whole(Path(path), Path(folder)),
        }
        begun = time.perf_counter()
        calls[work]()
        seconds = time.perf_counter() - begun
    report(seconds=seconds)


if __name__ == "__main__":
    main(*sys.argv[1:])
