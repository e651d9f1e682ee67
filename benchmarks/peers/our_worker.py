"""One of our engines as a contestant, with default options."""

from __future__ import annotations

import importlib
import itertools
from collections.abc import Callable
from pathlib import Path

from benchmarks.peers.exchange import TRAIN, Contestant, read_clicks, read_settings
from benchmarks.training import build_learner, train_epoch
from utils.engine import load_engine
from utils.options import RunOptions


def works(path: str, engine: str) -> dict[str, Callable]:
    """What the worker does; the exchange is in the folder ``path``."""
    folder = Path(path)
    settings, clicks = read_settings(folder), read_clicks(folder, TRAIN)
    package, n_items = load_engine(engine, settings.threads), clicks.shape[1]
    options = RunOptions(
        p_dims=tuple(settings.widths[::-1]), batch_size=settings.batch_size, n_epochs=settings.epochs,
        seed=settings.seed,
    ).resolved()  # fmt: skip
    learner = build_learner(engine, options, n_items)
    baseline, epochs = importlib.import_module(f"benchmarks.dense_{engine}"), itertools.count(1)
    return Contestant(
        about={"versions": package.describe(), "layers": settings.layers(n_items)},
        epoch=lambda: train_epoch(learner, clicks, options, next(epochs)),
        products=baseline.output_products(settings.batch_size, settings.widths[0], n_items),
        rank=lambda fold_in: learner.rank(fold_in, settings.k),
    ).works(folder)
