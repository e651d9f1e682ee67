"""Runs a grid of experiments: ``python -m experiments.grid --grid quick``.

What is finished already is skipped, every other run is a process of its own, and a run that fails does not stop
the rest. The grids are the files of ``experiments/grids`` and of ``studies/*/grids``; ``experiments/grids/file.py``
says how they are written.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence

from tabulate import tabulate

from experiments.grids.dry_run import dry_run
from experiments.grids.execute import run
from experiments.grids.file import grid_names, read_grid
from experiments.grids.plan import GridOptions, settle
from utils.system.command_line import parsed, parser_for

_WIDTH, _NARROWEST = 120, 30  # of the list of grids; of what it says of each


def main(argv: Sequence[str] | None = None) -> int:
    """The command ``python -m experiments.grid``; returns the exit code: 1 when a run failed."""
    options = options_from(argv, "python -m experiments.grid")
    if options.list:
        print_grids()
        return 0
    grid = settle(options)
    return dry_run(grid) if options.dry_run else run(grid)


def options_from(argv: Sequence[str] | None, prog: str) -> GridOptions:
    """The command line as options; ``UserError`` says what is wrong with it."""
    parser = parser_for(GridOptions, prog, "Run a grid of experiments; finished runs are skipped.")
    return parsed(GridOptions, parser, argv)


def print_grids() -> None:
    """Print the name of each grid and what it is for, in two columns as wide as the terminal, 120 at the most."""
    names = grid_names()
    left = min(_WIDTH, shutil.get_terminal_size((_WIDTH, 24)).columns) - max(map(len, names)) - 2
    rows = [(name, read_grid(name).description) for name in names]
    print(tabulate(rows, tablefmt="plain", disable_numparse=True, maxcolwidths=[None, max(left, _NARROWEST)]))
