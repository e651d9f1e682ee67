"""Confirms a run's metrics from its weights: ``python -m experiments.verify``; see ``experiments.runs.verify``."""

import sys

from experiments.runs.verify import main
from utils.system.errors import guarded

if __name__ == "__main__":
    sys.exit(guarded(main))
