"""Why the study's frameworks differed: ``python -m experiments.discrepancy``; see ``studies.recotour2020.page``."""

import sys

from studies.recotour2020.page import main
from utils.system.errors import guarded

if __name__ == "__main__":
    sys.exit(guarded(main))
