"""``python -m experiments.report``; see ``experiments.report.command``."""

import sys

from experiments.report.command import main
from utils.system.errors import guarded

sys.exit(guarded(main))
