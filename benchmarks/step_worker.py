"""One engine's training steps, timed on demand: ``python -m benchmarks.step_worker ENGINE SHAPE MODEL BATCH``.

Reads names of steps on stdin (``floor``, ``dense``, ``dense, memory kept``, ``ours``, ``ours, mixed``), does that step
once and answers with its seconds.
"""

from __future__ import annotations

import importlib
import itertools
import os
import sys
import time
from collections.abc import Callable
from dataclasses import replace

from scipy.sparse import csr_matrix

from benchmarks.shapes import SHAPES, synthetic_clicks
from utils.batches import training_batches
from utils.engine import load_engine
from utils.options import RunOptions
from utils.system.memory import keep_freed_memory

N_BATCHES = 8  # users enough for so many batches; a step does not depend on how many there are


def our_step(engine: str, options: RunOptions, clicks: csr_matrix) -> Callable[[], None]:
    """A function that trains one step as a run does, the batch drawn and its loss read.

    To build a trainer also sets how this process keeps its memory, so the dense step, which knows nothing of that, is
    for a process of its own.
    """
    trainer = load_engine(engine).build(options, clicks.shape[1])
    batches = itertools.chain.from_iterable(training_batches(clicks, options, epoch) for epoch in itertools.count(1))

    def step() -> None:
        trainer.read_losses(trainer.train_step(next(batches), 0.2, options.lr))

    return step


def main(engine: str, shape: str, model: str, batch: str) -> None:
    """Serve until stdin ends."""
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "w")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # what a framework prints must not be taken for an answer
    load_engine(engine)
    options = RunOptions(model=model, batch_size=int(batch)).resolved()
    clicks = synthetic_clicks(SHAPES[shape], N_BATCHES * options.batch_size)
    dense = importlib.import_module(f"benchmarks.dense_{engine}")
    steps: dict[str, Callable[[], object]] = {}
    makers = {
        "floor": lambda: dense.output_products(options, clicks.shape[1]),
        "dense": lambda: dense.dense_step(options, clicks),
        "dense, memory kept": lambda: keep_freed_memory() or dense.dense_step(options, clicks),
        "ours": lambda: our_step(engine, options, clicks),
        "ours, mixed": lambda: our_step(engine, replace(options, precision="mixed"), clicks),
    }
    print("ready", file=answers, flush=True)
    for line in sys.stdin:
        name = line.strip()
        if name not in steps:
            steps[name] = makers[name]()
        begun = time.perf_counter()
        steps[name]()
        print(time.perf_counter() - begun, file=answers, flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
