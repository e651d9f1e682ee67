"""Lists a grid's runs with what each is estimated to take, and trains nothing."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Mapping
from typing import Any

from data_prep import DATASETS
from experiments.grids.estimate import Estimate, Estimator
from experiments.grids.execute import arguments_of
from experiments.grids.plan import Grid, RunIndex
from experiments.grids.planned import Planned
from utils.engine import command_of
from utils.system.errors import UserError


def dry_run(grid: Grid) -> int:
    """Print every command of ``grid`` with its estimate, and the sums; returns 0.

    Data that are not prepared yet are said to be so; the estimate then goes by the counts a catalogued data set
    is known to have.
    """
    estimator, index = Estimator(grid.options.log_dir), RunIndex()
    prepared = {dataset: _is_prepared(dataset, grid, index) for dataset in grid.datasets}
    estimates, finished = [], 0
    for number, planned in enumerate(grid.runs, start=1):
        dataset = planned.options.data.dataset
        settled = index.learned(planned) if prepared[dataset] else planned
        if prepared[dataset] and index.is_finished(settled):
            finished += 1
            cost = "finished"
        else:
            counts = index.facts(planned.options).counts if prepared[dataset] else _published_counts(dataset)
            estimates.append(estimator.estimate(settled, counts))
            cost = _cost(estimates[-1])
        print(f"{number:3}  {cost:19}  {command_line(settled)}")
    _print_sums(estimates, finished, grid.options.jobs)
    return 0


def command_line(planned: Planned) -> str:
    """The command of a run as one would type it; what it has yet to learn from a first run is said in words."""
    words = [*command_of(planned.engine).split(), *map(shlex.quote, arguments_of(planned))]
    if planned.learned:
        words = _without(words, planned.learned)
        words += [f"--{name} <{_LEARNED[name]}>" for name in planned.learned]
    return " ".join(words)


_LEARNED = {"anneal_cap": "beta at its best epoch when annealed to 1", "anneal_share": "slope kept"}


def _without(words: list[str], names: tuple[str, ...]) -> list[str]:
    dropped = {place + offset for place, word in enumerate(words) if word[2:] in names for offset in (0, 1)}
    return [word for place, word in enumerate(words) if place not in dropped]


def _is_prepared(dataset: str, grid: Grid, index: RunIndex) -> bool:
    try:
        for planned in grid.runs:
            if planned.options.data.dataset == dataset:
                index.facts(planned.options)
    except UserError as error:
        print(f"not prepared yet: {error}", file=sys.stderr)
        return False
    return True


def _published_counts(dataset: str) -> Mapping[str, Any] | None:
    """The counts a catalogued data set must have once prepared; None where too few are published."""
    known = DATASETS[dataset].expected if dataset in DATASETS else {}
    if not {"users", "items", "events"} <= set(known):
        return None
    size = DATASETS[dataset].test_users_size
    held_out = int(size * known["users"]) if size < 1 else int(size)
    derived = {
        "training_users": known["users"] - 2 * held_out,
        "training_items": known["items"],
        "training_events": known["events"],
        "validation_users": held_out,
    }
    return derived | dict(known)


def _print_sums(estimates: list[Estimate | None], finished: int, jobs: int) -> None:
    known = [estimate for estimate in estimates if estimate is not None]
    line = f"{len(estimates) + finished} runs, {finished} of them finished"
    if known:
        hours = sum(estimate.seconds for estimate in known) / jobs / 3600
        at_once = sum(sorted((estimate.mib for estimate in known), reverse=True)[:jobs]) / 1024
        line += f"; the others, {jobs} at a time: about {_hours(hours)}, {at_once:.1f} GiB of memory"
    print(line)
    if len(known) < len(estimates):
        print(f"{len(estimates) - len(known)} without an estimate: nothing like them was measured, or data are unknown")
    if any(not estimate.measured for estimate in known):
        print(
            "~: rough, right within a factor of three or so, from the layers' sizes and this machine's speed, "
            "for all planned epochs; runs that stop early take less"
        )


def _cost(estimate: Estimate | None) -> str:
    if estimate is None:
        return "?"
    return f"{'' if estimate.measured else '~'}{_hours(estimate.seconds / 3600)}, {estimate.mib / 1024:.1f} GiB"


def _hours(hours: float) -> str:
    if hours >= 1:
        return f"{hours:,.1f} h"
    return f"{hours * 60:.0f} min" if hours >= 1 / 60 else f"{hours * 3600:.0f} s"
