"""Writes run folders as a finished run leaves them, for tests that need results without training."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from utils.engine import entry_of
from utils.metrics.ranking import METRICS, mean_and_error
from utils.options import RunOptions
from utils.system.files import write_json

FINGERPRINT = "12345678"  # digits only, as a hash may be


def per_user_values(n: int = 8, seed: int = 0) -> dict[str, np.ndarray]:
    """Random figures of ``n`` users in the shape of ``per_user.npz``."""
    rng = np.random.default_rng(seed)
    values = {"user": np.arange(n, dtype=np.int32)}
    values |= {name: rng.random(n, dtype=np.float32) for name in (*METRICS, "nll", "kl")}
    return values


def write_run(
    results_dir: Path, engine: str = "pytorch", per_user: dict[str, np.ndarray] | None = None, *,
    best_epoch: int = 7, epochs: int = 9, epoch_seconds: float = 1.5, fingerprint: str = FINGERPRINT, **options: Any,
) -> Path:  # fmt: skip
    """Write the folder of a finished run and return its path; ``options`` are fields of ``RunOptions``.

    The means in ``metrics.json`` are those of ``per_user``, the loss at the cap.
    """
    given = RunOptions(**{"dataset": "movielens-1m", **options}).resolved()
    run_id = given.run_id(engine, fingerprint)
    folder = Path(results_dir) / "runs" / run_id
    folder.mkdir(parents=True)
    users = per_user_values(seed=given.seed or 0) if per_user is None else per_user
    beta = given.model.anneal_cap if "beta" in given.model.knobs else None
    means = {name: mean_and_error(users[name].astype(np.float64)) for name in (*METRICS, "nll", "kl")}
    test = {name: mean for name, (mean, _) in means.items()}
    test["loss"] = test["nll"] + (beta or 0.0) * test["kl"]
    metrics = {
        "run_id": run_id, "engine": engine, "dl_frame": entry_of(engine).dl_frame, "dataset": given.data.dataset,
        "data": fingerprint, "status": "finished", "n_parameters": 1000, "best_epoch": best_epoch, "epochs": epochs,
        "updates": 70, "beta": beta, "validation": {name: value / 2 for name, value in test.items()}, "test": test,
        "test_se": {name: error for name, (_, error) in means.items() if name in METRICS},
        "test_users": len(users["user"]),
    }  # fmt: skip
    np.savez(folder / "per_user.npz", **users)
    write_json(folder / "options.json", given.flat() | {"engine": engine})
    write_json(folder / "run.json", _run_record(engine, epoch_seconds))
    write_json(folder / "metrics.json", metrics)
    return folder


def _run_record(engine: str, epoch_seconds: float) -> dict[str, Any]:
    return {
        "started": "2024-01-01T00:00:00", "finished": "2024-01-01T00:01:00", "seconds": 60.0,
        "epoch_seconds": epoch_seconds, "eval_seconds": 2.0, "peak_memory_mib": 512.0, "device": "cpu", "threads": 2,
        "versions": {"python": "3.10", "numpy": "1.26.4", "scipy": "1.15.3", entry_of(engine).framework: "1.9.1"},
        "git_commit": "0123456", "git_dirty": False, "manifest": "data/manifest.json", "machine": "a machine",
    }  # fmt: skip


def published_row(**columns: Any) -> dict[str, str]:
    """A row with the 18 columns of the 2020 study and nothing else; ``columns`` replace the defaults."""
    row = {
        "model": "vae", "loss": "90.5", "r20": "0.12", "dataset": "amazon", "lr_patience": "5", "lr": "0.001",
        "early_stop_patience": "20", "lr_scheduler": "False", "best_epoch": "23", "weight_decay": "0.0",
        "dropout_dec": "[0., 0.]", "dl_frame": "Pytorch", "n100": "0.09", "dropout_enc": "[0.5, 0.]",
        "anneal_cap": "0.2", "batch_size": "512", "r50": "0.182", "p_dims": "[100,300]",
    }  # fmt: skip
    return row | {name: str(value) for name, value in columns.items()}
