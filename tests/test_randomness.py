"""Streams that can be drawn again, initial weights with the published distributions, masks that keep the mean."""

import numpy as np
import pytest
from scipy import stats
from scipy.sparse import csr_matrix

from data_prep import DataOptions
from data_prep.scenarios.strong import assign_users
from experiments.tasks.clicks import training_batches
from utils.batches import evaluation_batches
from utils.deviant_draws import draw_stock_weights
from utils.options import RunOptions
from utils.randomness import Purpose, draw_weights, dropout_mask, stream, streams


def test_a_stream_is_named_by_all_of_its_key():
    def first(*key):
        return stream(*key).random(4).tolist()

    keys = [(1, Purpose.ORDER, 1, 1), (2, Purpose.ORDER, 1, 1), (1, Purpose.EPSILON, 1, 1), (1, Purpose.ORDER, 2, 1),
            (1, Purpose.ORDER, 1, 2)]  # fmt: skip
    drawn = [first(*key) for key in keys]
    assert drawn == [first(*key) for key in keys], "the same key gives the same numbers"
    assert len({tuple(numbers) for numbers in drawn}) == len(keys), "another key gives others"


def test_streams_in_turn_are_those_made_one_by_one():
    steps = [5, 0, 2**40, 5]
    for step, generator in zip(steps, streams(9, Purpose.SPLIT, 3, steps), strict=True):
        one = stream(9, Purpose.SPLIT, 3, step)
        for each in (
            lambda g: g.integers(7, size=3, dtype=np.int32),
            lambda g: g.permutation(9),
            lambda g: g.random(5),
        ):
            assert each(generator).tolist() == each(one).tolist()  # an odd number of halves of a word is left over


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


# The first draws of every purpose as values: what another key, counter or order of drawing would change, and with it
# every result there is. They may change only with a change that says it moves results.

FIRST_WORDS = {
    Purpose.WEIGHTS: ("5c47a795f1318751", "171aaa493d528fd5"),
    Purpose.ORDER: ("632a5d81effc1438", "8a89348912469719"),
    Purpose.INPUT_DROPOUT: ("ac5a99de7cfeda6f", "65d765045c18d12a"),
    Purpose.LAYER_DROPOUT: ("448bc5263c181958", "07a32fa6be01c96b"),
    Purpose.EPSILON: ("ff0cdd85996929db", "4bb90c4451e3e987"),
    Purpose.EVALUATION_NOISE: ("ff74ca4372e678d3", "c6b437495ddc8cce"),
    Purpose.NEGATIVES: ("8c92660bd46d8ffb", "0290bedf32aedda3"),
    Purpose.CANDIDATES: ("476f8241896e87bf", "5df3e59eaeb062c4"),
    Purpose.SPLIT: ("92768c3861b492b7", "c39aa404a4aad0ae"),
}


@pytest.mark.parametrize("purpose", Purpose)
def test_the_first_words_of_every_purpose_are_these(purpose):
    words = stream(1, purpose, epoch=2, step=3).bit_generator.random_raw(2)
    assert tuple(f"{word:016x}" for word in words) == FIRST_WORDS[purpose]


def exactly(*numbers):
    """Float32 numbers written with eight digits or more name one float32 each."""
    return np.array(numbers, dtype=np.float32).tolist()


SHAPES = {"encoder.0.weight": (2, 3), "encoder.0.bias": (2,), "decoder.0.weight": (3, 2)}


def test_the_first_weights_are_these():
    weights = {name: array.ravel()[:2].tolist() for name, array in draw_weights(SHAPES, seed=7).items()}
    assert weights == {
        "encoder.0.weight": exactly(0.81517208, -0.44833198),
        "encoder.0.bias": exactly(-0.0011705541, 0.00021140215),
        "decoder.0.weight": exactly(0.89030188, 1.0728062),
    }
    stock = draw_stock_weights(SHAPES, seed=7, zero_biases=False)
    assert stock["encoder.0.weight"].ravel()[:2].tolist() == weights["encoder.0.weight"]
    assert stock["encoder.0.bias"].tolist() == exactly(-0.00046665658, -0.0011694989)


TRIANGLE = csr_matrix(np.tril(np.ones((7, 7), np.float32)))  # user u clicks u + 1 items: a batch's counts are its users
EVERYWHERE = RunOptions(
    p_dims=(2, 3), batch_size=3, seed=5, dropout_enc=(0.5, 0.5), dropout_dec=(0.0, 0.5)
).resolved()  # fmt: skip


def test_the_first_orders_of_training_are_these():
    orders = [[np.diff(batch.indptr).tolist() for batch in training_batches(TRIANGLE, EVERYWHERE, n)] for n in (1, 2)]
    assert orders == [[[2, 6, 5], [4, 1, 7], [3]], [[1, 4, 6], [5, 7, 3], [2]]]


def test_the_first_masks_and_noise_of_a_step_are_these():
    _, batch, _ = training_batches(TRIANGLE, EVERYWHERE, 2)  # users with 5, 7 and 3 clicks
    assert (batch.values > 0).tolist() == [bool(int(bit)) for bit in "101001100101001"]
    mask_enc, epsilon, mask_dec = batch.noise
    assert mask_enc.tolist() == [[0, 2, 0], [0, 2, 0], [0, 2, 2]]
    assert epsilon[0].tolist() == exactly(-0.0018333491, 0.10284208)
    assert mask_dec.tolist() == [[2, 0, 0], [2, 2, 0], [0, 2, 2]]


@pytest.mark.parametrize(("epoch", "first"), [(0, (0.45540044, 0.52576846)), (3, (-0.40615651, 1.3448277))])
def test_the_first_evaluation_noise_is_this(epoch, first):
    options = RunOptions(p_dims=(2, 3), seed=5).resolved()
    batch = next(options.model.with_evaluation_noise(evaluation_batches(TRIANGLE, 4), options.training.seed, epoch))
    (epsilon,) = batch.noise
    assert epsilon[0].tolist() == exactly(*first)


def test_the_first_users_held_out_are_these():
    options = DataOptions("mine", test_users_size=0.25).resolved()  # 2: tested, 1: validation
    assert assign_users(12, options).tolist() == [2, 1, 0, 2, 0, 2, 1, 0, 0, 0, 1, 0]
