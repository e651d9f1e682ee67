"""Both engines in lock-step: ``python -m experiments.parity``; see ``experiments.parity.command``."""

import sys

from experiments.parity.command import main
from utils.system.errors import guarded

if __name__ == "__main__":
    sys.exit(guarded(main))
