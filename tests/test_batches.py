"""What an epoch feeds the engines: every user once, L2-normalised, dropped out on the input only where asked."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.sparse import csr_matrix

from conftest import random_clicks
from experiments.tasks.clicks import steps_per_epoch, training_batches
from utils.batches import checked_users, draw_unclicked, evaluation_batches, plain_batch
from utils.options import RunOptions

OPTIONS = RunOptions(p_dims=(3, 5), batch_size=40).resolved()


def dense(batch):
    array = np.zeros((batch.n_users, batch.n_items), dtype=np.float32)
    array[batch.rows, batch.indices] = batch.values
    return array


def clicks_of(batch):
    array = np.zeros((batch.n_users, batch.n_items), dtype=bool)
    array[batch.rows, batch.indices] = True
    return array


def test_an_epoch_visits_every_user_once_in_another_order_each_time():
    clicks = random_clicks(101, 500, 0.02)
    orders = []
    for epoch in (1, 2):
        batches = list(training_batches(clicks, OPTIONS, epoch))
        assert [batch.n_users for batch in batches] == [40, 40, 21]
        assert len(batches) == steps_per_epoch(101, OPTIONS)
        rows = [tuple(row.nonzero()[0]) for batch in batches for row in clicks_of(batch)]
        orders.append(rows)
    original = sorted(tuple(row.indices) for row in clicks)
    assert sorted(orders[0]) == sorted(orders[1]) == original
    assert orders[0] != orders[1]


def test_the_input_is_l2_normalised_before_dropout():
    clicks = random_clicks(30, 50, 0.2)
    array = dense(plain_batch(clicks))
    np.testing.assert_allclose(np.linalg.norm(array, axis=1), 1, rtol=1e-6)
    np.testing.assert_array_equal(array > 0, clicks.toarray() > 0)


def test_input_dropout_zeroes_half_and_doubles_the_rest():
    clicks = random_clicks(40, 400, 0.2)
    batch = next(training_batches(clicks, OPTIONS, 1))
    norm = 1 / np.sqrt(np.diff(batch.indptr))[batch.rows]
    ratio = batch.values / norm
    np.testing.assert_allclose(ratio[ratio > 0], 2, rtol=1e-6)
    assert 0.45 < (ratio == 0).mean() < 0.55


@pytest.mark.parametrize("dropped", [0.0, 0.5, 0.9])
def test_the_networks_input_is_every_value_but_the_zeros(dropped):
    clicks = random_clicks(40, 60, 0.1)
    batch = next(training_batches(clicks, OPTIONS.replace(dropout_enc=(dropped, 0.0)), 1))
    matrix = batch.network_input
    np.testing.assert_array_equal(matrix.toarray(), dense(batch))
    assert matrix.nnz == (batch.values != 0).sum() <= len(batch.values) == clicks.nnz
    assert (matrix.nnz < clicks.nnz) == (dropped > 0)


def test_noise_is_what_the_model_asks_for_and_evaluation_has_none():
    clicks = random_clicks(40, 50, 0.2)
    everywhere = {"dropout_enc": (0.5, 0.1), "dropout_dec": (0.2, 0.3)}
    vae = RunOptions(p_dims=(3, 5), batch_size=40, **everywhere).resolved()
    assert [array.shape for array in next(training_batches(clicks, vae, 1)).noise] == [
        (40, 5),
        (40, 3),
        (40, 3),
        (40, 5),
    ]
    dae = OPTIONS.replace(model="dae")
    assert next(training_batches(clicks, dae, 1)).noise == ()
    assert all(batch.noise == () for batch in evaluation_batches(clicks, 7))


def test_a_step_can_be_drawn_without_those_before_it():
    clicks = random_clicks(101, 60, 0.1)
    third = list(training_batches(clicks, OPTIONS, 4))[2]
    (again,) = training_batches(clicks, OPTIONS, 4, first_step=2)
    np.testing.assert_array_equal(third.values, again.values)
    np.testing.assert_array_equal(third.indices, again.indices)
    np.testing.assert_array_equal(third.noise[0], again.noise[0])


@pytest.mark.parametrize("size", [1, 7, 101, 200])
def test_evaluation_batches_keep_the_users_order(size):
    clicks = random_clicks(101, 60, 0.1)
    stacked = np.concatenate([dense(batch) for batch in evaluation_batches(clicks, size)])
    np.testing.assert_array_equal(stacked > 0, clicks.toarray() > 0)


# Draws of what a user did not click


@given(st.integers(0, 2**32), st.integers(1, 6))
def test_drawn_items_are_unclicked_and_as_many_as_asked_for(seed, per_click):
    random = np.random.default_rng(seed)
    clicks = csr_matrix(random.random((6, 9)) < random.random((6, 1)))
    clicks = csr_matrix(np.vstack([clicks.toarray(), np.zeros((1, 9)), np.ones((1, 9))]).astype(np.float32))
    batch = plain_batch(clicks)
    rows, items = draw_unclicked(batch, per_click, random)
    assert ((items >= 0) & (items < 9)).all()
    assert (clicks.toarray()[rows, items] == 0).all()
    counts = np.diff(clicks.indptr)
    np.testing.assert_array_equal(np.bincount(rows, minlength=8), np.where(counts < 9, counts * per_click, 0))


def test_every_unclicked_item_is_drawn_as_often():
    clicks = csr_matrix(np.array([[1, 0, 0, 1, 1, 0, 0, 1, 0, 0]], dtype=np.float32))
    _, items = draw_unclicked(plain_batch(clicks), 15_000, np.random.default_rng(2))
    counts = np.bincount(items, minlength=10)
    assert (counts[[0, 3, 4, 7]] == 0).all()
    assert counts[[1, 2, 5, 6, 8, 9]] == pytest.approx([10_000] * 6, rel=0.05)  # five standard deviations


@pytest.mark.parametrize(
    ("users", "said"),
    [(None, "say whose clicks"), ([0], "expected 2 whole numbers"), ([0.0, 1.0], "expected 2 whole numbers"),
     ([0, 5], "rows from 0 to 4"), ([-1, 2], "rows from 0 to 4")],
)  # fmt: skip
def test_rows_of_users_that_are_none_are_refused(users, said):
    with pytest.raises(ValueError, match=said):
        checked_users(users, 2, 5)
    np.testing.assert_array_equal(checked_users([4, 0], 2, 5), [4, 0])
