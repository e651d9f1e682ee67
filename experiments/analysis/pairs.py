"""Runs side by side that differ in one thing: the framework, the model, a deviation; and their difference."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd

from experiments.analysis.runs import (
    OPTIONS,
    Run,
    distinct_runs,
    engine_of,
    number,
    option_value,
    reading_order,
    seed_of,
    sort_key,
)
from experiments.analysis.statistics import Difference
from utils.engine import ENGINES
from utils.figures import MAIN_FIGURES, PRIMARY
from utils.metrics.sampled import SAMPLED_METRICS
from utils.results import DIVERGED
from utils.results_table import NOT_APPLICABLE
from utils.run_arrays import read_per_user
from utils.system.errors import UserError, one_line

#: The figures that are compared.
COMPARED = (*MAIN_FIGURES, *SAMPLED_METRICS, "loss")


@dataclass(frozen=True)
class Pair:
    """The runs of two sides that are to be compared: a setting in two frameworks, or any other two.

    Attributes:
        options: by name (``OPTIONS``); "" where the table does not say.
        seeds: the seeds that both sides ran, ascending; ``("",)`` in tables without seeds.
        runs: by side (an engine, of two frameworks) and seed, the runs; more than one for a seed only in tables
            without seeds. A difference is that of the first side less the second.
    """

    options: dict[str, Any]
    seeds: tuple[Any, ...]
    runs: dict[str, dict[Any, list[Run]]]

    @property
    def is_deterministic(self) -> bool:
        """Whether neither side draws anything, so that there is one run of each and nothing over seeds."""
        return self.seeds == (NOT_APPLICABLE,)

    @property
    def used(self) -> list[Run]:
        """The runs that are compared, side by side."""
        return [run for side in self.runs.values() for seed in self.seeds for run in side[seed]]

    def of_seed(self, seed: Any) -> Pair:
        """The pair of one of the seeds alone."""
        return Pair(self.options, (seed,), self.runs)

    def over_seeds(self, side: str, name: str) -> np.ndarray:
        """The column ``name`` for each seed, float64 ``(seeds,)``; NaN where the table does not say."""
        per_seed = [[number(run.get(name)) for run in self.runs[side][seed]] for seed in self.seeds]
        return np.array([np.mean(values) for values in per_seed])

    def difference(self, figure: str = PRIMARY) -> Difference:
        """The difference in a figure, over seeds and over users."""
        sides = self.user_figures.get(figure)
        per_user = None if sides is None else np.mean(sides[0] - sides[1], axis=0)
        return Difference(*(self.over_seeds(side, figure) for side in self.runs), per_user)

    @cached_property
    def user_figures(self) -> dict[str, np.ndarray]:
        """Each user's figures of ``COMPARED`` on both sides, float64 ``(2, seeds, users)``, and ``user``, their rows in
        the test matrix, int ``(users,)``.

        Empty where a run's ``per_user.npz`` is absent or of other users, which is said on stderr.
        """
        chosen = [self.runs[side][seed] for seed in self.seeds for side in self.runs]
        if any(len(runs) != 1 or not runs[0].get("folder") for runs in chosen):
            return {}
        try:
            figures = [_user_figures(run) for (run,) in chosen]
        except UserError as error:
            print(f"warning: {one_line(error)}; its comparison has no standard error", file=sys.stderr)
            return {}
        users = figures[0]["user"]
        if any(not np.array_equal(users, other["user"]) for other in figures):
            where = ", ".join(run["run_id"] for (run,) in chosen)
            print(f"warning: the test users of {where} are not the same; no standard error", file=sys.stderr)
            return {}
        known = [name for name in COMPARED if all(name in each for each in figures)]
        sides = figures[0::2], figures[1::2]
        return {"user": users} | {name: np.array([[each[name] for each in side] for side in sides]) for name in known}


def pair_up(frames: pd.DataFrame | Iterable[pd.DataFrame]) -> tuple[list[Pair], list[Run]]:
    """The pairs of two frameworks that ran the same options, and the runs without a partner.

    Args:
        frames: tables of results (``utils.results.load``, ``collect``), one or several; a run that stands in two of
            them counts once.

    Returns:
        The pairs, by data set, model, ``p_dims`` and cap, and all runs that are in none of them.
    """
    by_options: dict[tuple, dict[str, dict[Any, list[Run]]]] = {}
    unpaired: list[Run] = []
    for run in distinct_runs(frames):
        engine = engine_of(run)
        if engine is None or run.get("status") == DIVERGED:  # the best weights of half a training compare with nothing
            unpaired.append(run)
            continue
        key = tuple(option_value(run, name) for name in OPTIONS)
        by_options.setdefault(key, {name: {} for name in ENGINES})[engine].setdefault(seed_of(run), []).append(run)
    pairs = []
    for key, runs in by_options.items():
        options = dict(zip(OPTIONS, key, strict=True))
        sides = [{name: runs[name] for name in two} for two in combinations(ENGINES, 2)]
        found = [pair for two in sides if (pair := pair_of(options, two))]
        pairs += found
        paired = {(engine, seed) for pair in found for engine in pair.runs for seed in pair.seeds}
        for engine, of_engine in runs.items():
            unpaired += [run for seed, same in of_engine.items() if (engine, seed) not in paired for run in same]
    return sorted(pairs, key=lambda pair: reading_order(pair.options)), sorted(unpaired, key=reading_order)


def pair_of(options: Mapping[str, Any], sides: Mapping[str, Mapping[Any, Sequence[Run]]]) -> Pair | None:
    """The pair of two sides' runs by seed; None where they share no seed.

    A side that draws nothing has one run, which stands beside every seed of the other.
    """
    first, second = sides
    runs = {name: {seed: list(of_seed) for seed, of_seed in side.items()} for name, side in sides.items()}
    for one, other in ((first, second), (second, first)):
        if set(runs[one]) == {NOT_APPLICABLE}:
            runs[one] = dict.fromkeys(runs[other], runs[one][NOT_APPLICABLE])
    seeds = tuple(sorted(set(runs[first]) & set(runs[second]), key=sort_key))
    return Pair({name: options.get(name, "") for name in OPTIONS}, seeds, runs) if seeds else None


def _user_figures(run: Run) -> dict[str, np.ndarray]:
    """The figures of each user that are compared, float64 ``(users,)``, and ``user``.

    The loss of a user is the negative log-likelihood and beta times the KL term, where the run has these.
    """
    stored = read_per_user(run["folder"])
    if lacking := [name for name in MAIN_FIGURES if name not in stored]:
        raise UserError(f"{run['folder']}/per_user.npz lacks {', '.join(lacking)}; run the run again")
    figures = {name: stored[name].astype(np.float64) for name in COMPARED if name in stored}
    if "nll" in stored:
        beta = 0.0 if run.get("beta") == NOT_APPLICABLE else number(run.get("beta"))
        kl = stored["kl"].astype(np.float64) if "kl" in stored else 0.0
        figures["loss"] = stored["nll"].astype(np.float64) + (beta * kl if beta else 0.0)
    return {**figures, "user": stored["user"]}
