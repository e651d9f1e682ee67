"""One piece of work of ``benchmarks.memory``, in a process of its own.

``python -m benchmarks.memory_worker write FOLDER USERS ITEMS HELD_OUT``: write synthetic prepared data, with the clicks
a user and the skew of ML-20M. ``python -m benchmarks.memory_worker run FOLDER ENGINE BATCH STEPS``: a run on them, as
the main script does it, but for all but the last STEPS of its one epoch; reports the peak so far after each stage.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import numpy as np
from scipy.sparse import csr_matrix

from benchmarks.children import peak, report
from benchmarks.shapes import SHAPES, Shape, synthetic_clicks
from data_prep.find import dataset_folder
from data_prep.interactions import Interactions
from data_prep.options import FORMAT_VERSION, PROTOCOL, DataOptions
from data_prep.prepared import FORMAT, write_prepared
from experiments.runs.evaluation import test
from experiments.runs.folder import RunFolder
from experiments.runs.loop import Training
from experiments.runs.run import data_of
from utils.engine import load_engine
from utils.options import RunOptions

DATASET = "synthetic"
_HELD_OUT = 0.2  # of a held-out user's clicks


def write(folder: str, users: str, items: str, held_out: str) -> None:
    """Write prepared data of ``users`` training users by ``items``, and twice ``held_out`` held-out users."""
    shape = Shape(int(users), int(items), SHAPES["ml-20m"].clicks)
    parts = {"train": _interactions(synthetic_clicks(shape, seed=1))}
    for seed, name in enumerate(("validation", "test"), start=2):
        clicks = synthetic_clicks(shape, int(held_out), seed)
        is_out = np.random.default_rng(seed).random(clicks.nnz) < _HELD_OUT
        parts[f"{name}_fold_in"] = _interactions(_only(clicks, ~is_out))
        parts[f"{name}_held_out"] = _interactions(_only(clicks, is_out))
    fingerprint = "00000000"
    manifest = {
        "format": FORMAT, "format_version": FORMAT_VERSION, "protocol": PROTOCOL, "dataset": DATASET,
        "fingerprint": fingerprint, "options": DataOptions(DATASET).record(), "source": {}, "counts": {},
        "prepared_at": "",
    }  # fmt: skip
    write_prepared(
        dataset_folder(folder, DATASET) / f"{PROTOCOL}-{fingerprint}", manifest, np.arange(int(items)), parts
    )
    report(clicks=parts["train"].nnz)


def run(folder: str, engine: str, batch: str, steps: str) -> None:
    """Train the last ``steps`` of an epoch, evaluate, save the state, test: what a run holds, it holds."""
    stages = {"imports": peak()}
    options = RunOptions(dataset=DATASET, data_dir=folder, batch_size=int(batch), n_epochs=1).resolved()
    data = data_of(options)
    stages["data loaded"] = peak()
    trainer = load_engine(engine).build(options, data.n_items)
    with tempfile.TemporaryDirectory(dir=folder) as results, RunFolder(Path(results)) as records:
        training = Training(trainer, data, options, records)
        stages["engine, weights"] = peak()
        training.position.step = max(0, training.steps - int(steps))
        evaluate = trainer.evaluate

        def noted(*arguments, **more):
            stages.setdefault("training steps", peak())
            return evaluate(*arguments, **more)

        trainer.evaluate = noted
        training.run_to_the_end()
        stages["evaluation"] = peak()
        training.save()
        stages["state saved"] = peak()
        test(training, data, options)
        stages["test"] = peak()
    report(stages=stages)


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


if __name__ == "__main__":
    {"write": write, "run": run}[sys.argv[1]](*sys.argv[2:])
