"""Two engines in lock-step, each in a process of its own, and how far they are apart."""

from __future__ import annotations

import contextlib
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from utils.system.errors import UserError
from utils.weights import load_arrays

_ROOT = Path(__file__).resolve().parents[2]


def apart(one: np.ndarray, other: np.ndarray) -> float:
    """The norm of the difference over the norm of ``other``; absolute where ``other`` is exactly zero."""
    one, other = np.asarray(one, dtype=np.float64), np.asarray(other, dtype=np.float64)
    distance, size = np.linalg.norm(one - other), np.linalg.norm(other)
    return float(distance / size) if size > 0 else float(distance)


def lists_apart(one: np.ndarray, other: np.ndarray, scores: np.ndarray, tolerance: float) -> tuple[int, int]:
    """Places at which two rankings of the same users differ, and how many of them near-equal scores excuse.

    Args:
        one, other: int ``(users, k)``, item indices, padded with -1.
        scores: float ``(users, items)``, what the lists were ranked by.
        tolerance: two items' scores are near-equal when they differ by less than this, relative to the larger of
            them and 1 (a logit near 0 has no relative error to speak of).

    Returns:
        The number of differing places, and of those where the two items are near-equal.
    """
    users, places = np.nonzero(one != other)
    if len(users) == 0:
        return 0, 0
    a, b = one[users, places], other[users, places]
    here, there = (scores[users, items].astype(np.float64) for items in (a, b))
    scale = np.maximum(np.maximum(np.abs(here), np.abs(there)), 1.0)
    excused = (np.abs(here - there) <= tolerance * scale) & (a >= 0) & (b >= 0)
    return len(users), int(excused.sum())


@dataclass
class Step:
    """One training step of two engines: their losses, and how far each gradient and weight is apart."""

    number: int
    beta: float
    losses: tuple[float, float]
    gradients: dict[str, float]
    weights: dict[str, float]

    @property
    def loss_apart(self) -> float:
        """The relative difference of the two losses."""
        one, other = self.losses
        return abs(one - other) / abs(other)


class Engine:
    """A worker process (``experiments.parity.worker``) and the arrays it leaves; used as a context manager."""

    def __init__(self, name: str, folder: Path) -> None:
        self.name, self.file = name, folder / f"{name}.safetensors"
        command = [sys.executable, "-m", "experiments.parity.worker", name, str(folder)]
        self.process = subprocess.Popen(command, cwd=_ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def __enter__(self) -> Engine:
        self._wait()
        return self

    def __exit__(self, *exc: object) -> None:
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.close()
        self.process.wait()
        self.process.stdout.close()

    def do(self, command: str) -> None:
        """Have a command done. Raises ``UserError`` when the worker has stopped; it has said why on stderr."""
        with contextlib.suppress(BrokenPipeError):
            print(command, file=self.process.stdin, flush=True)
        self._wait()

    def result(self) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        """The arrays and the record of the last ``step`` or ``evaluate``."""
        return load_arrays(self.file)

    def _wait(self) -> None:
        if self.process.stdout.readline().strip() != "done":
            raise UserError(f"the {self.name} engine stopped; what it said stands above")


def both(engines: Sequence[Engine], command: str) -> list[tuple[dict[str, np.ndarray], dict[str, Any]]]:
    """The results of ``command`` from each engine, one after the other, so that each has all cores to itself."""
    for engine in engines:
        engine.do(command)
    return [engine.result() for engine in engines]


def train(engines: Sequence[Engine], n_steps: int) -> list[Step]:
    """Train both engines ``n_steps`` steps on the same batches, compared after each."""
    steps = []
    bar = tqdm(range(1, n_steps + 1), desc="lock-step", disable=None, leave=False, unit="step")
    for number in bar:
        (one, record), (other, other_record) = both(engines, "step")
        distances = {name: apart(array, other[name]) for name, array in one.items()}
        kinds = [
            {name.removeprefix(kind): value for name, value in distances.items() if name.startswith(kind)}
            for kind in ("gradient/", "weight/")
        ]
        steps.append(Step(number, record["beta"], (record["loss"], other_record["loss"]), *kinds))
        bar.set_postfix(loss=f"{record['loss']:.2f}", apart=f"{steps[-1].loss_apart:.1e}")
    return steps
