"""Models fitted once: the closed form against what it claims to solve, runs without a seed, the baselines' packages."""

import sys
from pathlib import Path

import numpy as np
import pytest
from scipy.sparse import csr_matrix

from conftest import random_clicks
from data_prep import find_prepared
from experiments.runs import out_of_memory, verify
from experiments.runs import run as runs
from utils.engine import load_engine, model_obstacle
from utils.models import MODELS
from utils.options import RunOptions
from utils.options.command import parsed_run
from utils.results import load
from utils.system.errors import UserError, guarded
from utils.system.files import read_json
from utils.system.interruption import LeftOffError

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


# Baselines, of which some need a package of the extra


@pytest.fixture
def baseline():
    """What fits a baseline on clicks; the test is skipped, with the reason, where its package is missing."""

    def fitted_one(model, clicks, **given):
        if reason := model_obstacle(model):
            pytest.skip(reason)
        return fitted(load_engine("numpy"), model, clicks, **given)

    return fitted_one


@pytest.mark.parametrize(("model", "needed"), [(name, e.needs) for name, e in MODELS.items() if e.needs])
def test_without_its_package_a_model_is_refused_in_a_line(model, needed, argv, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, needed, None)  # what Python does to a module that must not be found
    assert runs.main("numpy", ["--model", model, *argv]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"error: --model {model}: it needs {needed}, which is not installed; run: ")
    assert line.endswith(" -m pip install -c constraints.txt -e '.[baselines]'")
    assert not Path(argv[-1]).exists()


def test_a_run_that_is_verified_without_its_package_is_refused_in_a_line(argv, monkeypatch, capsys):
    if reason := model_obstacle("ials"):
        pytest.skip(reason)
    assert runs.main("numpy", ["--model", "ials", *argv, "--save_results"]) == 0
    (folder,) = Path(argv[-1]).glob("runs/*")
    assert read_json(folder / "run.json")["versions"].keys() >= {"implicit", "numpy"}
    monkeypatch.setitem(sys.modules, "implicit", None)
    assert guarded(verify.main, [str(folder)]) == 2
    assert "it needs implicit" in capsys.readouterr().err


@pytest.mark.parametrize("model", ["itemknn", "rp3beta", "slim", "ials"])
def test_a_fit_that_takes_its_time_can_be_left_off(baseline, clicks, model):
    calls = []

    def heed():
        calls.append(1)
        if len(calls) == 2:
            raise LeftOffError

    learner = baseline(model, clicks[:, :20])
    larger = load_engine("numpy").build(learner.options, 300)
    with pytest.raises(LeftOffError):
        larger.fit(random_clicks(50, 300, 0.05), heed)
    assert larger.weights() == {}


def test_ials_is_the_same_with_any_number_of_threads_and_another_from_another_seed(baseline, clicks, monkeypatch):
    found = {}
    for threads, seed in (("1", 1), ("3", 1), ("1", 2)):
        monkeypatch.setenv("OMP_NUM_THREADS", threads)
        found[threads, seed] = baseline("ials", clicks, factors=6, seed=seed).weights()["item.weight"]
    np.testing.assert_array_equal(found["1", 1], found["3", 1])
    assert np.abs(found["1", 1] - found["1", 2]).max() > 0.01


def test_the_seed_of_ials_is_a_runs_seed(argv, tmp_path):
    if reason := model_obstacle("ials"):
        pytest.skip(reason)
    for seed in ("1", "5"):
        assert runs.main("numpy", ["--model", "ials", "--factors", "6", "--seed", seed, *argv]) == 0
    rows = load(tmp_path / "results" / "all_results.csv").to_dict("records")
    assert [row["seed"] for row in rows] == [1, 5]
    for row in rows:
        assert row["run_id"].startswith(f"tastes-ials-6-numpy-s{row['seed']}-")
        assert read_json(Path(row["folder"]) / "run.json")["seed"] == row["seed"]


def test_items_that_slim_does_not_bring_to_their_optimum_are_counted(baseline, clicks, monkeypatch, capsys):
    baseline("slim", clicks)
    assert capsys.readouterr().err == ""
    monkeypatch.setattr("baselines.slim._SWEEPS", 1)
    baseline("slim", clicks)
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("--tol 0.0001: 60 of 60 items were left further from their optimum, after 1 sweeps; ")


@pytest.mark.parametrize(("ratio", "is_one"), [("0", True), ("1", True), ("1.01", False), ("-0.1", False)])
def test_the_share_of_the_l1_penalty_is_a_share(ratio, is_one):
    argv = ["--model", "slim", "--l1_ratio", ratio]
    if is_one:
        assert parsed_run(argv, "main.py").model.l1_ratio == float(ratio)
    else:
        with pytest.raises(
            UserError, match=f"--l1_ratio: '{ratio}' was given, expected a number, at least 0, at most 1;"
        ):
            parsed_run(argv, "main.py")
