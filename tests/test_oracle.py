"""The judge is judged: the oracle's gradients against finite differences."""

import numpy as np
import pytest

import oracle
from conftest import random_clicks


@pytest.mark.parametrize("likelihood", ["multinomial", "gaussian", "logistic"])
@pytest.mark.parametrize("model", ["vae", "dae"])
def test_gradients_agree_with_finite_differences(model, likelihood):
    random = np.random.default_rng(3)
    clicks = random_clicks(5, 9, 0.4, seed=1).toarray()
    network_input = clicks / np.sqrt(clicks.sum(1, keepdims=True))
    latent = 3
    shapes = {"encoder.0": (4, 9), "encoder.1": (2 * latent if model == "vae" else latent, 4), "decoder.0": (4, latent)}
    shapes["decoder.1"] = (9, 4)
    weights = {f"{name}.weight": random.normal(size=shape) for name, shape in shapes.items()}
    weights |= {f"{name}.bias": random.normal(size=shape[0]) for name, shape in shapes.items()}
    masks_enc = [None, random.integers(0, 2, (5, 4)) * 2.0]
    masks_dec = [random.integers(0, 2, (5, latent)) * 2.0, None]
    eps = random.normal(size=(5, latent)) if model == "vae" else None

    def objective():
        passed = oracle.forward_backward(
            model, weights, clicks, network_input, 0.3, masks_enc, masks_dec, eps, likelihood, confidence=5.0
        )
        return passed.nll + 0.3 * passed.kl, passed.gradients

    _, gradients = objective()
    for name, array in weights.items():
        for place in [tuple(random.integers(0, n) for n in array.shape) for _ in range(4)]:
            kept, h = array[place], 1e-6
            array[place] = kept + h
            above, _ = objective()
            array[place] = kept - h
            below, _ = objective()
            array[place] = kept
            assert (above - below) / (2 * h) == pytest.approx(gradients[name][place], rel=1e-4, abs=1e-7), name
