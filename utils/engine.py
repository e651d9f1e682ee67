"""What the two engines offer the rest of the project, and how one is loaded."""

from __future__ import annotations

import importlib
import importlib.util
import os
import re
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import ArrayLike
from scipy.sparse import csr_matrix

from utils.batches import Batch, ClickMatrix
from utils.models import MODELS
from utils.options import RunOptions
from utils.system.errors import UserError
from utils.system.platform import mxnet_obstacle

_THREADS = "OMP_NUM_THREADS"


@dataclass(frozen=True)
class EngineEntry:
    """An engine by name (as its extra in ``pyproject.toml``): its package here, the module it needs, its titles.

    ``dl_frame`` is what the published results call it; ``precisions`` are the ``RunSettings.precision`` it has.
    """

    name: str
    package: str
    framework: str
    title: str
    dl_frame: str
    precisions: tuple[str, ...]


ENGINES = {
    "pytorch": EngineEntry("pytorch", "pytorch_impl", "torch", "PyTorch", "Pytorch", ("float32", "float64", "mixed")),
    "mxnet": EngineEntry("mxnet", "mxnet_impl", "mxnet", "MXNet", "Mxnet", ("float32", "float64")),
}
#: What models without an engine of ours run in (``baselines``): no framework, and ``dl_frame`` does not apply.
NUMPY = EngineEntry("numpy", "baselines", "numpy", "NumPy", "NA", ("float32", "float64"))


def entry_of(name: str) -> EngineEntry:
    """The entry of an engine, or of ``numpy``; ``KeyError`` for any other name."""
    return {**ENGINES, NUMPY.name: NUMPY}[name]


def command_of(name: str) -> str:
    """The command of runs in the engine ``name``, or in ``numpy``, as one types it."""
    return f"python main_{name}.py" if name in ENGINES else "python -m experiments.run"


@dataclass(frozen=True)
class Evaluation:
    """What one pass over held-out users' fold-in clicks gives; n users.

    Attributes:
        ranked: int32 ``(n, k)``, the best items of each user, fold-in left out, padded with -1.
        terms: float64 ``(n,)`` each, the terms of the model's objective, not weighted: ``nll`` is the negative
            log-likelihood of the fold-in (``<engine>.losses``), at ``z = mu``; ``kl`` is zeros for a dae.
        candidate_scores: floats ``(n, C)``, the scores of the candidates asked about; None where none were.
    """

    ranked: np.ndarray
    terms: Mapping[str, np.ndarray]
    candidate_scores: np.ndarray | None = None

    def means(self) -> dict[str, float]:
        """The mean of each term over the users."""
        return {name: float(np.mean(values)) for name, values in self.terms.items()}


class Learner(Protocol):
    """A model in one framework: how it is asked, and written down. ``<engine>.learner``.

    Built as ``build(options, n_items, statistics, n_users)`` from resolved options; ``n_users`` are the training users,
    for a model with a node for each.

    :meth:`evaluate`, :meth:`rank`, :meth:`scores` and :meth:`embed` are asked about users by their clicks
    ``(users, items)`` in any form that ``utils.batches.binary_clicks`` takes: any SciPy format or a dense array, a
    positive number for a click. They raise its ``ValueError`` (columns that are not the model's items, negative
    values, ...), and one for a ``k`` that is no whole number of at least 1. A user without clicks is one like any
    other; no users give no rows. A model with a node for each training user also wants ``users``, int ``(n,)``, their
    rows in the training matrix (``utils.batches.checked_users``); to others it means nothing.
    """

    def evaluate(
        self, fold_in: ClickMatrix, k: int, epoch: int = 0, heed: Callable[[], None] = lambda: None,
        users: ArrayLike | None = None, candidates: np.ndarray | None = None,
    ) -> Evaluation:  # fmt: skip
        """Rankings and losses of users given by their clicks ``(users, items)``, without dropout, at ``z = mu``.

        ``heed`` is called before each batch; what it raises ends the evaluation, which has changed nothing.

        With the deviation ``baked_sampling`` z is sampled, and ``epoch`` names the noise
        (``utils.models.mult.MultOptions.with_evaluation_noise``); else it means nothing.

        ``candidates``, int ``(users, C)``, are items whose scores are wanted too; one that the model does not know
        (-1, or beyond its items) scores -inf.
        """

    def rank(self, fold_in: ClickMatrix, k: int, users: ArrayLike | None = None) -> np.ndarray:
        """The ``k`` best items of each user, int32 ``(users, k)``, best first, fold-in excluded.

        Where fewer than ``k`` items are left the list is padded with -1, which is no item.
        """

    def scores(self, fold_in: ClickMatrix, users: ArrayLike | None = None) -> np.ndarray:
        """The score (logit) of every item for each user, dense ``(users, items)``, nothing masked.

        float64 in a run of that precision, else float32.
        """

    def embed(self, fold_in: ClickMatrix, users: ArrayLike | None = None) -> np.ndarray:
        """The code of each user (``mu`` of a vae), ``(users, K)``; of the dtype of :meth:`scores`."""

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """The canonical shape of each weight, by canonical name."""

    def weights(self) -> dict[str, np.ndarray]:
        """A copy of the weights by canonical name, in the precision of the run."""

    def load_weights(self, weights: Mapping[str, np.ndarray]) -> None:
        """Take ``weights``, by canonical name and shape; ``ValueError`` when they do not fit."""


class FittedLearner(Learner, Protocol):
    """A model that is fitted once; the same clicks and options give the same weights."""

    def fit(self, clicks: csr_matrix, heed: Callable[[], None] = lambda: None) -> None:
        """Take the weights that the binary clicks of the training users ``(users, items)`` give.

        A fit that takes its time calls ``heed`` now and then; what that raises ends it, with no weights.
        """


class StepLearner(Learner, Protocol):
    """A model that is trained step by step, from weights drawn from the seed of its options."""

    def train_step(self, batch: Batch, knobs: Mapping[str, float]) -> Any:
        """One update on ``batch``; returns a handle for :meth:`read_terms`, without waiting for the device.

        ``knobs`` are the model's own (``ModelOptions.knobs_at``) and ``lr``, the learning rate.
        """

    def read_terms(self, handle: Any) -> dict[str, float]:
        """The terms of a step's objective, means over its users; waits until the step is done."""

    def gradients(self) -> dict[str, np.ndarray]:
        """A copy of the gradients of the last :meth:`train_step`, by canonical name and shape; zeros of what its pass
        does not train.
        """

    def snapshot(self) -> dict[str, np.ndarray]:
        """A copy of the network's snapshot (``ModelOptions.initial_snapshot``), by the names of the weights it is of;
        empty where the network has none.
        """

    def memory(self) -> dict[str, np.ndarray]:
        """A copy of all that training remembers beside the weights, by name: the optimisers' moments and step counts
        (``<pass>/...`` where passes differ), and the snapshot (``snapshot/...``).
        """

    def load_memory(self, memory: Mapping[str, np.ndarray]) -> None:
        """Take what :meth:`memory` gave."""


def thread_count() -> int:
    """The CPU threads an engine uses: ``OMP_NUM_THREADS`` where set, else the processors this process may use.

    Of a list (``4,2``: a number for each level of nested regions) the first counts: the engines nest nothing. A value
    that OpenMP does not allow counts as none, as OpenMP has it.
    """
    if (asked := _threads_asked()) is not None:
        return asked
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _threads_asked() -> int | None:
    numbers = os.environ.get(_THREADS, "").split(",")
    legal = all(re.fullmatch(r"\s*0*[1-9][0-9]*\s*", number) for number in numbers)
    return int(numbers[0]) if legal else None


def engine_obstacle(name: str) -> str | None:
    """Why the engine ``name`` cannot be used on this machine, as one line that says what to do; None when it can.

    Nothing is imported.
    """
    if name == "mxnet" and (why := mxnet_obstacle()) is not None:
        return why
    if importlib.util.find_spec(entry_of(name).framework) is None:
        command = f"{sys.executable} -m pip install -c constraints.txt -e '.[{name}]'"
        return f"{ENGINES[name].title} is not installed; run: {command}"
    return None


def model_obstacle(name: str) -> str | None:
    """Why the model ``name`` cannot be used here, as one line that says what to install; None when it can.

    Nothing is imported, and no engine is looked for (:func:`engine_obstacle`).
    """
    needed = MODELS[name].needs
    if needed is None or importlib.util.find_spec(needed) is not None:
        return None
    command = f"{sys.executable} -m pip install -c constraints.txt -e '.[baselines]'"
    return f"--model {name}: it needs {needed}, which is not installed; run: {command}"


def check_engine(name: str, options: RunOptions) -> None:
    """Raise ``UserError`` when the engine ``name`` has not the model of ``options``, or not its precision, or what the
    model itself needs is missing.
    """
    entry, model = entry_of(name), options.model.name
    if name not in MODELS[model].engines:
        commands = " or ".join(f"{command_of(engine)} --model {model}" for engine in MODELS[model].engines)
        raise UserError(f"--model {model}: there is none in {entry.title}; run: {commands}")
    if options.settings.precision not in entry.precisions:
        raise UserError(
            f"--precision {options.settings.precision}: the {entry.title} engine has only "
            f"{' and '.join(entry.precisions)}; take one of them, or another engine"
        )
    if (why := model_obstacle(model)) is not None:
        raise UserError(why)


def load_engine(name: str, threads: int | None = None) -> Any:
    """The package of the engine ``name``, its framework imported with ``threads`` CPU threads (None: all).

    Raises ``UserError`` when the framework is missing or does not load.
    """
    entry = entry_of(name)
    if (why := engine_obstacle(name)) is not None:
        raise UserError(f"the {name} engine is not available: {why}")
    if threads is not None:
        os.environ[_THREADS] = str(threads)  # both frameworks read it once, when imported
    if os.environ.get(_THREADS, "").strip() and _threads_asked() is None:
        print(
            f"{_THREADS}={os.environ[_THREADS]} is ignored: expected a number from 1, or a list of such (4,2); "
            f"{entry.title} takes {thread_count()} threads",
            file=sys.stderr,
        )
    try:
        return importlib.import_module(entry.package)
    except OSError as error:  # a system library that the framework's own library wants
        raise UserError(f"the {name} engine is not available: {entry.framework} does not load ({error})") from error
