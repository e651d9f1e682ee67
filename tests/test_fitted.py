"""Models fitted once: the closed form against its oracle and against what it claims to solve; runs without a seed."""

from pathlib import Path

import numpy as np
import pytest
from scipy.sparse import csr_matrix

from conftest import random_clicks
from data_prep import find_prepared
from experiments.runs import out_of_memory, verify
from experiments.runs import run as runs
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


def test_more_items_than_an_array_of_mxnet_holds_are_refused(both):
    with pytest.raises(UserError, match=r"46,341 x 46,341 items .*; use main_pytorch.py"):
        both["mxnet"].build(RunOptions("ease").resolved(), 46_341)


# Runs


@pytest.fixture
def argv(data_dir, tmp_path):
    return ["--dataset", "tastes", "--data_dir", str(data_dir), "--log_dir", str(tmp_path / "results")]


def test_a_fit_that_memory_has_no_room_for_is_refused_before_it_starts(engine, package, argv, monkeypatch, capsys):
    monkeypatch.setattr(out_of_memory, "available_memory", lambda: 1000)
    monkeypatch.setattr(package.FittedLearner, "fit", lambda self, clicks: pytest.fail("it began"))
    assert runs.main(engine, ["--model", "ease", *argv]) == 2
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert "--model ease: 40 items take" in line
    assert "this machine has 0.0 MiB left" in line


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
