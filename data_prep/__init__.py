"""A ratings file -> prepared data: filtered, split, checked, found again by its options.

    python -m data_prep --dataset movielens-100k --download

From Python: ``prepare(DataOptions("movielens-1m"), raw="ratings.dat")`` once, then ``find_prepared("data",
"movielens-1m")`` wherever the data are needed. Nothing here imports torch or mxnet.
"""

from __future__ import annotations

from data_prep.catalogue import DATASETS
from data_prep.find import find_prepared
from data_prep.interactions import Interactions
from data_prep.options import KEEP_ALL, DataOptions, parse_columns, parse_min_rating, parse_size
from data_prep.pipeline import prepare
from data_prep.prepared import PreparedData, load_prepared

__all__ = [
    "DATASETS",
    "KEEP_ALL",
    "DataOptions",
    "Interactions",
    "PreparedData",
    "find_prepared",
    "load_prepared",
    "parse_columns",
    "parse_min_rating",
    "parse_size",
    "prepare",
]
