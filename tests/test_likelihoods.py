"""The paper's likelihoods: values and slopes where careless formulas break, and where the output biases start."""

import importlib

import numpy as np
import pytest

from conftest import random_clicks
from experiments.runs import run as runs
from experiments.tasks import task_of
from oracles.base import log_likelihood
from utils.engine import ENGINES
from utils.options import RunOptions

LIKELIHOODS = ("multinomial", "gaussian", "logistic")
E = 1e-4


@pytest.fixture
def loss(engine, package):
    """The negative log-likelihood of dense clicks at dense outputs, and its gradient, as the engine has them."""
    losses = importlib.import_module(f"{ENGINES[engine].package}.losses")
    runtime = importlib.import_module(f"{ENGINES[engine].package}.runtime")

    def torch_loss(f, positions, model):
        f = runtime.torch.tensor(f, requires_grad=True)
        value = losses.negative_log_likelihood(f, runtime.torch.tensor(positions), model)
        value.backward()
        return value.item(), f.grad.numpy()

    def mxnet_loss(f, positions, model):
        mx = runtime.mx
        f, positions = mx.nd.array(f, dtype=f.dtype), mx.nd.array(positions, dtype=np.int32)
        f.attach_grad()
        with mx.autograd.record():
            value = losses.negative_log_likelihood(f, positions, model)
        value.backward()
        return float(value.asscalar()), f.grad.asnumpy()

    def found(clicks, f, likelihood, **more):
        options = RunOptions(likelihood=likelihood, **more).resolved()
        return (torch_loss if engine == "pytorch" else mxnet_loss)(f, np.stack(np.nonzero(clicks)), options.model)

    return found


@pytest.mark.parametrize(("dtype", "tolerance"), [("float32", 1e-4), ("float64", 1e-10)])
@pytest.mark.parametrize("likelihood", LIKELIHOODS)
def test_loss_and_slope_are_the_papers(loss, likelihood, dtype, tolerance):
    random = np.random.default_rng(5)
    clicks, f = random_clicks(7, 30, 0.2).toarray(), random.normal(0, 3, (7, 30)).astype(dtype)
    more = {"confidence": 5.0} if likelihood == "gaussian" else {}
    value, slope = loss(clicks, f, likelihood, **more)
    log_p, wanted = log_likelihood(likelihood, clicks.astype(float), f.astype(float), 5.0)
    assert value == pytest.approx(-log_p.sum(), rel=tolerance)
    np.testing.assert_allclose(slope, -wanted, rtol=tolerance, atol=tolerance / 100)


def test_the_logistic_slope_at_0_is_a_half(loss):
    """Made of ``relu(f) + log1p(exp(-|f|))`` it would be 0."""
    clicks = np.array([[1, 0, 0]])
    value, slope = loss(clicks, np.zeros((1, 3), np.float32), "logistic")
    assert value == pytest.approx(3 * np.log(2))
    np.testing.assert_allclose(slope, [[-0.5, 0.5, 0.5]], rtol=1e-6)


@pytest.mark.parametrize("size", [19.0, 25.0, 90.0, 1000.0])
def test_the_logistic_loss_of_large_outputs_is_finite(loss, size):
    """``log(1 + exp f)`` as it stands overflows from 89 on."""
    clicks, f = np.array([[1, 0, 1, 0]]), np.array([[size, size, -size, -size]], np.float32)
    value, slope = loss(clicks, f, "logistic")
    assert value == pytest.approx(2 * size, rel=1e-6)
    np.testing.assert_allclose(slope, [[0, 1, -1, 0]], atol=1e-7)


class Popular:
    """Statistics of data with the items' popularity."""

    item_popularity = np.array([0.0, 0.001, 0.25, 1.0])


@pytest.mark.parametrize(
    ("likelihood", "bias"),
    [
        ("multinomial", lambda p: np.log(p + E)),
        ("logistic", lambda p: np.log((p + E) / (1 - p + E))),
        ("gaussian", lambda p: 2.5 * p / (2.5 * p + 1 - p)),
    ],
)
@pytest.mark.parametrize("deviations", [(), ("stock_init",)])
@pytest.mark.parametrize("model", ["vae", "dae"])
def test_output_biases_start_at_the_items_popularity(package, model, deviations, likelihood, bias):
    more = {"likelihood": likelihood, "p_dims": (3, 5), "deviations": deviations}
    options = RunOptions(model, output_bias="popularity", **more).resolved()
    with_statistics, without = package.build(options, 4, Popular()).weights(), package.build(options, 4).weights()
    np.testing.assert_allclose(with_statistics.pop("decoder.1.bias"), bias(Popular.item_popularity), rtol=1e-6)
    assert np.abs(without.pop("decoder.1.bias")).max() < 0.01, "as drawn, where weights are loaded afterwards"
    assert all(np.array_equal(array, without[name]) for name, array in with_statistics.items())
    near_zero = package.build(options.replace(output_bias="zero").resolved(), 4, Popular()).weights()
    assert np.abs(near_zero["decoder.1.bias"]).max() < 0.01


def test_each_likelihood_has_its_own_start_unless_told_otherwise():
    own = {likelihood: RunOptions(likelihood=likelihood).resolved().model for likelihood in LIKELIHOODS}
    assert {likelihood: model.output_bias_in_force for likelihood, model in own.items()} == {
        "multinomial": "zero", "gaussian": "popularity", "logistic": "popularity",
    }  # fmt: skip
    assert {model.output_bias for model in own.values()} == {None}, "what is derived is not recorded"
    assert RunOptions(likelihood="logistic", output_bias="zero").resolved().model.output_bias_in_force == "zero"


@pytest.mark.parametrize("likelihood", LIKELIHOODS[1:])
def test_the_popularity_is_the_best_output_for_all_users_alike(likelihood):
    """Its slope is 0 in the mean over the users, but for the smoothing."""
    clicks, p = np.repeat([[1.0], [0.0]], [30, 70], axis=0), np.array([0.3])

    class Common:
        item_popularity = p

    model = RunOptions(likelihood=likelihood, p_dims=(2,)).resolved().model
    bias = model.initial_weights(1, 1, Common())["decoder.0.bias"].astype(float)
    slope = log_likelihood(likelihood, clicks, np.repeat(bias[None], 100, axis=0), model.confidence)[1]
    assert abs(slope.mean()) < 1e-4


def test_a_run_trains_from_the_biases_of_its_data(engine, package, options):
    options = options.replace(model="dae", likelihood="logistic", lr=1e-12, n_epochs=1)
    learner, data = runs.train(engine, options), runs.data_of(options)
    popularity = task_of(data, options.resolved()).item_popularity
    wanted = np.log((popularity + E) / (1 - popularity + E))
    np.testing.assert_allclose(learner.weights()["decoder.1.bias"], wanted, rtol=1e-5)
