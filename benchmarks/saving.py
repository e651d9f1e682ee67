"""What saving the state costs a run: ``python -m benchmarks.saving --engine pytorch --shape ml-20m``.

Synthetic clicks of the data set's shape. Prints the size of the state, the seconds a save takes (median of
``--saves``), the seconds of an epoch (from ``--steps`` steps), how far apart saves then are, and the share of the time
they take: a run saves at the end of an epoch, 30 seconds apart or more, and never so often that saving takes more than
2 %.
"""

from __future__ import annotations

import math
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.shapes import SHAPES, synthetic_clicks
from data_prep import PreparedData
from experiments.runs.folder import STATE, RunFolder
from experiments.runs.loop import LARGEST_SAVING_SHARE, Training
from utils.batches import steps_per_epoch, training_batches
from utils.engine import ENGINES, load_engine
from utils.options import RunOptions
from utils.system.command_line import integer, option, parsed, parser_for
from utils.system.errors import guarded

_WHAT = "what is measured"


@dataclass(frozen=True)
class SavingOptions:
    """The options of the benchmark."""

    engine: str = option("pytorch", _WHAT, "the engine", choices=tuple(ENGINES))
    shape: str = option("ml-20m", _WHAT, "the data set whose shape it has", choices=tuple(SHAPES))
    saves: int = option(5, _WHAT, "saves", integer(1))
    steps: int = option(8, _WHAT, "training steps, to tell how long an epoch takes", integer(2))
    folder: str | None = option(None, _WHAT, "where the state is written (default: the system's temporary folder)")


class _Clicks:
    """As much of prepared data as a training reads when it is made."""

    def __init__(self, clicks) -> None:
        self._clicks = clicks

    def binary(self):
        """The clicks."""
        return self._clicks


def main(argv: Sequence[str] | None = None) -> int:
    """Measure and print; returns the exit code."""
    given = parsed(SavingOptions, parser_for(SavingOptions, "python -m benchmarks.saving", "What saving costs."), argv)
    shape, options = SHAPES[given.shape], RunOptions().resolved()
    clicks = synthetic_clicks(shape, given.steps * options.batch_size)
    trainer = load_engine(given.engine).build(options, shape.n_items)
    part = _Clicks(clicks)
    data = PreparedData(Path(), {}, np.arange(shape.n_items), part, part, part, part, part)  # type: ignore[arg-type]
    with tempfile.TemporaryDirectory(dir=given.folder) as place, RunFolder(Path(place) / "run") as folder:
        training = Training(trainer, data, options, folder)
        step = _seconds_of_a_step(training, options)
        training.best_weights = trainer.weights()
        costs = []
        for _ in range(given.saves):
            training.save()
            costs.append(training.save_seconds)
        size = (folder.path / STATE).stat().st_size
    _print(given, size, float(np.median(costs)), step * steps_per_epoch(shape.n_users, options.batch_size), options)
    return 0


def _seconds_of_a_step(training: Training, options: RunOptions) -> float:
    seconds = []
    for batch in training_batches(training.clicks, options, epoch=1):
        begun = time.perf_counter()
        training.trainer.read_losses(training.trainer.train_step(batch, 0.1, options.lr))
        seconds.append(time.perf_counter() - begun)
    return float(np.median(seconds[1:]))


def _print(given: SavingOptions, size: int, save: float, epoch: float, options: RunOptions) -> None:
    apart = max(options.save_every, save / LARGEST_SAVING_SHARE)
    apart = math.ceil(apart / epoch) * epoch  # at the end of an epoch
    print(
        f"{ENGINES[given.engine].title}, {given.shape}: the state is {size / 2**20:,.1f} MiB, a save takes {save:.3f} s"
    )
    print(
        f"an epoch takes {epoch:.1f} s; saves are {apart:.0f} s apart and take {100 * save / apart:.2f} % of the time"
    )


if __name__ == "__main__":
    sys.exit(guarded(main))
