"""What a grid will cost: hours and memory, from runs like it that were measured, else from a rough formula."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from experiments.grids.planned import Planned
from utils.engine import entry_of, thread_count
from utils.models.base import n_parameters
from utils.options import RunOptions
from utils.results import FINISHED, collect

# The rough formula's constants, chosen so that it comes near what both engines took on two cores for MovieLens 100K
# and 1M (widths 200,600).
_START_SECONDS = 3.0  # to import the framework and read the data
_EFFICIENCY = 0.7  # of a layer's products, against NumPy's at their best
_TOUCHES = 12  # reads and writes of each weight in an update, and of each (user, item) in softmax, loss and top-k
_COPIES = 6  # of the weights: themselves, gradient, two moments, the best epoch's, the one being saved
_SLABS = 4  # (users of a batch, items) arrays alive at once
_FRAMEWORK_MIB = {"pytorch": 400, "mxnet": 300, "numpy": 150}


@dataclass(frozen=True)
class Estimate:
    """Seconds and peak memory (MiB) of a run on this machine; ``measured`` says that runs like it were timed."""

    seconds: float
    mib: float
    measured: bool


@dataclass(frozen=True)
class Rates:
    """What this machine does in a second with all its cores: multiply-adds x 2, and floats read and written."""

    operations: float
    touches: float

    @classmethod
    def measured(cls) -> Rates:
        """The better of a few small NumPy matrix products and of a few sums; about 0.2 s."""
        rng = np.random.default_rng(0)
        left, right = (rng.random((1024, 1024), dtype=np.float32) for _ in range(2))
        long, sink = rng.random(1 << 23, dtype=np.float32), np.empty(1 << 23, dtype=np.float32)
        return cls(
            operations=2 * 1024**3 / _quickest(lambda: left @ right),
            touches=len(long) / _quickest(lambda: np.add(long, sink, out=sink)),
        )


def _quickest(work: Callable[[], object]) -> float:
    seconds = []
    for _ in range(4):
        begun = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - begun)
    return min(seconds)


class Estimator:
    """Estimates for runs on this machine, with the results in ``log_dir`` as experience."""

    def __init__(self, log_dir: str | Path) -> None:
        self._past = collect(log_dir)
        self._rates: Rates | None = None

    def estimate(self, planned: Planned, counts: Mapping[str, int] | None) -> Estimate | None:
        """What ``planned`` will take; None where nothing is known to go by.

        ``counts`` are ``training_users``, ``training_items``, ``training_events`` and ``validation_users`` of its
        data (None: unknown). Of a run that may stop early the epochs of like runs count, else all that are planned.
        """
        options = planned.options.resolved()
        threads = options.settings.threads or thread_count()
        like = self._like(planned.engine, options)
        if like is not None:
            if options.training is None:
                seconds = (like["seconds"] * like["threads"] / threads).mean()
                return Estimate(float(seconds), float(like["peak_memory_mib"].max()), measured=True)
            past = like["seconds"] / like["epochs"] * like["threads"] / threads
            epochs = options.training.n_epochs
            if options.training.early_stop_patience:
                same = like[like["n_epochs"] == epochs]
                epochs = min(epochs, same["epochs"].mean()) if len(same) else epochs
            return Estimate(float(past.mean() * epochs), float(like["peak_memory_mib"].max()), measured=True)
        if counts is None or options.settings.device != "cpu":
            return None
        self._rates = self._rates or Rates.measured()
        return _rough(planned.engine, options, counts, self._rates, thread_count() / threads)

    def _like(self, engine: str, options: RunOptions) -> pd.DataFrame | None:
        """The finished runs of the same engine, data set and shape."""
        same = (self._past["dl_frame"] == entry_of(engine).dl_frame) & (self._past["status"] == FINISHED)
        values = options.flat()
        for name in {"dataset", "model", "batch_size", "device"} & values.keys():
            same &= self._past[name] == values[name]
        for name in options.model.dimensions():
            same &= self._past[name].astype(str) == str(values[name])  # a number, a list, or NA
        epochs = ["epochs"] if options.training else []
        like = self._past[same].dropna(subset=["seconds", *epochs, "threads", "peak_memory_mib"])
        return like if len(like) else None


def _rough(engine: str, options: RunOptions, counts: Mapping[str, int], rates: Rates, slowdown: float) -> Estimate:
    """Within a factor of two or three: the products of the dense layers, and every weight and score touched.

    An epoch multiplies users by weights three times over (forward, and both gradients), 2 operations each; the
    first layer is sparse and costs nothing beside them. An evaluation is a forward pass.
    """
    users, items, held_out = counts["training_users"], counts["training_items"], counts["validation_users"]
    shapes, training = options.model.shapes(items, users), options.training
    if training is None:  # a Gram matrix, its factorisation, its inverse: about 2 I^3 operations
        weights = n_parameters(shapes)
        copies = options.model.fit_arrays.get(engine, 1.0)
        seconds = _START_SECONDS + 2 * items * weights / (_EFFICIENCY * rates.operations) * slowdown
        return Estimate(seconds, _FRAMEWORK_MIB[engine] + 4 * copies * weights / 2**20, measured=False)
    matrices = [math.prod(shape) for shape in shapes.values() if len(shape) == 2]
    weights, dense = sum(matrices), sum(matrices[1:])
    evaluations = 1 / training.eval_every
    operations = (6 * users + 2 * held_out * evaluations) * dense
    steps = math.ceil(users / training.batch_size)
    touches = _TOUCHES * (steps * weights + (users + held_out * evaluations) * items)
    epoch = operations / (_EFFICIENCY * rates.operations) + touches / rates.touches
    seconds = _START_SECONDS + training.n_epochs * epoch * slowdown
    slab = min(max(training.batch_size, options.settings.eval_batch_size), max(users, held_out)) * items
    mib = _FRAMEWORK_MIB[engine] + 4 * (_COPIES * weights + _SLABS * slab + 8 * counts["training_events"]) / 2**20
    return Estimate(seconds, mib, measured=False)
