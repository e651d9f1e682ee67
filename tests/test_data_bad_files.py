"""A bad file is reported in one line: which file, where in it, what was expected."""

from __future__ import annotations

import gzip

import numpy as np
import pytest

from data_tables import movielens_zip, parquet_bytes, read
from utils.system.errors import UserError


def damaged(content):
    """With its middle overwritten."""
    middle = len(content) // 2
    return content[: middle - 2000] + bytes(4000) + content[middle + 2000 :]


CSV = "user,item,rating\n"


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("empty.csv", "", "is empty"),
        ("header.csv", CSV, "has no rows"),
        ("blank.csv", "\n\n", "is empty"),
        ("rating.csv", CSV + "1,2,4\n1,3,good\n", "column 'rating', data row 2: 'good' is no number"),
        ("nan.csv", CSV + "1,2,4\n1,3,nan\n", "data row 2: nan is no rating"),
        ("hole.csv", CSV + "1,2,4\n1,3,\n", "data row 2 is empty; a rating was expected"),
        ("no-id.csv", CSV + "1,,4\n", "column 'item': an id is empty"),
        ("ragged.csv", CSV + "1,2,4\n1,2\n", "wrong format .*Expected 3 columns, got 2"),
        ("latin.csv", (CSV + "Zoë,2,4\n").encode("latin-1"), r"line 2 is not UTF-8 \(byte 0xeb\).* iconv"),
        ("nameless.csv", "a,b,c\n1,2,3\n", r"Say --columns user=NAME,item=NAME .*; it has: a, b, c"),
        ("twice.csv", "user,item,user\n1,2,3\n", "two columns named 'user'"),
        ("prose.csv", "Once upon a time\n", "is no header of a csv"),
        ("endless.csv", "user," + "x" * 200_000, "Say --columns .* it has: user, x{40}$"),
        ("picture.csv", b"\x89PNG\r\n\x1a\n\0\0", "wrong format"),
        ("array.jsonl", '[{"user": 1, "item": 2}]\n', "JSON lines were expected"),
        ("broken.jsonl", '{"user": 1, "item": 2}\n{"user": 1,\n', "line 2 is not JSON"),
        ("list.jsonl", '{"user": 1, "item": 2}\n[]\n', "line 2: an object was expected"),
        ("lacking.jsonl", '{"user": 1, "item": 2}\n{"user": 1}\n', "line 2: no field 'item'"),
        ("kind.jsonl", '{"user": 1, "item": 2}\n{"user": null, "item": 1}\n', "line 2: user None is not text or"),
        ("part.jsonl", '{"user": 1, "item": 2}\n{"user": 2.5, "item": 1}\n', "line 2: user 2.5 is not text or"),
        ("truth.jsonl", '{"user": 1, "item": 2, "rating": true}\n', "line 1: rating True is not a number"),
        ("word.jsonl", '{"user": 1, "item": 2, "rating": "good"}\n', "'good' is no number"),
        ("surrogate.jsonl", '{"user": "\\ud800", "item": 2}\n', "is no valid text"),
        ("nul.jsonl", '{"user": "a\\u0000", "item": 2}\n', "NUL"),
        ("cut.parquet", b"PAR1abc", "no readable Parquet"),
        ("damaged.parquet", damaged(parquet_bytes(user=[*range(999)], item=[*range(999)])), "is cut off or damaged"),
        ("float.parquet", parquet_bytes(user=[1.0, 2.0], item=[1, 2]), "holds double; ids must be"),
        ("null.parquet", parquet_bytes(user=[1, None], item=[1, 2]), "data row 2 is empty; an id was expected"),
        ("bool.parquet", parquet_bytes(user=[1], item=[1], rating=[True]), "holds bool; a rating is a number"),
    ],
    ids=lambda value: value if isinstance(value, str) and "." in value and len(value) < 20 else "",
)  # fmt: skip
def test_a_bad_file_is_reported_in_one_line(tmp_path, name, content, message):
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(UserError, match=message) as raised:
        read(path)
    assert str(path) in str(raised.value)


@pytest.mark.parametrize("packing", ["gzip", "zip"])
def test_a_cut_off_or_damaged_archive_is_said_to_be_one(tmp_path, packing):
    generator = np.random.default_rng(0)
    text = "userId,movieId,rating,timestamp\n" + "".join(
        f"{a},{b},4,1\n" for a, b in generator.integers(0, 9**9, (20000, 2))
    )
    path = tmp_path / "ml-20m"
    if packing == "gzip":
        path.write_bytes(gzip.compress(text.encode())[:-5000])
    else:
        movielens_zip(path, "ml-20m", **{"ratings.csv": text})
        damaged = bytearray(path.read_bytes())
        damaged[5000:5004] = b"\0\0\0\0"
        path.write_bytes(damaged)
    with pytest.raises(UserError, match="cut off or damaged"):
        read(path, "movielens")


@pytest.mark.parametrize(
    "dataset", ["movielens", "movielens-1m", "movielens-100k", "amazon", "netflix", "msd", "pinterest"]
)
def test_a_known_set_in_the_wrong_format(tmp_path, dataset):
    path = tmp_path / "ratings"
    path.write_text("Lorem ipsum dolor\n")
    with pytest.raises(UserError, match=f"wrong format for {dataset}, expected .*"):
        read(path, dataset)


def test_missing_sources(tmp_path):
    with pytest.raises(UserError, match="no such file or folder"):
        read(tmp_path / "nowhere.csv")
    with pytest.raises(UserError, match=r"folder holds none of ratings.csv"):
        read(tmp_path, "movielens")
    movielens_zip(tmp_path / "other.zip", "x", readme="hello")
    with pytest.raises(UserError, match=r"zip holds none of ratings.dat"):
        read(tmp_path / "other.zip", "movielens-1m")


def test_two_tables_are_not_taken_for_one(tmp_path):
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "ratings.dat").write_text("1::2::3::4\n")
    with pytest.raises(UserError, match="holds 2 files; name the one that is the ratings table"):
        read(tmp_path, "movielens-1m")


def test_a_missing_column_is_named_with_those_there_are(tmp_path):
    path = tmp_path / "clicks.csv"
    path.write_text("who,what\n1,2\n")
    with pytest.raises(UserError, match="no column 'whom'; it has: who, what"):
        read(path, columns={"user": "whom", "item": "what"})
