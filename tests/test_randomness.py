"""Streams that can be drawn again, initial weights with the published distributions, masks that keep the mean."""

import numpy as np
import pytest
from scipy import stats

from utils.randomness import Purpose, draw_weights, dropout_mask, stream


def test_a_stream_is_named_by_all_of_its_key():
    def first(*key):
        return stream(*key).random(4).tolist()

    keys = [(1, Purpose.ORDER, 1, 1), (2, Purpose.ORDER, 1, 1), (1, Purpose.EPSILON, 1, 1), (1, Purpose.ORDER, 2, 1),
            (1, Purpose.ORDER, 1, 2)]  # fmt: skip
    drawn = [first(*key) for key in keys]
    assert drawn == [first(*key) for key in keys], "the same key gives the same numbers"
    assert len({tuple(numbers) for numbers in drawn}) == len(keys), "another key gives others"


def test_streams_of_neighbouring_steps_do_not_overlap():
    one, next_one = stream(1, Purpose.EPSILON, 1, 1).random(5000), stream(1, Purpose.EPSILON, 1, 2).random(5000)
    assert not set(one) & set(next_one)


def test_matrices_are_glorot_uniform_and_biases_truncated_normal():
    weights = draw_weights({"a.weight": (300, 500), "a.bias": (20_000,)}, seed=1)
    limit = np.sqrt(6 / 800)
    matrix, bias = weights["a.weight"].ravel(), weights["a.bias"]
    assert matrix.dtype == bias.dtype == np.float32
    assert stats.kstest(matrix, stats.uniform(-limit, 2 * limit).cdf).pvalue > 1e-3
    assert stats.kstest(bias, stats.truncnorm(-2, 2, scale=0.001).cdf).pvalue > 1e-3
    assert np.abs(bias).max() <= 0.002


def test_weights_depend_on_the_seed_and_not_on_the_other_tensors_sizes():
    small = draw_weights({"a.weight": (3, 4), "a.bias": (3,)}, seed=5)
    large = draw_weights({"a.weight": (30, 40), "a.bias": (3,)}, seed=5)
    assert np.array_equal(small["a.bias"], large["a.bias"])
    assert not np.array_equal(small["a.weight"], draw_weights({"a.weight": (3, 4)}, seed=6)["a.weight"])


@pytest.mark.parametrize("p", [0.1, 0.5, 0.9])
def test_a_dropout_mask_keeps_the_expectation(p):
    mask = dropout_mask(np.random.default_rng(0), 100_000, p)
    assert set(np.unique(mask)) == {np.float32(0), np.float32(1 / (1 - p))}
    kept = int((mask > 0).sum())
    assert stats.binomtest(kept, len(mask), 1 - p).pvalue > 1e-3
