"""The order of items is one and the same, whatever an engine's top-k does with equal scores."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.sparse import csr_matrix

from conftest import random_clicks
from experiments.parity.lockstep import lists_apart
from utils.options import RunOptions
from utils.ranking import resolve_ties


def full_sort(scores, k):
    """Every row sorted whole: best first, equal scores by item, -1 where there is no candidate."""
    order = sorted(range(len(scores)), key=lambda item: (-scores[item], item))
    found = [item for item in order if scores[item] > -np.inf][:k]
    return found + [-1] * (k - len(found))


@given(
    st.integers(1, 8).flatmap(
        lambda n: st.tuples(
            st.lists(
                st.lists(st.sampled_from([-np.inf, 0.0, 1.0, 2.0]), min_size=n, max_size=n), min_size=1, max_size=4
            ),
            st.integers(1, n + 2),
            st.randoms(use_true_random=False),
        )
    )
)
def test_ties_go_to_the_lowest_item_whatever_the_engine_returned(case):
    rows, k, random = case
    scores = np.array(rows)
    m = min(k + 1, scores.shape[1])
    picked = []
    for row in scores:  # an adversarial top-k: right scores, any order, any of the equal ones at the boundary
        items = list(range(len(row)))
        random.shuffle(items)
        items = sorted(items, key=lambda item: -row[item])[:m]
        random.shuffle(items)
        picked.append(items)
    items = np.array(picked)
    best = np.take_along_axis(scores, items, axis=1)
    ranked = resolve_ties(best, items, k, lambda wanted: scores[wanted])
    assert ranked.tolist() == [full_sort(row, k) for row in scores]


def constant_scores(package, bias, latent=3):
    """A trainer whose scores are ``bias`` for every user: all weights are zero but the last bias."""
    trainer = package.build(RunOptions(p_dims=(latent,)).resolved(), len(bias))
    weights = {name: np.zeros_like(array) for name, array in trainer.weights().items()}
    weights["decoder.0.bias"] = np.asarray(bias, dtype=np.float32)
    trainer.load_weights(weights)
    return trainer


def test_engines_rank_like_a_full_sort_with_ties_everywhere(package):
    random = np.random.default_rng(0)
    bias = random.integers(0, 4, 40).astype(np.float32)
    fold_in = random_clicks(30, 40, 0.2)
    trainer = constant_scores(package, bias)
    for k in (1, 7, 39, 40, 45):
        scores = np.where(fold_in.toarray() > 0, -np.inf, bias)
        assert trainer.rank(fold_in, k).tolist() == [full_sort(row, k) for row in scores]


def test_fold_in_items_are_never_recommended_and_missing_candidates_are_padded(package):
    dense = np.zeros((2, 6), dtype=np.float32)
    dense[0, :] = 1  # this user has clicked everything
    dense[1, :3] = 1
    ranked = constant_scores(package, [6.0, 5, 4, 3, 2, 1]).rank(csr_matrix(dense), 5)
    assert ranked.tolist() == [[-1] * 5, [3, 4, 5, -1, -1]]


@pytest.mark.parametrize("model", ["vae", "dae"])
def test_equal_weights_give_the_same_top_100(both, model):
    """But for neighbours whose scores lie within 1e-5 of each other, and with exact ties in the same order."""
    n_items, fold_in = 400, random_clicks(200, 400, 0.05, seed=4)
    options = RunOptions(model=model, p_dims=(20, 60)).resolved()
    trainers = {name: package.build(options, n_items) for name, package in both.items()}
    weights = trainers["pytorch"].weights()
    random = np.random.default_rng(0)
    last = weights["decoder.1.weight"]
    last[:] = last[random.integers(0, n_items // 4, n_items)] * 20  # items in groups of about four with equal scores
    weights["decoder.1.bias"][:] = 0
    for trainer in trainers.values():
        trainer.load_weights(weights)
    lists = {name: trainer.rank(fold_in, 100) for name, trainer in trainers.items()}
    scores = {name: trainer.scores(fold_in) for name, trainer in trainers.items()}
    np.testing.assert_allclose(scores["pytorch"], scores["mxnet"], rtol=1e-5, atol=1e-5)
    swapped, excused = lists_apart(lists["pytorch"], lists["mxnet"], scores["pytorch"], 1e-5)
    assert swapped == excused
    assert swapped / lists["pytorch"].size < 0.01
    ties = (np.diff(np.sort(scores["mxnet"], axis=1), axis=1) == 0).sum()
    assert ties > 10_000, "this test is about ties"
