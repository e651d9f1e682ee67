"""The evaluation benchmark: its baseline computes the same metrics, its floor is what it says, --check tells."""

import importlib

import numpy as np
import pytest

from benchmarks import evaluate
from benchmarks.evaluate import main, split_clicks
from benchmarks.published_metrics import published_metrics
from benchmarks.shapes import SHAPES, synthetic_clicks
from conftest import random_clicks
from utils.metrics.ranking import per_user
from utils.options import RunOptions
from utils.system.errors import guarded


def test_the_split_loses_no_click_and_holds_out_a_share_of_each_user():
    clicks = synthetic_clicks(SHAPES["ml-1m"], 50)
    fold_in, held_out = split_clicks(clicks)
    assert (fold_in + held_out != clicks).nnz == 0
    assert fold_in.multiply(held_out).nnz == 0
    counts = np.diff(clicks.indptr)
    assert np.diff(held_out.indptr).tolist() == [max(1, int(0.2 * n)) for n in counts]
    assert held_out.has_sorted_indices


def test_the_published_way_computes_our_metrics():
    random = np.random.default_rng(0)
    fold_in, held_out = split_clicks(random_clicks(30, 300, 0.1))
    scores = random.random((30, 300)).astype(np.float32)
    ranked = np.argsort(-np.where(fold_in.toarray() > 0, -np.inf, scores), axis=1)[:, :100]
    ours = per_user(ranked, held_out)
    theirs = published_metrics([scores[:20].copy(), scores[20:].copy()], [fold_in[:20], fold_in[20:]], held_out)
    for name, value in theirs.items():
        assert value == pytest.approx(np.mean(ours[name]), rel=1e-6), name


def test_the_products_leave_out_only_biases_and_activations(package, engine):
    """A network whose biases are 0 and whose tanh is as good as the identity scores what the products give."""
    clicks = random_clicks(9, 40, 0.1)
    learner = package.build(RunOptions(p_dims=(3, 8)).resolved(), 40)
    small = {name: 1e-2 * array if array.ndim == 2 else 0 * array for name, array in learner.weights().items()}
    learner.load_weights(small)
    weights = [weight for weight in small.values() if weight.ndim == 2]
    products = importlib.import_module(f"benchmarks.dense_{engine}").forward_products(weights, clicks, batch_size=4)
    lengths = np.sqrt(np.diff(clicks.indptr)[-1:])  # the network normalises its input
    np.testing.assert_allclose(products() / lengths, learner.scores(clicks)[8:], rtol=1e-4, atol=1e-14)


def test_it_runs_and_prints_every_part(package, engine, capsys):
    argv = ["--engine", engine, "--shape", "ml-1m", "--users", "30", "--eval_batch_size", "20", "--rounds", "1"]
    assert main(argv) == 0
    printed = capsys.readouterr().out
    for part in ("matrix products", "rank + metrics", "evaluate + metrics", "published way"):
        assert part in printed
    assert "at least 3" in printed


def test_check_fails_when_a_target_is_missed(package, engine, monkeypatch, capsys):
    monkeypatch.setattr(evaluate, "PUBLISHED_TARGET", 1e9)
    argv = ["--engine", engine, "--shape", "ml-1m", "--users", "20", "--rounds", "1"]
    assert main([*argv, "--check"]) == 1
    assert "MISSED" in capsys.readouterr().out


def test_nothing_is_timed_that_computes_something_else(package, engine, monkeypatch):
    monkeypatch.setattr(evaluate, "published_metrics", lambda scores, fold_in, held_out: {"n100": 2.0})
    with pytest.raises(RuntimeError, match=r"n100 is 0\..* and 2\.0 the published way"):
        main(["--engine", engine, "--shape", "ml-1m", "--users", "20", "--rounds", "1"])


def test_a_wrong_option_is_one_line(capsys):
    assert guarded(main, ["--users", "none"]) == 2
    assert capsys.readouterr().err.count("\n") == 1
