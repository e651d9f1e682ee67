"""``python -m data_prep``: what it prints, and how it says no."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from data_prep import DataOptions, find_prepared, load_prepared, parse_columns, prepare
from data_prep.__main__ import main
from data_prep.summary import compare_with_published
from utils.system.errors import EXIT_BAD_INPUT, UserError, guarded

ROOT = Path(__file__).resolve().parents[1]
HEADER = "user,item,rating\n"


@pytest.fixture
def table(tmp_path):
    """30 users with 10 of 20 items each, one row twice."""
    generator = np.random.default_rng(1)
    rows = [
        f"{user},{item},{generator.integers(1, 6)}" for user in range(30) for item in generator.choice(20, 10, False)
    ]
    path = tmp_path / "clicks.csv"
    path.write_text(HEADER + "\n".join([*rows, rows[0]]) + "\n")
    return path


def run_command(tmp_path, *words):
    return guarded(main, [*map(str, words), "--data_dir", str(tmp_path / "data")])


def refusal(capsys, tmp_path, *words):
    """The one line on stderr with which the command refuses ``words``; nothing prepared is left behind."""
    assert run_command(tmp_path, *words) == EXIT_BAD_INPUT
    said = capsys.readouterr().err
    assert said.startswith("error: ")
    assert said.count("\n") == 1
    assert not list((tmp_path / "data").glob("*_processed/*"))
    return said


def test_the_table_every_paper_needs(tmp_path, table, capsys):
    assert (
        run_command(tmp_path, "--dataset", "mine", "--raw", table, "--test_users_size", 4, "--min_rating", "none") == 0
    )
    said = capsys.readouterr().out
    assert "lines read: 302 = 300 events + 1 header + 1 duplicates (the first of each was kept)\n" in said
    assert "columns guessed from the header: user=user,item=item,rating=rating" in said
    lines = {line[:22].strip(): line[22:].strip() for line in said.splitlines() if line.startswith("  ")}
    assert lines["events"] == "300"
    assert lines["users"] == "30"
    assert lines["items"] == "20"
    assert lines["density"] == "50 %"
    assert lines["clicks per user"].startswith("min 10, 5 % 10, 25 % 10, median 10,")
    assert lines["training"].startswith("22 users, 220 events")
    assert lines["test, held out"] == "4 users, 32 fold-in events, 8 held-out events"


def test_options_reach_the_preparation_and_find_it_again(tmp_path, table):
    given = {
        "min_rating": 2,
        "min_user_click": 3,
        "min_item_click": 1,
        "test_users_size": 0.2,
        "test_size": 0.5,
        "seed": 7,
    }
    words = [word for name, value in given.items() for word in (f"--{name}", value)]
    columns = "user=user,item=item,rating=rating"
    assert run_command(tmp_path, "--dataset", "mine", "--raw", table, "--columns", columns, *words) == 0
    found = find_prepared(tmp_path / "data", "mine", **given)
    assert {name: found.manifest["options"][name] for name in given} == given
    assert found.manifest["source"]["files"][0]["name"] == "clicks.csv"


def test_export_writes_the_csv_layout(tmp_path, table, capsys):
    assert run_command(tmp_path, "--dataset", "mine", "--raw", table, "--export", "csv") == 0
    folder = Path(capsys.readouterr().out.splitlines()[-1].removeprefix("exported: "))
    assert (folder / "train.csv").read_text().startswith("uid,sid\n")


def test_without_a_source_the_finished_preparation_is_found(tmp_path, table, capsys):
    assert run_command(tmp_path, "--dataset", "mine", "--raw", table) == 0
    assert run_command(tmp_path, "--dataset", "mine") == 0
    assert "already prepared: " in capsys.readouterr().out


def test_a_damaged_preparation_is_made_again(tmp_path, table, capsys):
    assert run_command(tmp_path, "--dataset", "mine", "--raw", table) == 0
    folder = find_prepared(tmp_path / "data", "mine").folder
    (folder / "train.npz").write_bytes(b"")
    capsys.readouterr()
    assert run_command(tmp_path, "--dataset", "mine", "--raw", table) == 0
    assert "train.npz is damaged" in capsys.readouterr().err
    assert load_prepared(folder).train.n_users == 24


def test_of_several_columns_none_is_taken_by_chance(tmp_path, table, capsys):
    for columns in ("user=user,item=item", "user=item,item=user"):
        assert run_command(tmp_path, "--dataset", "mine", "--raw", table, "--columns", columns) == 0
    assert run_command(tmp_path, "--dataset", "mine") == EXIT_BAD_INPUT
    assert "say --raw FILE" in capsys.readouterr().err
    with pytest.raises(UserError, match="--columns user=user,item=item"):
        find_prepared(tmp_path / "data", "mine")


BAD_OPTIONS = [
    (["--dataset", "../x"], "names a folder"),
    (
        ["--dataset", "mine", "--min_rating", "good"],
        "argument --min_rating: 'good' was given, expected a number, or none",
    ),
    (["--dataset", "mine", "--min_rating", "nan"], "--min_rating nan"),
    (
        ["--dataset", "mine", "--min_user_click", "2.5"],
        "--min_user_click: '2.5' was given, expected a whole number, at least 0",
    ),
    (["--dataset", "mine", "--min_item_click", "-1"], "--min_item_click: '-1' was given"),
    (["--dataset", "mine", "--test_users_size", "0"], "--test_users_size 0"),
    (["--dataset", "mine", "--test_users_size", "0.5"], "between 0 and 0.5"),
    (["--dataset", "mine", "--test_users_size", "1.5"], "--test_users_size 1.5"),
    (["--dataset", "mine", "--test_size", "1"], "--test_size: '1' was given, expected a number, above 0, below 1"),
    (["--dataset", "mine", "--test_users_size", "few"], "--test_users_size: 'few' was given, expected a fraction"),
    (["--set", "mine"], "unrecognized arguments: --set mine"),
    ([], "--dataset NAME is missing: movielens, "),
    (["--dataset", "mine", "--seed", "-1"], "--seed: '-1' was given"),
    (["--dataset", "mine", "--seed", str(2**32)], "--seed 4294967296"),
    (["--dataset", "mine", "--columns", "user=a"], "--columns says no item"),
    (["--dataset", "mine", "--columns", "user=a,item"], "'item' is not ROLE=NAME"),
    (["--dataset", "mine", "--columns", "user=a,item=b,colour=c"], "'colour' is not one of user, item"),
    (["--dataset", "mine", "--columns", "user=a,item=a"], "one column cannot play two parts"),
    (["--dataset", "mine", "--columns", "user=a,user=b"], "user is given twice"),
    (["--dataset", "mine"], "for data of your own say --raw FILE"),
    (["--dataset", "pintrest"], "did you mean pinterest? For data of your own say --raw FILE"),
    (["--dataset", "amazon"], "run: python -m data_prep --dataset amazon --download"),
    (["--dataset", "netflix", "--download"], "not freely downloadable"),
    (["--dataset", "mine", "--raw", "x.csv", "--download"], "give one of them"),
    (["--dataset", "mine", "--raw", "no/such.csv"], "no such file or folder"),
]


@pytest.mark.parametrize(
    ("words", "message"), BAD_OPTIONS, ids=[" ".join(words) or "nothing" for words, _ in BAD_OPTIONS]
)
def test_a_bad_option_is_reported_in_one_line(capsys, tmp_path, words, message):
    assert message in refusal(capsys, tmp_path, *words)


BAD_TABLES = [
    ("", [], "is empty"),
    (HEADER, [], "has no rows"),
    ("a picture, not a table", [], "Say --columns"),
    ("who,what\n1,2\n", ["--columns", "user=who,item=thing"], "no column 'thing'; it has: who, what"),
    (HEADER + "1,2,high\n", [], "'high' is no number"),
    (HEADER + "1,2,4\n", ["--min_rating", "5"], "the filters leave nothing of 1 events"),
    (HEADER + "1,2,4\n2,2,4\n", ["--min_user_click", "1"], "holds out 0 users twice, and the filters leave 2"),
    (HEADER + "1,2,4\n2,2,4\n", ["--min_user_click", "1", "--test_users_size", "1"], "the filters leave 2"),
]


@pytest.mark.parametrize(("content", "words", "message"), BAD_TABLES, ids=[message for _, _, message in BAD_TABLES])
def test_a_bad_table_is_reported_in_one_line(capsys, tmp_path, content, words, message):
    (tmp_path / "t.csv").write_text(content)
    assert message in refusal(capsys, tmp_path, "--dataset", "mine", "--raw", tmp_path / "t.csv", *words)


@pytest.mark.parametrize(
    ("code", "message"),
    [(errno.EACCES, "no permission"), (errno.ENOSPC, "the disk is full"), (errno.EROFS, "read-only")],
)
def test_no_permission_and_a_full_disk(capsys, tmp_path, table, monkeypatch, code, message):
    def refuse(*_, **__):
        raise OSError(code, os.strerror(code), "data/mine_processed")

    monkeypatch.setattr("data_prep.prepared.save_npz", refuse)
    assert message in refusal(capsys, tmp_path, "--dataset", "mine", "--raw", table)


def test_a_data_dir_that_is_a_file(capsys, tmp_path, table):
    (tmp_path / "data").write_text("")
    assert run_command(tmp_path, "--dataset", "mine", "--raw", table) == EXIT_BAD_INPUT
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert "a folder was expected" in said


def test_an_interrupted_preparation_leaves_nothing(tmp_path, table, monkeypatch):
    def stop(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("data_prep.prepared.write_json", stop)
    assert run_command(tmp_path, "--dataset", "mine", "--raw", table) == 130
    assert list((tmp_path / "data" / "mine_processed").iterdir()) == []


def test_as_a_process(tmp_path, table):
    def run(*words):
        words = [sys.executable, "-m", "data_prep", *map(str, words), "--data_dir", tmp_path / "data"]
        return subprocess.run(words, capture_output=True, text=True, cwd=ROOT, check=False, timeout=60)

    done = run("--dataset", "mine", "--raw", table)
    assert (done.returncode, done.stderr) == (0, "")
    refused = run("--dataset", "mine", "--raw", tmp_path / "nothing.csv")
    assert refused.returncode == EXIT_BAD_INPUT
    assert refused.stderr.count("\n") == 1
    assert "Traceback" not in refused.stderr


def test_neither_framework_is_imported():
    code = "import data_prep, data_prep.__main__, sys; print({'torch', 'mxnet'} & set(sys.modules))"
    words = [sys.executable, "-c", code]
    assert subprocess.run(words, capture_output=True, text=True, cwd=ROOT, check=True).stdout == "set()\n"


def test_columns_are_written_as_they_are_parsed():
    assert parse_columns("user = who , item=what,timestamp=when") == {
        "user": "who",
        "item": "what",
        "timestamp": "when",
    }


def test_counts_that_miss_the_expected_are_said_on_stderr(tmp_path, table, capsys):
    assert run_command(tmp_path, "--dataset", "movielens-1m", "--raw", table) == 0
    said = capsys.readouterr().err
    assert said.startswith("warning: not the expected counts: events ")
    assert "users 10 (expected 6,034)" in said
    assert said.count("\n") == 1
    assert run_command(tmp_path, "--dataset", "movielens-1m", "--raw", table, "--seed", "1") == 0
    assert capsys.readouterr().err == "", "of other options nothing is expected"


@pytest.mark.parametrize(
    ("events", "items", "training_items", "right"),
    [
        (56_880_037, 17_769, 17_000, True),
        (56_880_037, 17_770, 17_769, True),
        (56_780_000, 17_769, 17_000, False),
        (56_880_037, 17_770, 17_000, False),
    ],
)
def test_netflix_is_known_to_a_hundred_thousand_events(events, items, training_items, right):
    counts = {"events": events, "users": 463_435, "items": items, "training_items": training_items}
    manifest = {
        "dataset": "netflix",
        "protocol": "strong",
        "options": DataOptions("netflix").record(),
        "counts": counts,
    }
    assert compare_with_published(manifest)[0] is right


@pytest.mark.skipif("MOVIELENS_1M" not in os.environ, reason="MOVIELENS_1M names no copy of MovieLens 1M's ratings")
def test_movielens_1m_gives_its_known_counts(tmp_path):
    done = prepare(DataOptions("movielens-1m"), os.environ["MOVIELENS_1M"], tmp_path)
    assert compare_with_published(done.manifest)[0] is True
    assert load_prepared(done.folder).n_items == 3_497


def test_prepare_refuses_from_python_as_from_the_run_command(tmp_path):
    with pytest.raises(UserError, match="no such file"):
        prepare(DataOptions("mine"), tmp_path / "none.csv", tmp_path)
