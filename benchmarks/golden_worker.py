"""One run that gets Ctrl-C at its n-th training step: ``python -m benchmarks.golden_worker ENGINE STEP OPTIONS...``."""

from __future__ import annotations

import os
import signal
import sys

from benchmarks.children import report
from experiments.runs.run import main as run_main
from utils.engine import load_engine


def main() -> int:
    """The worker; reports the exit code that the run's own command would have had (``code``)."""
    engine, step, *argv = sys.argv[1:]
    learner = load_engine(engine).StepLearner
    train_step, steps = learner.train_step, []

    def interrupted(self, *given):
        steps.append(1)
        if len(steps) == int(step):
            os.kill(os.getpid(), signal.SIGINT)
        return train_step(self, *given)

    learner.train_step = interrupted
    report(code=run_main(engine, argv))
    return 0


if __name__ == "__main__":
    sys.exit(main())
