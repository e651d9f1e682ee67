"""Models fitted once: the closed form against its oracle and against what it claims to solve; runs without a seed."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
from scipy.sparse import csr_matrix

from conftest import metrics_of, random_clicks
from data_prep import find_prepared
from experiments.analysis import compare
from experiments.parity import command as parity
from experiments.report import command as report
from experiments.runs import out_of_memory, verify
from experiments.runs import run as runs
from oracles import linear
from utils.options import RunOptions
from utils.results import load
from utils.system.errors import UserError, guarded

LINEAR = ("ease", "edlae", "dlae")
N_ITEMS = 60


def fitted(package, model, clicks, **given):
    learner = package.build(RunOptions(model, **given).resolved(), clicks.shape[1])
    learner.fit(clicks)
    return learner


@pytest.fixture
def clicks():
    return random_clicks(400, N_ITEMS, 0.15)


# The closed form


@pytest.mark.parametrize(("precision", "far"), [("float64", 1e-12), ("float32", 2e-6)])
@pytest.mark.parametrize("model", LINEAR)
def test_weights_scores_and_lists_are_the_oracles(package, clicks, model, precision, far):
    learner = fitted(package, model, clicks, l2=7.0, precision=precision)
    wanted = linear.weights(learner.model, clicks)
    np.testing.assert_allclose(learner.weights()["weight"], wanted, atol=far)
    assert learner.shapes() == {"weight": (N_ITEMS, N_ITEMS)}
    users = random_clicks(30, N_ITEMS, 0.2)
    scores = users.toarray() @ wanted
    np.testing.assert_allclose(learner.scores(users), scores, atol=10 * far)
    assert learner.scores(users).dtype == precision
    order = np.argsort(-np.where(users.toarray() > 0, -np.inf, scores), axis=1, kind="stable")[:, :10]
    np.testing.assert_array_equal(learner.rank(users, 10), order)
    np.testing.assert_array_equal(learner.evaluate(users, 10).ranked, order)
    assert learner.evaluate(users, 10).terms == {}


@pytest.mark.parametrize("model", ["ease", "edlae"])
def test_no_other_zero_diagonal_matrix_has_a_smaller_error(package, clicks, model):
    """The gradient of ``|X - XB|^2 + sum_i gamma_i |B_i|^2`` vanishes off the diagonal (Steck 2019, eq. 4)."""
    learner = fitted(package, model, clicks, l2=7.0, precision="float64")
    x, b = clicks.toarray().astype(np.float64), learner.weights()["weight"]
    p = getattr(learner.model, "dropout_p", 0.0)
    gamma = 7.0 + x.sum(axis=0) * p / (1 - p)
    gradient = -2 * x.T @ (x - x @ b) + 2 * gamma[:, None] * b
    np.testing.assert_array_equal(np.diag(b), 0)
    np.testing.assert_allclose(gradient - np.diag(np.diag(gradient)), 0, atol=1e-9)


def test_dlae_is_the_ridge_solution_with_a_free_diagonal(package, clicks):
    learner = fitted(package, "dlae", clicks, l2=7.0, precision="float64")
    x, b = clicks.toarray().astype(np.float64), learner.weights()["weight"]
    p = learner.model.dropout_p
    gamma = 7.0 + x.sum(axis=0) * p / (1 - p)
    np.testing.assert_allclose((x.T @ x + np.diag(gamma)) @ b, x.T @ x, atol=1e-9)


def test_without_dropout_edlae_is_ease(package, clicks):
    ease = fitted(package, "ease", clicks, l2=9.0, precision="float64").weights()["weight"]
    edlae = fitted(package, "edlae", clicks, l2=9.0, dropout_p=0.0, precision="float64").weights()["weight"]
    np.testing.assert_array_equal(ease, edlae)


def test_both_engines_rank_alike(both, clicks):
    users = random_clicks(50, N_ITEMS, 0.2)
    for model in LINEAR:
        lists = [fitted(package, model, clicks).rank(users, 20) for package in both.values()]
        np.testing.assert_array_equal(*lists)


def test_an_item_without_clicks_has_a_row_of_nothing(package):
    counts = random_clicks(50, 8, 0.4).toarray()
    counts[:, 3] = 0
    weight = fitted(package, "ease", csr_matrix(counts), l2=1.0, precision="float64").weights()["weight"]
    np.testing.assert_array_equal(weight[3], 0)
    np.testing.assert_array_equal(weight[:, 3], 0)


@pytest.mark.parametrize("penalty", [-1e6, np.nan])
def test_a_matrix_without_such_a_solution_is_refused_in_a_line(package, clicks, monkeypatch, penalty):
    learner = package.build(RunOptions("ease").resolved(), N_ITEMS)
    monkeypatch.setattr(type(learner.model), "penalties", lambda self, counts: np.full(len(counts), penalty))
    with pytest.raises(UserError, match=r"--l2 500: .*; give a larger one"):
        learner.fit(clicks)


def test_a_code_is_asked_of_it_in_vain(package, clicks):
    with pytest.raises(ValueError, match="no code"):
        fitted(package, "ease", clicks).embed(clicks)


def test_more_items_than_an_array_of_mxnet_holds_are_refused(both):
    with pytest.raises(UserError, match=r"46,341 x 46,341 items .*; use main_pytorch.py"):
        both["mxnet"].build(RunOptions("ease").resolved(), 46_341)


# Runs


@pytest.fixture
def argv(data_dir, tmp_path):
    return ["--dataset", "tastes", "--data_dir", str(data_dir), "--log_dir", str(tmp_path / "results")]


@pytest.mark.parametrize("model", LINEAR)
def test_a_run_has_no_seed_and_no_epochs_and_is_the_same_again(engine, argv, tmp_path, model):
    assert runs.main(engine, ["--model", model, *argv, "--save_results"]) == 0
    (folder,) = (tmp_path / "results" / "runs").iterdir()
    assert folder.name.startswith(f"tastes-{model}-{engine}-")
    before = {path.name: path.read_bytes() for path in folder.iterdir() if path.suffix == ".npz"}
    metrics = metrics_of(folder)
    assert (metrics["best_epoch"], metrics["epochs"], metrics["beta"]) == (None, None, None)
    assert metrics["test"]["loss"] is None
    assert 0 < metrics["validation"]["n100"] < 1
    (row,) = load(tmp_path / "results" / "all_results.csv").to_dict("records")
    inapplicable = (
        "seed",
        "n_epochs",
        "p_dims",
        "dropout_enc",
        "loss",
        "nll",
        "kl",
        "beta",
        "best_epoch",
        "epochs",
        "lr",
    )
    assert {name: row[name] for name in inapplicable} == dict.fromkeys(inapplicable, "NA")
    assert row["n100"] == metrics["test"]["n100"]
    assert row["l2"] == RunOptions(model).model.l2
    assert guarded(verify.main, [str(folder)]) == 0
    assert json.loads((folder / "options.json").read_text()).keys() >= {"l2", "model", "precision"}
    (folder / "metrics.json").unlink()
    assert runs.main(engine, ["--model", model, *argv, "--save_results"]) == 0
    assert {path.name: path.read_bytes() for path in folder.iterdir() if path.suffix == ".npz"} == before


def test_flags_of_training_are_refused_by_name(engine, argv, capsys):
    assert runs.main(engine, ["--model", "ease", *argv, "--seed", "2"]) == 2
    assert "--seed 2; it is a flag of vae and dae, not of ease" in capsys.readouterr().err


def test_an_interruption_is_heeded_and_the_same_command_fits_anew(engine, package, argv, tmp_path, monkeypatch, capsys):
    import os
    import signal

    fit = package.FittedLearner.fit

    def interrupted(self, clicks):
        fit(self, clicks)
        os.kill(os.getpid(), signal.SIGINT)

    with monkeypatch.context() as patched:
        patched.setattr(package.FittedLearner, "fit", interrupted)
        assert runs.main(engine, ["--model", "ease", *argv]) == 130
    assert "fits it anew" in capsys.readouterr().err
    assert not list(tmp_path.rglob("metrics.json"))
    assert runs.main(engine, ["--model", "ease", *argv]) == 0


def test_a_fit_that_memory_has_no_room_for_is_refused_before_it_starts(engine, package, argv, monkeypatch, capsys):
    monkeypatch.setattr(out_of_memory, "available_memory", lambda: 1000)
    monkeypatch.setattr(package.FittedLearner, "fit", lambda self, clicks: pytest.fail("it began"))
    assert runs.main(engine, ["--model", "ease", *argv]) == 2
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert "--model ease: 40 items take" in line
    assert "this machine has 0.0 MiB left" in line


def test_the_lock_step_compares_what_both_fit(both, argv, capsys):
    assert parity.main(["--model", "edlae", *argv[:4]]) == 0
    assert "PASS" in capsys.readouterr().out


# Popularity


def test_popularity_ranks_by_the_training_clicks_and_ties_by_index(argv, tmp_path, data_dir):
    assert runs.main("numpy", ["--model", "popularity", *argv, "--save_results"]) == 0
    (folder,) = (tmp_path / "results" / "runs").iterdir()
    data = find_prepared(data_dir, "tastes")
    counts = np.bincount(data.train.indices, minlength=data.n_items)
    order = np.argsort(-counts, kind="stable")
    model = runs.train("numpy", RunOptions("popularity", dataset="tastes", data_dir=str(data_dir), log_dir=argv[-1]))
    fold_in = data.test_fold_in.binary()
    for user, ranked in enumerate(model.rank(fold_in, 5)):
        assert ranked.tolist() == [item for item in order if item not in fold_in[user].indices][:5]
    np.testing.assert_array_equal(model.scores(fold_in)[0], counts)
    (row,) = load(tmp_path / "results" / "all_results.csv").to_dict("records")
    assert (row["dl_frame"], row["seed"], row["framework"]) == ("NA", "NA", "")
    assert guarded(verify.main, [str(folder)]) == 0


def test_popularity_has_no_engine_and_says_which_command_runs_it(engine, argv, capsys):
    assert runs.main(engine, ["--model", "popularity", *argv]) == 2
    assert "run: python -m experiments.run --model popularity" in capsys.readouterr().err
    assert runs.main("numpy", ["--model", "vae", *argv]) == 2
    assert "run: python main_pytorch.py --model vae or python main_mxnet.py --model vae" in capsys.readouterr().err
    assert not Path(argv[-1]).exists()


def test_comparison_and_report_hold_models_with_and_without_an_engine(both, argv, tmp_path, capsys):
    for engine, model in (("pytorch", "ease"), ("mxnet", "ease"), ("numpy", "popularity")):
        assert runs.main(engine, ["--model", model, *argv]) == 0
    for seed in ("1", "2"):
        assert runs.main("pytorch", ["--p_dims", "4,8", "--n_epochs", "2", "--seed", seed, *argv]) == 0
    capsys.readouterr()
    assert guarded(compare.main, ["--results", argv[-1]]) == 0
    text = capsys.readouterr().out
    table, _, alone = text.partition("Without a partner")
    assert table.count("deterministic") == 2, "ease, in both engines, and popularity, in none"
    assert re.search(r"\npopularity +none +[.0-9]", table)
    assert "popularity" not in alone
    assert alone.count("vae 4,8") == 2
    assert guarded(report.main, ["--results", argv[-1], "--data_dir", argv[3], "--out", str(tmp_path / "report")]) == 0
    page = (tmp_path / "report" / "index.html").read_text(encoding="utf-8")
    assert all(model in page for model in ("ease", "popularity", "vae"))
