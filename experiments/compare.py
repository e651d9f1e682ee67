"""Compares what the frameworks found: ``python -m experiments.compare``; see ``experiments.analysis.compare``."""

import sys

from experiments.analysis.compare import main
from utils.system.errors import guarded

if __name__ == "__main__":
    sys.exit(guarded(main))
