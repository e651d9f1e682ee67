"""A run of a model without a framework, ``python -m experiments.run --model popularity``; from Python, ``train``."""

import sys

from experiments.runs.run import main, train

__all__ = ["train"]

if __name__ == "__main__":
    sys.exit(main("numpy"))
