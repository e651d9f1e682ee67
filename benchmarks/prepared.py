"""Synthetic prepared data of a data set's shape, which load like any other."""

from __future__ import annotations

import numpy as np
from scipy.sparse import csr_matrix

from benchmarks.shapes import SHAPES, Shape, synthetic_clicks
from data_prep.find import dataset_folder
from data_prep.interactions import Interactions
from data_prep.options import FORMAT_VERSION, DataOptions
from data_prep.prepared import FORMAT, write_prepared

DATASET = "synthetic"
_HELD_OUT = 0.2  # of a held-out user's clicks


def write_synthetic_data(data_dir: str, users: int, items: int, held_out: int) -> None:
    """Write prepared data of ``users`` training users by ``items``, and twice ``held_out`` held-out users.

    They have the clicks a user and the skew of ML-20M, and the name ``DATASET``.
    """
    shape = Shape(users, items, SHAPES["ml-20m"].clicks)
    parts = {"train": _interactions(synthetic_clicks(shape, seed=1))}
    for seed, name in enumerate(("validation", "test"), start=2):
        clicks = synthetic_clicks(shape, held_out, seed)
        is_out = np.random.default_rng(seed).random(clicks.nnz) < _HELD_OUT
        parts[f"{name}_fold_in"] = _interactions(_only(clicks, ~is_out))
        parts[f"{name}_held_out"] = _interactions(_only(clicks, is_out))
    fingerprint, options = "00000000", DataOptions(DATASET)
    manifest = {
        "format": FORMAT, "format_version": FORMAT_VERSION, "protocol": options.scenario, "dataset": DATASET,
        "fingerprint": fingerprint, "options": options.record(), "source": {}, "counts": {},
        "prepared_at": "",
    }  # fmt: skip
    folder = dataset_folder(data_dir, DATASET) / f"{options.scenario}-{fingerprint}"
    write_prepared(folder, manifest, np.arange(items), parts)


def _only(clicks: csr_matrix, chosen: np.ndarray) -> csr_matrix:
    ends = np.concatenate([[0], np.cumsum(chosen)])[clicks.indptr]
    return csr_matrix((clicks.data[chosen], clicks.indices[chosen], ends), shape=clicks.shape)


def _interactions(clicks: csr_matrix) -> Interactions:
    """``clicks`` with all that MovieLens has beside them: a rating and a time each."""
    return Interactions(
        indptr=clicks.indptr.astype(np.int64),
        indices=clicks.indices.astype(np.int32),
        ratings=np.full(clicks.nnz, 4.0, dtype=np.float32),
        order=np.arange(clicks.nnz, dtype=np.int64),
        user_ids=np.arange(clicks.shape[0], dtype=np.int64),
        n_items=clicks.shape[1],
    )
