"""The split is the published one, bit for bit, whatever the ids are."""

from __future__ import annotations

import csv
import random

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from data_literal_split import literal_split
from data_prep import DataOptions
from data_prep.filtering import filter_events
from data_prep.readers import open_source
from data_prep.scenarios.strong import assign_users, split
from utils.system.errors import UserError

PARTS = ("train", "validation_fold_in", "validation_held_out", "test_fold_in", "test_held_out")


def write_csv(path, rows):
    with open(path, "w", newline="", encoding="utf-8") as stream:
        csv.writer(stream, lineterminator="\n").writerows([("user", "item", "rating"), *rows])


def ours(path, options):
    """The split of the csv at ``path``, in the oracle's terms."""
    table = open_source(path, options).read()
    done = split(filter_events(table, options), options)
    items = [str(item) for item in done.item_ids]
    parts = {}
    for name, part in done.parts.items():
        parts[name] = {}
        np.testing.assert_array_equal(done.source_rows[name], part.order)  # without times, the order is that of rows
        for row, user in enumerate(map(str, part.user_ids)):
            span = slice(part.indptr[row], part.indptr[row + 1])
            assert (np.diff(part.indices[span]) > 0).all(), "items ascend within a row"
            events = zip(
                part.indices[span].tolist(), part.ratings[span].tolist(), part.order[span].tolist(), strict=True
            )
            parts[name][user] = sorted(((items[item], rating, at) for item, rating, at in events), key=lambda e: e[2])
    return items, parts


def assert_same_split(path, rows, **choices):
    write_csv(path, rows)
    options = DataOptions("mine", **choices).resolved()
    names = ("min_rating", "min_item_click", "min_user_click", "test_users_size", "test_size", "split_seed")
    expected_items, expected = literal_split(rows, *(getattr(options, name) for name in names))
    if not expected["train"] or not expected["test_fold_in"]:
        with pytest.raises(UserError, match="leave"):
            ours(path, options)
        return
    items, parts = ours(path, options)
    assert items == [str(item) for item in expected_items]
    assert list(parts) == list(PARTS) == list(expected)
    for name in PARTS:
        assert list(parts[name]) == [str(user) for user in expected[name]], f"{name}: users, in ascending order"
        rounded = {
            str(user): [(str(item), float(np.float32(rating)), row) for item, rating, row in events]
            for user, events in expected[name].items()
        }
        assert parts[name] == rounded, name


INTEGERS = st.integers(-30, 30).map(str)
#: Texts that look like integers and are none, or order otherwise than they look.
ODD = st.sampled_from(
    ["007", "+5", "-0", " 7", "7 ", "1_0", "1.0", "٣", "10", "9", "-1", "é", "e", "Z", "a", "ａ", "😀", "﷽"]
)
TEXTS = st.text(st.characters(exclude_categories=("Cs", "Cc")), min_size=1, max_size=3).filter(lambda t: t.strip(" "))
IDS = st.one_of(
    st.lists(INTEGERS, min_size=8, max_size=20, unique=True),
    st.lists(st.one_of(ODD, INTEGERS), min_size=8, max_size=20, unique=True),
    st.lists(TEXTS, min_size=8, max_size=20, unique=True),
    st.lists(st.integers(2**63 - 3, 2**65).map(str), min_size=8, max_size=12, unique=True),
)


@st.composite
def tables(draw):
    users, items = draw(IDS), draw(IDS)
    shuffle = random.Random(draw(st.integers(0, 2**32 - 1)))
    n = draw(st.integers(100, 250))  # of at most 400 pairs: duplicates and ties abound
    ratings = [0.5, 1, 2.7, 3.5, 3.6, 4, 5]
    return [(shuffle.choice(users), shuffle.choice(items), shuffle.choice(ratings)) for _ in range(n)]


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    rows=tables(),
    min_rating=st.sampled_from([None, 0.5, 2.7, 3.5, 3.6]),
    min_item_click=st.integers(0, 4),
    min_user_click=st.integers(0, 6),
    size=st.sampled_from([0.2, 0.34, 0.49, 1, 2, 3]),
    test_size=st.sampled_from([0.2, 0.1, 0.5]),
    seed=st.sampled_from([98765, 0, 1, 2**32 - 1]),
)
def test_every_step_is_that_of_the_protocol(
    tmp_path, rows, min_rating, min_item_click, min_user_click, size, test_size, seed
):
    choices = {"min_rating": min_rating, "min_item_click": min_item_click, "min_user_click": min_user_click}
    choices |= {"test_users_size": size, "test_size": test_size, "split_seed": seed}
    assert_same_split(tmp_path / "table.csv", rows, **choices)


@pytest.mark.parametrize("kind", ["integer", "text"])
def test_a_larger_table_is_split_as_the_protocol_says(tmp_path, kind):
    generator = np.random.default_rng(7)
    popularity = 1 / np.arange(1, 301)
    rows = []
    for user in generator.permutation(400):
        items = generator.choice(300, size=generator.integers(1, 60), replace=False, p=popularity / popularity.sum())
        name = f"u{user}" if kind == "text" else str(int(user) - 200)
        rows += [
            (name, f"B{item:03d}" if kind == "text" else str(item), int(generator.integers(1, 6))) for item in items
        ]
    shuffled = [rows[place] for place in generator.permutation(len(rows))]
    assert_same_split(tmp_path / "table.csv", shuffled, min_rating=2, test_users_size=0.1)


def test_the_generator_is_numpys_legacy_stream():
    state = np.random.get_state()
    try:
        np.random.seed(98765)
        expected = [
            np.random.permutation(50),
            *(np.random.choice(n, size=int(0.2 * n), replace=False) for n in (5, 9, 77)),
        ]
    finally:
        np.random.set_state(state)
    private = np.random.RandomState(98765)
    drawn = [private.permutation(50), *(private.choice(n, size=int(0.2 * n), replace=False) for n in (5, 9, 77))]
    for one, other in zip(expected, drawn, strict=True):
        np.testing.assert_array_equal(one, other)


def test_the_global_generator_is_left_alone(tmp_path):
    rows = [(str(user), str(item), 5) for user in range(20) for item in range(10)]
    write_csv(tmp_path / "table.csv", rows)
    np.random.seed(3)
    before = np.random.get_state()[1].copy()
    ours(tmp_path / "table.csv", DataOptions("mine").resolved())
    np.testing.assert_array_equal(np.random.get_state()[1], before)


def test_the_permutation_gives_these_groups():
    # numpy.random.seed(98765); numpy.random.permutation(10): the last two test, the two before them validate
    permutation = np.random.RandomState(98765).permutation(10)
    group = assign_users(10, DataOptions("mine", test_users_size=2).resolved())
    assert sorted(np.flatnonzero(group == 2)) == sorted(permutation[-2:])
    assert sorted(np.flatnonzero(group == 1)) == sorted(permutation[-4:-2])
    assert (group == 0).sum() == 6


@pytest.mark.parametrize(("size", "n_users"), [(5, 10), (6, 10), (0.05, 10), (0.49, 2)])
def test_too_few_users_for_the_held_out_sizes(size, n_users):
    with pytest.raises(UserError, match=r"--test_users_size .* holds out .* and the filters leave"):
        assign_users(n_users, DataOptions("mine", test_users_size=size).resolved())


def test_a_held_out_user_may_lose_all_events_and_keeps_an_empty_row(tmp_path):
    rows = [(f"u{user}", f"only-{user}-{item}", 5) for user in range(10) for item in range(6)]
    assert_same_split(tmp_path / "table.csv", rows, test_users_size=2)
    _, parts = ours(tmp_path / "table.csv", DataOptions("mine", test_users_size=2).resolved())
    assert list(parts["test_fold_in"].values()) == [[], []]
