"""The runs of a report by setting: those that differ in nothing but the seed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from experiments.analysis.pairs import Pair, pair_of
from experiments.analysis.runs import (
    OPTIONS,
    Run,
    engine_of,
    framework_title,
    number,
    option_value,
    reading_order,
    seed_of,
    sort_key,
    with_profile,
)
from experiments.analysis.settings_text import setting, shared_and_varying
from utils.deviations import PROFILES
from utils.engine import ENGINES
from utils.figures import FIGURES, PRIMARY
from utils.results import DIVERGED
from utils.results_table import NOT_APPLICABLE

VALIDATION = f"val_{PRIMARY}"  # the column of the figure on the validation users
_TITLE = FIGURES[PRIMARY].title


@dataclass(frozen=True)
class Setting:
    """The runs of one framework with the same options and data.

    Attributes:
        options: by name (``OPTIONS``) and ``dl_frame``; "" where the table does not say.
        runs: in the order of their seeds.
    """

    options: dict[str, Any]
    runs: tuple[Run, ...]

    @property
    def model(self) -> str:
        """The model's name."""
        return self.options["model"]

    @property
    def framework(self) -> str:
        """The framework as people write it; a model of another library has that library's, or ""."""
        return framework_title(self.options)

    @property
    def engine(self) -> str | None:
        """The engine; None of a model without one of ours."""
        return engine_of(self.options)

    @property
    def by_seed(self) -> dict[Any, list[Run]]:
        """The runs of each seed."""
        found: dict[Any, list[Run]] = {}
        for run in self.runs:
            found.setdefault(seed_of(run), []).append(run)
        return found

    def values(self, name: str) -> np.ndarray:
        """A column of the runs, float64 ``(runs,)``; NaN where the table does not say."""
        return np.array([number(run.get(name)) for run in self.runs])

    def words(self, varying: Sequence[str]) -> str:
        """The setting in words, of the options ``varying`` those not at their default."""
        return setting(self.options, varying)


def with_result(runs: Iterable[Run]) -> tuple[list[Run], list[str]]:
    """The runs that have a result, in reading order, and a line for each that has none or diverged.

    The best weights of half a training compare with nothing.
    """
    kept, left_out = [], []
    for run in runs:
        if run.get("status") == DIVERGED or np.isnan(number(run.get(PRIMARY))):
            left_out.append(run)
        else:
            kept.append(with_profile(run))
    named = [run for run in left_out if run.get("run_id")]
    notes = [
        f"{run['run_id']} {'diverged' if run.get('status') == DIVERGED else f'has no {_TITLE}'} and is left out."
        for run in named
    ]
    if nameless := len(left_out) - len(named):
        notes.append(f"{nameless} without {_TITLE} left out.")
    return sorted(kept, key=reading_order), notes


def settings_of(runs: Iterable[Run]) -> list[Setting]:
    """``runs`` by setting, in reading order."""
    groups: dict[tuple, list[Run]] = {}
    for run in runs:
        groups.setdefault(tuple(option_value(run, name) for name in (*OPTIONS, "dl_frame")), []).append(run)
    found = [
        Setting(
            dict(zip((*OPTIONS, "dl_frame"), key, strict=True)),
            tuple(sorted(group, key=lambda run: sort_key(seed_of(run)))),
        )
        for key, group in groups.items()
    ]
    return sorted(found, key=lambda found: (reading_order({**found.options, "dl_frame": ""}), _place(found)))


def best_settings(settings: Sequence[Setting]) -> list[Setting]:
    """The best setting of each framework and model, as the validation users say (the test users where they do not).

    The study's profile computes otherwise than the paper and is taken only where nothing else ran; so is a setting
    without validation, whose test figures would be compared with validation figures of others.
    """
    places: dict[tuple, list[Setting]] = {}
    for found in settings:
        places.setdefault((found.model, found.options["dl_frame"]), []).append(found)
    papers = next(iter(PROFILES))
    return [
        max(group, key=lambda found: (found.options["profile"] == papers, by_validation(found), score(found)))
        for group in places.values()
    ]


def best_run(found: Setting) -> Run:
    """The run of a setting that was best on the validation users (on the test users where these are not known)."""
    return max(found.runs, key=_score_of_run)


def score(found: Setting) -> float:
    """The mean NDCG@100 of a setting on the validation users (on the test users where not all of these are known)."""
    return float(np.mean(found.values(VALIDATION if by_validation(found) else PRIMARY)))


def by_validation(found: Setting) -> bool:
    """Whether the validation scores of all runs are known."""
    return not np.isnan(found.values(VALIDATION)).any()


def side_by_side(first: Setting, second: Setting) -> Pair | None:
    """Two settings as a pair, by the seeds that both ran; None where there are none. First less second."""
    return pair_of(first.options, {"first": first.by_seed, "second": second.by_seed})


def alike(settings: Sequence[Setting]) -> list[list[Setting]]:
    """Settings that differ in the framework only, together."""
    groups: dict[tuple, list[Setting]] = {}
    for found in settings:
        key = tuple(value for name, value in found.options.items() if name != "dl_frame")
        groups.setdefault(key, []).append(found)
    return list(groups.values())


def fullness(group: Sequence[Setting]) -> tuple[Any, ...]:
    """Of :func:`alike` settings: prefers what most frameworks and seeds ran, near the defaults, best on validation."""
    cap = group[0].options["anneal_cap"]
    not_default, _ = shared_and_varying([group[0].options])
    best = max(score(found) for found in group)
    return len(group), sum(len(found.runs) for found in group), -len(not_default), cap == NOT_APPLICABLE, best


def _place(found: Setting) -> int:
    return list(ENGINES).index(found.engine) if found.engine else len(ENGINES)


def _score_of_run(run: Run) -> float:
    validation = number(run.get(VALIDATION))
    return number(run[PRIMARY]) if np.isnan(validation) else validation
