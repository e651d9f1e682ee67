"""What the tests share: the engines, and small data with a known structure."""

from __future__ import annotations

import contextlib
import json
import os
import signal

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before a framework reads it; more would only slow small data down

import numpy as np
import pandas as pd
import pytest
from hypothesis import settings
from scipy.sparse import csr_matrix

from data_prep import DataOptions, prepare
from utils.engine import ENGINES, engine_obstacle, load_engine
from utils.options import RunOptions

# The suite tries the same examples every time; new ones are for the long profile and for ``python -m benchmarks.soak``.
settings.register_profile("suite", max_examples=40, deadline=None, print_blob=True, derandomize=True)
# Both say so outright: where CI is set, what is not said comes from Hypothesis' own profile for it.
settings.register_profile("long", max_examples=2000, deadline=None, print_blob=True, derandomize=False)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "suite"))

# A script's shell starts what it puts in the background with SIGINT ignored, and children inherit that; the tests'
# processes are to hear Ctrl-C wherever the suite was started.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session", params=sorted(ENGINES))
def engine(request):
    """The name of each engine in turn; skipped, with the reason, where it cannot run."""
    if reason := engine_obstacle(request.param):
        pytest.skip(reason)
    return request.param


@pytest.fixture(scope="session")
def package(engine):
    """The package of each engine in turn."""
    return load_engine(engine)


@pytest.fixture(scope="session")
def both():
    """Both engines' packages by name; skipped, with the reason, where one cannot run."""
    for name in ENGINES:
        if reason := engine_obstacle(name):
            pytest.skip(reason)
    return {name: load_engine(name) for name in ENGINES}


@contextlib.contextmanager
def interrupted_at(package, step):
    """Ctrl-C at the ``step``-th training step in the block; yields the steps begun, a list that grows."""
    steps, train_step = [], package.StepLearner.train_step

    def interrupted(self, *arguments):
        steps.append(1)
        if len(steps) == step:
            os.kill(os.getpid(), signal.SIGINT)
        return train_step(self, *arguments)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(package.StepLearner, "train_step", interrupted)
        yield steps


def two_tastes(n_users=400, n_items=60, clicks=12, seed=0) -> csr_matrix:
    """A checkerboard: even users click even items, odd users odd ones; the right answer is known."""
    random = np.random.default_rng(seed)
    dense = np.zeros((n_users, n_items), dtype=np.float32)
    for user in range(n_users):
        own = np.arange(user % 2, n_items, 2)
        dense[user, random.choice(own, clicks, replace=False)] = 1
    return csr_matrix(dense)


def random_clicks(n_users, n_items, density, seed=0, at_least_one=True) -> csr_matrix:
    """Clicks without structure, float32."""
    random = np.random.default_rng(seed)
    dense = (random.random((n_users, n_items)) < density).astype(np.float32)
    if at_least_one:
        dense[np.arange(n_users), random.integers(0, n_items, n_users)] = 1
    return csr_matrix(dense)


@pytest.fixture(scope="session")
def data_dir(tmp_path_factory):
    """Two groups of users with two tastes, prepared like anyone's own file."""
    return prepared_tastes(tmp_path_factory.mktemp("data"))


def prepared_tastes(folder, scenarios=("strong",)):
    """``tastes`` prepared in ``folder`` under each of ``scenarios``, with times where one of them wants an order."""
    clicks = two_tastes(n_users=300, n_items=40, clicks=10).tocoo()
    rows = pd.DataFrame({"user": clicks.row, "item": clicks.col})
    columns = {"user": "user", "item": "item"}
    if "leave_one_out" in scenarios:
        rows["time"] = np.random.default_rng(4).permutation(len(rows))
        columns["timestamp"] = "time"
    rows.to_csv(folder / "tastes.csv", index=False)
    for scenario in scenarios:
        options = DataOptions("tastes", scenario, columns=columns)
        prepare(options, raw=folder / "tastes.csv", data_dir=folder, say=lambda line: None)
    return folder


@pytest.fixture
def options(data_dir, tmp_path):
    return RunOptions(
        dataset="tastes", data_dir=str(data_dir), log_dir=str(tmp_path / "results"), p_dims=(4, 16), batch_size=60,
        n_epochs=6, lr=0.01, save_results=True,
    )  # fmt: skip


def metrics_of(folder):
    """A finished run's ``metrics.json``."""
    return json.loads((folder / "metrics.json").read_text())
