"""What every model that is fitted once does: its weights are its oracle's, in every engine, whenever it is fitted."""

import numpy as np
import pytest

from conftest import random_clicks, two_tastes
from contract import FITTED, N_ITEMS, cases, every
from oracles import oracle_of


@pytest.mark.parametrize(("precision", "far"), [("float64", 1e-12), ("float32", 2e-6)])
@every(cases(FITTED))
def test_weights_and_what_they_score_are_the_oracles(case, precision, far):
    clicks, users = random_clicks(400, N_ITEMS, 0.15), random_clicks(30, N_ITEMS, 0.2)
    learner, oracle = case.learnt(clicks, precision=precision), oracle_of(case.model)
    wanted = oracle.weights(learner.model, clicks)
    far = max(far, getattr(oracle, "TOLERANCE", 0.0))
    assert set(learner.weights()) == set(wanted)
    for name, array in learner.weights().items():
        np.testing.assert_allclose(array, wanted[name], atol=far, err_msg=name)
    np.testing.assert_allclose(learner.scores(users), oracle.scores(learner.model, wanted, users), atol=10 * far)
    assert learner.evaluate(users, 10).terms == {}


@every(cases(FITTED, plainest=True))
def test_a_fit_is_the_same_again_and_forgets_the_one_before(case):
    clicks = random_clicks(400, N_ITEMS, 0.15)
    once, again = case.learnt(clicks), case.learnt(random_clicks(400, N_ITEMS, 0.15, seed=5))
    assert any((array != again.weights()[name]).any() for name, array in once.weights().items())
    again.fit(clicks)
    for name, array in once.weights().items():
        np.testing.assert_array_equal(array, again.weights()[name], err_msg=name)


@every([case for case in cases(FITTED) if case.model != "popularity"])  # which knows nothing of a user
def test_two_tastes_are_told_apart(case):
    """Two groups of users who share no item: every recommendation must come from one's own half."""
    clicks = two_tastes()
    ranked = case.learnt(clicks).rank(clicks, 10)
    assert (ranked % 2 == np.arange(len(ranked))[:, None] % 2).all()
