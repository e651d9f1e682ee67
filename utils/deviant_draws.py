"""What the deviations of ``utils.deviations`` draw or change before an engine sees it, alike for both engines."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

import numpy as np

from utils.batches import Batch
from utils.randomness import BIAS_STD, Purpose, draw_weights, stream


def draw_stock_weights(shapes: Mapping[str, tuple[int, ...]], seed: int, zero_biases: bool) -> dict[str, np.ndarray]:
    """Initial weights under ``stock_init``: matrices as ``draw_weights`` draws them, biases 0 or N(0, 0.001)."""
    weights = draw_weights(shapes, seed)
    for place, (name, shape) in enumerate(shapes.items()):
        if len(shape) == 1:
            drawn = BIAS_STD * stream(seed, Purpose.WEIGHTS, step=place).standard_normal(shape)
            weights[name] = np.zeros(shape, np.float32) if zero_biases else drawn.astype(np.float32)
    return weights


def with_tanh(batch: Batch) -> Batch:
    """``batch`` with tanh on the network's input (``tanh_everywhere``); tanh(0) = 0, so it stays sparse."""
    return dataclasses.replace(batch, values=np.tanh(batch.values.astype(np.float64)))
