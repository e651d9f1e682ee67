"""Other libraries' Mult-VAE beside ours: seconds per epoch, and test metrics under our protocol.

    bash benchmarks/peers.sh
    bash benchmarks/peers.sh --dataset movielens-100k --epochs 30 --users 0 --check

RecBole and Cornac are installed into environments of their own (.cache/peers), trained in their own processes on our
training users, at our widths and batch, otherwise as they come. From the fold-in of our validation and test users their
models rank the items; our metrics judge every list, at each contestant's best validation epoch. All train in turn,
an epoch each, with the same threads. Then the same at the ML-20M shape, for the times alone.

With few --epochs the times hold but the metrics do not: nobody has converged, and our defaults are meant for 200.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.peers.contest import time_all, train_all, write_data
from benchmarks.peers.contestant import ROOT, Contestant
from benchmarks.peers.exchange import TRAIN, Settings, write_clicks, write_settings
from benchmarks.peers.install import PEERS, install
from benchmarks.peers.report import epoch_targets, quality_targets, shape_targets, table, told
from benchmarks.shapes import SHAPES, synthetic_clicks
from data_prep import DataOptions, PreparedData, find_prepared, prepare
from utils.engine import ENGINES, thread_count
from utils.metrics.ranking import RANKED_ITEMS
from utils.options import RunOptions
from utils.system.command_line import integer, option, parsed, parser_for
from utils.system.errors import UserError, guarded

_WHAT = "what is measured"
PREFERRED, FETCHED = "movielens-1m", "movielens-100k"
_DEFAULTS = RunOptions().resolved()


@dataclass(frozen=True)
class PeerOptions:
    """The options of the benchmark."""

    dataset: str | None = option(
        None, _WHAT, f"the data (default: {PREFERRED} where it is prepared, else {FETCHED})",
        choices=(PREFERRED, FETCHED),
    )  # fmt: skip
    data_dir: str = option("data", _WHAT, "folder of the prepared data")
    epochs: int = option(_DEFAULTS.n_epochs, _WHAT, "epochs at the most", integer(1))
    patience: int = option(
        _DEFAULTS.early_stop_patience, _WHAT, "validations without improvement before one stops; 0 never", integer(0)
    )
    seed: int = option(_DEFAULTS.seed, _WHAT, "everyone's seed", integer(0))
    users: int = option(5_000, _WHAT, "training users at the ML-20M shape; 0 leaves that part out", integer(0))
    rounds: int = option(3, _WHAT, "counted epochs at the ML-20M shape", integer(1))
    check: bool = option(False, _WHAT, "exit with 1 when a target is missed")


def main(argv: Sequence[str] | None = None) -> int:
    """The command; see the module. Returns 1 when ``--check`` finds a target missed."""
    options = parsed(PeerOptions, parser_for(PeerOptions, "python -m benchmarks.peers", __doc__), argv)
    data = data_of(options)
    cache = ROOT / ".cache" / "peers"
    pythons, absent = installed(cache)
    targets = [(f"{PEERS[name].title} takes part", "no", "yes", False) for name in absent]
    targets += contest_on(data, options, pythons, cache)
    if options.users:
        targets += contest_at_shape(options, pythons, cache)
    missed = told(targets)
    return 1 if options.check and missed else 0


def data_of(options: PeerOptions) -> PreparedData:
    """The data to train on; MovieLens 100K is prepared where it is not. ``UserError`` where the other is missing."""
    if options.dataset != FETCHED:
        try:
            return find_prepared(options.data_dir, PREFERRED)
        except UserError:
            if options.dataset == PREFERRED:
                raise
    try:
        return find_prepared(options.data_dir, FETCHED)
    except UserError:
        return prepare(DataOptions(FETCHED), data_dir=options.data_dir, download=True)


def installed(cache: Path) -> tuple[dict[str, Path], list[str]]:
    """The Python of each peer that is or can be installed, and the names of those that cannot, the reason printed."""
    pythons, absent = {}, []
    for name in PEERS:
        try:
            pythons[name] = install(name, cache)
        except UserError as error:
            print(f"without {PEERS[name].title}: {error}", file=sys.stderr)
            absent.append(name)
    return pythons, absent


def contest_on(data: PreparedData, options: PeerOptions, pythons: dict[str, Path], cache: Path) -> list[tuple]:
    """Train everyone on ``data`` and print how they fared; the targets with what was measured."""
    with folder_for(options) as folder:
        write_data(folder, data)
        with ExitStack() as stack:
            contestants = started(stack, folder, pythons, cache)
            courses = train_all(contestants, data, options.epochs, options.patience)
            about = {name: contestant.about for name, contestant in contestants.items()}
    n_users, density = data.train.n_users, data.train.nnz / data.train.n_users / data.n_items
    print(
        f"{data.name}: {n_users:,} training users, {data.n_items:,} items, {density:.1%} clicked; "
        f"batch {_DEFAULTS.batch_size}, {thread_count()} threads, at most {options.epochs} epochs"
    )
    print(table(courses, about, n_users), end="\n\n")
    return [*epoch_targets(courses, tuple(ENGINES)), *quality_targets(courses, tuple(ENGINES))]


def contest_at_shape(options: PeerOptions, pythons: dict[str, Path], cache: Path) -> list[tuple]:
    """Time everyone's epochs on synthetic clicks of the ML-20M shape and print them; the targets."""
    clicks = synthetic_clicks(SHAPES["ml-20m"], options.users)
    with folder_for(options) as folder:
        write_clicks(folder, TRAIN, clicks)
        with ExitStack() as stack:
            contestants = started(stack, folder, pythons, cache)
            courses = time_all(contestants, options.rounds)
            about = {name: contestant.about for name, contestant in contestants.items()}
    print(
        f"ML-20M shape: {options.users:,} synthetic users, {clicks.shape[1]:,} items, "
        f"{clicks.nnz / options.users:.0f} clicks a user; {options.rounds} epochs"
    )
    print(table(courses, about, options.users), end="\n\n")
    return shape_targets(courses, tuple(ENGINES))


@contextmanager
def folder_for(options: PeerOptions) -> Iterator[Path]:
    """A temporary folder that tells the contestants their settings."""
    with tempfile.TemporaryDirectory(prefix="peers-") as path:
        settings = Settings(
            _DEFAULTS.p_dims, _DEFAULTS.batch_size, options.epochs, options.seed, thread_count(), RANKED_ITEMS
        )
        write_settings(Path(path), settings)
        yield Path(path)


def started(stack: ExitStack, folder: Path, pythons: dict[str, Path], cache: Path) -> dict[str, Contestant]:
    """Every contestant, ready: our engines first."""
    commands = {
        name: (entry.title, [sys.executable, "-m", "benchmarks.peers.our_worker", folder, name])
        for name, entry in ENGINES.items()
    }
    commands |= {
        name: (PEERS[name].title, [python, "-m", PEERS[name].module, folder]) for name, python in pythons.items()
    }
    return {
        name: stack.enter_context(Contestant(title, command, folder, cache / f"{name}.log", thread_count()))
        for name, (title, command) in commands.items()
    }


if __name__ == "__main__":
    sys.exit(guarded(main))
