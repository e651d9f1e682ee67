"""The report's numbers: p-values against SciPy, Holm, quintiles, and what lists are like beyond their accuracy."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from scipy.sparse import csr_matrix

from experiments.analysis.statistics import holm, quintiles, signed_rank_p, stars, t_test
from experiments.report.figures.quintiles import quintiles_of
from utils.metrics.catalogue import (
    coverage,
    gini,
    mean_popularity,
    ndcg_in_band,
    popularity_bands,
    shown_counts,
)

FIRST = np.array([0.50, 0.31, 0.42, 0.77, 0.12, 0.66, 0.43, 0.58])
SECOND = np.array([0.45, 0.30, 0.44, 0.61, 0.12, 0.52, 0.33, 0.57])

p_values = st.lists(st.floats(0, 1), min_size=1, max_size=12)


# --- tests over users


def test_the_tests_are_scipys():
    found = t_test(FIRST - SECOND)
    assert found.p == pytest.approx(stats.ttest_rel(FIRST, SECOND).pvalue)
    assert signed_rank_p(FIRST - SECOND) == pytest.approx(stats.wilcoxon(FIRST, SECOND).pvalue)
    assert found.error == pytest.approx(np.std(FIRST - SECOND, ddof=1) / np.sqrt(8))
    assert (found.n, found.mean) == (8, pytest.approx(0.05625))


def test_wilcoxon_by_hand():
    # Ranks of |d|: .01, .02, .03, .04, .05 with only the first negative: W- = 1; of the 32 signs, 2 + 2 are as extreme.
    assert signed_rank_p(np.array([-0.01, 0.02, 0.03, 0.04, 0.05])) == pytest.approx(4 / 32)


def test_users_who_all_differ_alike_leave_nothing_to_test():
    found = t_test(np.full(5, 0.25))
    assert (found.mean, found.error) == (0.25, 0.0)
    assert np.isnan(found.p), "no spread to hold the difference against, and no p of 0"


@pytest.mark.parametrize("differences", [[], [0.1], [0.0, 0.0, 0.0]])
def test_where_nothing_can_be_tested_nothing_is_claimed(differences):
    assert np.isnan(t_test(np.array(differences)).p)
    assert len(differences) == 1 or np.isnan(signed_rank_p(np.array(differences)))


# --- Holm


@pytest.mark.parametrize(
    ("p", "corrected"),
    [  # the first is the example of R's p.adjust and of Holm's own procedure: 4 x .005, 3 x .01, 2 x .03, then no less
        ([0.01, 0.04, 0.03, 0.005], [0.03, 0.06, 0.06, 0.02]),
        ([0.02], [0.02]),
        ([0.5, 0.9, 0.8], [1.0, 1.0, 1.0]),
        ([0.01, np.nan, 0.02], [0.02, np.nan, 0.02]),
        ([], []),
    ],
)
def test_holm_against_known_values(p, corrected):
    np.testing.assert_allclose(holm(p), corrected)


@given(p_values)
def test_holm_rejects_what_stepping_down_rejects(p):
    corrected, level = holm(p), 0.05
    rejected = set()
    for step, place in enumerate(np.argsort(p, kind="stable")):  # the procedure as Holm states it
        if p[place] > level / (len(p) - step):
            break
        rejected.add(int(place))
    near = np.isclose(corrected, level)  # rounding may fall on either side
    assert set(np.flatnonzero((corrected <= level) & ~near)) <= rejected
    assert rejected <= set(np.flatnonzero((corrected <= level) | near))


@given(p_values)
def test_holm_keeps_the_order_and_lowers_nothing(p):
    corrected = holm(p)
    assert (corrected >= np.array(p)).all()
    assert (corrected <= 1).all()
    assert (np.diff(corrected[np.argsort(p, kind="stable")]) >= 0).all()


def test_stars_are_the_papers():
    assert [stars(p) for p in (0.0009, 0.001, 0.0099, 0.01, 0.049, 0.05, np.nan)] == [
        "***",
        "**",
        "**",
        "*",
        "*",
        "",
        "",
    ]


# --- quintiles


def test_quintiles_part_the_users_by_activity():
    activity = np.array([9, 1, 8, 2, 7, 3, 6, 4, 5, 10, 11])
    groups = quintiles(activity)
    assert [sorted(activity[group]) for group in groups] == [[1, 2, 3], [4, 5], [6, 7], [8, 9], [10, 11]]


def test_a_quintile_is_tested_as_scipy_does():
    activity = np.repeat([1, 2, 3, 4, 5], 8)
    one, other = np.tile(FIRST, 5), np.tile(SECOND, 5)
    found = quintiles_of(("vae", one), ("dae", other), activity)
    assert [(each.low, each.high, each.n) for each in found] == [(size, size, 8) for size in range(1, 6)]
    assert found[0].p == pytest.approx(stats.ttest_rel(FIRST, SECOND).pvalue)
    assert found[0].means == pytest.approx({"vae": FIRST.mean(), "dae": SECOND.mean()})
    assert found[0].errors["vae"] == pytest.approx(stats.sem(FIRST))


def test_one_user_has_no_error_and_no_test_and_no_user_no_quintile():
    found = quintiles_of(("vae", FIRST[:3]), ("dae", SECOND[:3]), np.array([5, 6, 7]))
    assert len(found) == 3
    assert all(np.isnan(each.p) and np.isnan(each.errors["vae"]) for each in found)


# --- beyond accuracy

LISTS = np.array([[0, 1], [0, 2], [0, -1]])


def test_coverage_and_counts():
    counts = shown_counts(LISTS, 5)
    assert counts.tolist() == [3, 1, 1, 0, 0]
    assert coverage(counts) == pytest.approx(3 / 5)


@given(st.lists(st.integers(0, 20), min_size=2, max_size=9).filter(any))
def test_gini_is_half_the_relative_mean_difference(counts):
    values = np.array(counts, dtype=float)
    apart = np.abs(values[:, None] - values[None, :]).mean()
    assert gini(np.array(counts)) == pytest.approx(apart / (2 * values.mean()))


def test_gini_at_its_ends():
    assert gini(np.array([4, 4, 4])) == pytest.approx(0)
    assert gini(np.array([0, 0, 0, 7])) == pytest.approx(3 / 4)
    assert np.isnan(gini(np.zeros(3, dtype=int)))


def test_popularity_is_the_mean_of_each_lists_mean():
    popularity = np.array([0.6, 0.2, 0.4, 0.0, 0.0])
    assert mean_popularity(LISTS, popularity) == pytest.approx((0.4 + 0.5 + 0.6) / 3)
    assert np.isnan(mean_popularity(np.full((2, 2), -1), popularity))


def test_bands_hold_a_third_of_the_clicks_each():
    assert popularity_bands(np.array([10, 20, 30, 5, 5, 20])).tolist() == [2, 1, 0, 2, 2, 1]
    assert popularity_bands(np.zeros(3, dtype=int)).tolist() == [0, 0, 0]


def test_ndcg_of_a_band_counts_its_items_at_their_ranks_in_the_whole_list():
    lists = np.array([[3, 0, 4, 1], [2, 1, 0, 3], [0, 1, 2, 3]])
    held_out = csr_matrix(np.array([[1, 1, 0, 1, 0], [0, 1, 0, 0, 0], [0, 0, 0, 0, 1]]))
    found = ndcg_in_band(lists, held_out, np.array([True, True, False, False, False]))
    first = (1 / np.log2(3) + 1 / np.log2(5)) / (1 + 1 / np.log2(3))  # ranks 2 and 4 of two held out
    assert found == pytest.approx([first, 1 / np.log2(3)])  # the third user has nothing held out in the band
