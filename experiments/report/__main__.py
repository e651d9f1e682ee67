"""``python -m experiments.report``; see ``experiments.report.door``."""

import sys

from experiments.report.door import main
from utils.errors import guarded

sys.exit(guarded(main))
