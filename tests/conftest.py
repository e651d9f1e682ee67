"""What the tests share: the engines, and small data with a known structure."""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before a framework reads it; more would only slow small data down

import numpy as np
import pytest
from hypothesis import settings
from scipy.sparse import csr_matrix

from utils.engine import ENGINES, engine_obstacle, load_engine

settings.register_profile("suite", max_examples=40, deadline=None, print_blob=True)
settings.load_profile("suite")


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
