"""Metrics against a brute-force reading of their definitions (REFERENCE of the paper: sec. 4.2)."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.sparse import csr_matrix

from utils.figures import FIGURES
from utils.metrics import ranking as metrics


def brute_force(ranked, held_out, k):
    """One user's metrics, item by item, as their definitions read."""
    top = list(ranked[:k])
    hits = [item in held_out and item >= 0 for item in top]
    dcg = sum(hit / math.log2(rank + 2) for rank, hit in enumerate(hits))
    best = min(k, len(held_out))
    idcg = sum(1 / math.log2(rank + 2) for rank in range(best))
    precisions = [sum(hits[: rank + 1]) / (rank + 1) for rank, hit in enumerate(hits) if hit]
    first = next((rank + 1 for rank, hit in enumerate(hits) if hit), None)
    return {
        "recall": sum(hits) / best,
        "precision": sum(hits) / k,
        "ndcg": dcg / idcg,
        "average_precision": sum(precisions) / best,
        "hit_rate": float(any(hits)),
        "reciprocal_rank": 1 / first if first else 0.0,
    }


@st.composite
def rankings(draw):
    n_items = draw(st.integers(1, 12))
    n_users = draw(st.integers(1, 5))
    length = draw(st.integers(1, n_items))
    ranked, held_out = [], []
    for _ in range(n_users):
        found = draw(st.integers(0, length))
        order = draw(st.permutations(range(n_items)))[:found]
        ranked.append(list(order) + [-1] * (length - found))
        held_out.append(draw(st.sets(st.integers(0, n_items - 1))))
    return n_items, np.array(ranked), held_out


def matrix_of(held_out, n_items):
    dense = np.zeros((len(held_out), n_items), dtype=np.float32)
    for user, items in enumerate(held_out):
        dense[user, sorted(items)] = 1
    return csr_matrix(dense)


@given(rankings(), st.integers(1, 15))
def test_every_metric_is_its_definition(case, k):
    n_items, ranked, held_out = case
    hits = metrics.find_hits(ranked, matrix_of(held_out, n_items))
    counted = [user for user, items in enumerate(held_out) if items]
    assert hits.users.tolist() == counted, "users with nothing held out are left out, the others kept in order"
    for name in ("recall", "precision", "ndcg", "average_precision", "hit_rate", "reciprocal_rank"):
        ours = getattr(metrics, name)(hits, k)
        theirs = [brute_force(ranked[user], held_out[user], k)[name] for user in counted]
        np.testing.assert_allclose(ours, theirs, rtol=1e-12, err_msg=name)


def test_a_hand_computed_case():
    # held out: items 3, 5, 7; ranked: 5 first, a miss, then 3
    hits = metrics.find_hits(np.array([[5, 0, 3]]), matrix_of([{3, 5, 7}], 8))
    assert metrics.recall(hits, 2) == pytest.approx([1 / 2])  # min(2, 3) = 2 could have been found
    assert metrics.recall(hits, 3) == pytest.approx([2 / 3])
    assert metrics.ndcg(hits, 3) == pytest.approx([(1 + 1 / 2) / (1 + 1 / math.log2(3) + 1 / 2)])


def test_mean_and_standard_error():
    mean, error = metrics.mean_and_error(np.array([0.0, 1.0, 1.0, 0.0]))
    assert mean == 0.5
    assert error == pytest.approx(math.sqrt(1 / 3) / 2)
    assert math.isnan(metrics.mean_and_error(np.array([1.0]))[1])


def test_per_user_reports_every_metric_of_every_counted_user():
    values = metrics.per_user(np.array([[0, 1], [1, 0], [2, 1]]), matrix_of([{0}, set(), {1}], 3))
    assert values["user"].tolist() == [0, 2]
    assert set(values) == {"user", *metrics.METRICS}
    assert all(len(array) == 2 for array in values.values())


def test_every_reported_name_is_its_metric_at_its_length():
    random = np.random.default_rng(0)
    ranked = np.stack([random.permutation(300)[:100] for _ in range(6)])
    held_out = [set(random.choice(300, 60, replace=False).tolist()) for _ in ranked]
    for list_, items in zip(ranked, held_out, strict=True):  # a hit at the end of every length, none before rank 8
        items -= set(list_[:7].tolist())
        items |= {list_[k - 1] for k in (10, 20, 50, 100)}
    found = metrics.per_user(ranked, matrix_of(held_out, 300))
    meant = {"n": "ndcg", "r": "recall", "p": "precision", "ap": "average_precision", "hr": "hit_rate",
             "rr": "reciprocal_rank"}  # fmt: skip
    assert list(metrics.METRICS) == ["n100", "r20", "r50", "n10", "r10", "p10", "ap100", "hr10", "rr100"]
    for name in metrics.METRICS:
        letters = name.rstrip("0123456789")
        k = int(name.removeprefix(letters))
        theirs = [brute_force(list_, items, k)[meant[letters]] for list_, items in zip(ranked, held_out, strict=True)]
        np.testing.assert_allclose(found[name], theirs, rtol=1e-12, err_msg=name)


def test_lists_and_held_out_users_must_match():
    with pytest.raises(ValueError, match="2 ranked lists for 1 users"):
        metrics.find_hits(np.zeros((2, 3), dtype=int), matrix_of([{0}], 3))


def test_k_below_one_is_refused():
    with pytest.raises(ValueError, match="k is 0"):
        metrics.recall(metrics.find_hits(np.array([[0]]), matrix_of([{0}], 1)), 0)


def test_every_metric_has_a_title_and_what_is_better():
    assert set(metrics.METRICS) < set(FIGURES)
    assert len({figure.title for figure in FIGURES.values()}) == len(FIGURES)
    assert {name for name, figure in FIGURES.items() if not figure.higher_is_better} == {"rmse", "loss", "nll", "kl"}
