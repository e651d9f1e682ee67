"""What is written can be trusted: found by its options, whole or absent, and checked when it is read."""

from __future__ import annotations

import errno
import hashlib
import json
import multiprocessing
from dataclasses import replace

import numpy as np
import pytest

from data_prep import KEEP_ALL, DataOptions, find_prepared, load_prepared, prepare
from data_prep.export import export_csv
from data_prep.folders import folder_written_whole
from data_prep.scenarios.strong import split
from utils.system.errors import UserError

PARTS = ("train", "validation_fold_in", "validation_held_out", "test_fold_in", "test_held_out")


def write_table(path, seed=0, users=40, text=False):
    generator = np.random.default_rng(seed)
    rows = [(user, item) for user in range(users) for item in generator.choice(60, 15, replace=False)]
    rows = [rows[place] for place in generator.permutation(len(rows))]
    lines = [
        f"{'u' if text else ''}{user},{item},{generator.integers(1, 6)},{generator.integers(1, 99)}"
        for user, item in rows
    ]
    path.write_text("user,item,rating,timestamp\n" + "\n".join(lines) + "\n")
    return path


@pytest.fixture
def table(tmp_path):
    return write_table(tmp_path / "mine.csv")


def quiet(line):
    """Takes the report of ``prepare``."""


def prepared_from(table, name="mine", data_dir=None, **choices):
    return prepare(DataOptions(name, **choices), table, data_dir or table.parent / "data", say=quiet)


@pytest.mark.parametrize("text", [False, True], ids=["integer ids", "text ids"])
def test_a_preparation_comes_back_as_it_was(tmp_path, text):
    done = prepared_from(write_table(tmp_path / "mine.csv", text=text), min_rating=2)
    again = load_prepared(done.folder)
    assert again.manifest == done.manifest
    np.testing.assert_array_equal(again.item_ids, done.item_ids)
    assert again.train.user_ids.dtype.kind == ("U" if text else "i")
    for name in PARTS:
        np.testing.assert_array_equal(done.source_rows(name), again.source_rows(name))
        one, other = getattr(done, name), getattr(again, name)
        for field in ("indptr", "indices", "ratings", "order", "user_ids"):
            np.testing.assert_array_equal(getattr(one, field), getattr(other, field))
        assert (one.indptr.dtype, one.indices.dtype, one.order.dtype) == (np.int64, np.int32, np.int64)
        assert one.ratings.dtype == np.float32
        clicks = one.binary()
        assert clicks.shape == (len(one.user_ids), done.n_items)
        assert (clicks.dtype, clicks.indices.dtype, set(clicks.data)) == (np.float32, np.int32, {1.0})


def test_ratings_and_times_stay_beside_their_events(table):
    done = prepared_from(table, min_user_click=0)
    source = {}
    for line in table.read_text().splitlines()[1:]:
        user, item, rating, time = map(int, line.split(","))
        source[user, item] = (rating, time)
    part = done.train
    rows = np.repeat(part.user_ids, np.diff(part.indptr))
    events = zip(
        rows.tolist(), done.item_ids[part.indices].tolist(), part.ratings.tolist(), part.order.tolist(), strict=True
    )
    assert all(source[user, item] == (rating, time) for user, item, rating, time in events)


def test_the_counts_of_a_manifest_are_those_of_its_arrays(tmp_path):
    table = tmp_path / "mine.csv"
    rows = [(user, item) for user in range(40) for item in range(3 + user)]  # one item more for each user
    table.write_text("user,item\n" + "".join(f"{user},{item}\n" for user, item in rows))
    done = prepared_from(table, columns={"user": "user", "item": "item"}, test_users_size=0.25, test_size=0.05)
    counts, sizes = done.manifest["counts"], np.arange(5, 43)  # of the 38 users with 5 clicks and more
    assert (counts["users"], counts["items"], counts["events"]) == (38, 42, sizes.sum())
    assert counts["density"] == sizes.sum() / (38 * 42)
    assert counts["clicks_per_user"] == {
        "min": 5.0, "5 %": 6.85, "25 %": 14.25, "median": 23.5, "75 %": 32.75, "95 %": 40.15, "max": 42.0,
    }  # fmt: skip
    for held in ("validation", "test"):
        clicks = np.diff(getattr(done, f"{held}_held_out").indptr)
        assert counts[f"{held}_held_out_events"] == clicks.sum()
        assert counts[f"{held}_users_with_held_out_events"] == np.count_nonzero(clicks)
        assert {0, 1} <= set(clicks), "of 5 % of the clicks, rounded down: a user with one is a user with some"


@pytest.mark.parametrize("min_rating", [None, 2])
@pytest.mark.parametrize("timed", [True, False], ids=["with times", "without times"])
def test_each_event_keeps_the_row_it_stands_in_and_its_time(table, timed, min_rating):
    lines = table.read_text().splitlines()
    lines += [f"{user},{item},5,7" for user, item, *_ in (line.split(",") for line in lines[1:300:3])]  # said twice
    table.write_text("\n".join(lines) + "\n")
    columns = {"user": "user", "item": "item", "rating": "rating"} | ({"timestamp": "timestamp"} if timed else {})
    done = prepared_from(table, columns=columns, min_rating=min_rating)
    source = [tuple(map(int, line.split(","))) for line in lines[1:]]
    first = {}
    for row, (user, item, rating, _) in enumerate(source):
        if min_rating is None or rating > min_rating:
            first.setdefault((user, item), row)
    for name in PARTS:
        part, rows, times = getattr(done, name), done.source_rows(name), done.timestamps(name)
        users = np.repeat(part.user_ids, np.diff(part.indptr)).tolist()
        pairs = zip(users, done.item_ids[part.indices].tolist(), strict=True)
        assert rows.tolist() == [first[pair] for pair in pairs], name
        assert rows.dtype == np.int64
        if timed:
            assert times.tolist() == [source[row][3] for row in rows]
            assert times.dtype == np.int64
        else:
            assert times is None
    with pytest.raises(ValueError, match="'test' is none of train, validation_fold_in"):
        done.source_rows("test")


def test_a_preparation_of_an_earlier_version_has_times_but_no_rows_until_it_is_made_again(table):
    done = prepared_from(table)
    (done.folder / "source_rows.npz").unlink()
    files = {name: file for name, file in done.manifest["files"].items() if name != "source_rows.npz"}
    earlier = {name: value for name, value in done.manifest.items() if name != "sha256"} | {"files": files}
    (done.folder / "manifest.json").write_text(json.dumps(earlier))
    found = prepared_from(table)
    assert found.manifest["prepared_at"] == done.manifest["prepared_at"], "it remains as it is"
    assert found.source_rows("train") is None
    np.testing.assert_array_equal(found.timestamps("train"), done.timestamps("train"))
    again = prepare(DataOptions("mine"), table, table.parent / "data", force=True, say=quiet)
    assert again.fingerprint == done.fingerprint
    np.testing.assert_array_equal(again.source_rows("test_held_out"), done.source_rows("test_held_out"))


def test_rows_that_cannot_be_are_refused_even_with_right_checksums(table, monkeypatch):
    def without_one(*given):
        done = split(*given)
        return replace(done, source_rows={name: rows[1:] for name, rows in done.source_rows.items()})

    monkeypatch.setattr("data_prep.pipeline.split", without_one)
    with pytest.raises(UserError, match=r"source_rows\.npz is damaged \(it has no row for each event of train\)"):
        prepared_from(table).source_rows("train")


def test_the_two_parts_of_a_held_out_set_share_users_and_no_event(table):
    done = prepared_from(table)
    np.testing.assert_array_equal(done.test_fold_in.user_ids, done.test_held_out.user_ids)
    assert done.test_fold_in.binary().multiply(done.test_held_out.binary()).nnz == 0
    everyone = [done.train.user_ids, done.validation_fold_in.user_ids, done.test_fold_in.user_ids]
    assert sorted(np.concatenate(everyone)) == list(range(40))


def test_the_checksum_of_the_source_is_its_files_or_that_of_their_list(table):
    source = prepared_from(table).manifest["source"]
    digest = hashlib.sha256(table.read_bytes()).hexdigest()
    assert source["sha256"] == digest
    assert source["files"] == [{"name": "mine.csv", "size": table.stat().st_size, "sha256": digest}]
    parts = {f"pinterest-20.{part}.rating": "".join(f"{user}\t{item}\t1\n" for user in range(40) for item in items)
             for part, items in (("train", range(9)), ("test", [9]))}  # fmt: skip
    for name, text in parts.items():
        (table.parent / name).write_text(text)
    source = prepare(DataOptions("pinterest"), table.parent, table.parent / "data", say=quiet).manifest["source"]
    listed = "".join(f"{hashlib.sha256(text.encode()).hexdigest()}  {name}\n" for name, text in parts.items())
    assert [file["name"] for file in source["files"]] == list(parts)
    assert source["sha256"] == hashlib.sha256(listed.encode()).hexdigest()


def test_the_folder_is_named_by_options_and_source_and_nothing_else(table, tmp_path):
    first = prepared_from(table)
    assert first.folder.name == f"strong-{first.fingerprint}"
    elsewhere = tmp_path / "moved.csv"
    elsewhere.write_bytes(table.read_bytes())
    assert prepared_from(elsewhere, data_dir=tmp_path / "b").fingerprint == first.fingerprint
    named = {"user": "user", "item": "item", "rating": "rating", "timestamp": "timestamp"}
    assert prepared_from(table, columns=named, data_dir=tmp_path / "b").fingerprint == first.fingerprint
    others = [
        {"min_rating": 1}, {"min_user_click": 6}, {"min_item_click": 1}, {"test_users_size": 0.2},
        {"test_users_size": 4}, {"test_size": 0.3}, {"split_seed": 1}, {"columns": {"user": "user", "item": "item"}},
    ]  # fmt: skip
    names = {prepared_from(table, **choices).fingerprint for choices in others}
    names.add(prepared_from(write_table(tmp_path / "other.csv", seed=1)).fingerprint)
    assert len(names | {first.fingerprint}) == len(others) + 2


def test_the_files_are_the_same_byte_for_byte_every_time(table, tmp_path):
    one, other = prepared_from(table), prepared_from(table, data_dir=tmp_path / "b")
    assert one.manifest["files"] == other.manifest["files"]


def test_prepared_again_it_is_found_finished(table, monkeypatch):
    first = prepared_from(table)
    said = []
    monkeypatch.setattr("data_prep.pipeline.split", None)  # would fail if the work were done again
    again = prepare(DataOptions("mine"), table, table.parent / "data", say=said.append)
    assert again.manifest["prepared_at"] == first.manifest["prepared_at"]
    assert any(line.startswith("already prepared:") for line in said)


def test_force_prepares_it_again(table):
    first = prepared_from(table)
    again = prepare(DataOptions("mine"), table, table.parent / "data", force=True, say=quiet)
    assert again.manifest["prepared_at"] > first.manifest["prepared_at"]
    assert {path.name for path in first.folder.parent.iterdir()} == {first.folder.name}


def test_one_of_ones_own_is_found_by_any_option_stated(table):
    data = table.parent / "data"
    low, high = prepared_from(table, min_rating=1), prepared_from(table, min_rating=2, split_seed=5)
    assert find_prepared(data, "mine", min_rating=2).fingerprint == high.fingerprint
    assert find_prepared(data, "mine", seed=98765, min_rating=None).fingerprint == low.fingerprint
    with pytest.raises(UserError, match="2 preparations of 'mine' fit: ") as raised:
        find_prepared(data, "mine")
    assert "--min_rating 1 --seed 98765;" in str(raised.value)
    assert "--min_rating 2 --seed 5;" in str(raised.value)
    with pytest.raises(UserError, match=r"has these options; run: .*--raw FILE --min_rating none .*--min_rating 1 "):
        find_prepared(data, "mine", min_rating=KEEP_ALL)
    everything = prepared_from(table)
    assert find_prepared(data, "mine", min_rating=KEEP_ALL).fingerprint == everything.fingerprint
    assert find_prepared(data, "mine", min_rating="none").fingerprint == everything.fingerprint


def test_a_word_that_tells_no_preparations_apart_is_refused(table):
    with pytest.raises(TypeError, match=r"find_prepared takes no \['columns'\]"):
        find_prepared(prepared_from(table).folder.parents[2], "mine", columns={"user": "user", "item": "item"})


def test_unstated_means_published_for_a_catalogued_set(table):
    data = table.parent / "data"
    published, other = prepared_from(table, "movielens-1m"), prepared_from(table, "movielens-1m", min_rating=1)
    assert find_prepared(data, "movielens-1m").fingerprint == published.fingerprint
    assert find_prepared(data, "movielens-1m", min_rating=3.5, seed=None).fingerprint == published.fingerprint
    assert find_prepared(data, "movielens-1m", min_rating=1).fingerprint == other.fingerprint


def test_of_several_sources_the_one_prepared_last_wins(table, tmp_path):
    data = table.parent / "data"
    prepared_from(table)
    newer = prepared_from(write_table(tmp_path / "newer.csv", seed=1))
    assert find_prepared(data, "mine").fingerprint == newer.fingerprint
    older_again = prepare(DataOptions("mine"), table, data, force=True, say=quiet)
    assert find_prepared(data, "mine").fingerprint == older_again.fingerprint


@pytest.mark.parametrize(
    ("dataset", "remedy"),
    [
        ("amazon", "no prepared data for 'amazon' in {data}; run: python -m data_prep --dataset amazon --download"),
        ("netflix", "no prepared data for 'netflix' in {data}; run: python -m data_prep --dataset netflix --raw PATH"),
        ("mine", "no prepared data for 'mine' in {data}; run: python -m data_prep --dataset mine --raw FILE"),
    ],
)
def test_nothing_prepared_says_the_command_that_prepares_it(tmp_path, dataset, remedy):
    with pytest.raises(UserError) as raised:
        find_prepared(tmp_path, dataset)
    assert str(raised.value).startswith(remedy.format(data=tmp_path))
    assert f"--data_dir {tmp_path}" in str(raised.value)


def test_a_damaged_or_missing_file_is_named(table):
    done = prepared_from(table)
    part = done.folder / "train.npz"
    content = part.read_bytes()
    part.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    with pytest.raises(UserError, match=r"train\.npz is damaged .*prepare the data again"):
        load_prepared(done.folder)
    part.unlink()
    with pytest.raises(UserError, match=r"train\.npz is missing"):
        find_prepared(table.parent / "data", "mine")
    repaired = prepared_from(table)
    assert load_prepared(repaired.folder).train.nnz == done.train.nnz


def test_a_manifest_that_is_none(table):
    done = prepared_from(table)
    path = done.folder / "manifest.json"
    unsigned = {name: value for name, value in done.manifest.items() if name != "sha256"}  # as earlier versions wrote
    path.write_text(json.dumps(unsigned))
    assert load_prepared(done.folder).manifest == unsigned
    for content, message in (
        ("{", "damaged"),
        ("[]", "no manifest"),
        (json.dumps({**done.manifest, "format_version": 99}), "format version 99"),
        (json.dumps({**done.manifest, "prepared_at": "2999"}), "checksum differs"),
        (json.dumps({**done.manifest, "note": float("nan")}), "checksum differs"),
        (json.dumps({**unsigned, "files": {}}), "incomplete"),
        (json.dumps({**unsigned, "counts": {}}), "incomplete"),
    ):
        path.write_text(content)
        with pytest.raises(UserError, match=message):
            load_prepared(done.folder)
    path.unlink()
    with pytest.raises(UserError, match="no prepared data"):
        load_prepared(done.folder)


def test_who_finds_the_folder_there_leaves_it_and_who_cannot_rename_says_so(tmp_path, monkeypatch):
    folder = tmp_path / "done"
    for text in ("first", "second"):
        with folder_written_whole(folder) as temporary:
            (temporary / "file").write_text(text)
    assert (folder / "file").read_text() == "first"
    assert [path.name for path in tmp_path.iterdir()] == ["done"]

    def refuse(*_):
        raise OSError(errno.ENOSPC, "no space left")

    monkeypatch.setattr("pathlib.Path.rename", refuse)
    with pytest.raises(OSError, match="no space left"), folder_written_whole(tmp_path / "other") as temporary:
        (temporary / "file").write_text("lost")
    assert [path.name for path in tmp_path.iterdir()] == ["done"]


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EACCES])
def test_a_full_disk_or_no_permission_leaves_nothing_behind(table, monkeypatch, code):
    def refuse(*_, **__):
        raise OSError(code, "refused", "train.npz")

    monkeypatch.setattr("data_prep.prepared.save_npz", refuse)
    with pytest.raises(OSError, match="refused"):
        prepared_from(table)
    assert list((table.parent / "data" / "mine_processed").iterdir()) == []


def _prepare_in_process(table, barrier, force):
    barrier.wait()
    prepare(DataOptions("mine"), table, table.parent / "data", force=force, say=quiet)


@pytest.mark.parametrize("force", [False, True])
def test_two_processes_at_once_both_end_well(table, force):
    context = multiprocessing.get_context("fork")
    barrier = context.Barrier(2)
    processes = [context.Process(target=_prepare_in_process, args=(table, barrier, force)) for _ in range(2)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(30)
    assert [process.exitcode for process in processes] == [0, 0]
    assert find_prepared(table.parent / "data", "mine").train.n_users == 32
    assert len(list((table.parent / "data" / "mine_processed").iterdir())) == 1


def test_the_csv_layout_holds_the_same_split(tmp_path):
    done = prepared_from(write_table(tmp_path / "mine.csv", text=True))
    folder = export_csv(done)
    names = {"train.csv", "validation_tr.csv", "validation_te.csv", "test_tr.csv", "test_te.csv", "unique_sid.txt"}
    assert {path.name for path in folder.iterdir()} == names
    assert (folder / "unique_sid.txt").read_text().split() == [str(item) for item in done.item_ids]
    everyone = np.sort(
        np.concatenate([done.train.user_ids, done.validation_fold_in.user_ids, done.test_fold_in.user_ids])
    )
    profile2id = {user: place for place, user in enumerate(everyone[np.random.RandomState(98765).permutation(40)])}
    for name, part in (("train.csv", done.train), ("test_te.csv", done.test_held_out)):
        lines = (folder / name).read_text().splitlines()
        assert lines[0] == "uid,sid"
        ours = {(profile2id[part.user_ids[row]], item) for row, item in zip(*part.binary().nonzero(), strict=True)}
        assert {tuple(map(int, line.split(","))) for line in lines[1:]} == ours
    train = np.loadtxt(folder / "train.csv", delimiter=",", skiprows=1, dtype=int)
    assert sorted(set(train[:, 0])) == list(range(32)), "training users are numbered first, as loaders expect"
    assert export_csv(done) == folder, "again is no error"
