"""What the deviations of ``utils.deviations`` draw or change before an engine sees it, alike for both engines."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator, Mapping

import numpy as np

from utils.batches import Batch
from utils.models import MODELS
from utils.options import RunOptions
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


def with_evaluation_noise(batches: Iterable[Batch], options: RunOptions, epoch: int) -> Iterator[Batch]:
    """Evaluation batches with the noise that ``baked_sampling`` adds: epsilon drawn, masks of hidden dropout all ones.

    One stream per epoch runs on from batch to batch, so that the users' noise does not depend on the size of the
    evaluation batches. Epoch 0 is the test's. A model without epsilon gets no noise.
    """
    if not MODELS[options.model].annealed:
        yield from batches
        return
    random = stream(options.seed, Purpose.EVALUATION_NOISE, epoch)
    for batch in batches:
        size = batch.n_users

        def ones(widths: tuple[int, ...], rates: tuple[float, ...], size: int = size) -> list[np.ndarray]:
            return [np.ones((size, width), np.float32) for width, p in zip(widths, rates, strict=True) if p > 0]

        epsilon = random.standard_normal((size, options.p_dims[0]), dtype=np.float32)
        masks_enc, masks_dec = (
            ones(options.q_dims[:-1], options.dropout_enc[1:]),
            ones(options.p_dims, options.dropout_dec),
        )
        yield dataclasses.replace(batch, noise=(*masks_enc, epsilon, *masks_dec))
