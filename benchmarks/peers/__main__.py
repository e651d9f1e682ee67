"""Other libraries' Mult-VAE beside ours: seconds per epoch, and test metrics under our protocol.

    python -m benchmarks.peers                                 # MovieLens 1M, to the end
    python -m benchmarks.peers --epochs 12                     # its times alone
    python -m benchmarks.peers --users 5000 --epochs 4         # times at ML-20M's shape, on synthetic clicks

RecBole and Cornac take part where they have environments of their own (docs/performance.md has how to make them). They
are trained in processes of their own on our training users, at our widths and batch, otherwise as they come. From the
fold-in of our validation and test users their models rank the items; our metrics judge every list, at each contestant's
best validation epoch. All train in turn, an epoch each, with the same threads.

With few --epochs the times hold but the metrics do not: nobody has converged, and our defaults are meant for 200.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from scipy.sparse import csr_matrix

from benchmarks.peers.contest import metrics_table, times_table, train_all
from benchmarks.peers.exchange import TEST, TRAIN, VALIDATION, Settings, write_exchange
from benchmarks.shapes import SHAPES, synthetic_clicks
from benchmarks.worker import ROOT, Worker
from data_prep import find_prepared
from utils.engine import ENGINES, engine_obstacle, thread_count
from utils.metrics.ranking import RANKED_ITEMS
from utils.options import RunOptions
from utils.system.command_line import integer, option, parsed, parser_for
from utils.system.errors import guarded

_WHAT = "what is measured"
PEERS = {"recbole": "RecBole", "cornac": "Cornac"}
_DEFAULTS = RunOptions().resolved()
_TRAINING = _DEFAULTS.training


@dataclass(frozen=True)
class PeerOptions:
    """The options of the benchmark."""

    dataset: str = option("movielens-1m", _WHAT, "a data set prepared by python -m data_prep")
    data_dir: str = option("data", _WHAT, "folder of the prepared data")
    users: int = option(0, _WHAT, "instead so many synthetic users at the ML-20M shape, times alone", integer(0))
    epochs: int = option(_TRAINING.n_epochs, _WHAT, "epochs at the most", integer(1))
    patience: int = option(
        _TRAINING.early_stop_patience, _WHAT, "validations without improvement before one stops; 0 never", integer(0)
    )
    seed: int = option(_TRAINING.seed, _WHAT, "everyone's seed", integer(0))
    environments: str = option(".cache/peers", _WHAT, "folder of the peers' environments, recbole and cornac")


def main(argv: Sequence[str] | None = None) -> int:
    """The command; see the module."""
    options = parsed(PeerOptions, parser_for(PeerOptions, "python -m benchmarks.peers", __doc__), argv)
    clicks, held_out, title = data_of(options)
    train = clicks[TRAIN]
    settings = Settings(
        list(_DEFAULTS.model.q_dims), _TRAINING.batch_size, options.epochs, options.seed, thread_count(), RANKED_ITEMS
    )
    with tempfile.TemporaryDirectory(prefix="peers-") as folder, ExitStack() as stack:
        write_exchange(Path(folder), settings, clicks)
        contestants = start_all(stack, Path(folder), Path(options.environments), settings.threads)
        courses = train_all(contestants, held_out, options.epochs, options.patience)
        about = {name: worker.do("about").result for name, worker in contestants.items()}
    print(f"{title}: {train.shape[0]:,} training users, {train.shape[1]:,} items, {train.nnz:,} clicks")
    print(f"batches of {settings.batch_size}, {settings.threads} threads, at most {options.epochs} epochs")
    print(times_table(courses, about, train.shape[0] / settings.batch_size), end="\n\n")
    if held_out:
        print(metrics_table(courses), end="\n\n")
    return 0


def data_of(options: PeerOptions) -> tuple[dict[str, csr_matrix], dict[str, csr_matrix], str]:
    """What contestants may see (training clicks and fold-ins), what is held out, and the data's name."""
    if options.users:
        return {TRAIN: synthetic_clicks(SHAPES["ml-20m"], options.users)}, {}, "ML-20M's shape"
    data = find_prepared(options.data_dir, options.dataset)
    fold_ins = {VALIDATION: data.validation_fold_in.binary(), TEST: data.test_fold_in.binary()}
    held_out = {VALIDATION: data.validation_held_out.binary(), TEST: data.test_held_out.binary()}
    return {TRAIN: data.train.binary(), **fold_ins}, held_out, data.name


def start_all(stack: ExitStack, folder: Path, environments: Path, threads: int) -> dict[str, Worker]:
    """Every contestant that can take part, ready, by title: our engines first. Who cannot is told on stderr."""
    environment = {"OMP_NUM_THREADS": str(threads)}
    contestants = {}
    for name, entry in ENGINES.items():
        if engine_obstacle(name) is None:
            worker = Worker("benchmarks.peers.our_worker", folder, name, environment=environment)
            contestants[f"ours, {entry.title}"] = stack.enter_context(worker)
    for name, title in PEERS.items():
        python = ROOT / environments / name / "bin" / "python"
        if python.exists():
            module = f"benchmarks.peers.{name}_worker"
            worker = Worker(module, folder, python=python, environment={**environment, "PYTHONPATH": ""})
            contestants[title] = stack.enter_context(worker)
        else:
            print(f"without {title}: no environment {python.parents[1]}; docs/performance.md has how", file=sys.stderr)
    for worker in contestants.values():
        worker.ready()
    return contestants


if __name__ == "__main__":
    sys.exit(guarded(main))
