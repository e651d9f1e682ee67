"""One engine of the lock-step: does what it is told, a line at a time, and leaves arrays for the other side.

Started by ``experiments.parity.lockstep`` as ``python -m experiments.parity.worker ENGINE FOLDER``. Commands come on
stdin, one a line: ``step`` trains on the next batch and writes losses, gradients and weights to
``FOLDER/ENGINE.safetensors``; ``save FILE`` writes the weights, ``load FILE`` takes them; ``evaluate`` tests and writes
rankings, scores and metrics. Each is answered with ``done`` on stdout once its file is whole. The end of stdin ends the
worker.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from scipy.sparse import csr_matrix

from data_prep import PreparedData
from experiments.runs.run import data_of
from utils.batches import Batch, steps_per_epoch, training_batches
from utils.engine import Trainer, load_engine
from utils.metrics.ranking import METRICS, RANKED_ITEMS, per_user
from utils.options import RunOptions
from utils.schedules import beta_at
from utils.system.command_line import parsed, parser_for
from utils.system.errors import guarded
from utils.system.files import read_json
from utils.weights import load_arrays, save_arrays

OPTIONS_FILE = "options.json"  # the command line of the run, as a list
MOST_USERS = 2000  # of the test users, whose scores are compared whole


class Worker:
    """A trainer of one engine on the batches of a run."""

    def __init__(self, engine: str, folder: Path) -> None:
        self.file = folder / f"{engine}.safetensors"
        parser = parser_for(RunOptions, "python -m experiments.parity", "")
        self.options = parsed(RunOptions, parser, read_json(folder / OPTIONS_FILE)).resolved()
        self.data = data_of(self.options)
        self.trainer: Trainer = load_engine(engine, self.options.threads).build(self.options, self.data.n_items)
        self.clicks = self.data.train.binary()
        self.batches = self._batches()
        self.updates = 0

    def step(self) -> None:
        """Train on the next batch and write what came of it."""
        batch = next(self.batches)
        per_epoch = steps_per_epoch(self.clicks.shape[0], self.options.batch_size)
        beta = beta_at(self.updates, self.options, per_epoch)
        self.updates += 1
        nll, kl = self.trainer.read_losses(self.trainer.train_step(batch, beta, self.options.lr))
        arrays = {f"gradient/{name}": array for name, array in self.trainer.gradients().items()}
        arrays |= {f"weight/{name}": array for name, array in self.trainer.weights().items()}
        save_arrays(self.file, arrays, {"loss": nll + beta * kl, "beta": beta})

    def save(self, path: str) -> None:
        """Write the weights."""
        save_arrays(path, self.trainer.weights(), {})

    def load(self, path: str) -> None:
        """Take weights, written by either engine."""
        self.trainer.load_weights(load_arrays(path)[0])

    def evaluate(self) -> None:
        """Test, and write rankings, scores and the mean of each metric."""
        fold_in, held_out = _test_users(self.data)
        evaluation = self.trainer.evaluate(fold_in, RANKED_ITEMS)
        values = per_user(evaluation.ranked, held_out)
        arrays = {"ranked": evaluation.ranked, "scores": self.trainer.scores(fold_in)}
        save_arrays(self.file, arrays, {name: float(np.mean(values[name])) for name in METRICS})

    def _batches(self) -> Iterator[Batch]:
        epoch = 1
        while True:
            yield from training_batches(self.clicks, self.options, epoch)
            epoch += 1


def _test_users(data: PreparedData) -> tuple[csr_matrix, csr_matrix]:
    return data.test_fold_in.binary()[:MOST_USERS], data.test_held_out.binary()[:MOST_USERS]


def main(argv: list[str] | None) -> None:
    """Serve until stdin ends."""
    engine, folder = argv
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "w")  # whatever a framework prints goes to stderr instead
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    worker = Worker(engine, Path(folder))
    print("done", file=answers, flush=True)
    for line in sys.stdin:
        command, *arguments = line.split(maxsplit=1)
        getattr(worker, command)(*(argument.strip() for argument in arguments))
        print("done", file=answers, flush=True)


if __name__ == "__main__":
    sys.exit(guarded(main, sys.argv[1:]))
