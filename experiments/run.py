"""One run from Python: ``from experiments.run import train``; see ``experiments.runs.run``."""

from experiments.runs.run import train

__all__ = ["train"]
