"""One run, from the command line to its folder of results: what both main scripts do."""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import datetime, timezone
from functools import partial
from pathlib import Path
from typing import Any

from data_prep import PreparedData, find_prepared
from experiments.runs.deviations import DeviantTraining
from experiments.runs.divergence import in_words
from experiments.runs.evaluation import judge_best
from experiments.runs.fitting import Fitting
from experiments.runs.folder import BEST_WEIGHTS, RunFolder
from experiments.runs.loop import Training
from experiments.runs.out_of_memory import check_memory, memory_explained
from experiments.runs.provenance import provenance
from experiments.runs.weights import load_weights, save_weights
from experiments.tasks import task_of
from experiments.tasks.clicks import ClickTask
from utils.deviations import deviations_of, shared_deviations
from utils.engine import FittedLearner, Learner, StepLearner, check_engine, command_of, entry_of, load_engine
from utils.figures import FIGURES, MAIN_FIGURES
from utils.metrics.sampled import SAMPLED_METRICS
from utils.options import RunOptions
from utils.options.command import parsed_run
from utils.results import DIVERGED, rebuild
from utils.system.errors import UserError, guarded
from utils.system.files import sha256_of
from utils.system.interruption import Interruption

_DESCRIPTION = "Train a model with {framework} on prepared data, and test it."
_EPILOG = """\
Lists are written 200,600 or "[200, 600]". Prepare a data set first, for example:
  python -m data_prep --dataset movielens-100k --download
The results go to LOG_DIR/runs/<run id>/ and into LOG_DIR/all_results.csv. The same command finds its own
earlier work: a finished run is not run again, an interrupted one goes on."""


def main(engine: str, argv: Sequence[str] | None = None) -> int:
    """The command of runs in ``engine`` (``pytorch``, ``mxnet`` or ``numpy``); returns the exit code."""
    return guarded(partial(_main, engine), argv)


def _main(engine: str, argv: Sequence[str] | None) -> None:
    description = _DESCRIPTION.format(framework=entry_of(engine).title)
    options = parsed_run(argv, command_of(engine), description, _EPILOG)
    try:
        run(engine, options)
    except KeyboardInterrupt as stop:
        raise KeyboardInterrupt(str(stop) or "the same command goes on") from None


def data_of(options: RunOptions) -> PreparedData:
    """The prepared data that ``options`` name; ``UserError`` says how to prepare it where it is missing."""
    return find_prepared(options.settings.data_dir, options.data.dataset, **options.data.stated())


def run(engine: str, options: RunOptions) -> Path:
    """Train, test and record one run, or find it finished; returns its folder.

    A run that another process is at work on is waited for. Raises ``UserError`` on options that contradict each
    other, missing data, a missing framework or device, out of memory, and, when all is recorded, on a loss that became
    no number; ``KeyboardInterrupt`` when the user stopped it, its state saved.
    """
    options = options.resolved()
    check_engine(engine, options)
    data = data_of(options)
    folder = RunFolder(Path(options.settings.log_dir) / "runs" / options.run_id(engine, data.fingerprint))
    if not folder.is_finished(options.settings.save_results):
        with Interruption():  # an import that was torn apart might keep the interruption to itself
            package = load_engine(engine, folder.threads_before() or options.settings.threads)
        package.device_of(options.settings.device)  # refused before anything is written
        with folder:
            if not folder.is_finished(options.settings.save_results):  # by the process that was waited for
                with Interruption() as interruption:
                    _train_and_record(engine, package, options, data, folder, interruption)
                rebuild(options.settings.log_dir)
                return _unless_diverged(folder)
    folder.tidy()
    print(f"{folder.path.name}: finished before on {data.origin}, not run again ({folder.path})")
    rebuild(options.settings.log_dir)
    return _unless_diverged(folder)


def _unless_diverged(folder: RunFolder) -> Path:
    """The path of a run that is over; ``UserError`` when it diverged."""
    metrics = folder.metrics()
    if metrics.get("status") == DIVERGED:
        line = in_words(metrics["diverged"], metrics["best_epoch"])
        raise UserError(f"{line}; recorded as diverged, not to be run again, in {folder.path}")
    return folder.path


def _train_and_record(
    engine: str, package: Any, options: RunOptions, data: PreparedData, folder: RunFolder, interruption: Interruption
) -> None:
    started, clock, run_id = datetime.now(timezone.utc), time.perf_counter(), folder.path.name
    folder.begin({**options.flat(), "engine": engine})
    folder.log(f"{run_id}: {entry_of(engine).title} on {data.name}, {data.origin}, {data.n_items} items")
    task = task_of(data, options)
    check_memory(options, data.n_items, engine)
    with memory_explained(options, data.n_items, "building the model"):
        learner = package.build(options, data.n_items, task, task.n_users)
    if options.training and options.training.init_from:
        learner.load_weights(load_weights(options.training.init_from, options, data, learner.shapes()))
    training = _training(engine, learner, task, options, folder, interruption)
    for _ in training.epochs():
        pass
    metrics, per_user, lists = judge_best(training, task, options)
    head = {"run_id": run_id, "engine": engine, "dl_frame": entry_of(engine).dl_frame, "dataset": options.data.dataset,
            "data": data.fingerprint, "model": options.model.name}  # fmt: skip
    about = {
        "started": started.isoformat(timespec="seconds"),
        "finished": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "seconds": training.seconds_before + time.perf_counter() - clock,
        "deviations": sorted(deviations_of(options.model, engine)),
        **training.timing(),
        **provenance(package.describe(), options.settings.device),
        "manifest": str(data.folder / "manifest.json"),
        "manifest_sha256": sha256_of(data.folder / "manifest.json"),
        "options": options.flat(),
        "seed": options.seed,
    }
    if options.settings.save_results and (weights := training.kept_weights()):
        save_weights(folder.path / BEST_WEIGHTS, weights, options, data, run_id)
    folder.finish({**head, **metrics}, per_user, lists, about)
    if training.diverged:
        folder.log(in_words(metrics["diverged"], metrics["best_epoch"]))
        return
    folder.log(f"{_test_line(metrics, options)}  ->  {folder.path}")


def _test_line(metrics: dict[str, Any], options: RunOptions) -> str:
    """What a run found on the test users, for people."""
    shown = metrics["test"]
    which = "last" if options.settings.validation == "none" else "best"
    best = f" ({which} epoch {metrics['best_epoch']})" if options.training else ""
    figures = [name for name in (*MAIN_FIGURES, *SAMPLED_METRICS) if name in shown]
    line = f"test{best}: " + "  ".join(f"{FIGURES[name].title} {shown[name]:.4f}" for name in figures)
    if "candidate_items" in metrics:
        line += f" ({metrics['candidate_items']:,} candidate items)"
    return f"{line}  loss {shown['loss']:.2f}" if options.model.terms else line


def _training(
    engine: str, learner: StepLearner | FittedLearner, task: ClickTask, options: RunOptions, folder: RunFolder,
    interruption: Interruption,
) -> Training | Fitting:  # fmt: skip
    if options.training is None:
        return Fitting(learner, task, options, folder, interruption)
    if deviations := shared_deviations(options.model, engine):
        return DeviantTraining(learner, task, options, folder, deviations, interruption)
    return Training(learner, task, options, folder, interruption)


def train(engine: str, options: RunOptions) -> Learner:
    """Train as the main script does (or find the run finished) and return the learner with the best weights.

    From Python, the whole of it::

        from data_prep import DataOptions, prepare
        from experiments.runs.run import train
        from utils.options import RunOptions

        data = prepare(DataOptions("movielens-100k"), download=True)
        model = train("pytorch", RunOptions(dataset="movielens-100k"))
        lists = model.rank(data.test_fold_in.binary(), k=10)  # int32 (users, 10), item indices, best first
        data.titles_of(lists[0])  # of the first user's list, ids where there are no titles
        model.embed(data.test_fold_in.binary())  # float32 (users, 200)

    ``rank``, ``scores`` and ``embed`` take any users' clicks, ``(users, items)`` with ``data.item_ids`` as columns, in
    any form of ``utils.batches.binary_clicks``, and ``users``, their rows in training, where the model has a node for
    each; a list with fewer items than ``k`` ends in -1. The weights are kept in
    the run's folder, as with ``--save_results``.
    """
    options = options.replace(save_results=True).resolved()
    folder, data = run(engine, options), data_of(options)
    n_users = task_of(data, options).n_users
    learner = load_engine(engine, options.settings.threads).build(options, data.n_items, n_users=n_users)
    learner.load_weights(load_weights(folder / BEST_WEIGHTS, options, data, learner.shapes()))
    return learner
