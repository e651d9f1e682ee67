"""Every format gives the same table."""

from __future__ import annotations

import datetime
import gzip
import json

import numpy as np
import pyarrow as pa
import pytest

from data_prep.readers.detect import choose_columns
from data_tables import ITEMS, ROWS, USERS, delimited, movielens_zip, parquet_bytes, read, rows_of


def own_bytes(kind):
    if kind == "csv":
        return delimited(",").encode()
    if kind == "tsv":
        return delimited("\t").encode()
    if kind == "jsonl":
        names = ("user", "item", "rating", "timestamp")
        return "".join(json.dumps(dict(zip(names, row, strict=True))) + "\n" for row in ROWS).encode()
    users, items, ratings, times = zip(*ROWS, strict=True)
    return parquet_bytes(user=list(users), item=list(items), rating=list(ratings), timestamp=list(times))


@pytest.mark.parametrize("packed", [False, True], ids=["plain", "gzipped"])
@pytest.mark.parametrize("kind", ["csv", "tsv", "parquet", "jsonl"])
def test_ones_own_file_in_every_format(tmp_path, kind, packed):
    path = tmp_path / (f"mine.{kind}.gz" if packed else f"mine.{kind}")
    path.write_bytes(gzip.compress(own_bytes(kind)) if packed else own_bytes(kind))
    table = read(path)
    assert table.user_ids.dtype == np.int64
    assert table.user_ids.tolist() == USERS
    assert table.item_ids.tolist() == ITEMS
    assert rows_of(table) == [(int(user), item, rating, time) for user, item, rating, time in ROWS]


def test_rating_and_timestamp_are_optional_and_columns_can_be_named(tmp_path):
    path = tmp_path / "clicks.csv"
    path.write_text("when,product,stars,who\n1,x,5,a\n2,y,4,b\n")
    assert rows_of(read(path, columns={"user": "who", "item": "product"})) == [
        ("a", "x", None, None),
        ("b", "y", None, None),
    ]
    everything = {"user": "who", "item": "product", "rating": "stars", "timestamp": "when"}
    assert rows_of(read(path, columns=everything)) == [("a", "x", 5.0, 1), ("b", "y", 4.0, 2)]


def test_columns_by_position_when_there_is_no_header(tmp_path):
    path = tmp_path / "clicks.tsv"
    path.write_text("7\tx\n8\ty\n")
    assert rows_of(read(path, columns={"user": "2", "item": "1"})) == [("x", 7, None, None), ("y", 8, None, None)]


def test_quotes_semicolons_a_byte_order_mark_and_windows_line_ends(tmp_path):
    path = tmp_path / "export.csv"
    path.write_bytes('\ufeffuserId;movieId;rating\r\n1;"a;""b""";4\r\n\r\n2;c;5\r\n'.encode())
    assert rows_of(read(path)) == [(1, 'a;"b"', 4.0, None), (2, "c", 5.0, None)]


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        (["userId", "movieId", "rating", "timestamp"], ["userId", "movieId", "rating", "timestamp"]),
        (["user_id:token", "item_id:token", "rating:float"], ["user_id:token", "item_id:token", "rating:float"]),
        (["reviewerID", "asin", "overall", "unixReviewTime"], ["reviewerID", "asin", "overall", "unixReviewTime"]),
        (["title", "USER", "item_name", "Item ID"], ["USER", "Item ID"]),
        (["movie", "item", "uid", "user"], ["user", "item"]),
    ],
)
def test_what_a_header_says(header, expected):
    chosen, guessed = choose_columns(None, header, "file")
    assert guessed
    assert list(chosen.values()) == expected


def test_the_first_line_may_be_long(tmp_path):
    path = tmp_path / "reviews.jsonl"
    path.write_text(json.dumps({"review": "x" * 100_000, "user": 1, "item": 2}) + "\n")
    assert rows_of(read(path)) == [(1, 2, None, None)]


def test_times_keep_their_order_whatever_their_form(tmp_path):
    def times(values):
        path = tmp_path / "t.csv"
        path.write_text("user,item,time\n" + "".join(f"1,{n},{value}\n" for n, value in enumerate(values)))
        return read(path).timestamps.tolist()

    assert times(["100.0", "50.0"]) == [100, 50]
    assert times(["1.25", "1.5"]) == [1_250_000, 1_500_000]
    assert times(["1970-01-02", "1970-01-01T00:00:01Z"]) == [86400, 1]
    assert times([str(2**53 + 1), "1"]) == [2**53 + 1, 1]
    path = tmp_path / "t.parquet"
    when = [datetime.datetime(1970, 1, 1, 0, 1), datetime.datetime(1970, 1, 1)]
    path.write_bytes(parquet_bytes(user=[1, 2], item=[1, 2], timestamp=when))
    assert read(path).timestamps.tolist() == [60, 0]


@pytest.mark.parametrize("kind", [pa.int8(), pa.uint32(), pa.int64(), pa.uint64()])
def test_parquet_ids_of_any_integer_type(tmp_path, kind):
    path = tmp_path / "ids.parquet"
    path.write_bytes(parquet_bytes(user=pa.array([9, 10, 9], kind), item=pa.array(["b", "a", "a"]).dictionary_encode()))
    assert rows_of(read(path)) == [(9, "b", None, None), (10, "a", None, None), (9, "a", None, None)]


INTEGER_ROWS = [(10, 3, 4.0, 300), (9, 1, 2.5, 200), (10, 1, 5.0, 100)]


@pytest.mark.parametrize("where", ["file", "gz", "zip", "folder"])
@pytest.mark.parametrize(
    ("dataset", "name", "content"),
    [
        ("movielens", "ratings.csv", "userId,movieId,rating,timestamp\n" + delimited(",", False, INTEGER_ROWS)),
        ("movielens-1m", "ratings.dat", delimited("::", False, INTEGER_ROWS)),
        ("movielens-100k", "u.data", delimited("\t", False, INTEGER_ROWS)),
        (
            "movielens-100k",
            "ml-100k.inter",
            "user_id:token\titem_id:token\trating:float\ttimestamp:float\n" + delimited("\t", False, INTEGER_ROWS),
        ),
    ],
)
def test_the_movielens_formats(tmp_path, dataset, name, content, where):
    path = tmp_path / "source"
    if where == "zip":
        movielens_zip(path, "ml", **{"README.txt": "no ratings", name: content})
    elif where == "folder":
        (path / "ml").mkdir(parents=True)
        (path / "ml" / name).write_text(content)
    else:
        path.write_bytes(gzip.compress(content.encode()) if where == "gz" else content.encode())
    assert rows_of(read(path, dataset)) == INTEGER_ROWS


def test_of_a_file_and_its_gzipped_copy_one_is_read(tmp_path):
    content = delimited("::", False, INTEGER_ROWS)
    (tmp_path / "ratings.dat").write_text(content)
    (tmp_path / "ratings.dat.gz").write_bytes(gzip.compress(content.encode()))
    assert rows_of(read(tmp_path, "movielens-1m")) == INTEGER_ROWS


def test_a_catalogued_set_may_come_as_parquet(tmp_path):
    path = tmp_path / "ml-1m.parquet"
    path.write_bytes(parquet_bytes(user=[2, 1], item=[5, 6], rating=pa.array([4, 5], pa.int8())))
    assert rows_of(read(path, "movielens-1m")) == [(2, 5, 4, None), (1, 6, 5, None)]


def review(user, item, rating=5.0, time=1, **more):
    return json.dumps(
        {"reviewerID": user, "asin": item, "reviewText": 'say "asin": "X"', "overall": rating, "unixReviewTime": time}
        | more
    )


def test_amazon_reviews_are_read_line_by_line(tmp_path):
    path = tmp_path / "reviews_Movies_and_TV_5.json.gz"
    lines = [review("A2", "B1", 4.0, 7), review("A1", "B2", 1.0, 9, helpful=[1, 2])]
    path.write_bytes(gzip.compress("\n".join(lines).encode()))
    assert rows_of(read(path, "amazon")) == [("A2", "B1", 4.0, 7), ("A1", "B2", 1.0, 9)]


def brute_core(pairs, core):
    """Users and items with fewer than ``core`` partners removed, one at a time, until none is left to remove."""
    pairs = list(pairs)
    while True:
        for side in (0, 1):
            for name in {pair[side] for pair in pairs}:
                if len({pair for pair in pairs if pair[side] == name}) < core:
                    pairs = [pair for pair in pairs if pair[side] != name]
                    break
            else:
                continue
            break
        else:
            return pairs


def test_amazons_ratings_only_csv_is_reduced_to_its_5_core(tmp_path):
    generator = np.random.default_rng(4)
    rows = [(f"A{u:02d}", f"{i:010d}", float(generator.integers(1, 6)), 5)
            for u, i in zip(generator.zipf(1.3, 500) % 30, generator.zipf(1.2, 500) % 25, strict=True)]  # fmt: skip
    path = tmp_path / "ratings_Movies_and_TV.csv"
    path.write_text(delimited(",", False, rows))
    core = set(brute_core([row[:2] for row in rows], 5))
    expected = [row for row in rows if row[:2] in core]
    assert 0 < len(expected) < len(rows)
    table = read(path, "amazon")
    assert rows_of(table) == expected
    assert table.user_ids.tolist() == sorted({user for user, *_ in expected})


NETFLIX = "8:\n30,4,2005-09-06\n7,5,2005-01-01\n12:\n30,1,1999-12-31\n"
NETFLIX_ROWS = [(30, 8, 4, 1125964800), (7, 8, 5, 1104537600), (30, 12, 1, 946598400)]


@pytest.mark.parametrize("line_end", ["\n", "\r\n"])
def test_netflix_files_of_either_edition(tmp_path, line_end):
    combined = tmp_path / "combined_data_1.txt"
    combined.write_bytes(NETFLIX.replace("\n", line_end).encode().rstrip())
    assert rows_of(read(combined, "netflix")) == NETFLIX_ROWS
    folder = tmp_path / "training_set"
    folder.mkdir()
    for movie in NETFLIX.split("12:"):
        first = movie.startswith("8")
        (folder / f"mv_{8 if first else 12:07d}.txt").write_text(movie if first else f"12:{movie}")
    assert rows_of(read(folder, "netflix")) == NETFLIX_ROWS


def test_netflix_ids_may_be_text_in_one_file_alone(tmp_path):
    (tmp_path / "mv_0000001.txt").write_text("1:\n30,4,2005-09-06\n")
    (tmp_path / "mv_0000002.txt").write_text("2:\nu7,5,2005-01-01\n")
    assert [row[:3] for row in rows_of(read(tmp_path, "netflix"))] == [("30", 1, 4), ("u7", 2, 5)]


def test_netflix_blocks_may_end_anywhere(tmp_path, monkeypatch):
    monkeypatch.setattr("data_prep.readers.lines._BLOCK", 7)
    text = "".join(f"{movie}:\n" + "".join(f"{user},3,2005-01-01\n" for user in range(movie)) for movie in range(1, 20))
    path = tmp_path / "combined_data_1.txt"
    path.write_text(text)
    expected = [(user, movie) for movie in range(1, 20) for user in range(movie)]
    assert [row[:2] for row in rows_of(read(path, "netflix"))] == expected


def test_play_counts_are_no_ratings(tmp_path):
    path = tmp_path / "train_triplets.txt"
    path.write_text("b80344d0\tSOAKIMP1\t1\nb80344d0\tSOBBMDR1\t2\n")
    assert rows_of(read(path, "msd")) == [("b80344d0", "SOAKIMP1", None, None), ("b80344d0", "SOBBMDR1", None, None)]


@pytest.mark.parametrize("given", ["folder", "train file"])
def test_pinterest_is_its_train_and_test_file(tmp_path, given):
    (tmp_path / "pinterest-20.train.rating").write_text("0\t5\t1\n1\t3\t1\n")
    (tmp_path / "pinterest-20.test.rating").write_text("0\t4\t1\n")
    (tmp_path / "pinterest-20.test.negative").write_text("(0,4)\t1\t2\n")
    raw = tmp_path if given == "folder" else tmp_path / "pinterest-20.train.rating"
    assert [row[:2] for row in rows_of(read(raw, "pinterest"))] == [(0, 5), (1, 3), (0, 4)]
