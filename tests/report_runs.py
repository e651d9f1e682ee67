"""Run folders with all that a report reads: history, lists and figures of each user, on the tests' prepared data."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd

from data_prep import find_prepared
from run_folders import per_user_values, write_run
from utils.system.files import write_json


def write_full_run(results, data_dir, engine="pytorch", *, best_epoch=7, epochs=9, shift=0.0, **options):
    """A finished run on the data set ``tastes``: users' NDCG@100 as of its seed and model, ``shift`` higher."""
    data = find_prepared(data_dir, "tastes")
    users = np.flatnonzero(np.diff(data.test_held_out.indptr))
    values = per_user_values(len(users), seed=options.get("seed", 1) + 10 * (options.get("model") == "dae"))
    values["user"] = users.astype(np.int32)
    values["n100"] = np.clip(values["n100"] + shift, 0, 1).astype(np.float32)
    options = {"dataset": "tastes", "data_dir": str(data_dir), "p_dims": (4, 16), **options}
    folder = write_run(
        results, engine, values, best_epoch=best_epoch, epochs=epochs, fingerprint=data.fingerprint, **options
    )
    random = np.random.default_rng(options.get("seed", 1))
    lists = np.stack([random.permutation(data.n_items)[:30] for _ in users]).astype(np.int32)
    np.savez(folder / "lists.npz", user=values["user"], items=lists)
    write_history(folder, best_epoch, epochs, options.get("model", "vae"))
    return folder


def write_history(folder, best_epoch, epochs, model):
    """A history whose validation NDCG@100 peaks at ``best_epoch``."""
    epoch = np.arange(1, epochs + 1)
    rows = pd.DataFrame({"epoch": epoch, "val_n100": 0.4 - 0.01 * np.abs(epoch - best_epoch)})
    rows["beta"] = np.minimum(0.2, epoch / epochs * 0.23) if model == "vae" else None
    rows["seconds"], rows["eval_seconds"], rows["loss"] = 0.5, 0.1, 90.0 - epoch
    rows.to_csv(folder / "history.csv", index=False)


def edit_metrics(folder, **changes):
    """Change what a run's ``metrics.json`` says of the test."""
    metrics = json.loads((folder / "metrics.json").read_text())
    metrics["test"] |= changes
    write_json(folder / "metrics.json", metrics)


def write_grid(results, data_dir, seeds=(1, 2), engines=("pytorch", "mxnet"), models=("vae", "dae")):
    """Both models in both frameworks from some seeds; the frameworks differ by a hair."""
    for engine in engines:
        for model in models:
            for seed in seeds:
                shift = 1e-6 * seed * (engine == "mxnet")
                write_full_run(results, data_dir, engine, model=model, seed=seed, shift=shift)
    return results
