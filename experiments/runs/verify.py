"""Evaluates the stored weights of a run again and confirms its stored metrics: ``python -m experiments.verify RUN``.

RUN is the folder of a run, or its name with ``--log_dir``; it must have kept its weights (``--save_results``). Exit
code 0: confirmed; 1: the metrics found are others; 2: there is nothing to evaluate.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from experiments.runs.deviations import losses_of
from experiments.runs.evaluation import judge_test_users
from experiments.runs.folder import BEST_WEIGHTS, RunFolder
from experiments.runs.run import data_of
from experiments.runs.weights import load_weights
from experiments.tasks import task_of
from utils.engine import check_engine, load_engine
from utils.metrics.ranking import METRICS
from utils.models import MODELS
from utils.options import RunOptions
from utils.run_arrays import read_per_user
from utils.system.command_line import as_options, option, parser_for
from utils.system.errors import UserError
from utils.system.files import read_json

# Another machine or number of threads adds up in another order: a metric may then move by a user's item or two, the
# loss in its last digits.
METRIC_TOLERANCE, LOSS_TOLERANCE = 5e-5, 1e-5  # absolute; relative


@dataclass(frozen=True)
class VerifyOptions:
    """The options of the command, but for the run, which stands without a flag."""

    log_dir: str = option("results", "where", "folder of the results, for a run given by its name")
    data_dir: str | None = option(None, "where", "folder of the prepared data (default: the run's own)")
    device: str | None = option(None, "where", "cpu, cuda or cuda:N (default: the run's own)")


@dataclass(frozen=True)
class Finding:
    """One figure, as stored and as found now."""

    name: str
    stored: float
    found: float

    @property
    def agrees(self) -> bool:
        """Whether the two are the same but for the order in which a machine adds up."""
        if self.name in METRICS:
            return abs(self.stored - self.found) <= METRIC_TOLERANCE
        return math.isclose(self.stored, self.found, rel_tol=LOSS_TOLERANCE)

    def __str__(self) -> str:
        word = "the same" if self.stored == self.found else "agrees" if self.agrees else "DIFFERS"
        return f"{self.name:6} stored {self.stored:.12g}  found {self.found:.12g}  {word}"


def verify(run: Path, data_dir: str | None = None, device: str | None = None) -> list[Finding]:
    """What the test figures of the finished run in the folder ``run`` are, by its files and by its weights.

    Raises ``UserError`` when the run is not finished, kept no weights, or its data or framework are not here.
    """
    metrics, options, engine = _records(run)
    changes = {"data_dir": data_dir, "device": device}
    options = options.replace(**{name: value for name, value in changes.items() if value is not None})
    data = data_of(options)
    if data.fingerprint != metrics.get("data"):
        raise UserError(f"{run} was tested on the preparation {metrics.get('data')}, found is {data.fingerprint}; "
                        "prepare the data as they were, or name their folder with --data_dir")  # fmt: skip
    check_engine(engine, options)
    package = load_engine(engine, options.settings.threads)
    package.device_of(options.settings.device)
    task = task_of(data, options)
    learner = package.build(options, data.n_items, n_users=task.n_users)
    learner.load_weights(load_weights(run / BEST_WEIGHTS, options, data, learner.shapes()))
    knobs = {name: metrics.get(f"test_{name}", metrics[name]) for name in options.model.knobs}
    figures, per_user, _ = judge_test_users(learner, task, knobs, losses_of(options, engine), lambda: None)
    stored = read_per_user(run)
    names = [name for name in figures["test"] if name != "loss" or options.model.terms]
    findings = [Finding(name, float(metrics["test"][name]), figures["test"][name]) for name in names]
    if not np.array_equal(stored["user"], per_user["user"]):
        raise UserError(f"{run}: per_user.npz is of other test users than the prepared data; run the run again")
    return findings


def _records(run: Path) -> tuple[Mapping[str, Any], RunOptions, str]:
    """The metrics, the options (with the threads it had) and the engine of the run in the folder ``run``."""
    if not run.is_dir():
        raise UserError(f"{run}: no such run; give the folder of a run, or its name with --log_dir")
    if not RunFolder(run).is_finished(with_weights=False):
        raise UserError(f"{run} holds no sound results: run the run again, or to its end")
    if not (run / BEST_WEIGHTS).exists():
        raise UserError(f"{run} kept no weights; run it again with --save_results, its results will be the same")
    try:
        metrics, record, about = (read_json(run / name) for name in ("metrics.json", "options.json", "run.json"))
        options = RunOptions.from_flat(record).replace(threads=about["threads"]).resolved()
        if record["engine"] not in MODELS[options.model.name].engines:
            raise ValueError(f"its engine is {record['engine']!r}")
        return metrics, options, record["engine"]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise UserError(f"{run} is damaged ({error}); remove it and run it again") from error


def main(argv: Sequence[str] | None = None) -> int:
    """The command; returns the exit code."""
    parser = parser_for(
        VerifyOptions, "python -m experiments.verify", "Confirm a run's metrics from its stored weights."
    )
    parser.add_argument("run", metavar="RUN", help="the folder of a run, or its name")
    words = parser.parse_args(argv)
    options = as_options(VerifyOptions, words)
    run = Path(words.run) if Path(words.run).is_dir() else Path(options.log_dir) / "runs" / words.run
    run = run.resolve()  # "." has a name too
    findings = verify(run, options.data_dir, options.device)
    for finding in findings:
        print(finding)
    wrong = [finding.name for finding in findings if not finding.agrees]
    if wrong:
        print(f"NOT CONFIRMED: {run}: {', '.join(wrong)}", file=sys.stderr)
        return 1
    exact = all(finding.stored == finding.found for finding in findings)
    print(f"confirmed{', bit for bit' if exact else ''}: {run}")
    return 0
