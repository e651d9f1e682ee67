"""Times that can be compared on a noisy machine, in turn and as ratios of medians, and the targets they are held to."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from typing import Literal, NamedTuple

import numpy as np
from tabulate import tabulate
from tqdm import tqdm


class Target(NamedTuple):
    """What was measured and the bound it is held to."""

    what: str
    measured: float
    bound: Literal["at most", "at least"]
    wanted: float

    @property
    def is_met(self) -> bool:
        """Whether the measured value keeps to the bound."""
        return self.measured <= self.wanted if self.bound == "at most" else self.measured >= self.wanted


def interleaved(calls: Mapping[str, Callable[[], object]], rounds: int, warmup: int = 2) -> dict[str, np.ndarray]:
    """Time each of ``calls`` once a round, in turn, so that a slow moment of the machine meets them all.

    A call returns when its work is done (wait for the device inside it). ``warmup`` rounds are not counted.

    Returns:
        By name, the seconds of each counted round, float64 ``(rounds,)``.
    """
    seconds = {name: np.empty(rounds) for name in calls}
    for number in tqdm(range(-warmup, rounds), desc="rounds", disable=None, leave=False):
        for name, call in calls.items():
            begun = time.perf_counter()
            call()
            if number >= 0:
                seconds[name][number] = time.perf_counter() - begun
    return seconds


def ratio(seconds: Mapping[str, np.ndarray], over: str, under: str) -> float:
    """The median over the rounds of ``over``'s time divided by ``under``'s in the same round."""
    return float(np.median(seconds[over] / seconds[under]))


def print_targets(targets: Iterable[Target]) -> int:
    """Print each target with what was measured; the number of targets missed."""
    rows = [
        (target.what, f"{target.measured:.2f}", f"{target.bound} {target.wanted:.2f}",
         "met" if target.is_met else "MISSED")
        for target in targets
    ]  # fmt: skip
    print(tabulate(rows, ["", "measured", "target", ""], disable_numparse=True), end="\n\n")
    return sum(row[-1] == "MISSED" for row in rows)
