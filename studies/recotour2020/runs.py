"""Which runs say what of the discrepancy: the core, single deviations and their partners, beta annealed to 1."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from experiments.analysis.pairs import Pair, pair_of
from experiments.analysis.runs import OPTIONS, Run, engine_of, option_value, reading_order, seed_of, with_profile
from experiments.analysis.settings_text import option_text, shared_and_varying
from utils.deviations import DEVIATIONS, PROFILES, deviations_of
from utils.engine import ENGINES
from utils.options import RunOptions
from utils.results import DIVERGED

#: The sides of a deviation's comparison; its cost is the first less the second.
WITH, WITHOUT = "with", "without"
_AXES = ("profile", "deviations", "anneal_cap", "annealing", "constant_anneal", "weight_decay")


@dataclass(frozen=True)
class Cell:
    """One place of the core: the runs of one profile, cap and weight decay in both frameworks.

    ``runs`` by engine and seed; ``pair`` is of the seeds that both ran, None where there is none.
    """

    profile: str
    cap: float
    weight_decay: float
    runs: dict[str, dict[int, Run]]
    pair: Pair | None

    @property
    def all_runs(self) -> list[Run]:
        """The runs of both frameworks."""
        return [run for of_seeds in self.runs.values() for run in of_seeds.values()]


@dataclass(frozen=True)
class Effect:
    """Deviations that one setting has and another, equal in all else, has not.

    Attributes:
        names: the deviations, in the order of ``DEVIATIONS``.
        profile: the profile they were added to, or taken from.
        added: whether they were added.
        engine: where it was run.
        pair: the runs ``WITH`` and ``WITHOUT`` them, by the seeds that ran both.
    """

    names: tuple[str, ...]
    profile: str
    added: bool
    engine: str
    pair: Pair


def usable(runs: Iterable[Run]) -> list[Run]:
    """The runs of this project's own vae, in reading order; what is not known of an older run has its default."""
    known = []
    for run in runs:
        if engine_of(run) is None or run["model"] != "vae" or not run.get("run_id") or run.get("status") == DIVERGED:
            continue
        known.append(with_profile(run))
    return sorted(known, key=reading_order)


def in_force(run: Run) -> frozenset[str]:
    """The deviations under which a run of :func:`usable` was computed."""
    names = tuple(name for name in option_text(run["deviations"]).split(",") if name)
    return deviations_of(RunOptions(profile=run["profile"], deviations=names).model, engine_of(run))


def core(runs: Sequence[Run]) -> list[Cell]:
    """The core: every profile, cap and weight decay that was run without single deviations, all else equal.

    Where there are runs of several other settings (another batch size, a scheduler), those are taken that fill most
    cells; among equals, those nearest to the defaults.
    """
    cells: dict[tuple, dict[str, dict[int, Run]]] = {}
    for run in _fullest(filter(_is_core, runs), lambda group: -len(shared_and_varying(group[:1])[0])):
        place = (run["profile"], run["anneal_cap"], run["weight_decay"])
        cells.setdefault(place, {name: {} for name in ENGINES})[engine_of(run)][seed_of(run)] = run
    found = [Cell(*place, of_engines, _pair(of_engines)) for place, of_engines in cells.items()]
    return sorted(found, key=lambda cell: (list(PROFILES).index(cell.profile), cell.cap, cell.weight_decay))


def annealed_to_one(runs: Sequence[Run]) -> list[Run]:
    """The runs of both profiles, without weight decay, whose beta rises to 1; of several settings see :func:`core`.

    Among equals, those that ran longest.
    """
    candidates = (run for run in runs if _is_core(run) and run["anneal_cap"] == 1 and run["weight_decay"] == 0)
    return _fullest(candidates, lambda group: sum(run["epochs"] for run in group))


def effects(runs: Sequence[Run]) -> tuple[list[Effect], list[str]]:
    """Every setting with deviations added to its profile or taken from it, beside its partner without the change.

    Returns:
        The effects, single deviations first, in the order of ``DEVIATIONS``; a line for each setting without partner.
    """
    settings: dict[tuple, dict[frozenset[str], dict[int, Run]]] = {}
    for run in runs:
        shared = tuple(option_value(run, name) for name in OPTIONS if name != "deviations")
        of_setting = settings.setdefault((engine_of(run), shared), {})
        of_setting.setdefault(in_force(run), {}).setdefault(seed_of(run), run)
    found: list[Effect] = []
    notes: list[str] = []
    for (engine, _), by_force in settings.items():
        for force, of_seeds in by_force.items():
            one = next(iter(of_seeds.values()))
            stock = PROFILES[one["profile"]][engine]
            if force == stock:
                continue
            which = f"{one['run_id']} (profile {one['profile']}, deviations {option_text(one['deviations'])})"
            if not (force > stock or force < stock):
                notes.append(f"adds to its profile and takes from it, which is no deviation's own effect: {which}")
            elif set(of_seeds) & set(by_force.get(stock, {})):
                found.append(_effect(engine, one["profile"], force, of_seeds, by_force[stock]))
            else:
                notes.append(f"no finished run of the same seed without its deviations: {which}")
    return sorted(found, key=_effect_order), notes


def shared_and_varying_of(effects: Sequence[Effect]) -> tuple[list[str], list[str]]:
    """What the settings of ``effects`` share beside the defaults, as texts; the options beside profile and deviations
    that they differ in.
    """
    shared, varying = shared_and_varying([effect.pair.options for effect in effects])
    return shared, [name for name in varying if name not in ("profile", "deviations")]


def _effect(
    engine: str, profile: str, force: frozenset[str], changed: Mapping[int, Run], unchanged: Mapping[int, Run]
) -> Effect:
    stock = PROFILES[profile][engine]
    added = force > stock
    sides = {WITH: changed, WITHOUT: unchanged} if added else {WITH: unchanged, WITHOUT: changed}
    names = tuple(name for name in DEVIATIONS if name in force ^ stock)
    return Effect(names, profile, added, engine, _pair(sides))


def _effect_order(effect: Effect) -> tuple:
    places = [list(DEVIATIONS).index(name) for name in effect.names]
    options = {**effect.pair.options, "profile": "", "deviations": ""}
    profile = list(PROFILES).index(effect.profile)
    return (len(places), places, reading_order({**options, "seed": ""}), list(ENGINES).index(effect.engine), profile)


def _is_core(run: Run) -> bool:
    annealing = "constant" if run["anneal_cap"] == 0 else "relative"
    return in_force(run) == PROFILES[run["profile"]][engine_of(run)] and run["annealing"] == annealing


def _fullest(runs: Iterable[Run], among_equals: Callable[[list[Run]], Any]) -> list[Run]:
    """Of ``runs`` those that share the options beside ``_AXES`` and fill most of the places these span."""
    groups: dict[tuple, list[Run]] = {}
    for run in runs:
        rest = tuple(option_value(run, name) for name in OPTIONS if name not in _AXES)
        groups.setdefault(rest, []).append(run)

    def places(group: list[Run]) -> int:
        return len(
            {(engine_of(run), *(run[name] for name in ("profile", "anneal_cap", "weight_decay"))) for run in group}
        )

    return max(groups.values(), key=lambda group: (places(group), among_equals(group)), default=[])


def _pair(sides: Mapping[str, Mapping[int, Run]]) -> Pair | None:
    """The pair of two sides' runs by seed; None where they share no seed."""
    one = next((run for of_seeds in sides.values() for run in of_seeds.values()), {})
    options = {name: option_value(one, name) for name in OPTIONS}
    return pair_of(options, {side: {seed: [run] for seed, run in of_seeds.items()} for side, of_seeds in sides.items()})
