"""Times that can be compared on a noisy machine: everything in turn, again and again, and ratios of medians."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

import numpy as np
from tqdm import tqdm


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
