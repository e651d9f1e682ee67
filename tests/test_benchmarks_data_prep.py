"""The benchmark of data_prep: what it writes is what the publishers write, and what it measures is what it prints."""

from __future__ import annotations

import gzip
import json

import numpy as np
import pandas as pd
import pytest

from benchmarks import data_prep as benchmark
from benchmarks.raw_ratings import write_amazon_reviews, write_movielens_csv
from benchmarks.worker import Answer
from data_prep import DataOptions, prepare
from utils.system.errors import guarded


def test_the_csv_has_the_rows_asked_for_and_the_skew_of_movielens(tmp_path):
    write_movielens_csv(tmp_path / "ratings.csv", 200_263)
    table = pd.read_csv(tmp_path / "ratings.csv")
    assert list(table) == ["userId", "movieId", "rating", "timestamp"]
    assert len(table) == 200_263
    assert not table.duplicated(["userId", "movieId"]).any()
    assert set(table["rating"]) == set(np.arange(0.5, 5.5, 0.5))
    assert (table["rating"] > 3.5).mean() == pytest.approx(0.5, abs=0.02)
    clicks = table["userId"].value_counts()
    assert clicks.mean() == pytest.approx(144.4, rel=0.01)
    assert 55 < clicks.median() < 85
    films = table["movieId"].value_counts()
    assert films.iloc[: len(films) // 10].sum() > 0.5 * len(table)


def test_the_reviews_are_json_lines_of_the_amazon_layout(tmp_path):
    path = tmp_path / "reviews_Movies_and_TV_5.json.gz"
    write_amazon_reviews(path, 3_000)
    with gzip.open(path, "rt", encoding="utf-8") as stream:
        records = [json.loads(line) for line in stream]
    assert len(records) == 3_000
    assert len({(record["reviewerID"], record["asin"]) for record in records}) == 3_000
    assert 80 < np.mean([len(record["reviewText"].split()) for record in records]) < 240
    assert any('"' in record["reviewText"] for record in records)
    prepared = prepare(DataOptions("amazon", split_seed=1), raw=path, data_dir=tmp_path, say=lambda line: None)
    assert prepared.manifest["counts"]["source_rows"] == 3_000


def test_equal_seeds_write_equal_files_and_others_do_not(tmp_path):
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        write_movielens_csv(tmp_path / name, 5_000, seed=seed)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes() != (tmp_path / "c").read_bytes()


def test_the_command_measures_prints_and_keeps_the_raw_file(tmp_path, capsys):
    argv = ["--source", "movielens", "--scale", "0.0005", "--rounds", "1", "--dir", str(tmp_path)]
    assert guarded(benchmark.main, argv) == 0
    out = capsys.readouterr().out
    assert "10,000 rows" in out
    assert "pandas reads it" in out
    assert "preparation / floor" in out
    assert [path.relative_to(tmp_path) for path in tmp_path.rglob("*.*")] == [
        benchmark.Path("10000-rows", "ratings.csv")
    ]


@pytest.mark.parametrize(("seconds", "peak", "code"), [(2.9, 2.9, 0), (3.1, 2.9, 1), (2.9, 3.1, 1)])
def test_check_fails_on_a_missed_target_only(monkeypatch, tmp_path, seconds, peak, code):
    answers = {"pandas": Answer(None, 1.0, 9.0), "prepare": Answer(None, seconds, peak)}
    monkeypatch.setattr(benchmark, "measure", lambda module, work, path: answers[work])
    monkeypatch.setattr(benchmark, "raw_file", lambda source, folder, rows: tmp_path / "ratings.csv")
    (tmp_path / "ratings.csv").touch()
    assert benchmark.main(["--source", "movielens", "--check"]) == code
    assert benchmark.main(["--source", "movielens"]) == 0
