"""Runs a grid of experiments: ``python -m experiments.grid``; see ``experiments.grids.command``."""

import sys

from experiments.grids.command import main
from utils.system.errors import guarded

if __name__ == "__main__":
    sys.exit(guarded(main))
