"""python -m experiments.compare: which runs are a pair, by how much they differ, and how sure that is."""

from __future__ import annotations

import json
import math
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from experiments.analysis.compare import compare, main
from experiments.analysis.pairs import pair_up
from experiments.analysis.published import beside, published
from experiments.analysis.runs import read
from experiments.analysis.settings_text import setting_parts
from run_folders import per_user_values, published_row, write_run
from utils.results import collect, load, rebuild
from utils.results_table import parse_table
from utils.system.errors import UserError, guarded

ROOT = Path(__file__).resolve().parent.parent


def users(**figures):
    """Per-user figures of four users: zeros but for ``figures``."""
    values = per_user_values(4)
    return {
        name: np.asarray(figures.get(name, array * (name == "user")), array.dtype) for name, array in values.items()
    }


def frame_of(rows):
    header = list(rows[0])
    return parse_table(header, [[row[name] for name in header] for row in rows], "here")


def study_like(tmp_path, **columns):
    """A file with the study's 18 columns: one pair and one run without a partner."""
    rows = [
        published_row(n100="0.09", loss="82.2", **columns), published_row(n100="0.086", loss="85.3", dl_frame="Mxnet"),
        published_row(model="dae", anneal_cap="NA"),
    ]  # fmt: skip
    path = tmp_path / "study.csv"
    frame_of(rows).to_csv(path, index=False)
    return path


def run_main(capsys, *argv):
    code = guarded(main, [str(part) for part in argv])
    out, err = capsys.readouterr()
    return code, out, err


# --- the difference and its error, by hand


def test_difference_error_and_p_by_hand(tmp_path):
    """Differences of four users, seed 1: .1 .2 0 .3, seed 2: .3 0 .2 .1; averaged over the seeds .2 .1 .1 .2."""
    write_run(tmp_path, "pytorch", users(n100=[0.5, 0.5, 0.5, 0.5]), seed=1)
    write_run(tmp_path, "mxnet", users(n100=[0.4, 0.3, 0.5, 0.2]), seed=1)
    write_run(tmp_path, "pytorch", users(n100=[0.7, 0.1, 0.9, 0.6]), seed=2)
    write_run(tmp_path, "mxnet", users(n100=[0.4, 0.1, 0.7, 0.5]), seed=2)
    (row,) = compare(collect(tmp_path)).to_dict("records")
    assert (row["seeds"], row["seed_list"], row["test_users"]) == (2, "1, 2", 4)
    assert row["n100_pytorch"] == pytest.approx((0.5 + 0.575) / 2)
    assert row["n100_pytorch_sd"] == pytest.approx(0.075 / math.sqrt(2))
    assert row["n100_mxnet"] == pytest.approx((0.35 + 0.425) / 2)
    assert row["n100_diff"] == pytest.approx(0.15)
    assert row["n100_diff_se"] == pytest.approx(math.sqrt(4 * 0.05**2 / 3) / 2)
    # Student's t = .15 / se = 3 sqrt(3) with 3 degrees of freedom, whose distribution has a closed form:
    angle = math.atan(3)
    assert row["n100_p"] == pytest.approx(1 - 2 / math.pi * (angle + math.sin(angle) * math.cos(angle)), rel=1e-4)


def test_the_losss_difference_counts_the_kl_at_each_runs_beta(tmp_path):
    """nll differs by 1 1 3 3, kl by 5 -5 5 -5; at beta .2 the loss by 2 0 4 2."""
    write_run(tmp_path, "pytorch", users(nll=[101, 101, 103, 103], kl=[15, 5, 15, 5]), anneal_cap=0.2)
    write_run(tmp_path, "mxnet", users(nll=[100, 100, 100, 100], kl=[10, 10, 10, 10]), anneal_cap=0.2)
    (row,) = compare(collect(tmp_path)).to_dict("records")
    assert row["loss_diff"] == pytest.approx(2.0)
    assert row["loss_diff_se"] == pytest.approx(math.sqrt(8 / 3) / 2)


def test_a_daes_loss_has_no_kl(tmp_path):
    write_run(tmp_path, "pytorch", users(nll=[1, 2, 3, 4], kl=[9, 1, 9, 1]), model="dae")
    write_run(tmp_path, "mxnet", users(nll=[0, 0, 0, 0]), model="dae")
    (row,) = compare(collect(tmp_path)).to_dict("records")
    assert (row["loss_diff"], row["anneal_cap"]) == (2.5, "NA")
    assert row["loss_diff_se"] == pytest.approx(math.sqrt(5 / 3) / 2)


def test_equal_runs_differ_by_nothing_and_there_is_nothing_to_test(tmp_path):
    same = per_user_values(20)
    for engine in ("pytorch", "mxnet"):
        write_run(tmp_path, engine, same)
    (row,) = compare(collect(tmp_path)).to_dict("records")
    assert (row["n100_diff"], row["n100_diff_se"]) == (0.0, 0.0)
    assert math.isnan(row["n100_p"])


def test_the_difference_told_is_the_mean_of_the_users_differences(tmp_path):
    a, b = per_user_values(50, seed=1), per_user_values(50, seed=2)
    write_run(tmp_path, "pytorch", a)
    write_run(tmp_path, "mxnet", b)
    (row,) = compare(collect(tmp_path)).to_dict("records")
    for name in ("n100", "r20", "r50"):
        differences = a[name].astype(float) - b[name].astype(float)
        assert row[f"{name}_diff"] == pytest.approx(differences.mean(), abs=1e-12)
        assert row[f"{name}_diff_se"] == pytest.approx(differences.std(ddof=1) / math.sqrt(50))


def test_epochs_and_seconds_are_told_of_each_framework(tmp_path):
    for seed, best, epochs in ((1, 10, 30), (2, 20, 40)):
        write_run(tmp_path, "pytorch", seed=seed, best_epoch=best, epochs=epochs, epoch_seconds=2.0)
        write_run(tmp_path, "mxnet", seed=seed, best_epoch=best + 2, epochs=epochs + 2, epoch_seconds=3.0)
    (row,) = compare(collect(tmp_path)).to_dict("records")
    found = [
        row[f"{name}_{engine}"] for name in ("best_epoch", "epochs", "epoch_seconds") for engine in ("pytorch", "mxnet")
    ]
    assert found == [15, 17, 35, 37, 2.0, 3.0]


# --- who is a pair


@pytest.mark.parametrize(
    "other",
    [
        {"lr": 0.01}, {"batch_size": 100}, {"p_dims": (100, 300)}, {"q_dims": (500, 200)}, {"anneal_cap": 0.3},
        {"annealing": "constant"}, {"optimizer": "sgd"}, {"decay": "l2"}, {"n_epochs": 20}, {"model": "dae"},
        {"dropout_enc": (0.5, 0.1)}, {"dataset": "amazon"}, {"fingerprint": "abcdef01"}, {"seed": 2},
    ],
)  # fmt: skip
def test_runs_that_differ_in_anything_else_are_no_pair(tmp_path, other):
    write_run(tmp_path, "pytorch")
    write_run(tmp_path, "mxnet", **other)
    pairs, unpaired = pair_up(collect(tmp_path))
    assert pairs == []
    assert len(unpaired) == 2


def test_options_that_change_no_result_do_not_part_a_pair(tmp_path):
    write_run(tmp_path, "pytorch", threads=1, log_dir="here", eval_batch_size=100, save_results=True)
    write_run(tmp_path, "mxnet", threads=2, log_dir="there")
    assert len(compare(collect(tmp_path))) == 1


def test_what_a_dae_was_told_of_beta_does_not_part_a_pair(tmp_path):
    write_run(tmp_path, "pytorch", model="dae", anneal_cap=0.2)
    write_run(tmp_path, "mxnet", model="dae", anneal_cap=0.9)
    assert len(compare(collect(tmp_path))) == 1


def test_only_seeds_of_both_frameworks_are_averaged_the_others_are_told(tmp_path):
    for seed in (1, 2, 10):
        write_run(tmp_path, "pytorch", seed=seed)
    for seed in (10, 2, 3):
        write_run(tmp_path, "mxnet", seed=seed)
    frame = collect(tmp_path)
    (row,) = compare(frame).to_dict("records")
    assert row["seed_list"] == "2, 10"
    of_both = frame[(frame["dl_frame"] == "Pytorch") & frame["seed"].isin([2, 10])]
    assert row["n100_pytorch"] == pytest.approx(of_both["n100"].mean())
    assert sorted((run["dl_frame"], run["seed"]) for run in pair_up(frame)[1]) == [("Mxnet", 3), ("Pytorch", 1)]


def test_runs_without_a_framework_are_averaged_over_their_seeds_too(tmp_path, capsys):
    for engine in ("pytorch", "mxnet"):
        write_run(tmp_path, engine)
    for seed in (1, 2, 10):
        write_run(tmp_path, "numpy", model="ials", seed=seed)
    write_run(tmp_path, "numpy", model="ials", factors=7, seed=4)
    write_run(tmp_path, "numpy", model="slim")
    _, out, _ = run_main(capsys, "--results", tmp_path)
    frame = collect(tmp_path)
    found = frame.loc[(frame["model"] == "ials") & (frame["seed"] != 4), "n100"]
    mean, deviation = (f"{value:.4f}".lstrip("0") for value in (found.mean(), found.std()))
    assert re.search(rf"\nials 100 +none +{mean} ± {deviation} .*\n3 seeds: 1, 2, 10\n", out)
    assert re.search(r"\nials 7 +none +[.0-9]+ +[.0-9]+ .*\n1 seed: 4\n", out)
    assert re.search(r"\nslim +none +[.0-9]+ +[.0-9]+ .*\ndeterministic\n", out)


def test_a_run_that_diverged_is_in_no_pair_and_told(tmp_path):
    """The best weights of half a training compare with nothing."""
    for seed in (1, 2):
        for engine in ("pytorch", "mxnet"):
            write_run(tmp_path, engine, seed=seed)
    frame = collect(tmp_path)
    assert compare(frame)["seed_list"].tolist() == ["1, 2"]
    frame.loc[(frame["dl_frame"] == "Mxnet") & (frame["seed"] == 2), "status"] = "diverged"
    assert compare(frame)["seed_list"].tolist() == ["1"]
    left = [(run["dl_frame"], run["seed"], run["status"]) for run in pair_up(frame)[1]]
    assert left == [("Mxnet", 2, "diverged"), ("Pytorch", 2, "finished")]


_RUNS = st.lists(
    st.tuples(
        st.sampled_from(["Pytorch", "Mxnet", "None"]), st.sampled_from(["[200, 600]", "[50,150]", "[50, 150]"]),
        st.sampled_from(["0.2", "0.4", "NA"]), st.sampled_from(["1", "2", "30", ""]), st.integers(0, 1000),
    ), min_size=1, max_size=25,
)  # fmt: skip


@given(_RUNS)
def test_every_run_is_in_a_pair_or_told_as_without_a_partner(drawn):
    rows = [
        {**published_row(dl_frame=frame, p_dims=p_dims, anneal_cap=cap, n100=n100 / 1000), "seed": seed}
        for frame, p_dims, cap, seed, n100 in drawn
    ]
    pairs, unpaired = pair_up(frame_of(rows))
    paired = [
        (engine, run)
        for pair in pairs
        for engine in pair.runs
        for seed in pair.seeds
        for run in pair.runs[engine][seed]
    ]
    assert len(paired) + len(unpaired) == len(rows)
    assert {(engine, run["dl_frame"]) for engine, run in paired} <= {("pytorch", "Pytorch"), ("mxnet", "Mxnet")}
    for pair in pairs:
        runs = [run for engine in pair.runs for seed in pair.seeds for run in pair.runs[engine][seed]]
        assert len({(run["p_dims"], run["anneal_cap"]) for run in runs}) == 1
        assert all(pair.runs[engine][seed] for engine in ("pytorch", "mxnet") for seed in pair.seeds)


@given(_RUNS)
def test_swapping_the_frameworks_turns_the_sign(drawn):
    other = {"Pytorch": "Mxnet", "Mxnet": "Pytorch", "None": "None"}
    tables = [
        compare(
            frame_of(
                [
                    {
                        **published_row(dl_frame=name(frame), p_dims=p_dims, anneal_cap=cap, n100=n100 / 1000),
                        "seed": seed,
                    }
                    for frame, p_dims, cap, seed, n100 in drawn
                ]
            )
        )
        for name in (str, other.get)
    ]
    np.testing.assert_allclose(tables[0]["n100_diff"].astype(float), -tables[1]["n100_diff"].astype(float), atol=1e-12)


def test_a_run_that_stands_in_two_tables_counts_once(tmp_path):
    write_run(tmp_path, "pytorch")
    write_run(tmp_path, "mxnet")
    once = collect(tmp_path)
    pd.testing.assert_frame_equal(compare([once, load(rebuild(tmp_path))]), compare(once))


def test_the_rows_stand_in_the_order_of_their_numbers(tmp_path):
    for p_dims in ((1000,), (200, 600), (50, 150)):
        for cap in (0.5, 0.06):
            for engine in ("mxnet", "pytorch"):
                write_run(tmp_path, engine, p_dims=p_dims, anneal_cap=cap)
    table = compare(collect(tmp_path))
    assert list(zip(table["p_dims"], table["anneal_cap"], strict=True)) == [
        (p_dims, cap) for p_dims in ("[50, 150]", "[200, 600]", "[1000]") for cap in (0.06, 0.5)
    ]


# --- without per-user figures


def test_the_published_layout_is_compared_without_errors(tmp_path):
    (row,) = compare(load(study_like(tmp_path))).to_dict("records")
    assert row["n100_diff"] == pytest.approx(0.004)
    assert row["loss_diff"] == pytest.approx(-3.1)
    assert math.isnan(row["n100_diff_se"])
    assert math.isnan(row["n100_p"])
    assert row["seed_list"] == ""


def test_the_study_has_11_pairs_among_its_58_runs():
    study = published()
    pairs, unpaired = pair_up(study[study["source"] == "recotour2020"])
    assert (len(pairs), len(unpaired)) == (11, 36)
    found = compare(study).set_index(["dataset", "model", "p_dims", "anneal_cap"])
    assert found.loc[("movielens", "dae", "[50, 150]", "NA"), "n100_diff"] == pytest.approx(0.412 - 0.410)
    assert found.loc[("movielens", "vae", "[200, 600]", 0.2), "r50_diff"] == pytest.approx(0.512 - 0.232)
    assert found.loc[("amazon", "vae", "[200, 600]", 0.0), "loss_diff"] == pytest.approx(82.2 - 85.3)


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda path: path.unlink(), "no such file"),
        (lambda path: path.write_bytes(b"PK"), "damaged"),
        (lambda path: np.savez(path, user=np.arange(3), n100=np.zeros(3)), "lacks r20"),
        (lambda path: np.savez(path, **{**per_user_values(8), "user": np.arange(1, 9)}), "are not the same"),
    ],
)
def test_unusable_per_user_figures_cost_the_error_not_the_difference(tmp_path, capsys, damage, said):
    write_run(tmp_path, "mxnet")
    folder = write_run(tmp_path, "pytorch", per_user_values(8, seed=3))
    damage(folder / "per_user.npz")
    (row,) = compare(collect(tmp_path)).to_dict("records")
    assert row["n100_diff"] != 0
    assert math.isnan(row["n100_diff_se"])
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("warning: ")
    assert said in line
    assert folder.name in line


# --- the published figures beside ours


def test_what_was_published_of_the_same_stands_beside_ours(tmp_path):
    write_run(tmp_path, dataset="movielens", anneal_cap=0.2)
    (ours,) = collect(tmp_path).to_dict("records")
    found = beside(ours, published())
    assert [(row.source, row.dl_frame, row.n100) for row in found.itertuples()] == [
        ("recotour2020", "Pytorch", 0.424), ("liang2018", "", 0.426),
    ]  # fmt: skip


@pytest.mark.parametrize(
    "options",
    [
        {"dataset": "movielens-1m"},  # published there, but not comparable
        {"dataset": "movielens-1m", "model": "dae", "p_dims": (200,)},  # published there, but under another protocol
        {"dataset": "movielens", "anneal_cap": 0.21},
        {"dataset": "movielens", "lr": 0.01},
        {"dataset": "movielens", "lr": 0.005, "lr_scheduler": True, "lr_patience": 5},  # the study's patience was 20
        {"dataset": "movielens", "dropout_enc": (0.4, 0.0)},
    ],
)
def test_what_was_published_of_something_else_does_not(tmp_path, options):
    write_run(tmp_path, **options)
    (ours,) = collect(tmp_path).to_dict("records")
    assert len(beside(ours, published())) == 0


# --- the command


def a_small_comparison(results_dir):
    for seed in (1, 2):
        write_run(results_dir, "pytorch", per_user_values(9, seed), dataset="movielens", seed=seed)
        write_run(results_dir, "mxnet", per_user_values(9, seed + 5), dataset="movielens", seed=seed)
    write_run(results_dir, "mxnet", dataset="movielens", model="dae", seed=4)
    return rebuild(results_dir)


def test_the_command_prints_the_comparison_the_published_figures_and_who_is_left(tmp_path, capsys):
    path = a_small_comparison(tmp_path)
    code, out, err = run_main(capsys, "--results", path)
    assert (code, err) == (0, "")
    (row,) = compare(load(path)).to_dict("records")
    for label, shown in (
        ("PyTorch", f"{row['n100_pytorch']:.4f} ± {row['n100_pytorch_sd']:.4f}"),
        ("MXNet", f"{row['r20_mxnet']:.4f} ± {row['r20_mxnet_sd']:.4f}"),
        ("difference", f"{row['n100_diff']:+.4f} ({row['n100_diff_se']:.4f})"),
        ("difference", f"{row['loss_diff']:+.2f} ({row['loss_diff_se']:.2f})"),
        ("p", f"{row['r50_p']:.3f}"),
        ("PyTorch", f"{row['best_epoch_pytorch']:.0f}/{row['epochs_pytorch']:.0f}"),
    ):
        line = next(line for line in out.splitlines() if f"  {label}  " in line)
        assert f" {shown.replace('0.', '.')} " in f"{line} "
    assert "2 seeds: 1, 2" in out
    assert "published PyTorch" in out
    assert "Without a partner" in out
    assert "dae 200,600" in out.partition("Without a partner")[2]


def test_the_command_writes_nothing_unless_asked(tmp_path, capsys):
    a_small_comparison(tmp_path)
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
    assert run_main(capsys, "--results", tmp_path, "--published")[0] == 0
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")} == before


def test_csv_holds_the_comparison(tmp_path, capsys):
    path = a_small_comparison(tmp_path)
    assert run_main(capsys, "--results", path, "--csv", tmp_path / "out" / "c.csv")[0] == 0
    written = pd.read_csv(tmp_path / "out" / "c.csv", keep_default_na=False)
    table = compare(load(path))
    assert list(written) == list(table)
    assert float(written["n100_diff_se"][0]) == pytest.approx(table["n100_diff_se"][0], rel=1e-15)


def test_a_folder_is_read_from_its_table_or_else_from_its_runs(tmp_path):
    path = a_small_comparison(tmp_path)
    from_table = read(str(tmp_path))
    path.unlink()
    pd.testing.assert_frame_equal(read(str(tmp_path)), from_table)
    assert not path.exists()


def test_several_tables_are_compared_together(tmp_path, capsys):
    for engine in ("pytorch", "mxnet"):
        write_run(tmp_path / engine, engine)
    assert "PyTorch - MXNet" in run_main(capsys, "--results", tmp_path / "pytorch", tmp_path / "mxnet")[1]


def test_the_published_layout_prints_its_difference_and_a_dash(tmp_path, capsys):
    code, out, _ = run_main(capsys, "--results", study_like(tmp_path))
    assert code == 0
    assert "+.004 (-)" in out
    assert "-3.1 (-)" in out
    assert "±" not in out.partition("Each framework")[0]


def test_a_difference_too_small_for_the_decimals_keeps_its_order_of_magnitude(tmp_path, capsys):
    first = users(n100=[0.25, 0.5, 0.75, 0.5], r20=[0.5, 0.5, 0.5, 0.5], nll=[300, 300, 300, 300])
    second = {**first, "n100": first["n100"] - np.array([4, 0, 4, 0], dtype=np.float32) * np.float32(2**-20)}
    for engine, found in (("pytorch", first), ("mxnet", second)):
        write_run(tmp_path, engine, found)
    _, out, _ = run_main(capsys, "--results", tmp_path)
    (line,) = [line for line in out.splitlines() if "difference  " in line]
    assert " +2e-6 (1e-6) " in line  # 2 * 2**-20, and 4 / sqrt(12) * 2**-20
    assert line.count(" 0 (0)") == 3  # Recall@20, Recall@50, loss: equal


def test_no_pair_is_said(tmp_path, capsys):
    write_run(tmp_path)
    code, out, _ = run_main(capsys, "--results", tmp_path)
    assert code == 0
    assert "nothing to compare yet" in out
    assert "vae 200,600" in out


def test_one_data_set_alone(tmp_path, capsys):
    for dataset in ("movielens", "amazon"):
        for engine in ("pytorch", "mxnet"):
            write_run(tmp_path, engine, dataset=dataset)
    _, out, _ = run_main(capsys, "--results", tmp_path, "--dataset", "amazon")
    assert "amazon (" in out
    assert "movielens" not in out


def test_options_all_runs_share_are_said_once_and_those_that_differ_with_each(tmp_path, capsys):
    for engine in ("pytorch", "mxnet"):
        for lr in (0.001, 0.005):
            write_run(tmp_path, engine, lr=lr, batch_size=100, weight_decay=0.01)
    _, out, _ = run_main(capsys, "--results", tmp_path)
    title, _, rest = out.partition("\n")
    assert "batch_size 100, weight_decay 0.01" in title
    assert "batch_size" not in rest
    assert "lr 0.005" in rest
    assert "lr 0.001" not in rest  # the default


@pytest.mark.parametrize(
    ("option", "value", "matters"),
    [
        ("lr_patience", 2, {"lr_scheduler": True}),
        ("anneal_share", 0.5, {"annealing": "relative"}),
        ("anneal_total", 500, {"annealing": "absolute"}),
    ],
)
def test_an_option_is_told_only_where_it_has_a_part_in_the_run(tmp_path, option, value, matters):
    idle = {"lr_scheduler": False, "annealing": "constant"}
    without = write_run(tmp_path, **idle, **{option: value})
    within = write_run(tmp_path, **{**idle, **matters, option: value})
    words = {run["run_id"]: setting_parts(run, [option])[2:] for run in collect(tmp_path).to_dict("records")}
    assert words == {without.name: [], within.name: [f"{option} {value}"]}


def test_all_published_figures_of_a_data_set(tmp_path, capsys):
    write_run(tmp_path, dataset="movielens-1m")
    _, out, _ = run_main(capsys, "--results", tmp_path, "--published")
    for said in ("leave one out", "not comparable with a correct implementation", "sedhain2015", ".722"):
        assert said in out


def test_nothing_is_wider_than_120_columns(tmp_path, capsys):
    for engine in ("pytorch", "mxnet"):
        for seed in (1, 2):
            wide = per_user_values(9, seed)
            wide["nll"] = wide["nll"] * 999 + 1000
            for p_dims in ((256, 512, 1024), (200, 600)):
                write_run(
                    tmp_path, engine, wide, dataset="movielens", p_dims=p_dims, seed=seed, best_epoch=188, epochs=200,
                    epoch_seconds=1234.5, lr=0.00012345, early_stop_score_fn="loss", early_stop_patience=100,
                )  # fmt: skip
            write_run(tmp_path, engine, wide, dataset="movielens", seed=seed, annealing="absolute", anneal_total=123456)
            write_run(
                tmp_path, engine, wide, dataset="movielens", seed=seed, dropout_enc=(0.55, 0.25), lr_scheduler=True
            )
    write_run(tmp_path, dataset="a-data-set-with-a-rather-long-name", dropout_enc=(0.55, 0.25), lr_scheduler=True)
    _, out, _ = run_main(capsys, "--results", tmp_path, ROOT / "results" / "published.csv", "--published")
    assert max(map(len, out.splitlines())) <= 120


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (["--results", "none.csv"], "none.csv: no such file"),
        (["--results", "empty"], "empty: a folder without results"),
        (["--results", "runs_only"], "no finished run"),
        (
            ["--results", "study.csv", "--dataset", "amazn"],
            "--dataset amazn is not in the results; they hold amazon; did you mean amazon?",
        ),
        (["--results", "study.csv", "--csv", "empty"], "--csv empty is a folder"),
        (["--results", "broken.csv"], "broken.csv: "),
        (["--results"], "expected at least one argument"),
        (["--result", "study.csv"], "unrecognized arguments"),
        ([], "results: no results yet; run bash run_experiments.sh"),
    ],
)
def test_bad_input_is_one_line(tmp_path, capsys, monkeypatch, argv, said):
    (tmp_path / "empty").mkdir()
    (tmp_path / "runs_only" / "runs").mkdir(parents=True)
    study_like(tmp_path)
    (tmp_path / "broken.csv").write_text("model,loss\nvae,1\n")
    monkeypatch.chdir(tmp_path)
    code, _, err = run_main(capsys, *argv)
    assert code == 2
    (line,) = err.splitlines()
    assert line.startswith("error: ")
    assert said in line


def test_a_full_disk_is_one_line_and_leaves_no_file(tmp_path, capsys, monkeypatch):
    path = study_like(tmp_path)

    def full(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(pd.DataFrame, "to_csv", full)
    code, _, err = run_main(capsys, "--results", path, "--csv", tmp_path / "c.csv")
    assert code == 2
    line = f"error: {tmp_path / 'c.csv'}: the disk is full; free some space or choose another folder"
    assert err.splitlines() == [line]
    assert list(tmp_path.iterdir()) == [path]


def test_as_a_process_and_without_a_framework(tmp_path):
    a_small_comparison(tmp_path)
    command = [sys.executable, "-m", "experiments.compare", "--results"]
    good = subprocess.run([*command, str(tmp_path)], cwd=ROOT, capture_output=True, text=True, encoding="utf-8")
    assert (good.returncode, good.stderr) == (0, "")
    assert "NDCG@100" in good.stdout
    bad = subprocess.run([*command, str(tmp_path / "none")], cwd=ROOT, capture_output=True, text=True)
    assert (bad.returncode, bad.stdout, len(bad.stderr.splitlines())) == (2, "", 1)
    loaded = "import json, sys, experiments.analysis.compare; print(json.dumps(sorted(sys.modules)))"
    modules = json.loads(
        subprocess.run([sys.executable, "-c", loaded], cwd=ROOT, capture_output=True, text=True).stdout
    )
    assert {"torch", "mxnet", "experiments.analysis.compare"} & set(modules) == {"experiments.analysis.compare"}


def test_where_the_plus_minus_cannot_be_written_it_is_spelled_and_the_columns_stay(tmp_path):
    a_small_comparison(tmp_path)
    command = [sys.executable, "-m", "experiments.compare", "--results", str(tmp_path)]
    done = {
        encoding: subprocess.run(
            command, cwd=ROOT, env={**os.environ, "PYTHONIOENCODING": encoding}, capture_output=True, check=False
        )
        for encoding in ("ascii", "utf-8")
    }
    assert [(each.returncode, each.stderr) for each in done.values()] == [(0, b"")] * 2
    plain, full = (each.stdout.decode(encoding) for encoding, each in done.items())
    assert "±" in full
    assert plain == full.replace("± ", "+-")


def test_an_unknown_folder_is_a_users_error(tmp_path):
    with pytest.raises(UserError):
        read(str(tmp_path))
