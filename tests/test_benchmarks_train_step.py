"""The benchmark of a training step measures what it says: smoke, its ratios, its synthetic data."""

import dataclasses

import numpy as np
import pytest

from benchmarks import train_step
from benchmarks.shapes import SHAPES, synthetic_clicks
from benchmarks.timing import interleaved, print_targets, ratio
from utils.engine import ENGINES, engine_obstacle
from utils.models import TRAINED


def test_calls_are_timed_in_turn():
    order = []
    seconds = interleaved({name: (lambda name=name: order.append(name)) for name in "ab"}, rounds=3, warmup=1)
    assert order == list("abababab")
    assert all(len(each) == 3 for each in seconds.values())


def test_a_ratio_is_the_median_of_those_of_the_rounds():
    assert ratio({"a": np.array([2.0, 90.0, 3.0]), "b": np.array([1.0, 30.0, 1.0])}, "a", "b") == 3.0


def test_synthetic_clicks_have_the_shape_and_the_skew():
    shape = SHAPES["ml-20m"]
    clicks = synthetic_clicks(shape, n_users=3000, seed=4)
    assert clicks.shape == (3000, shape.n_items)
    assert clicks.has_sorted_indices
    assert (clicks.data == 1).all()
    counts = np.diff(clicks.indptr)
    assert counts.min() >= 1
    assert counts.mean() == pytest.approx(shape.clicks, rel=0.1)
    popularity = np.sort(np.bincount(clicks.indices, minlength=shape.n_items))[::-1]
    assert popularity[: shape.n_items // 10].sum() > 0.5 * clicks.nnz, "the most popular tenth holds most clicks"
    again = synthetic_clicks(shape, n_users=3000, seed=4)
    assert (clicks != again).nnz == 0


def test_targets_are_judged(capsys):
    fast = {"ours": np.array([1.2]), "floor": np.array([1.0]), "dense": np.array([3.6])}
    fast |= {"ours, gaussian": np.array([1.3]), "ours, logistic": np.array([1.3])}
    bounds = train_step.TARGETS["pytorch"]
    assert print_targets(train_step.targets(fast, bounds)) == 0
    assert print_targets(train_step.targets(fast | {"dense": np.array([2.4])}, bounds)) == 1
    assert print_targets(train_step.targets(fast | {"ours": np.array([1.31])}, bounds)) == 1
    assert print_targets(train_step.targets(fast | {"ours, logistic": np.array([1.4])}, bounds)) == 1
    assert "MISSED" in capsys.readouterr().out


def test_both_kinds_of_steps_run(engine, capsys):
    if any(engine_obstacle(name) for name in ENGINES) and engine == "mxnet":
        pytest.skip("MXNet's table also shows PyTorch's step")
    argv = ["--engine", engine, "--shape", "ml-1m", "--model", "vae", "--batch", "16", "--rounds", "1"]
    assert train_step.main(argv) == 0
    out = capsys.readouterr().out
    assert "over the floor" in out
    assert "ours, logistic" in out
    assert ("dense as installed" in out) == (engine == "mxnet")
    assert ("ours, mixed" in out) == (engine == "pytorch")


def test_cdaes_step_is_timed_beside_two_ways_to_write_it(engine, capsys):
    if any(engine_obstacle(name) for name in ENGINES) and engine == "mxnet":
        pytest.skip("MXNet's table also shows PyTorch's step")
    argv = ["--engine", engine, "--shape", "ml-1m", "--model", "cdae", "--batch", "8", "--rounds", "1"]
    assert train_step.main(argv) == 0
    out = capsys.readouterr().out
    assert "cdae 50 at ml-1m" in out
    assert "rows gathered / ours" in out


def test_only_models_that_take_steps_are_timed():
    (field,) = (field for field in dataclasses.fields(train_step.StepOptions) if field.name == "model")
    assert set(field.metadata["choices"]) - {"both"} <= set(TRAINED), "there is another way to write each"
