"""Whether trainings are equal: ``python -m experiments.equivalence``; see ``experiments.analysis.equivalence``."""

import sys

from experiments.analysis.equivalence import main
from utils.system.errors import guarded

if __name__ == "__main__":
    sys.exit(guarded(main))
