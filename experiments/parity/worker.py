"""One engine of the lock-step: does what it is told, a line at a time, and leaves arrays for the other side.

Started by ``experiments.parity.lockstep`` as ``python -m experiments.parity.worker ENGINE FOLDER``. Commands come on
stdin, one a line: ``step`` trains on the next batch and writes losses, gradients and weights to
``FOLDER/ENGINE.safetensors``; ``save FILE`` writes the weights, ``load FILE`` takes them; ``evaluate`` tests and writes
rankings, scores and metrics. Each is answered with ``done`` on stdout once its file is whole. The end of stdin ends the
worker.
"""

from __future__ import annotations

import itertools
import os
import sys
from collections.abc import Iterator
from pathlib import Path

from experiments.runs.run import data_of
from experiments.runs.steps import Step, training_steps
from experiments.tasks import task_of
from experiments.tasks.clicks import Fold
from utils.engine import FittedLearner, StepLearner, load_engine
from utils.options.command import parsed_run
from utils.system.errors import guarded
from utils.system.files import read_json
from utils.weights import load_arrays, save_arrays

OPTIONS_FILE = "options.json"  # the command line of the run, as a list
MOST_USERS = 2000  # of the test users, whose scores are compared whole


class Worker:
    """A learner of one engine on the batches of a run."""

    def __init__(self, engine: str, folder: Path) -> None:
        self.file = folder / f"{engine}.safetensors"
        self.options = parsed_run(read_json(folder / OPTIONS_FILE), "python -m experiments.parity").resolved()
        data = data_of(self.options)
        self.task = task_of(data, self.options)
        package = load_engine(engine, self.options.settings.threads)
        self.learner: StepLearner | FittedLearner = package.build(
            self.options, data.n_items, self.task, self.task.n_users
        )
        if self.options.training is None:
            self.learner.fit(self.task.clicks)
        self.steps = self._steps()

    def step(self) -> None:
        """Train on the next batch and write what came of it."""
        step = next(self.steps)
        loss = self.options.model.objective(self.learner.read_terms(step.handle), step.knobs)
        arrays = {f"gradient/{name}": array for name, array in self.learner.gradients().items()}
        arrays |= {f"weight/{name}": array for name, array in self.learner.weights().items()}
        save_arrays(self.file, arrays, {"loss": loss, "beta": step.knobs.get("beta", 0.0)})

    def save(self, path: str) -> None:
        """Write the weights."""
        save_arrays(path, self.learner.weights(), {})

    def load(self, path: str) -> None:
        """Take weights, written by either engine."""
        self.learner.load_weights(load_arrays(path)[0])

    def evaluate(self) -> None:
        """Test, and write rankings, scores and the mean of each metric."""
        test, first = self.task.test, slice(MOST_USERS)
        rows, candidates = (None if each is None else each[first] for each in (test.rows, test.candidates))
        fold = Fold(test.fold_in[first], test.held_out[first], rows, candidates)
        judged = self.task.judge(self.learner, fold)
        arrays = {"ranked": judged.evaluation.ranked, "scores": self.learner.scores(fold.fold_in, rows)}
        save_arrays(self.file, arrays, {name: mean for name, (mean, _) in judged.means().items()})

    def _steps(self) -> Iterator[Step]:
        for epoch in itertools.count(1):
            yield from training_steps(self.learner, self.task, epoch, self.options.training.lr)


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
