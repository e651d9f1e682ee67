"""The scenarios in which every user stays: the right events held out, nothing held out known, found again by name."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from data_literal_split import literal_events, literal_leave_one_out, literal_weak_split
from data_prep import DataOptions, find_prepared, load_prepared, prepare
from data_prep.__main__ import main
from data_prep.export import export_csv
from data_prep.fetch.movielens_100k import TABLE_SHA256
from data_prep.find import preparing_command
from data_prep.prepared import read_manifest
from data_prep.scenarios import split
from data_prep.scenarios.leaks import check_leaks
from data_prep.summary import compare_with_published
from utils.system.errors import EXIT_BAD_INPUT, UserError, guarded

STAYING = ("weak", "leave_one_out")
STORED = ("train", "validation_held_out", "test_held_out")
FOLDS = ("validation", "test")
IN_TMP = {"deadline": None, "suppress_health_check": [HealthCheck.function_scoped_fixture]}


def write_csv(path, rows):
    path.write_text("user,item,rating,timestamp\n" + "".join(",".join(map(str, row)) + "\n" for row in rows))
    return path


def some_rows(seed=0, users=30, items=150, most=60, times=40):
    """(user, item, rating, time) of users with 3 to ``most`` events, many at one time, in no order."""
    generator = np.random.default_rng(seed)
    rows = [
        (user, int(item), int(generator.integers(1, 6)), int(generator.integers(times)))
        for user in range(users)
        for item in generator.choice(items, 3 + user * (most - 3) // users, replace=False)
    ]
    return [rows[place] for place in generator.permutation(len(rows))]


def prepared(tmp_path, rows, scenario, **choices):
    path = write_csv(tmp_path / "mine.csv", rows)
    return prepare(DataOptions("mine", scenario, **choices), path, tmp_path / "data", force=True, say=lambda line: None)


def events_of(data, part):
    """User -> {(item, rating, row)} of a part, by their own ids."""
    interactions, rows = getattr(data, part), data.source_rows(part).tolist()
    users = np.repeat(interactions.user_ids, np.diff(interactions.indptr)).tolist()
    items, ratings = data.item_ids[interactions.indices].tolist(), interactions.ratings.tolist()
    found = {user: set() for user in interactions.user_ids.tolist()}
    for user, *event in zip(users, items, ratings, rows, strict=True):
        found[user].add(tuple(event))
    return found


def pairs_of(interactions):
    return set(zip(*(each.tolist() for each in interactions.binary().nonzero()), strict=True))


def as_sets(part):
    return {user: {(item, float(rating), row) for item, rating, row in own} for user, own in part.items()}


@st.composite
def tables(draw):
    """Rows with duplicates, and with several events of a user at one time."""
    generator = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    users, items, times = draw(st.integers(2, 9)), draw(st.integers(4, 150)), draw(st.sampled_from([1, 3, 1000]))
    n = draw(st.integers(10, 220))
    columns = (generator.integers(users, size=n), generator.integers(items, size=n), generator.integers(1, 6, size=n))
    return list(zip(*(each.tolist() for each in (*columns, generator.integers(times, size=n))), strict=True))


FILTERS = {
    "min_rating": st.sampled_from([None, 2]),
    "min_item_click": st.integers(0, 2),
    "min_user_click": st.integers(0, 6),
}


def literal(rows, filters):
    texts = [(str(user), str(item), rating) for user, item, rating, _ in rows]
    return literal_events(texts, filters["min_rating"], filters["min_item_click"], filters["min_user_click"])


@settings(max_examples=80, **IN_TMP)
@given(
    rows=tables(),
    filters=st.fixed_dictionaries(FILTERS),
    test_size=st.sampled_from([None, 0.1, 0.5, 0.99]),
    seed=st.sampled_from([98765, 0, 2**32 - 1]),
)
def test_weak_holds_out_what_the_definition_says(tmp_path, rows, filters, test_size, seed):
    events = literal(rows, filters)
    if not events:
        return
    data = prepared(tmp_path, rows, "weak", **filters, test_size=test_size, split_seed=seed)
    expected = literal_weak_split(events, 0.2 if test_size is None else test_size, seed)
    assert data.item_ids.tolist() == list(dict.fromkeys(event[1] for event in events))
    for part in STORED:
        assert events_of(data, part) == as_sets(expected[part]), part
    nothing_leaks(load_prepared(data.folder), events)


@settings(max_examples=80, **IN_TMP)
@given(
    rows=tables(),
    filters=st.fixed_dictionaries(FILTERS),
    more_items=st.sampled_from([None, 0, 1, 150]),
    seed=st.sampled_from([98765, 0, 2**32 - 1]),
)
def test_leave_one_out_holds_out_what_the_definition_says(tmp_path, rows, filters, more_items, seed):
    events = literal(rows, filters)
    if not events:
        return
    n_items = len({event[1] for event in events})
    total = n_items + more_items if more_items else more_items
    data = prepared(tmp_path, rows, "leave_one_out", **filters, catalogue_items=total, split_seed=seed)
    expected, candidates = literal_leave_one_out(events, [row[3] for row in rows], total, seed)
    assert data.item_ids.tolist() == list(dict.fromkeys(event[1] for event in events))
    for part in STORED:
        assert events_of(data, part) == as_sets(expected[part]), part
    for fold in FOLDS:
        drawn = [row[row >= 0].tolist() for row in data.candidates(fold)]
        assert drawn == list(candidates[fold].values()), fold
    assert data.n_candidate_items == (total or n_items)
    fewer = [len(own) for own in candidates["test"].values() if len(own) < 99]
    undivided = sum(count < 3 for count in Counter(event[0] for event in events).values())
    assert data.manifest["counts"]["users_with_fewer_candidates"] == len(fewer) - undivided
    nothing_leaks(load_prepared(data.folder), events)


def nothing_leaks(data, events):
    """From the files: nothing is lost, nothing held out is known, no candidate is the user's own."""
    assert data.validation_fold_in is data.train
    parts = {name: pairs_of(getattr(data, name)) for name in (*STORED, "test_fold_in")}
    assert parts["test_fold_in"] == parts["train"] | parts["validation_held_out"]
    assert sum(len(parts[name]) for name in STORED) == len(set.union(*parts.values())) == len(events)
    assert data.manifest["lines"]["events"] == len(events)
    assert data.manifest["lines"]["unknown_items"] == 0
    users = sorted({event[0] for event in events})
    for name in (*STORED, "test_fold_in"):
        part = getattr(data, name)
        assert part.user_ids.tolist() == users
        assert (part.binary().indices == part.indices).all()
        for start, stop in zip(part.indptr, part.indptr[1:], strict=False):
            assert (np.diff(part.indices[start:stop]) > 0).all(), "items ascend within a row"
    everything = set.union(*parts.values())
    for fold in FOLDS:
        if (drawn := data.candidates(fold)) is None:
            assert data.scenario == "weak"
            continue
        assert drawn.dtype == np.int32
        assert drawn.shape == (len(users), 99)
        for user, row in enumerate(drawn):
            n = int((row >= 0).sum())
            assert (np.diff(row[:n]) > 0).all()
            assert (row[n:] == -1).all()
            assert not {(user, item) for item in row.tolist()} & everything
            assert row.max(initial=-1) < data.n_candidate_items


# Right answers known beforehand


@pytest.mark.parametrize(
    ("n", "test_size", "test", "validation"),
    [(1, 0.2, 0, 0), (4, 0.9, 0, 0), (5, 0.2, 1, 0), (9, 0.2, 1, 0), (12, 0.2, 2, 1), (20, 0.2, 4, 2), (29, 0.7, 20, 2),
     (40, 0.95, 38, 1), (100, 0.29, 28, 10)],  # int(.29 * 100) is 28: as Python rounds
)  # fmt: skip
def test_how_many_events_weak_holds_out(tmp_path, n, test_size, test, validation):
    rows = [(user, 1000 * user + item, 5, item) for user in range(3) for item in range(n)]
    data = prepared(tmp_path, rows, "weak", min_user_click=0, test_size=test_size)
    for part, number in (
        ("train", n - test - validation),
        ("validation_held_out", validation),
        ("test_held_out", test),
    ):
        assert np.diff(getattr(data, part).indptr).tolist() == [number] * 3, part
    assert data.manifest["counts"]["test_users_with_held_out_events"] == (3 if test else 0)


def test_leave_one_out_takes_the_last_in_time_and_of_one_time_the_later_row(tmp_path):
    rows = [
        (1, "c", 5, 30), (2, "z", 5, 7), (1, "a", 5, 10), (2, "y", 5, 7), (1, "b", 5, 20),  # in time; all at one time
        (2, "x", 5, 7), (3, "a", 5, 1), (3, "b", 5, 2),  # two events: all in training
        (4, "d", 5, 9), (4, "e", 5, 9), (4, "f", 5, 3), (4, "g", 5, 1),  # the last two at one time
        (5, "d", 5, 3), (5, "e", 5, 9), (5, "f", 5, 3), (5, "g", 5, 1),  # the two before the last
    ]  # fmt: skip
    data = prepared(tmp_path, rows, "leave_one_out", min_user_click=0)
    held_out = {
        part: {user: {item for item, *_ in own} for user, own in events_of(data, part).items()} for part in STORED
    }
    assert held_out["test_held_out"] == {1: {"c"}, 2: {"x"}, 3: set(), 4: {"e"}, 5: {"e"}}
    assert held_out["validation_held_out"] == {1: {"b"}, 2: {"y"}, 3: set(), 4: {"d"}, 5: {"f"}}
    assert held_out["train"] == {1: {"a"}, 2: {"z"}, 3: {"a", "b"}, 4: {"f", "g"}, 5: {"d", "g"}}
    assert data.item_ids.tolist() == ["c", "z", "a", "y", "b", "x", "d", "e", "f", "g"]
    counts = data.manifest["counts"]
    assert counts["test_users_with_held_out_events"] == 4
    assert (counts["test_users_decided_by_row"], counts["validation_users_decided_by_row"]) == (2, 3)
    seen = {1: {"a", "b", "c"}, 2: {"x", "y", "z"}, 4: {"d", "e", "f", "g"}, 5: {"d", "e", "f", "g"}}
    for fold in FOLDS:  # of 10 items: all that are not one's own
        drawn = [{data.item_ids[item] for item in row[row >= 0]} for row in data.candidates(fold)]
        expected = [set(data.item_ids) - seen[user] if user in seen else set() for user in range(1, 6)]
        assert drawn == expected
    assert counts["users_with_fewer_candidates"] == 4
    assert counts["candidate_items"] == data.n_candidate_items == 10


def test_a_user_of_all_items_has_no_candidates(tmp_path):
    data = prepared(tmp_path, [(user, item, 5, item) for user in (1, 2) for item in range(6)], "leave_one_out")
    assert (data.candidates("test") == -1).all()
    assert data.manifest["counts"]["users_with_fewer_candidates"] == 2


def test_the_order_is_that_of_positions_where_a_file_has_only_these(tmp_path):
    path = tmp_path / "mine.csv"
    rows = [(user, item, 5, (item * 7 + user) % 20) for user in range(4) for item in range(20)]
    path.write_text("user,item,rating,rank\n" + "".join(",".join(map(str, row)) + "\n" for row in rows))
    columns = "user=user,item=item,rating=rating,timestamp=rank"
    words = ["--raw", str(path), "--columns", columns, "--scenario", "leave_one_out", "--data_dir", str(tmp_path)]
    assert guarded(main, ["--dataset", "mine", *words]) == 0
    data = find_prepared(tmp_path, "mine", "leave_one_out")
    for user, own in events_of(data, "test_held_out").items():
        ((item, _, _),) = own
        assert (item * 7 + user) % 20 == 19


# Draws


def test_what_a_user_draws_does_not_depend_on_others(tmp_path):
    rows = some_rows()
    others = [row for row in rows if row[0] == 25 or row[0] < 12 or row[1] % 3]  # the others lose a third
    assert len({row[0] for row in others}) == len({row[0] for row in rows}), "and all stay, so that rows are the same"
    drawn = []
    for name, table in (("a", rows), ("b", others)):
        (tmp_path / name).mkdir()
        data = prepared(tmp_path / name, table, "weak", min_user_click=0)
        drawn.append([{item for item, *_ in events_of(data, part)[25]} for part in STORED])
    assert drawn[0] == drawn[1]


@pytest.mark.parametrize("scenario", STAYING)
def test_the_same_seed_gives_the_same_files_and_another_gives_others(tmp_path, scenario):
    first = prepared(tmp_path, some_rows(), scenario)
    again = prepared(tmp_path, some_rows(), scenario)
    other = prepared(tmp_path, some_rows(), scenario, split_seed=1)
    assert first.manifest["files"] == again.manifest["files"]
    drawn = "candidates.npz" if scenario == "leave_one_out" else "test_held_out.npz"
    assert first.manifest["files"][drawn] != other.manifest["files"][drawn]


def test_candidates_are_uniform_and_those_of_validation_are_not_those_of_test(tmp_path):
    rows = [(user, (user + item) % 150, 5, item) for user in range(600) for item in range(20)]
    data = prepared(tmp_path, rows, "leave_one_out", catalogue_items=220)
    one, other = data.candidates("validation"), data.candidates("test")
    assert (one != other).any(axis=1).all()
    for drawn in (one, other):  # each of 200 unseen items with probability 99 / 200: known 520 times, unknown 600
        times = np.bincount(drawn.ravel(), minlength=220)
        unseen = np.where(np.arange(220) < 150, 520, 600)
        deviations = (times - unseen * 99 / 200) / np.sqrt(unseen * 0.495 * 0.505)
        assert np.abs(deviations).max() < 4.5
        assert 0.8 < deviations.std() < 1.2


# What is on disk


@pytest.mark.parametrize(("scenario", "timed"), [("weak", True), ("weak", False), ("leave_one_out", True)])
def test_each_event_of_a_derived_part_keeps_its_row_rating_and_time(tmp_path, scenario, timed):
    columns = {"user": "user", "item": "item", "rating": "rating"} | ({"timestamp": "timestamp"} if timed else {})
    rows = some_rows()
    data = load_prepared(prepared(tmp_path, rows, scenario, columns=columns).folder)
    assert {path.name for path in data.folder.glob("*.npz")} == {
        "items.npz", *(f"{part}.npz" for part in STORED), *(["source_rows.npz"] if timed else []),
        *(["candidates.npz"] if scenario == "leave_one_out" else []),
    }  # fmt: skip
    for part in ("validation_fold_in", "test_fold_in", *STORED):
        interactions, at, times = getattr(data, part), data.source_rows(part), data.timestamps(part)
        assert at.dtype == np.int64
        users = np.repeat(interactions.user_ids, np.diff(interactions.indptr)).tolist()
        events = zip(users, data.item_ids[interactions.indices].tolist(), interactions.ratings.tolist(), strict=True)
        assert list(events) == [rows[row][:3] for row in at], part
        assert (times.tolist() == [rows[row][3] for row in at]) if timed else times is None


@pytest.mark.parametrize(
    ("scenario", "choices", "own"),
    [
        ("weak", {}, {"test_size": 0.2}),
        ("weak", {"test_size": 0.3}, {"test_size": 0.3}),
        ("leave_one_out", {}, {"catalogue_items": 0}),
        ("leave_one_out", {"catalogue_items": 999}, {"catalogue_items": 999}),
    ],
)
def test_a_manifest_records_the_scenario_and_its_own_options(tmp_path, scenario, choices, own):
    data = prepared(tmp_path, some_rows(), scenario, **choices)
    manifest = read_manifest(data.folder)
    assert manifest["protocol"] == data.scenario == scenario
    assert data.folder.name == f"{scenario}-{data.fingerprint}"
    common = {"dataset": "mine", "min_rating": None, "min_user_click": 5, "min_item_click": 0, "seed": 98765}
    columns = {role: role for role in ("item", "rating", "timestamp", "user")}
    assert manifest["options"] == common | own | {"columns": columns}
    assert manifest["counts"]["training_items"] == manifest["counts"]["items"] == data.n_items


def test_the_strong_preparation_keeps_its_name_and_knows_no_candidates(tmp_path):
    assert DataOptions("movielens-100k").fingerprint(TABLE_SHA256) == "d18f650d"
    scenarios = [DataOptions("movielens-100k", scenario).fingerprint(TABLE_SHA256) for scenario in ("strong", *STAYING)]
    assert len(set(scenarios)) == 3
    data = prepared(tmp_path, some_rows(), "strong")
    assert (data.candidates("test"), data.n_candidate_items) == (None, None)
    assert "candidate_items" not in data.manifest["counts"]
    with pytest.raises(ValueError, match="'train' is none of validation, test"):
        data.candidates("train")


@pytest.mark.parametrize("scenario", STAYING)
def test_the_export_holds_the_same_split(tmp_path, scenario):
    data = prepared(tmp_path, some_rows(), scenario)
    folder = export_csv(data)
    names = {"train.csv": "train", "validation.csv": "validation_held_out", "test.csv": "test_held_out"}
    drawn = {f"{fold}_candidates.csv": data.candidates(fold) for fold in FOLDS if scenario == "leave_one_out"}
    assert {path.name for path in folder.iterdir()} == {*names, *drawn, "unique_sid.txt"}

    def lines_of(name):
        header, *lines = (folder / name).read_text().splitlines()
        assert header == "uid,sid"
        return [tuple(map(int, line.split(","))) for line in lines]

    for name, part in names.items():
        assert lines_of(name) == sorted(pairs_of(getattr(data, part)))
    for name, candidates in drawn.items():
        assert lines_of(name) == [
            (user, item) for user, row in enumerate(candidates.tolist()) for item in row if item >= 0
        ]


def test_candidates_that_cannot_be_are_refused_even_with_right_checksums(tmp_path, monkeypatch):
    def as_long(*given):
        done = split(*given)
        return replace(done, candidates={fold: drawn.astype(np.int64) for fold, drawn in done.candidates.items()})

    monkeypatch.setattr("data_prep.pipeline.split", as_long)
    data = prepared(tmp_path, some_rows(), "leave_one_out")
    with pytest.raises(UserError, match=r"candidates\.npz is damaged \(it has no candidates for each user of test\)"):
        data.candidates("test")


# Leaks


def test_a_split_that_leaks_is_not_written(tmp_path, monkeypatch):
    def leaking(*given):
        done = split(*given)
        return replace(done, candidates={fold: np.full_like(drawn, 3) for fold, drawn in done.candidates.items()})

    monkeypatch.setattr("data_prep.pipeline.split", leaking)
    with pytest.raises(RuntimeError, match="candidates of validation are items of their user"):
        prepared(tmp_path, some_rows(), "leave_one_out")
    assert not list((tmp_path / "data").glob("mine_processed/*"))


@pytest.mark.parametrize("scenario", ["strong", *STAYING])
def test_every_leak_is_seen(tmp_path, scenario):
    data = prepared(tmp_path, some_rows(), scenario, test_users_size=5 if scenario == "strong" else None)
    parts = {name: getattr(data, name) for name in (*STORED, "validation_fold_in", "test_fold_in")}
    candidates = {fold: data.candidates(fold) for fold in FOLDS} if scenario == "leave_one_out" else None
    check_leaks(parts, candidates)
    for one, other in (("train", "test_held_out"), ("train", "validation_held_out"), ("test_fold_in", "test_held_out"),
                       ("validation_fold_in", "validation_held_out")):  # fmt: skip
        with pytest.raises(RuntimeError, match=r"the split leaks: .* have events in common"):
            check_leaks({**parts, other: parts[one]}, candidates)
    if scenario == "strong":  # a user in two sets, whatever the events
        moved = replace(
            parts["test_held_out"], user_ids=np.append(parts["test_held_out"].user_ids[1:], data.train.user_ids[0])
        )
        with pytest.raises(RuntimeError, match="train and test_held_out have events in common"):
            check_leaks({**parts, "test_held_out": moved}, None)


# Found again, or refused


def test_scenarios_lie_side_by_side_and_are_found_by_name(tmp_path):
    for scenario in ("strong", *STAYING):
        prepared(tmp_path, some_rows(), scenario)
    for scenario in ("strong", *STAYING):
        assert find_prepared(tmp_path / "data", "mine", scenario).scenario == scenario
    assert find_prepared(tmp_path / "data", "mine").scenario == "strong"
    larger = prepared(tmp_path, some_rows(), "leave_one_out", catalogue_items=300)
    assert find_prepared(tmp_path / "data", "mine", "leave_one_out", catalogue_items=300).folder == larger.folder
    assert find_prepared(tmp_path / "data", "mine", "leave_one_out", catalogue_items=0).n_candidate_items == 150
    with pytest.raises(
        UserError, match=r"2 preparations of 'mine' fit: .*: --catalogue_items 300; .*: --catalogue_items 0; say which"
    ):
        find_prepared(tmp_path / "data", "mine", "leave_one_out")


def test_what_is_not_prepared_is_refused_with_its_command_and_what_there_is(tmp_path):
    prepared(tmp_path, some_rows(), "strong")
    with pytest.raises(UserError) as refused:
        find_prepared(tmp_path / "data", "mine", "weak", test_size=0.3)
    assert "run: python -m data_prep --dataset mine --raw FILE --scenario weak --test_size 0.3 --data_dir" in str(
        refused.value
    )
    assert "(prepared are: --min_rating none --min_user_click 5 " in str(refused.value)
    prepared(tmp_path, some_rows(), "weak")
    prepared(tmp_path, some_rows(), "leave_one_out")
    with pytest.raises(
        UserError, match=r"prepared are: --min_rating.*; --scenario leave_one_out --min.*; --scenario weak"
    ):
        find_prepared(tmp_path / "data", "mine", "weak", test_size=0.3)
    assert preparing_command("amazon", "data", {"scenario": "weak"}).endswith("--download --scenario weak")


REFUSED = [
    ("weak", ["--test_users_size", "0.1"], "--test_users_size 0.1 has no part in --scenario weak, only in strong"),
    ("leave_one_out", ["--test_users_size", "9"], "--test_users_size 9 has no part in --scenario leave_one_out"),
    ("leave_one_out", ["--test_size", "0.2"], "--test_size 0.2 has no part in --scenario leave_one_out"),
    ("weak", ["--catalogue_items", "0"], "--catalogue_items 0 has no part in --scenario weak, only in leave_one_out"),
    ("strong", ["--catalogue_items", "9"], "--catalogue_items 9 has no part in --scenario strong"),
    ("leave_one_out", ["--catalogue_items", "149"], "--catalogue_items 149: 150 items have events after the filters"),
    ("leave_one_out", ["--catalogue_items", "9999999999"], "--catalogue_items 9999999999: expected a number of items"),
    (
        "leave_one_out",
        ["--columns", "user=user,item=item"],
        "the source has no time stamps; name the column of the times",
    ),
    ("weka", [], "invalid choice: 'weka'"),
    ("weak", ["--test_size", "1"], "--test_size: '1' was given, expected a number, above 0, below 1"),
]


@pytest.mark.parametrize(("scenario", "words", "message"), REFUSED, ids=[message[:40] for _, _, message in REFUSED])
def test_what_a_scenario_cannot_do_is_refused_in_a_line(capsys, tmp_path, scenario, words, message):
    raw = write_csv(tmp_path / "mine.csv", some_rows())
    given = [
        "--dataset",
        "mine",
        "--raw",
        str(raw),
        "--scenario",
        scenario,
        "--data_dir",
        str(tmp_path / "data"),
        *words,
    ]
    assert guarded(main, given) == EXIT_BAD_INPUT
    said = capsys.readouterr().err
    assert message in said
    assert said.count("\n") == 1
    assert not list((tmp_path / "data").glob("mine_processed/*"))


def test_from_python_a_scenario_is_checked_too(tmp_path):
    with pytest.raises(UserError, match="--scenario 'weka': expected one of strong, weak, leave_one_out"):
        DataOptions("mine", "weka").resolved()
    with pytest.raises(UserError, match=r"--test_users_size 0\.1 has no part"):
        find_prepared(tmp_path, "movielens-1m", "weak", test_users_size=0.1)


# What is said


def test_the_summary_says_what_is_particular_to_leave_one_out(capsys, tmp_path):
    raw = write_csv(tmp_path / "mine.csv", some_rows(users=40, times=2))
    words = ["--raw", str(raw), "--scenario", "leave_one_out", "--catalogue_items", "300", "--data_dir", str(tmp_path)]
    assert guarded(main, ["--dataset", "mine", *words, "--export", "csv"]) == 0
    said = capsys.readouterr().out
    data = find_prepared(tmp_path, "mine", "leave_one_out", catalogue_items=300)
    users, counts = data.train.n_users, data.manifest["counts"]
    assert counts["test_users_decided_by_row"] == counts["validation_users_decided_by_row"] == users
    held_out = (
        f"{users} held-out events of {users} users, {users} times decided by the row alone (events at one time)\n"
    )
    assert said.count(held_out) == 2
    assert "candidates            99 a user, of 300 items, 150 of them without events\n" in said


def test_published_counts_before_the_split_are_compared_in_every_scenario(tmp_path):
    expected = {"events": 575_272, "users": 6_034, "items": 3_533}
    for scenario, choices in (("weak", {"test_size": 0.3}), ("leave_one_out", {"split_seed": 7})):
        manifest = {"dataset": "movielens-1m", "protocol": scenario, "counts": expected}
        manifest["options"] = DataOptions("movielens-1m", scenario, **choices).record()
        assert compare_with_published(manifest) == (True, "counts as expected: events, users, items")
        other = {**manifest, "counts": {**expected, "users": 6_033}}
        assert compare_with_published(other)[0] is False
        unfiltered = DataOptions("movielens-1m", scenario, min_rating="none").record()
        assert compare_with_published({**manifest, "options": unfiltered})[0] is None


# NCF's files


def write_ncf(folder, users=6, items=130, end=""):
    """Small copies of NCF's files: the training rows of a user, one test row each, and negatives nobody reads."""
    train = [f"{user}\t{(7 * user + step) % items}\t1{end}\n" for user in range(users) for step in range(8)]
    test = [f"{user}\t{(7 * user + 8) % items}\t1{end}\n" for user in range(users)]
    negative = [f"({user},{(7 * user + 8) % items})\t1\t2\n" for user in range(users)]
    for name, lines in (("train.rating", train), ("test.rating", test), ("test.negative", negative)):
        (folder / f"pinterest-20.{name}").write_text("".join(lines))


@pytest.mark.parametrize("end", ["", "\t0"], ids=["three columns", "four columns"])
@pytest.mark.parametrize("given", ["folder", "train file"])
def test_the_test_file_of_ncf_holds_the_last_event(capsys, tmp_path, end, given):
    write_ncf(tmp_path, end=end)
    raw = tmp_path if given == "folder" else tmp_path / "pinterest-20.train.rating"
    words = ["--raw", str(raw), "--scenario", "leave_one_out", "--data_dir", str(tmp_path / "data")]
    assert guarded(main, ["--dataset", "pinterest", *words]) == 0
    assert "the published .test.negative is not read" in capsys.readouterr().out
    data = find_prepared(tmp_path / "data", "pinterest", "leave_one_out")
    for part, step in (("validation_held_out", 7), ("test_held_out", 8)):
        items = data.item_ids[getattr(data, part).indices].tolist()
        assert items == [(7 * user + step) % 130 for user in range(6)]
    assert data.timestamps("train") is None
    assert data.manifest["counts"]["test_users_decided_by_row"] == 0


def test_ncfs_training_file_alone_has_no_last_event(capsys, tmp_path):
    write_ncf(tmp_path)
    (tmp_path / "pinterest-20.test.rating").unlink()
    words = ["--raw", str(tmp_path), "--scenario", "leave_one_out", "--data_dir", str(tmp_path / "data")]
    assert guarded(main, ["--dataset", "pinterest", *words]) == EXIT_BAD_INPUT
    assert "needs an order" in capsys.readouterr().err


def test_ncfs_files_are_prepared_strongly_as_before(tmp_path):
    write_ncf(tmp_path, users=40)
    data = prepare(DataOptions("pinterest"), tmp_path, tmp_path / "data", say=lambda line: None)
    assert json.loads((data.folder / "manifest.json").read_text())["order"] == "source row"
    assert not (data.folder / "source_rows.npz").exists()
