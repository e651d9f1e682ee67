"""all_results.csv: one row per finished run, in the study's columns and ours, rebuilt and read back without loss."""

from __future__ import annotations

import csv
import json
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from run_folders import FINGERPRINT, per_user_values, published_row, write_run
from utils import results
from utils.metrics.ranking import METRICS
from utils.models import MODELS
from utils.options import fields_of
from utils.results_table import as_text, parse_table
from utils.run_arrays import read_lists, read_per_user
from utils.system.errors import UserError
from utils.system.files import write_json

THE_STUDYS_COLUMNS = [
    "model", "loss", "r20", "dataset", "lr_patience", "lr", "early_stop_patience", "lr_scheduler", "best_epoch",
    "weight_decay", "dropout_dec", "dl_frame", "n100", "dropout_enc", "anneal_cap", "batch_size", "r50", "p_dims",
]  # fmt: skip


def rows_of(path):
    with open(path, newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


def write_csv(path, rows):
    with open(path, "w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, rows[0])
        writer.writeheader()
        writer.writerows(rows)
    return path


def change(path, **values):
    write_json(path, {**json.loads(path.read_text()), **values})


# --- rebuild


def test_first_columns_are_the_studys_in_its_order(tmp_path):
    write_run(tmp_path)
    header = results.rebuild(tmp_path).read_text().splitlines()[0].split(",")
    assert header[:18] == THE_STUDYS_COLUMNS
    assert len(set(header)) == len(header)


def test_a_row_says_what_the_run_was_told_and_what_it_found(tmp_path):
    users = per_user_values(12)
    write_run(
        tmp_path, "mxnet", users, model="vae", p_dims=(100, 300), lr=0.005, lr_scheduler=True, seed=3, split_seed=11,
        anneal_cap=0.4,
    )  # fmt: skip
    (row,) = rows_of(results.rebuild(tmp_path))
    told = {name: row[name] for name in THE_STUDYS_COLUMNS if name not in ("loss", "r20", "r50", "n100", "best_epoch")}
    assert told == {
        "model": "vae", "dataset": "movielens-1m", "lr_patience": "5", "lr": "0.005", "early_stop_patience": "20",
        "lr_scheduler": "True", "weight_decay": "0.0", "dropout_dec": "[0.0, 0.0]", "dl_frame": "Mxnet",
        "dropout_enc": "[0.5, 0.0]", "anneal_cap": "0.4", "batch_size": "512", "p_dims": "[100, 300]",
    }  # fmt: skip
    assert float(row["n100"]) == np.mean(users["n100"].astype(np.float64))
    assert float(row["r20_se"]) == np.std(users["r20"].astype(np.float64), ddof=1) / np.sqrt(12)
    assert float(row["loss"]) == float(row["nll"]) + 0.4 * float(row["kl"])
    assert float(row["val_n100"]) == float(row["n100"]) / 2
    assert (row["q_dims"], row["seed"], row["split_seed"]) == ("[300, 100]", "3", "11")
    assert (row["best_epoch"], row["epochs"], row["updates"], row["beta"]) == ("7", "9", "70", "0.4")
    assert (row["data"], row["test_users"], row["annealing"]) == (FINGERPRINT, "12", "relative")
    assert (row["framework"], row["numpy"], row["python"]) == ("1.9.1", "1.26.4", "3.10")
    assert (row["epoch_seconds"], row["seconds"], row["peak_memory_mib"]) == ("1.5", "60.0", "512.0")
    assert (row["device"], row["machine"], row["threads"]) == ("cpu", "a machine", "2")
    assert (row["git_commit"], row["git_dirty"]) == ("0123456", "False")


def test_every_metric_and_every_option_that_matters_has_a_column():
    paths_and_the_like = {
        "data_dir",
        "eval_batch_size",
        "threads",
        "prefetch",
        "save_every",
        "log_dir",
        "save_results",
        "preset",
    }
    assert {name for model in MODELS for name in fields_of(model)} - set(results.COLUMNS) <= paths_and_the_like
    assert {name for metric in METRICS for name in (metric, f"{metric}_se")} <= set(results.COLUMNS)


def test_later_options_have_the_last_columns_and_their_defaults_in_earlier_records(tmp_path):
    write_run(tmp_path, "pytorch")
    write_run(tmp_path, "pytorch", likelihood="gaussian", confidence=5.0, output_bias="zero")
    after = results.COLUMNS[results.COLUMNS.index("finished") + 1 :]
    assert {"likelihood", "output_bias", "confidence"} <= set(after), "all that there was before stands before them"
    rows = results.load(results.rebuild(tmp_path)).sort_values("likelihood")
    assert rows["likelihood"].tolist() == ["gaussian", "multinomial"]
    assert rows["confidence"].tolist() == [5.0, 2.5]
    assert rows["output_bias"].tolist() == ["zero", ""], "blank: the likelihood's own"


def test_a_run_that_diverged_says_so_and_one_older_than_the_word_is_finished(tmp_path):
    folder = write_run(tmp_path)
    change(folder / "metrics.json", status="diverged")
    assert [row["status"] for row in rows_of(results.rebuild(tmp_path))] == ["diverged"]
    metrics = json.loads((folder / "metrics.json").read_text())
    del metrics["status"]
    write_json(folder / "metrics.json", metrics)
    assert [row["status"] for row in rows_of(results.rebuild(tmp_path))] == ["finished"]


def test_an_option_that_a_runs_record_does_not_know_has_its_default(tmp_path):
    folder = write_run(tmp_path)
    options = json.loads((folder / "options.json").read_text())
    for name in ("profile", "decay", "eval_every"):
        del options[name]
    write_json(folder / "options.json", options)
    (row,) = rows_of(results.rebuild(tmp_path))
    assert (row["profile"], row["decay"], row["eval_every"]) == ("paper", "decoupled", "1")


def test_a_dae_has_no_beta(tmp_path):
    write_run(tmp_path, model="dae")
    (row,) = rows_of(results.rebuild(tmp_path))
    assert {row[name] for name in ("anneal_cap", "annealing", "anneal_share", "beta")} == {"NA"}
    frame = results.load(tmp_path / "all_results.csv")
    assert frame["anneal_cap"].tolist() == ["NA"]


def test_a_run_without_metrics_is_no_result(tmp_path, capsys):
    write_run(tmp_path, seed=1)
    (write_run(tmp_path, seed=2) / "metrics.json").unlink()
    (tmp_path / "runs" / "a-stray-file").write_text("x")
    assert [row["seed"] for row in rows_of(results.rebuild(tmp_path))] == ["1"]
    assert capsys.readouterr().err == ""


def test_no_runs_give_a_header_only(tmp_path):
    path = results.rebuild(tmp_path / "new")
    assert rows_of(path) == []
    assert list(results.load(path)) == [*results.COLUMNS, "folder"]


@pytest.mark.parametrize(
    ("name", "damage", "said"),
    [
        ("metrics.json", lambda path: path.write_text('{"run_id": "x", "te'), "not valid JSON"),
        ("metrics.json", lambda path: path.write_text("[1, 2]"), "no JSON object"),
        ("metrics.json", lambda path: path.write_bytes(b"\xff\xfe\x00"), "not valid JSON"),
        ("metrics.json", lambda path: path.write_text("{}"), "lacks run_id"),
        ("metrics.json", lambda path: change(path, test={"n100": "high"}), "is 'missing', not a number"),
        ("metrics.json", lambda path: change(path, test=None), "test is not a set of figures"),
        ("metrics.json", lambda path: change(path, status="interrupted"), "interrupted, not finished"),
        ("metrics.json", lambda path: change(path, run_id="another"), "another"),
        ("options.json", lambda path: path.unlink(), "missing"),
        ("options.json", lambda path: change(path, p_dims=None), "damaged"),
        ("options.json", lambda path: path.write_text("{}"), "lacks model"),
    ],
)
def test_a_damaged_run_is_left_out_and_named(tmp_path, capsys, name, damage, said):
    good = write_run(tmp_path, seed=1)
    bad = write_run(tmp_path, seed=2) / name
    damage(bad)
    assert [row["run_id"] for row in rows_of(results.rebuild(tmp_path))] == [good.name]
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("warning: ")
    assert str(bad) in line
    assert said in line


@pytest.mark.parametrize(
    "damage", [{"p_dims": [200, "wide"]}, {"p_dims": []}, {"dropout_enc": [True]}, {"q_dims": 600}]
)
def test_a_list_that_holds_anything_else_is_damage(tmp_path, capsys, damage):
    good, bad = write_run(tmp_path, seed=1), write_run(tmp_path, seed=2)
    change(bad / "options.json", **damage)
    assert [row["run_id"] for row in rows_of(results.rebuild(tmp_path))] == [good.name]
    ((name, value),) = damage.items()
    assert f"{bad}: its files are damaged ({name} is {value})" in capsys.readouterr().err


def test_a_run_that_cannot_be_read_is_left_out_and_named(tmp_path, capsys, monkeypatch):
    write_run(tmp_path, seed=1)
    bad = write_run(tmp_path, seed=2) / "metrics.json"
    read_json = results.read_json

    def refusing(path):
        if path == bad:
            raise PermissionError(13, "Permission denied", str(path))
        return read_json(path)

    monkeypatch.setattr(results, "read_json", refusing)
    assert [row["seed"] for row in rows_of(results.rebuild(tmp_path))] == ["1"]
    assert f"warning: {bad}: no permission" in capsys.readouterr().err


@pytest.mark.parametrize("damage", [lambda path: path.unlink(), lambda path: path.write_text("{")])
def test_without_its_run_json_a_result_keeps_its_figures(tmp_path, capsys, damage):
    path = write_run(tmp_path) / "run.json"
    damage(path)
    (row,) = rows_of(results.rebuild(tmp_path))
    assert row["n100"]
    assert row["seconds"] == row["framework"] == ""
    assert str(path) in capsys.readouterr().err


def test_order_is_that_of_the_numbers_and_the_same_runs_give_the_same_bytes(tmp_path):
    several = [
        {"engine": engine, "model": model, "seed": seed, "p_dims": p_dims}
        for engine in ("pytorch", "mxnet") for model in ("vae", "dae")
        for seed in (10, 2) for p_dims in ((200, 600), (50, 150))
    ]  # fmt: skip
    for options in several:
        write_run(tmp_path / "one", **options)
    for options in reversed(several):
        write_run(tmp_path / "two", **options)
    one, two = results.rebuild(tmp_path / "one"), results.rebuild(tmp_path / "two")
    assert one.read_bytes() == two.read_bytes() == results.rebuild(tmp_path / "one").read_bytes()
    told = [(row["model"], row["p_dims"], row["dl_frame"], row["seed"]) for row in rows_of(one)]
    assert told == [
        (model, p_dims, frame, seed)
        for model in ("dae", "vae") for p_dims in ("[50, 150]", "[200, 600]") for frame in ("Mxnet", "Pytorch")
        for seed in ("2", "10")
    ]  # fmt: skip


def test_a_run_that_finishes_during_the_rebuild_is_not_lost(tmp_path, monkeypatch):
    """Another process adds its run and writes the table between our look at the folder and our rename."""
    write_run(tmp_path, seed=1)
    collect_rows, others = results._rows, [3, 2]

    def rows_then_another_finishes(results_dir):
        rows = collect_rows(results_dir)
        if others:
            write_run(tmp_path, seed=others.pop())
        return rows

    monkeypatch.setattr(results, "_rows", rows_then_another_finishes)
    assert [row["seed"] for row in rows_of(results.rebuild(tmp_path))] == ["1", "2", "3"]


def test_many_processes_at_once_lose_nothing(tmp_path):
    script = (
        "import sys; from pathlib import Path; sys.path[:0] = sys.argv[3:]; from run_folders import write_run;"
        "from utils.results import rebuild; at = Path(sys.argv[1]); first = int(sys.argv[2]);"
        "[(write_run(at, seed=seed), rebuild(at)) for seed in range(first, first + 6)]"
    )
    roots = [path for path in sys.path if path]
    running = [
        subprocess.Popen([sys.executable, "-c", script, str(tmp_path), str(first), *roots]) for first in (0, 100, 200)
    ]
    assert [process.wait() for process in running] == [0, 0, 0]
    seeds = [int(row["seed"]) for row in rows_of(tmp_path / "all_results.csv")]
    assert seeds == [first + step for first in (0, 100, 200) for step in range(6)]
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


def test_a_refused_write_leaves_the_old_table(tmp_path, monkeypatch):
    write_run(tmp_path, seed=1)
    before = results.rebuild(tmp_path).read_bytes()
    write_run(tmp_path, seed=2)

    def full(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(csv.DictWriter, "writerows", full)
    with pytest.raises(OSError, match="No space"):
        results.rebuild(tmp_path)
    assert (tmp_path / "all_results.csv").read_bytes() == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["all_results.csv", "runs"]


# --- load, collect


def test_loading_gives_back_every_number_exactly(tmp_path):
    users = per_user_values(11, seed=5)
    folder = write_run(tmp_path, per_user=users, lr=0.1 + 0.2, seed=4)
    (row,) = results.load(results.rebuild(tmp_path)).to_dict("records")
    figures = json.loads((folder / "metrics.json").read_text())
    assert {name: row[name] for name in (*METRICS, "loss")} == {
        name: figures["test"][name] for name in (*METRICS, "loss")
    }
    assert row["lr"] == 0.1 + 0.2
    assert (row["seed"], row["data"], row["python"]) == (4, FINGERPRINT, "3.10")
    assert row["lr_scheduler"] is False
    assert row["folder"] == str(folder)


def test_collect_is_rebuild_and_load_without_writing(tmp_path):
    write_run(tmp_path, model="dae")
    write_run(tmp_path, "mxnet", seed=2)
    collected = results.collect(tmp_path)
    assert not (tmp_path / "all_results.csv").exists()
    pd.testing.assert_frame_equal(collected, results.load(results.rebuild(tmp_path)))


def test_the_studys_layout_is_read(tmp_path):
    rows = [published_row(), published_row(model="dae", anneal_cap="NA", dl_frame="Mxnet", p_dims="[100, 300]")]
    frame = results.load(write_csv(tmp_path / "study.csv", rows))
    assert list(frame) == [*THE_STUDYS_COLUMNS, "folder"]
    assert frame["anneal_cap"].tolist() == [0.2, "NA"]
    assert frame["p_dims"].tolist() == ["[100, 300]"] * 2
    assert frame["dropout_enc"].tolist() == ["[0.5, 0.0]"] * 2
    assert frame["lr_scheduler"].dtype == bool
    assert frame["folder"].tolist() == ["", ""]


def test_blanks_are_not_known_rather_than_na(tmp_path):
    rows = [published_row(), published_row(best_epoch="", lr_scheduler="", anneal_cap="")]
    frame = results.load(write_csv(tmp_path / "study.csv", rows))
    assert np.isnan(frame["best_epoch"][1])
    assert frame["lr_scheduler"].isna().tolist() == [False, True]
    assert np.isnan(frame["anneal_cap"][1])


def test_a_missing_file_is_one_line(tmp_path):
    with pytest.raises(UserError, match=r"none\.csv: no such file"):
        results.load(tmp_path / "none.csv")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "model, loss, r20, dataset and 14 more missing"),
        (b"a,b\n1,2\n", "model, loss, r20, dataset and 14 more missing"),
        (b"\xff\xfe\x00\x01", "not a csv file"),
        (b'"model,loss\n', "not a csv file"),
    ],
)
def test_what_is_no_table_of_results_is_one_line(tmp_path, content, said):
    path = tmp_path / "some.csv"
    path.write_bytes(content)
    with pytest.raises(UserError, match=said) as raised:
        results.load(path)
    assert "some.csv" in str(raised.value)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("column", "cell", "wanted"),
    [
        ("n100", "high", "a number"),
        ("lr_scheduler", "maybe", "True or False"),
        ("p_dims", "200-600", "a list"),
        ("dropout_enc", "[a]", "a list"),
    ],
)
def test_a_cell_that_is_not_what_its_column_holds_is_named(tmp_path, column, cell, wanted):
    path = write_csv(tmp_path / "study.csv", [published_row(), published_row(**{column: cell})])
    with pytest.raises(UserError) as raised:
        results.load(path)
    assert str(raised.value).startswith(f"{path}, row 2, {column}: '{cell}' was given, expected {wanted}")


def test_rows_of_another_length_and_columns_named_twice_are_errors():
    with pytest.raises(UserError, match="here, row 1: 1 fields, but the header names 2"):
        parse_table(["lr", "n100"], [["1"]], "here")
    with pytest.raises(UserError, match="the column lr stands there twice"):
        parse_table(["lr", "lr"], [], "here")


@given(st.lists(st.one_of(st.floats(allow_nan=False), st.integers(-(2**70), 2**70), st.none()), min_size=1))
def test_numbers_survive_the_text(values):
    read = parse_table(["n100"], [[as_text(value)] for value in values], "here")["n100"].tolist()
    whole = all(isinstance(value, int) and abs(value) < 2**63 for value in values)
    expected = values if whole else [None if value is None else float(value) for value in values]
    assert [None if value != value else value for value in read] == expected


# --- per-user figures


def test_per_user_figures_are_read_back(tmp_path):
    users = per_user_values(6)
    read = read_per_user(write_run(tmp_path, per_user=users))
    assert read.keys() == users.keys()
    for name, values in users.items():
        np.testing.assert_array_equal(read[name], values)


def _short(path):
    np.savez(path, user=np.arange(3), n100=np.zeros(2))


def _flipped(path):
    stored = bytearray(path.read_bytes())
    stored[stored.find(b"\x93NUMPY") + 130] ^= 1  # a bit of the first array
    path.write_bytes(stored)


def _another_kind(path):
    with path.open("wb") as stream:
        np.save(stream, np.zeros(3))


def _nameless(path):
    np.savez(path, n100=np.zeros(2))


def _pickled(path):
    np.savez(path, user=np.array([{}], dtype=object))


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda path: path.unlink(), "no such file"),
        (lambda path: path.write_bytes(b"PK\x03\x04 cut off"), "damaged"),
        (lambda path: path.write_bytes(b""), "damaged"),
        (lambda path: path.write_bytes(b"nothing of the kind"), "damaged"),
        (_another_kind, "damaged"),
        (_flipped, "damaged"),
        (_short, "damaged"),
        (_nameless, "damaged"),
        (_pickled, "damaged"),
    ],
)
def test_missing_or_damaged_per_user_figures_are_one_line(tmp_path, damage, said):
    path = write_run(tmp_path) / "per_user.npz"
    damage(path)
    with pytest.raises(UserError, match=said) as raised:
        read_per_user(path.parent)
    assert str(path) in str(raised.value)


# --- lists


def write_lists(folder, **arrays):
    path = folder / "lists.npz"
    np.savez(path, **{"user": np.arange(2), "items": np.zeros((2, 3), dtype=np.int32), **arrays})
    return path


def test_lists_are_read_back(tmp_path):
    items = np.array([[3, 1, -1], [0, 2, 4]], dtype=np.int32)
    write_lists(tmp_path, user=np.array([1, 5], dtype=np.int32), items=items)
    users, read = read_lists(tmp_path)
    assert users.tolist() == [1, 5]
    np.testing.assert_array_equal(read, items)


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda folder: None, "no such file"),
        (lambda folder: (folder / "lists.npz").write_bytes(b"PK\x03\x04 cut off"), "damaged"),
        (lambda folder: write_lists(folder, user=np.arange(3)), "damaged"),
        (lambda folder: write_lists(folder, items=np.zeros(2, dtype=np.int32)), "damaged"),
        (lambda folder: write_lists(folder, items=np.zeros((2, 3))), "damaged"),
        (lambda folder: np.savez(folder / "lists.npz", user=np.arange(2)), "damaged"),
    ],
)
def test_missing_or_damaged_lists_are_one_line(tmp_path, damage, said):
    damage(tmp_path)
    with pytest.raises(UserError, match=said) as raised:
        read_lists(tmp_path)
    assert str(tmp_path / "lists.npz") in str(raised.value)
