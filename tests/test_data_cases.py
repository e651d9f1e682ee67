"""Nothing is lost without a word: files that people have give the right data, or one line that says what to do."""

from __future__ import annotations

import csv
import io
import json
import os
import re
import zipfile
from collections import Counter

import numpy as np
import pytest
import scipy.io
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from scipy import sparse

from data_prep import DataOptions, find_prepared, prepare
from data_prep.__main__ import main
from data_tables import read, rows_of
from experiments.runs.run import main as run_main
from utils.system.errors import EXIT_BAD_INPUT, UserError, guarded

IN_TMP = {"deadline": None, "suppress_health_check": [HealthCheck.function_scoped_fixture]}


def events(seed=0, users=30, items=20, each=8):
    """(user, item, rating, time), each user with different items."""
    generator = np.random.default_rng(seed)
    return [
        (user, int(item), int(generator.integers(1, 6)), 1_300_000_000 + int(generator.integers(9**9)))
        for user in range(1, users + 1)
        for item in generator.choice(items, each, replace=False)
    ]


def text(rows, separator=",", header=None):
    lines = [separator.join(map(str, row)) for row in rows]
    return "\n".join(([header] if header else []) + lines) + "\n"


def pairs_of(table):
    return [(user, item) for user, item, _, _ in rows_of(table)]


def pairs(rows):
    return [row[:2] for row in rows]


def printed(capsys, tmp_path, *words):
    """What the command prints on stdout and stderr, for words it accepts."""
    code = guarded(main, ["--dataset", "mine", "--data_dir", str(tmp_path / "data"), *map(str, words)])
    said = capsys.readouterr()
    assert code == 0, said.err
    return said


def refused(capsys, tmp_path, *words):
    """The one line with which the command refuses ``words``."""
    words = ["--dataset", "mine", *words] if "--dataset" not in words else words
    assert guarded(main, ["--data_dir", str(tmp_path / "data"), *map(str, words)]) == EXIT_BAD_INPUT
    said = capsys.readouterr().err
    assert said.startswith("error: ")
    assert said.count("\n") == 1
    return said


# Lines, all of them


@settings(**IN_TMP)
@given(
    rows=st.lists(st.tuples(st.integers(1, 8), st.integers(1, 6), st.integers(1, 5)), min_size=60, max_size=120),
    comments=st.integers(0, 2),
    blanks=st.lists(st.integers(1, 60), max_size=4),
    header=st.booleans(),
    separator=st.sampled_from([",", "\t", ";", "|", "::", " "]),
    line_end=st.sampled_from(["\n", "\r\n"]),
    min_rating=st.sampled_from([None, 2.0]),
    least=st.tuples(st.integers(0, 12), st.integers(0, 5)),
)
def test_lines_read_are_events_and_lines_dropped_each_with_its_reason(
    tmp_path, rows, comments, blanks, header, separator, line_end, min_rating, least
):
    lines = [separator.join(map(str, row)) for row in rows]
    for place in blanks:
        lines.insert(place, "")
    lines = ["# a comment"] * comments + [separator.join(("user", "item", "rating"))] * header + lines
    path = tmp_path / "t.txt"
    path.write_bytes((line_end.join(lines) + line_end).encode())
    columns = None if header else {"user": "1", "item": "2", "rating": "3"}
    choices = {"min_rating": min_rating, "min_item_click": least[0], "min_user_click": least[1], "test_users_size": 1}
    # counted once more, in plain Python
    rated = [row for row in rows if min_rating is None or row[2] > min_rating]
    distinct = list(dict.fromkeys(pairs(rated)))
    of_items = Counter(item for _, item in distinct)
    popular = [pair for pair in distinct if of_items[pair[1]] >= least[0]]
    of_users = Counter(user for user, _ in popular)
    left = [pair for pair in popular if of_users[pair[0]] >= least[1]]
    dropped = {
        "comment": comments, "header": int(header), "blank": len(blanks), "low_rating": len(rows) - len(rated),
        "duplicate": len(rated) - len(distinct), "rare_item": len(distinct) - len(popular),
        "inactive_user": len(popular) - len(left),
    }  # fmt: skip
    options = DataOptions("mine", columns=columns, **choices)
    if len({user for user, _ in left}) < 3:
        with pytest.raises(UserError, match="leave"):
            prepare(options, path, tmp_path, force=True, say=lambda line: None)
        return
    said = []
    prepared = prepare(options, path, tmp_path, force=True, say=said.append)
    found = prepared.manifest["lines"]
    assert found["dropped"] == {why: number for why, number in dropped.items() if number}
    assert found["events"] == len(left)
    assert found["read"] == len(lines) == len(left) + sum(dropped.values())
    (line,) = [line for line in said if line.startswith("lines read: ")]
    assert sum(int(number) for number in re.findall(r"[=+] ([0-9]+)", line)) == len(lines)
    in_parts = sum(getattr(prepared, part).nnz for part in ("train", "validation_fold_in", "validation_held_out"))
    in_parts += prepared.test_fold_in.nnz + prepared.test_held_out.nnz
    assert found["unknown_items"] == len(left) - in_parts


def test_events_on_items_that_no_training_user_has_are_counted(capsys, tmp_path):
    path = tmp_path / "t.csv"
    rows = [*events(), *((user, 1000 + user) for user in range(1, 31))]  # an item of one's own each
    path.write_text(text([row[:2] for row in rows], header="user,item"))
    said = printed(capsys, tmp_path, "--raw", path, "--test_users_size", 4).out
    assert "270 events + 1 header; 8 of the events are of validation and test users on items" in said
    assert find_prepared(tmp_path / "data", "mine", test_users_size=4).manifest["lines"]["unknown_items"] == 8


# Quotes

TITLES = st.lists(st.text(st.sampled_from("ab \"'"), max_size=5), min_size=6, max_size=25)


@settings(max_examples=150, **IN_TMP)
@given(titles=TITLES, header=st.booleans(), separator=st.sampled_from(["\t", ",", ";"]), last=st.booleans())
def test_whatever_quotes_a_file_holds_its_rows_are_all_read_or_one_is_named(tmp_path, titles, header, separator, last):
    rows = [(f"u{n % 4}", f"i{n}") for n in range(len(titles))]
    fields = [(*row, title) if last else (title, *row) for row, title in zip(rows, titles, strict=True)]
    names = ["user", "item", "title"] if last else ["title", "user", "item"]
    path = tmp_path / "t.csv"
    path.write_text(text(fields, separator, separator.join(names) if header else None))
    columns = {name: name if header else str(names.index(name) + 1) for name in ("user", "item")}
    try:
        table, message = read(path, columns=columns), ""
    except UserError as error:
        table, message = None, str(error)
    if table is not None:
        assert pairs_of(table) == rows
    else:
        assert separator != "\t"
        (number,) = re.search(r"line ([0-9]+)", message).groups()
        assert '"' in path.read_text().splitlines()[int(number) - 1]


@settings(max_examples=60, **IN_TMP)
@given(
    titles=st.lists(st.text(st.sampled_from('ab "\n,'), max_size=6), min_size=5, max_size=15), blank=st.integers(0, 2)
)
@example(titles=["a\n\nb"] * 5, blank=1)  # an empty line inside quotes, and one outside
def test_what_a_csv_writer_quotes_is_read_line_ends_and_all(tmp_path, titles, blank):
    rows = [(str(n % 4), str(n)) for n in range(len(titles))]
    stream = io.StringIO()
    written = [("user", "item", "title", "more"), *((*row, title, 1) for row, title in zip(rows, titles, strict=True))]
    csv.writer(stream, lineterminator="\n").writerows(written)
    path = tmp_path / "t.csv"
    path.write_text(stream.getvalue() + "\n" * blank, newline="")
    table = read(path, columns={"user": "user", "item": "item"})
    assert pairs_of(table) == [(int(user), int(item)) for user, item in rows]
    assert table.unused.get("blank", 0) == blank
    assert len(table) + sum(table.unused.values()) == stream.getvalue().count("\n") + blank


def test_a_large_file_with_quoted_line_ends_is_read_as_a_small_one(tmp_path, monkeypatch):
    monkeypatch.setattr("data_prep.readers.delimited._BLOCK", 4096)
    rows = events()
    path = tmp_path / "reviews.csv"
    path.write_text(
        "user,item,review,rating\n"
        + "".join(f'{user},{item},"{"word " * 40}\nsecond line, x\nthird",{rating}\n' for user, item, rating, _ in rows)
    )
    table = read(path)
    assert pairs_of(table) == pairs(rows)
    assert table.unused == {"header": 1, "inside_quotes": 2 * len(rows)}


def test_a_quote_that_swallows_rows_is_reported_with_its_row(capsys, tmp_path):
    path = tmp_path / "titles.csv"
    path.write_text(text([(1, 1, '"Weird Al'), (2, 2, "b"), (3, 3, 'c"'), (4, 4, "d")], header="user,item,title"))
    said = refused(capsys, tmp_path, "--raw", path)
    assert "line 2: a quote there makes one row of 3 lines" in said


# Columns and headers


@pytest.mark.parametrize("first", ["2,1,5,1300000000", "1,2,3,4", "3,4,1,2"])
def test_positions_are_positions_whatever_the_first_row_holds(tmp_path, first):
    rows = [tuple(map(int, first.split(","))), *events()]
    path = tmp_path / "t.csv"
    path.write_text(text(rows))
    assert pairs_of(read(path, columns={"user": "1", "item": "2"})) == pairs(rows)
    assert pairs_of(read(path, columns={"user": "2", "item": "1"})) == [(item, user) for user, item in pairs(rows)]


@pytest.mark.parametrize("header", ["userId,movieId,rating,timestamp", "who,what,how,when"])
def test_a_header_is_no_event_when_positions_are_given(capsys, tmp_path, header):
    path = tmp_path / "t.csv"
    path.write_text(text(events(), header=header))
    said = printed(capsys, tmp_path, "--raw", path, "--columns", "user=1,item=2").out
    assert f"line 1 is taken for a header: {header.replace(',', ', ')}" in said
    names = header.split(",")
    said = printed(capsys, tmp_path, "--raw", path, "--columns", f"user={names[0]},item={names[1]}").out
    assert "already prepared" in said, "positions and names are the same preparation"
    assert find_prepared(tmp_path / "data", "mine").manifest["counts"]["events"] == len(events())


def test_a_first_line_that_may_be_either_is_said_to_be_an_event(capsys, tmp_path):
    path = tmp_path / "t.csv"
    path.write_text(text([(f"u{user}", f"i{item}") for user, item in pairs(events())], header="Zoe,Jaws"))
    said = printed(capsys, tmp_path, "--raw", path, "--columns", "user=1,item=2").out
    assert "line 1 is taken for an event, not for a header: Zoe, Jaws" in said


@pytest.mark.parametrize("columns", ["user=1,item=9", "user=0,item=1"])
def test_a_position_that_is_none_is_refused(capsys, tmp_path, columns):
    path = tmp_path / "t.csv"
    path.write_text(text(events()))
    assert "columns 1 to 4, no " in refused(capsys, tmp_path, "--raw", path, "--columns", columns)


def test_a_header_of_numbers_from_0_can_be_named(tmp_path):
    path = tmp_path / "frame.csv"  # pandas' own names of columns
    path.write_text(text(events(), header="0,1,2,3"))
    assert pairs_of(read(path, columns={"user": "0", "item": "1"})) == pairs(events())


def test_a_guessed_time_that_cannot_be_read_is_left_out_and_a_named_one_refused(capsys, tmp_path):
    path = tmp_path / "t.csv"
    path.write_text(text([(*row[:3], "12/31/2015 05:21") for row in events()], header="user,item,rating,timestamp"))
    said = printed(capsys, tmp_path, "--raw", path).out
    assert "column 'timestamp' is left out: '12/31/2015 05:21' in it is no time that can be read" in said
    assert find_prepared(tmp_path / "data", "mine").manifest["order"] == "source row"
    named = "user=user,item=item,timestamp=timestamp"
    assert "is no time; seconds or an ISO 8601 date" in refused(capsys, tmp_path, "--raw", path, "--columns", named)


def test_a_guessed_column_that_does_not_do_is_reported_with_how_to_say_otherwise(capsys, tmp_path):
    path = tmp_path / "t.csv"
    path.write_text(text([(*row[:2], "good") for row in events()], header="user,item,rating"))
    said = refused(capsys, tmp_path, "--raw", path)
    assert "data row 1: 'good' is no number" in said
    assert "columns guessed: user=user,item=item,rating=rating; --columns says otherwise" in said


def test_the_item_of_amazons_2023_edition_is_the_parent(tmp_path):
    path = tmp_path / "amazon.jsonl"
    lines = [{"rating": 5.0, "asin": "B1", "parent_asin": "P", "user_id": "A"}, {"rating": 1.0, "asin": "B2",
             "parent_asin": "P", "user_id": "B"}]  # fmt: skip
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    assert pairs_of(read(path)) == [("A", "P"), ("B", "P")]


def test_json_fields_that_the_first_line_lacks_are_found_and_missed_where_they_lack(capsys, tmp_path):
    path = tmp_path / "t.jsonl"
    lines = [{"user": user, "item": item} | ({"rating": 4} if n else {}) for n, (user, item, *_) in enumerate(events())]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    said = refused(capsys, tmp_path, "--raw", path)
    assert "line 1: no field 'rating'" in said
    assert "--columns says otherwise" in said
    printed(capsys, tmp_path, "--raw", path, "--columns", "user=user,item=item")
    assert find_prepared(tmp_path / "data", "mine").manifest["counts"]["events"] == len(events())


def test_amazon_with_users_and_items_in_each_others_place_is_refused(capsys, tmp_path):
    path = tmp_path / "Movies_and_TV.csv"
    path.write_text(text([(f"{item:010d}", f"A{user}XQ", 4.0, time) for user, item, _, time in events(each=15)]))
    assert "--columns user=2,item=1" in refused(capsys, tmp_path, "--dataset", "amazon", "--raw", path)


# Separators and layouts


@pytest.mark.parametrize("separator", [",", "\t", ";", "|", "::", " "])
@pytest.mark.parametrize("name", ["t.csv", "t.tsv", "t.dat"])
def test_the_separator_is_what_parts_the_lines_evenly(tmp_path, separator, name):
    path = tmp_path / name
    for other in {",", ";"} - {separator}:  # more of these in the first line than of the separator
        titles = [f"A{other}{other}b{other}c{other}d{other}e" if n == 0 else "f" for n in range(len(events()))]
        rows = [(user, item, title, time) for (user, item, _, time), title in zip(events(), titles, strict=True)]
        path.write_text(text(rows, separator))
        assert pairs_of(read(path, columns={"user": "1", "item": "2"})) == pairs(events())


@pytest.mark.parametrize(("given", "separator"), [("pipe", "|"), ("|", "|"), ("^", "^"), ("tab", "\t"), ("\\t", "\t")])
def test_a_separator_can_be_named(capsys, tmp_path, given, separator):
    path = tmp_path / "t.txt"
    path.write_text(text([(user, f"a,{item},b", 1) for user, item in pairs(events())], separator, None))
    printed(capsys, tmp_path, "--raw", path, "--columns", "user=1,item=2", "--separator", given)
    found = find_prepared(tmp_path / "data", "mine")
    assert set(found.item_ids.tolist()) == {f"a,{item},b" for _, item in pairs(events())}


def test_a_separator_that_would_be_found_anyway_names_the_same_preparation(capsys, tmp_path):
    path = tmp_path / "t.csv"
    path.write_text(text(events(), ";", "user;item;rating;timestamp"))
    assert "separator found: semicolon (--separator says otherwise)" in printed(capsys, tmp_path, "--raw", path).out
    assert "already prepared" in printed(capsys, tmp_path, "--raw", path, "--separator", "semicolon").out


@pytest.mark.parametrize(("given", "message"), [("x", "letter, digit"), ("comma", "does not part it")])
def test_a_separator_that_is_none_is_refused(capsys, tmp_path, given, message):
    path = tmp_path / "t.csv"
    path.write_text(text(events(), "\t", "user\titem\trating\ttimestamp"))
    assert message in refused(capsys, tmp_path, "--raw", path, "--separator", given)


def test_spaces_around_names_and_values_are_none_of_them(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text(text([(f" {a}", f"{b} ", f" {c}") for a, b, c, _ in events()], header="user, item , rating"))
    table = read(path, columns={"user": "user", "item": "item", "rating": "rating"})
    assert [row[:3] for row in rows_of(table)] == [row[:3] for row in events()]


def test_runs_of_spaces_and_tabs_and_konects_comments(tmp_path):
    path = tmp_path / "out.konect"
    lines = ["% bip weighted", f"% {len(events())} 30 20"]
    path.write_text("\n".join(lines + [f" {a}   {b}\t{c} {d} " for a, b, c, d in events()]) + "\n  \n")
    columns = {"user": "1", "item": "2", "rating": "3", "timestamp": "4"}
    table = read(path, columns=columns)
    assert rows_of(table) == [tuple(row) for row in events()]
    assert table.unused == {"comment": 2, "blank": 1}


def test_a_header_may_begin_with_a_hash(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("# exported\n" + text(events(), header="#user,item,rating,time"))
    table = read(path)
    assert pairs_of(table) == pairs(events())
    assert table.unused == {"comment": 1, "header": 1}


def lists_of(rows):
    by_user = {}
    for user, item in pairs(rows):
        by_user.setdefault(user, []).append(item)
    return by_user


def test_lists_of_items_as_lightgcn_writes_them(tmp_path):
    rows = [row for row in events() if (row[0] + row[1]) % 3]
    lines = [" ".join(map(str, (user, *items))) for user, items in lists_of(rows).items()]
    path = tmp_path / "train.txt"
    path.write_text("\n".join([*lines[:9], "999", *lines[9:]]) + "\n")
    table = read(path)
    assert pairs_of(table) == pairs(rows)
    assert table.unused == {"user_without_items": 1}


def test_a_line_that_is_no_list_of_items_is_named_by_its_number_comments_counted(tmp_path):
    path = tmp_path / "train.txt"
    lists = [f"{user} " + " ".join(map(str, range(1 + user % 3))) for user in range(2000)]
    path.write_text("\n".join(["# user and items", *lists]) + "\n")
    assert read(path).unused == {"comment": 1}
    path.write_text("\n".join(["# user and items", *lists, "2000 five"]) + "\n")
    with pytest.raises(UserError, match="line 2002: '2000 five' is no user followed by items"):
        read(path)


def test_sparse_matrices_of_scipy_and_matrix_market(tmp_path):
    rows = [row[:3] for row in events()]
    users, items, ratings = map(np.array, zip(*rows, strict=True))
    matrix = sparse.coo_matrix((ratings.astype(float), (users, items)), shape=(40, 25))
    matrix.data[5] = 0  # stored, and no event
    left = {(user, item, float(rating)) for n, (user, item, rating) in enumerate(rows) if n != 5}
    for layout in ("csr", "csc", "coo"):
        sparse.save_npz(tmp_path / "m.npz", matrix.asformat(layout))
        table = read(tmp_path / "m.npz")
        assert {row[:3] for row in rows_of(table)} == left
        assert table.unused == {"stored_zero": 1}
    scipy.io.mmwrite(tmp_path / "m.mtx", matrix)
    assert {row[:3] for row in rows_of(read(tmp_path / "m.mtx"))} == {(u + 1, i + 1, r) for u, i, r in left}
    np.savez(tmp_path / "other.npz", a=np.arange(3))
    with pytest.raises(UserError, match=r"expected a matrix of scipy\.sparse\.save_npz"):
        read(tmp_path / "other.npz")


def test_libsvm_is_refused_with_what_to_convert_it_to(capsys, tmp_path):
    path = tmp_path / "t.libsvm"
    path.write_text("1 3:1 7:1\n0 2:1 3:1 9:0.5\n")
    assert "scipy.sparse.save_npz" in refused(capsys, tmp_path, "--raw", path)


# Sources


def zipped(path, **members):
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            archive.writestr(name.replace("__", "."), content)


def test_of_a_zip_the_ratings_are_taken_or_a_member_is_named(capsys, tmp_path):
    ratings = text(events(), header="userId,movieId,rating,timestamp")
    zipped(tmp_path / "ml.zip", links__csv="a,b\n", movies__csv="c,d\n", ratings__csv=ratings)
    assert pairs_of(read(tmp_path / "ml.zip")) == pairs(events())
    zipped(tmp_path / "my.zip", links__csv="a,b\n", mine__csv=ratings)
    assert "name the one that is the ratings table" in (said := refused(capsys, tmp_path, "--raw", tmp_path / "my.zip"))
    assert "my.zip/NAME): links.csv, mine.csv" in said
    assert pairs_of(read(tmp_path / "my.zip" / "mine.csv")) == pairs(events())
    said = refused(capsys, tmp_path, "--raw", tmp_path / "my.zip" / "none.csv")
    assert "holds 0 files none.csv; it has: links.csv, mine.csv" in said


def test_a_pipe_is_refused_at_once(capsys, tmp_path):
    os.mkfifo(tmp_path / "pipe")
    assert "write it to a file" in refused(capsys, tmp_path, "--raw", tmp_path / "pipe")


@pytest.mark.parametrize("names", [("train.csv", "validation_tr.csv"), ("ml.train.inter", "ml.valid.inter")])
def test_a_ready_made_split_is_refused_as_one(capsys, tmp_path, names):
    folder = tmp_path / "split"
    folder.mkdir()
    for name in names:
        (folder / name).write_text("uid,sid\n0,1\n")
    assert "holds a ready-made split" in refused(capsys, tmp_path, "--raw", folder)


# Ids


def test_ids_that_differ_in_spelling_are_one_and_counted(capsys, tmp_path):
    path = tmp_path / "t.csv"
    spelled = [(f"{user}.0" if n % 2 else f"{user} ", item) for n, (user, item) in enumerate(pairs(events()))]
    path.write_text(text(spelled, header="user,item"))
    said = printed(capsys, tmp_path, "--raw", path)
    assert re.search(
        r"warning: 30 user ids are written in more than one way, such as '[0-9]+ ?' and '[0-9]+\.0'", said.err
    )
    found = find_prepared(tmp_path / "data", "mine")
    assert found.manifest["counts"]["users"] == 30
    assert found.train.user_ids.dtype == np.int64
    assert [*found.manifest["spellings"]] == ["user"]


def test_an_id_with_a_line_end_is_refused(capsys, tmp_path):
    path = tmp_path / "t.csv"
    path.write_text(text([(user, f'"it\nem{item}"') for user, item in pairs(events())], header="user,item"))
    assert "holds a line end" in refused(capsys, tmp_path, "--raw", path, "--export", "csv")


# Which of several


@settings(max_examples=15, **IN_TMP)
@given(asked=st.lists(st.sampled_from("ABC"), min_size=2, max_size=6))
def test_of_preparations_under_one_name_the_one_asked_for_last_is_taken(tmp_path_factory, asked):
    tmp_path = tmp_path_factory.mktemp("several")
    for seed, name in enumerate("ABC"):
        (tmp_path / f"{name}.csv").write_text(text(events(seed), header="user,item,rating,timestamp"))
    for name in asked:
        prepare(DataOptions("mine"), tmp_path / f"{name}.csv", tmp_path / "data", say=lambda line: None)
        assert find_prepared(tmp_path / "data", "mine").manifest["source"]["files"][0]["name"] == f"{name}.csv"
        assert prepare(DataOptions("mine"), data_dir=tmp_path / "data", say=lambda line: None).folder == (
            find_prepared(tmp_path / "data", "mine").folder
        )


def test_a_run_says_which_preparation_it_trains_on(engine, tmp_path, capsys):
    """Whichever of two sources under one name was asked for last, and again where it was finished before."""
    for seed, name in enumerate("AB"):
        (tmp_path / f"{name}.csv").write_text(text(events(seed), header="user,item,rating,timestamp"))
    words = ["--dataset", "mine", "--data_dir", str(tmp_path / "data"), "--log_dir", str(tmp_path / "results")]
    words += ["--p_dims", "2,4", "--n_epochs", "1"]
    for name in "ABAB":
        prepared = prepare(DataOptions("mine"), tmp_path / f"{name}.csv", tmp_path / "data", say=lambda line: None)
        assert run_main(engine, words) == 0
        said = capsys.readouterr()
        assert f"preparation {prepared.fingerprint} of {name}.csv" in said.out + said.err
