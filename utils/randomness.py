"""All randomness of a run: counter-based streams (Philox, Salmon et al. 2011) that both engines share.

A stream is named by (seed, purpose, epoch, step), so any draw can be made again without replaying the ones
before it: a run resumes at any epoch with no generator state to save, and both engines train on the same
order, dropout masks and noise.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable, Iterator, Mapping

import numpy as np
from scipy.special import ndtr, ndtri

LARGEST_SEED = 2**63 - 1  # a key of the generator
BIAS_STD = 0.001  # Liang et al. 2018, published code: truncated normal biases


class Purpose(enum.IntEnum):
    """What a stream is for; part of its key, so that no two purposes share numbers."""

    WEIGHTS = 0
    ORDER = 1
    INPUT_DROPOUT = 2
    LAYER_DROPOUT = 3
    EPSILON = 4
    EVALUATION_NOISE = 5
    NEGATIVES = 6
    CANDIDATES = 7
    SPLIT = 8


def stream(seed: int, purpose: Purpose, epoch: int = 0, step: int = 0) -> np.random.Generator:
    """The random stream of ``purpose`` at ``step`` of ``epoch``; equal arguments give equal numbers."""
    # The lowest counter word is the one that advances, so streams of one key never run into each other.
    return np.random.Generator(np.random.Philox(key=[seed, int(purpose)], counter=[0, 0, step, epoch]))


def streams(seed: int, purpose: Purpose, epoch: int, steps: Iterable[int]) -> Iterator[np.random.Generator]:
    """The ``stream`` at each of ``steps`` in turn, to be drawn from until the next is taken; a tenth of its cost."""
    generator = stream(seed, purpose, epoch)
    state = generator.bit_generator.state  # nothing is drawn yet, so no number is left over from another step
    for step in steps:
        state["state"]["counter"][2] = step
        generator.bit_generator.state = state
        yield generator


def draw_weights(shapes: Mapping[str, tuple[int, ...]], seed: int) -> dict[str, np.ndarray]:
    """Initial weights, float32, by canonical name, for either engine.

    Matrices ``(out, in)`` are Glorot uniform, limit ``sqrt(6 / (in + out))`` (Glorot & Bengio 2010, eq. 16);
    vectors are normal with standard deviation 0.001, truncated at two of them (Liang et al. 2018, published
    code). Each tensor has a stream of its own, so its values depend on its place in ``shapes`` alone.
    """
    weights = {}
    for place, (name, shape) in enumerate(shapes.items()):
        values = stream(seed, Purpose.WEIGHTS, step=place).random(shape)
        if len(shape) == 2:  # (2 u - 1) * limit, in place: the output layer of MovieLens 20M is 96 MB here
            values *= 2.0
            values -= 1.0
            values *= np.sqrt(6.0 / sum(shape))
        else:
            low, high = ndtr(-2.0), ndtr(2.0)
            values = BIAS_STD * ndtri(low + (high - low) * values)
        weights[name] = values.astype(np.float32)
    return weights


def dropout_mask(random: np.random.Generator, shape: tuple[int, ...] | int, p: float) -> np.ndarray:
    """A float32 mask: 0 with probability ``p``, else ``1 / (1 - p)``, so that the expectation is kept."""
    kept = random.random(shape, dtype=np.float32) >= p
    return kept.astype(np.float32) * np.float32(1.0 / (1.0 - p))
