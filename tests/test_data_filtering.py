"""Ids, filters and sorting: the small laws the split stands on."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from data_prep import DataOptions
from data_prep.filtering import counting_argsort, exceeds, filter_events
from data_prep.ids import rank_ids
from data_prep.ratings_table import RatingsTable
from utils.system.errors import UserError


def table_of(pairs, ratings=None):
    users, items = (np.array(column, dtype=np.int32) for column in zip(*pairs, strict=True))
    user_ids, users = np.unique(users, return_inverse=True)
    item_ids, items = np.unique(items, return_inverse=True)
    ratings = None if ratings is None else np.array(ratings)
    return RatingsTable(
        users.astype(np.int32), items.astype(np.int32), user_ids.astype(np.int64), item_ids.astype(np.int64), ratings
    )


def options(**choices):
    return DataOptions("mine", **{"min_user_click": 0, "min_item_click": 0, **choices}).resolved()


def kept(events):
    return list(
        zip(
            events.user_ids[events.users].tolist(),
            events.item_ids[events.items].tolist(),
            events.rows.tolist(),
            strict=True,
        )
    )


@given(st.lists(st.integers(0, 20)))
def test_the_counting_sort_is_numpys_stable_sort(codes):
    codes = np.array(codes, dtype=np.int32)
    np.testing.assert_array_equal(counting_argsort(codes, 21), np.argsort(codes, kind="stable"))


@pytest.mark.parametrize("kind", [np.int8, np.int64, np.float32, np.float64])
@pytest.mark.parametrize("threshold", [3, 3.5, 3.9999999, 4, 4.0000001])
def test_a_rating_must_exceed_the_threshold_exactly(kind, threshold):
    values = np.array([3, 4, 5], dtype=kind)
    assert exceeds(values, threshold).tolist() == [value > threshold for value in (3.0, 4.0, 5.0)]


def test_a_decimal_rating_does_not_exceed_itself(tmp_path):
    # as float32 0.1 lies above the number 0.1
    assert not exceeds(np.array([0.1]), 0.1).any()


def test_of_duplicates_the_first_that_passes_the_rating_filter_stays():
    table = table_of([(1, 1), (1, 1), (2, 1), (1, 1)], ratings=[1.0, 4.0, 5.0, 5.0])
    events = filter_events(table, options(min_rating=3.5))
    assert kept(events) == [(1, 1, 1), (2, 1, 2)]
    assert events.dropped == {"low_rating": 1, "duplicate": 1, "rare_item": 0, "inactive_user": 0}


def test_duplicates_do_not_help_anyone_over_a_click_filter():
    table = table_of([(1, 1), (1, 1), (2, 1), (2, 2)])
    assert kept(filter_events(table, options(min_user_click=2))) == [(2, 1, 2), (2, 2, 3)]


def test_items_are_filtered_first_and_each_once():
    # item 3 goes first, which leaves user 2 one event; item 2 then has a single event left and stays
    table = table_of([(1, 1), (1, 2), (2, 2), (2, 3), (3, 1)])
    events = filter_events(table, options(min_item_click=2, min_user_click=2))
    assert kept(events) == [(1, 1, 0), (1, 2, 1)]
    assert events.dropped == {"low_rating": 0, "duplicate": 0, "rare_item": 1, "inactive_user": 2}


@pytest.mark.parametrize("choices", [{"min_rating": 5}, {"min_user_click": 3}, {"min_item_click": 3}])
def test_a_filter_that_leaves_nothing_says_so(choices):
    with pytest.raises(UserError, match="leave nothing of 3 events"):
        filter_events(table_of([(1, 1), (1, 2), (2, 2)], ratings=[5.0, 4.0, 3.0]), options(**choices))


def test_a_rating_filter_needs_ratings():
    with pytest.raises(UserError, match="the source has no ratings"):
        filter_events(table_of([(1, 1)]), options(min_rating=3))


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (["10", "9", "-1", "0"], [-1, 0, 9, 10]),
        (["10", "9", "007"], ["007", "10", "9"]),
        (["10", "9", "-0"], ["-0", "10", "9"]),
        (["10", "9", "+1"], ["+1", "10", "9"]),
        (["10", "9 "], ["10", "9 "]),
        (["١", "2"], ["2", "١"]),
        (["ﬀ", "😀", "z"], ["z", "ﬀ", "😀"]),  # by code points; UTF-16 would put the last before the second
        (["9223372036854775807", "-9223372036854775808"], [-(2**63), 2**63 - 1]),
        (["9223372036854775808", "9"], ["9", "9223372036854775808"]),
        (["100000000000000000000", "99999999999999999999"], ["99999999999999999999", "100000000000000000000"]),
    ],
)
def test_ids_are_integers_if_all_are_canonical_else_text_by_code_points(values, expected):
    codes, ids = rank_ids(np.arange(len(values)), values, "ids")
    assert ids.tolist() == expected
    assert [str(ids[code]) for code in codes] == values


def test_an_id_no_row_uses_does_not_make_a_column_text():
    codes, ids = rank_ids(np.array([0, 2, 0]), ["5", "none", "3"], "ids")
    assert ids.tolist() == [3, 5]
    assert codes.tolist() == [1, 0, 1]


@pytest.mark.parametrize(("value", "message"), [("", "empty"), ("x" * 256, "right column"), ("a\0", "NUL")])
def test_ids_that_are_none(value, message):
    with pytest.raises(UserError, match=message):
        rank_ids(np.array([0]), [value], "ids")
