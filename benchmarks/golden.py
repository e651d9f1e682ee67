"""Keeps what the program computes today, and says what computes otherwise later: ``python -m benchmarks.golden``.

    python -m benchmarks.golden record FOLDER       # before a change: writes FOLDER/golden.json
    python -m benchmarks.golden check FOLDER        # after it: runs all again and compares

In each engine, with two threads, on MovieLens 100K prepared anew: the quick grid; a run of the 2020 study's profile
with a deviation; a run interrupted by Ctrl-C and continued; a run whose loss becomes no number. Kept are the run ids,
the SHA-256 of each run's ``metrics.json``, ``per_user.npz`` and ``lists.npz``, and its row of ``all_results.csv``, but
for times, memory, machine and versions. For changes that are not to move a result by a bit; the last digits are the
machine's and the frameworks', so compare on one machine: ``check`` says where machine, threads or versions are others.
Exit code 0: all equal; 1: not, a line for each difference. Some minutes.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.worker import measure
from data_prep import DataOptions, prepare
from experiments.grids.execute import ROOT
from experiments.main_job import FETCHED
from experiments.runs.folder import CHECKED
from experiments.runs.run import main as run_main
from utils.engine import ENGINES, engine_obstacle, load_engine
from utils.results import cells
from utils.system.command_line import as_options, option, parser_for
from utils.system.errors import EXIT_BAD_INPUT, EXIT_INTERRUPTED, UserError, guarded
from utils.system.files import read_json, sha256_of, write_json

RECORDING = "golden.json"
THREADS = 2
#: The columns of ``all_results.csv`` that say how, where and when, and not what was found.
INCIDENTAL = frozenset(
    ("epoch_seconds", "eval_seconds", "seconds", "peak_memory_mib", "machine", "threads", "framework", "numpy",
     "python", "git_commit", "git_dirty", "finished")
)  # fmt: skip
_ABSENT = object()
_ENVIRONMENT = {"OMP_NUM_THREADS": str(THREADS)}

_SHORT = ("--dataset", FETCHED, "--batch_size", "100", "--n_epochs", "8")  # eight steps an epoch
_STUDY = (*_SHORT, "--profile", "recotour2020", "--deviations", "double_rescale", "--dropout_enc", "0.5,0.2",
          "--weight_decay", "0.001", "--lr_scheduler", "--lr_patience", "1", "--eval_every", "2")  # fmt: skip
_INTERRUPTED, _AT_STEP = (*_SHORT, "--seed", "4"), 20  # in the middle of the third epoch
_DIVERGED = (*_SHORT, "--optimizer", "sgd", "--lr", "0.1", "--anneal_cap", "100")  # in the second epoch


@dataclass(frozen=True)
class GoldenOptions:
    """The options of the command, but for what is to be done and the folder, which stand without a flag."""

    data_dir: str | None = option(
        None, "where", "folder whose downloads/ has the ratings, or gets them (default: they are fetched anew)"
    )


def main(argv: Sequence[str] | None = None) -> int:
    """The command; returns the exit code. Raises ``UserError`` on bad input and where a run ends as it should not."""
    parser = parser_for(GoldenOptions, "python -m benchmarks.golden", __doc__.partition("\n\n")[0])
    parser.add_argument("task", choices=("record", "check"), help="keep today's results, or compare with those kept")
    parser.add_argument("folder", metavar="FOLDER", help=f"where {RECORDING} is, or will be")
    given = parser.parse_args(argv)
    path = Path(given.folder) / RECORDING
    kept = _recording(path) if given.task == "check" else None
    if kept is None and path.exists():
        raise UserError(f"{path} is there already; check against it, remove it, or name another folder")
    if kept is None:
        path.parent.mkdir(parents=True, exist_ok=True)  # refused now rather than after minutes of work
    with tempfile.TemporaryDirectory(prefix="golden") as place:
        found = recording_of(_run_all(Path(place), as_options(GoldenOptions, given).data_dir))
    if kept is None:
        write_json(path, found)
        print(f"{len(found['runs'])} runs recorded: {path}")
        return 0
    return told(kept, found)


def recording_of(results: Path) -> dict[str, Any]:
    """What is kept of the finished runs in the folder ``results``, as JSON has it.

    ``about``: machine, threads, git commit and versions, by the runs' own records. ``runs``: by run id, ``files`` (the
    SHA-256 of each, None where the run has none) and ``columns`` (the cells of its row).
    """
    about, runs = {}, {}
    for row in cells(results):
        folder = results / "runs" / row["run_id"]
        record = read_json(folder / "run.json")
        about |= {name: record[name] for name in ("machine", "threads", "git_commit", "git_dirty")} | record["versions"]
        files = {name: sha256_of(folder / name) if (folder / name).exists() else None for name in CHECKED}
        columns = {name: text for name, text in row.items() if name not in INCIDENTAL}
        runs[row["run_id"]] = {"files": files, "columns": columns}
    return {"about": about, "runs": runs}


def told(kept: Mapping[str, Any], found: Mapping[str, Any]) -> int:
    """Print how two recordings differ, a line for each run and file; the exit code: 1 when they do, else 0."""
    for name, before in kept["about"].items():
        if (now := found["about"].get(name)) != before:
            print(f"{name}: recorded {before}, now {now}", file=sys.stderr)
    lines = differences(kept["runs"], found["runs"])
    print("\n".join(lines) if lines else f"{len(kept['runs'])} runs equal")
    return 1 if lines else 0


def differences(kept: Mapping[str, Any], found: Mapping[str, Any]) -> list[str]:
    """How the runs of two recordings differ, a line for each run and file (or row)."""
    lines = [f"{run_id}: not in the recording" for run_id in found if run_id not in kept]
    for run_id, before in kept.items():
        if run_id not in found:
            lines.append(f"{run_id}: recorded, not there now")
            continue
        now = found[run_id]
        lines += [f"{run_id}: {name} differs" for name in _unequal(before["files"], now["files"])]
        if columns := _unequal(before["columns"], now["columns"]):
            lines.append(f"{run_id}: its row differs in {', '.join(columns)}")
    return lines


def _unequal(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """The names whose values differ, or that only one of the two has."""
    return [name for name in dict.fromkeys((*before, *now)) if before.get(name, _ABSENT) != now.get(name, _ABSENT)]


def _recording(path: Path) -> dict[str, Any]:
    if not path.is_file():
        raise UserError(f"{path}: no recording there; make one first: python -m benchmarks.golden record {path.parent}")
    try:
        recording = read_json(path)
        for run in recording["runs"].values():
            dict(run["files"]), dict(run["columns"])
        dict(recording["about"])
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise UserError(f"{path} is no recording ({error}); remove it and record again") from None
    return recording


def _run_all(place: Path, downloads_of: str | None) -> Path:
    """Make every run in the empty folder ``place``; returns the folder of their results."""
    results, data = place / "results", place / "data"
    if downloads_of is not None:
        kept = Path(downloads_of).resolve() / "downloads"
        kept.mkdir(parents=True, exist_ok=True)
        data.mkdir()
        (data / "downloads").symlink_to(kept)
    prepare(DataOptions(FETCHED), data_dir=data, download=True, say=lambda line: None)
    folders = ("--data_dir", str(data), "--log_dir", str(results))
    engines = [name for name in ENGINES if engine_obstacle(name) is None]
    if not engines:
        raise UserError("no framework is installed; see bash run_experiments.sh")
    _run("the quick grid", "-m", "experiments.grid", "--grid", "quick", *folders)
    for engine in engines:
        script, title = f"main_{engine}.py", ENGINES[engine].title
        _run(f"{title}, the study's profile", script, *_STUDY, *folders)
        _interrupt(engine, *_INTERRUPTED, *folders)
        _run(f"{title}, continued", script, *_INTERRUPTED, *folders)
        _run(f"{title}, diverging", script, *_DIVERGED, *folders, expected=EXIT_BAD_INPUT)
    return results


def _run(what: str, *words: str, expected: int = 0) -> None:
    """Do ``python words...`` and say what it was; ``UserError`` when its exit code is not the ``expected`` one."""
    begun = time.perf_counter()
    environment = {**os.environ, **_ENVIRONMENT}
    done = subprocess.run([sys.executable, *words], cwd=ROOT, env=environment, capture_output=True, text=True)
    if done.returncode != expected:
        said = (done.stderr.strip() or done.stdout.strip() or "nothing").splitlines()[-1]
        raise UserError(f"{what}: exit code {done.returncode}, expected {expected}; it said: {said}")
    print(f"{what}: {time.perf_counter() - begun:.0f} s", flush=True)


def _interrupt(engine: str, *words: str) -> None:
    code = measure("benchmarks.golden", "interrupted run", engine, _AT_STEP, *words, environment=_ENVIRONMENT).result
    if code != EXIT_INTERRUPTED:
        raise UserError(f"{ENGINES[engine].title}: Ctrl-C at step {_AT_STEP} ended in exit code {code}, expected 130")


def works() -> dict[str, Callable]:
    """What a worker does."""
    return {"interrupted run": interrupted_run}


def interrupted_run(engine: str, at_step: int, *argv: str) -> int:
    """A run that gets Ctrl-C at its ``at_step``-th training step: the exit code that its command would have had."""
    learner = load_engine(engine).StepLearner
    train_step, steps = learner.train_step, []

    def interrupted(self, *given):
        steps.append(1)
        if len(steps) == at_step:
            os.kill(os.getpid(), signal.SIGINT)
        return train_step(self, *given)

    learner.train_step = interrupted
    return run_main(engine, argv)


if __name__ == "__main__":
    sys.exit(guarded(main))
