"""Runs that differ in the framework only, side by side, with the error of their difference."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from experiments.analysis.published import is_blank
from utils.engine import ENGINES
from utils.results import DECISIVE_OPTIONS, DIVERGED
from utils.results_table import NOT_APPLICABLE
from utils.run_arrays import read_per_user
from utils.system.errors import UserError, one_line

Run = Mapping[str, Any]  # a row of a table of results

#: The figures that are compared; for the loss less is better.
FIGURES = ("n100", "r20", "r50", "loss")
#: What is told of each framework beside them.
ABOUT = ("best_epoch", "epochs", "epoch_seconds", "seconds", "peak_memory_mib")
#: The options that two runs must share to be a pair; the seed is the axis averaged over.
OPTIONS = (*(name for name in DECISIVE_OPTIONS if name != "seed"), "data")
_ENGINE_OF = {entry.dl_frame: name for name, entry in ENGINES.items()}
_FIRST, _SECOND = ENGINES  # a difference is the first less the second: PyTorch - MXNet


@dataclass(frozen=True)
class Pair:
    """The runs of one setting in both frameworks (or on any two other sides that are to be compared).

    Attributes:
        options: by name (``OPTIONS``); "" where the table does not say.
        seeds: the seeds that both sides ran, ascending; ``("",)`` in tables without seeds.
        runs: by engine (or side) and seed, the runs; more than one for a seed only in tables without seeds. A
            difference is that of the first side less the second.
    """

    options: dict[str, Any]
    seeds: tuple[Any, ...]
    runs: dict[str, dict[Any, list[Run]]]

    def over_seeds(self, side: str, name: str) -> np.ndarray:
        """The column ``name`` for each seed, float64 ``(seeds,)``; NaN where the table does not say."""
        per_seed = [[number(run.get(name)) for run in self.runs[side][seed]] for seed in self.seeds]
        return np.array([np.mean(values) for values in per_seed])


def compare(frames: pd.DataFrame | Iterable[pd.DataFrame]) -> pd.DataFrame:
    """Compare the frameworks wherever they ran the same options, one row per setting.

    Args:
        frames: tables of results (``utils.results.load``, ``collect``), one or several; a run that stands in
            two of them counts once.

    Returns:
        One row per setting that both frameworks ran with at least one common seed, by data set, model,
        ``p_dims`` and cap. Columns: the options (``OPTIONS``, "" where not known); ``seeds`` (their number),
        ``seed_list`` (text) and ``test_users``; for each of ``FIGURES`` and ``ABOUT`` and each engine
        ``<name>_<engine>`` and ``<name>_<engine>_sd``, mean and standard deviation over the common seeds (NaN
        for one seed); for each of ``FIGURES`` ``<name>_diff`` (PyTorch - MXNet), ``<name>_diff_se`` and
        ``<name>_p``: the standard error and the paired t-test over users of the per-user differences, averaged
        over the seeds first (NaN where a run's ``per_user.npz`` is absent).
    """
    pairs, _ = pair_up(frames)
    return pd.DataFrame([_compared(pair) for pair in pairs], columns=_columns())


def pair_up(frames: pd.DataFrame | Iterable[pd.DataFrame]) -> tuple[list[Pair], list[Run]]:
    """The pairs in ``frames`` and the runs without a partner; every run is in one of them. See :func:`compare`."""
    by_options: dict[tuple, dict[str, dict[Any, list[Run]]]] = {}
    unpaired: list[Run] = []
    for run in distinct_runs(frames):
        engine = engine_of(run)
        if engine is None or run.get("status") == DIVERGED:  # the best weights of half a training compare with nothing
            unpaired.append(run)
            continue
        key = tuple("" if is_blank(run.get(name)) else run[name] for name in OPTIONS)
        by_options.setdefault(key, {name: {} for name in ENGINES})[engine].setdefault(seed_of(run), []).append(run)
    pairs = []
    for key, runs in by_options.items():
        seeds = tuple(sorted(set.intersection(*(set(of_engine) for of_engine in runs.values())), key=str_or_number))
        if seeds:
            pairs.append(Pair(dict(zip(OPTIONS, key, strict=True)), seeds, runs))
        for of_engine in runs.values():
            unpaired += [run for seed, same in of_engine.items() if seed not in seeds for run in same]
    return sorted(pairs, key=lambda pair: reading_order(pair.options)), sorted(unpaired, key=reading_order)


def reading_order(run: Run) -> tuple:
    """The order of tables: data set, model, widths, cap, then everything else."""
    widths = [int(width) for width in str(run["p_dims"]).strip("[]").split(",") if width.strip()]
    rest = [str_or_number(run.get(name, "")) for name in (*OPTIONS, "dl_frame", "seed")]
    return (run["dataset"], run["model"], widths, str_or_number(run["anneal_cap"]), rest)


def str_or_number(value: Any) -> tuple[float, str]:
    """A sort key for a column that holds numbers, text and blanks: blanks, numbers, text."""
    if is_blank(value):
        return (-np.inf, "")
    return (float(value), "") if isinstance(value, (int, float, np.number)) else (np.inf, str(value))


def seed_of(run: Run) -> Any:
    """The seed of a run; "" in tables without seeds."""
    return "" if is_blank(run.get("seed")) else int(run["seed"])


def engine_of(run: Run) -> str | None:
    """The engine of a run; None where its framework is not one of ours."""
    return _ENGINE_OF.get(run["dl_frame"])


def distinct_runs(frames: pd.DataFrame | Iterable[pd.DataFrame]) -> list[Run]:
    """The rows of ``frames``, in their order; a run that stands in two of them once."""
    frames = [frames] if isinstance(frames, pd.DataFrame) else frames
    runs, known = [], set()
    for run in (run for frame in frames for run in frame.to_dict("records")):
        run_id = run.get("run_id", "")
        if run_id and run_id in known:
            continue
        known.add(run_id)
        runs.append(run)
    return runs


def with_profile(run: Run) -> Run:
    """``run`` with the profile that tables older than the profiles, or of others, do not tell: the paper's."""
    defaults = {"profile": "paper", "deviations": "[]"}
    return {**run, **{name: value for name, value in defaults.items() if is_blank(run.get(name))}}


def _columns() -> list[str]:
    of_engines = [f"{name}_{engine}{end}" for name in (*FIGURES, *ABOUT) for engine in ENGINES for end in ("", "_sd")]
    of_both = [f"{name}_{what}" for name in FIGURES for what in ("diff", "diff_se", "p")]
    return [*OPTIONS, "seeds", "seed_list", "test_users", *of_engines, *of_both]


def _compared(pair: Pair) -> dict[str, Any]:
    seeds = [str(seed) for seed in pair.seeds if seed != ""]
    users = pair.over_seeds(_FIRST, "test_users")[0]
    row = {**pair.options, "seeds": len(pair.seeds), "seed_list": ", ".join(seeds), "test_users": users}
    for name in (*FIGURES, *ABOUT):
        for engine in ENGINES:
            values = pair.over_seeds(engine, name)
            row[f"{name}_{engine}"] = float(np.mean(values))
            row[f"{name}_{engine}_sd"] = float(np.std(values, ddof=1)) if len(values) > 1 else np.nan
    per_user = user_differences(pair)
    for name in FIGURES:
        row[f"{name}_diff"] = row[f"{name}_{_FIRST}"] - row[f"{name}_{_SECOND}"]
        row[f"{name}_diff_se"], row[f"{name}_p"] = error_and_p(per_user.get(name))
    return row


def user_differences(pair: Pair) -> dict[str, np.ndarray]:
    """Each user's difference in each of ``FIGURES``, first side less second, over the seeds, float64 ``(users,)``.

    Empty where a run's ``per_user.npz`` is absent or of other users, which is said on stderr.
    """
    chosen = [pair.runs[side][seed] for seed in pair.seeds for side in pair.runs]
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
    firsts, seconds = figures[0::2], figures[1::2]
    return {
        name: np.mean([a[name] - b[name] for a, b in zip(firsts, seconds, strict=True)], axis=0) for name in FIGURES
    }


def _user_figures(run: Run) -> dict[str, np.ndarray]:
    stored = read_per_user(run["folder"])
    lacking = [name for name in ("n100", "r20", "r50", "nll", "kl") if name not in stored]
    if lacking:
        raise UserError(f"{run['folder']}/per_user.npz lacks {', '.join(lacking)}; run the run again")
    figures = {name: stored[name].astype(np.float64) for name in ("n100", "r20", "r50", "nll", "kl")}
    beta = 0.0 if run.get("beta") == NOT_APPLICABLE else number(run.get("beta"))
    return {**figures, "user": stored["user"], "loss": figures["nll"] + beta * figures["kl"]}


def error_and_p(differences: np.ndarray | None) -> tuple[float, float]:
    """Standard error of the mean of paired differences ``(users,)`` and the p of the paired t-test.

    NaN where there are too few users to say.
    """
    if differences is None or len(differences) < 2:
        return np.nan, np.nan
    error = float(stats.sem(differences))
    if error == 0:  # all users alike: there is nothing to test
        return error, np.nan
    return error, float(stats.ttest_1samp(differences, 0.0).pvalue)


def number(value: Any) -> float:
    """The value of a cell of a table of results, NaN where it says nothing or does not apply."""
    return np.nan if value is None or is_blank(value) or value == NOT_APPLICABLE else float(value)
