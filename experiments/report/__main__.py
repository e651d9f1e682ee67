"""``python -m experiments.report``; see ``experiments.report.door``."""

import sys

from experiments.report.door import main
from utils.system.errors import guarded

sys.exit(guarded(main))
