"""One of our engines as a contestant: ``python -m benchmarks.peers.our_worker FOLDER ENGINE``; default options.

An epoch is what ``experiments.runs.loop`` does for one: batches sliced, noise drawn, updates, losses read a step
behind.
"""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

from benchmarks.peers.exchange import TRAIN, read_clicks, read_settings
from benchmarks.peers.serving import Server, timed_floor
from utils.batches import steps_per_epoch, training_batches
from utils.engine import load_engine
from utils.options import RunOptions
from utils.schedules import beta_at


def main(path: str, engine: str) -> None:
    """Serve until stdin ends."""
    folder = Path(path)
    server = Server(folder)
    settings, clicks = read_settings(folder), read_clicks(folder, TRAIN)
    options = RunOptions(
        p_dims=settings.p_dims, batch_size=settings.batch_size, n_epochs=settings.epochs, seed=settings.seed
    ).resolved()
    package = load_engine(engine, settings.threads)
    trainer = package.build(options, clicks.shape[1])
    steps = steps_per_epoch(clicks.shape[0], options.batch_size)
    products = importlib.import_module(f"benchmarks.dense_{engine}").output_products(options, clicks.shape[1])
    updates = 0

    def epoch() -> None:
        nonlocal updates
        pending = None
        for batch in training_batches(clicks, options, updates // steps + 1):
            handle = trainer.train_step(batch, beta_at(updates, options, steps), options.lr)
            updates += 1
            if pending is not None:
                trainer.read_losses(pending)
            pending = handle
        trainer.read_losses(pending)

    widths = [clicks.shape[1], *options.q_dims, *options.p_dims[1:], clicks.shape[1]]
    server.answer(versions=package.describe(), layers=widths, items=clicks.shape[1])
    floor = timed_floor(products, clicks.shape[0], options.batch_size)
    server.serve(epoch, lambda fold_in: trainer.rank(fold_in, settings.k), floor)


if __name__ == "__main__":
    main(*sys.argv[1:])
