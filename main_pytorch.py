"""Train one model in PyTorch on prepared data, and test it.

python main_pytorch.py --dataset movielens-100k --model vae
python main_pytorch.py --help
"""

import sys
from collections.abc import Sequence

from utils.system.errors import guarded
from utils.system.interruption import Interruption


def main(argv: Sequence[str] | None) -> int:
    """The command; returns the exit code."""
    with Interruption():  # loading the program takes a second, in which it may be interrupted too
        from experiments.runs.run import main as run_main
    return run_main("pytorch", argv)


if __name__ == "__main__":
    sys.exit(guarded(main))
