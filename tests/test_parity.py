"""One result from two frameworks: losses, gradients, updates, rankings and weights, to stated tolerances.

The judge of both is ``oracle`` (NumPy, float64), so that neither engine is its own. Distances of arrays are the norm
of the difference over the norm; an array that is exactly zero is compared absolutely.
"""

import numpy as np
import pytest

import oracle
from conftest import random_clicks
from experiments.parity.command import BOUNDS, bounds_of
from experiments.parity.lockstep import apart, lists_apart
from experiments.tasks.clicks import training_batches
from oracle import oracle_pass
from utils.engine import ENGINES
from utils.models import TRAINED
from utils.options import RunOptions

N_USERS, N_ITEMS, STEPS = 160, 120, 50
DEPTHS = {
    "shallow": {"p_dims": (20,)},
    "the paper's": {"p_dims": (20, 60)},
    "deep, dropout everywhere": {
        "p_dims": (10, 30, 50), "q_dims": (40, 20, 10), "dropout_enc": (0.5, 0.2, 0.1), "dropout_dec": (0.3, 0.1, 0.2)
    },
}  # fmt: skip


def options_of(model, depth="the paper's", **more):
    return RunOptions(model=model, batch_size=50, n_epochs=20, **DEPTHS[depth], **more).resolved()


def batches_of(options, clicks):
    """``STEPS`` batches, with the beta of each."""
    steps = -(-clicks.shape[0] // options.training.batch_size)
    batches = [batch for epoch in range(1, 2 + STEPS // steps) for batch in training_batches(clicks, options, epoch)]
    knobs = [options.model.knobs_at(step, steps, options.training.n_epochs) for step in range(STEPS)]
    return [(batch, each.get("beta", 0.0)) for batch, each in zip(batches, knobs, strict=False)]


@pytest.mark.parametrize("precision", BOUNDS)
@pytest.mark.parametrize(
    ("annealing", "likelihood"),
    [("relative", "multinomial"), ("constant", "multinomial"), ("constant", "gaussian"), ("constant", "logistic")],
)
@pytest.mark.parametrize("depth", DEPTHS)
@pytest.mark.parametrize("model", TRAINED)
def test_loss_and_every_gradient_of_the_first_step_are_the_oracles(
    package, model, depth, annealing, likelihood, precision
):
    options = options_of(model, depth, annealing=annealing, likelihood=likelihood, precision=precision)
    trainer = package.build(options, N_ITEMS)
    weights = trainer.weights()
    batch, beta = batches_of(options, random_clicks(N_USERS, N_ITEMS, 0.1))[0]
    nll, kl = trainer.read_terms(trainer.train_step(batch, {"beta": beta, "lr": 0.001})).values()
    wanted = oracle_pass(options, weights, batch, beta)
    bounds = bounds_of(options)
    assert nll + beta * kl == pytest.approx(wanted.nll + beta * wanted.kl, rel=bounds.first_loss)
    gradients = trainer.gradients()
    assert set(gradients) == set(weights)
    for name, array in gradients.items():
        assert array.shape == weights[name].shape
        assert apart(array, wanted.gradients[name]) < bounds.first_gradient, name


@pytest.mark.parametrize("precision", BOUNDS)
@pytest.mark.parametrize(
    ("weight_decay", "decay", "likelihood"),
    [
        (0.0, "decoupled", "multinomial"), (0.01, "decoupled", "multinomial"), (0.01, "l2", "multinomial"),
        (0.0, "decoupled", "gaussian"), (0.0, "decoupled", "logistic"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("model", TRAINED)
def test_fifty_adam_steps_end_where_the_oracle_does(package, model, weight_decay, decay, likelihood, precision):
    options = options_of(model, weight_decay=weight_decay, decay=decay, likelihood=likelihood, precision=precision)
    trainer = package.build(options, N_ITEMS)
    weights, state = {name: array.astype(np.float64) for name, array in trainer.weights().items()}, {}
    for t, (batch, beta) in enumerate(batches_of(options, random_clicks(N_USERS, N_ITEMS, 0.1)), 1):
        nll, kl = trainer.read_terms(trainer.train_step(batch, {"beta": beta, "lr": options.training.lr})).values()
        wanted = oracle_pass(options, weights, batch, beta)
        oracle.adam(weights, wanted.gradients, state, options.training.lr, weight_decay, decay, t)
    assert t == STEPS
    bounds = bounds_of(options)
    assert nll + beta * kl == pytest.approx(wanted.nll + beta * wanted.kl, rel=bounds.last_loss)
    for name, array in trainer.weights().items():
        assert apart(array, weights[name]) < bounds.last_weight, name


@pytest.mark.parametrize("precision", BOUNDS)
@pytest.mark.parametrize("depth", DEPTHS)
@pytest.mark.parametrize("model", TRAINED)
def test_the_engines_end_together_after_fifty_steps(both, model, depth, precision):
    options = options_of(model, depth, weight_decay=0.001, precision=precision)
    trainers = {name: package.build(options, N_ITEMS) for name, package in both.items()}
    for batch, beta in batches_of(options, random_clicks(N_USERS, N_ITEMS, 0.1)):
        losses = [
            tuple(trainer.read_terms(trainer.train_step(batch, {"beta": beta, "lr": options.training.lr})).values())
            for trainer in trainers.values()
        ]
    one, other = (nll + beta * kl for nll, kl in losses)
    bounds = bounds_of(options)
    assert one == pytest.approx(other, rel=bounds.last_loss)
    theirs = trainers["mxnet"].weights()
    for name, array in trainers["pytorch"].weights().items():
        assert apart(array, theirs[name]) < bounds.last_weight, name


@pytest.mark.parametrize("model", TRAINED)
def test_equal_weights_give_the_same_top_100(both, model):
    """But for neighbours whose scores lie within 1e-5 of each other, and with exact ties in the same order."""
    n_items, fold_in = 400, random_clicks(200, 400, 0.05, seed=4)
    options = RunOptions(model=model, p_dims=(20, 60)).resolved()
    trainers = {name: package.build(options, n_items) for name, package in both.items()}
    weights = trainers["pytorch"].weights()
    random = np.random.default_rng(0)
    last = weights["decoder.1.weight"]
    last[:] = last[random.integers(0, n_items // 4, n_items)] * 20  # items in groups of about four with equal scores
    weights["decoder.1.bias"][:] = 0
    for trainer in trainers.values():
        trainer.load_weights(weights)
    lists = {name: trainer.rank(fold_in, 100) for name, trainer in trainers.items()}
    scores = {name: trainer.scores(fold_in) for name, trainer in trainers.items()}
    np.testing.assert_allclose(scores["pytorch"], scores["mxnet"], rtol=1e-5, atol=1e-5)
    swapped, excused = lists_apart(lists["pytorch"], lists["mxnet"], scores["pytorch"], 1e-5)
    assert swapped == excused
    assert swapped / lists["pytorch"].size < 0.01
    ties = (np.diff(np.sort(scores["mxnet"], axis=1), axis=1) == 0).sum()
    assert ties > 10_000, "this test is about ties"


@pytest.mark.parametrize("there", sorted(ENGINES))
@pytest.mark.parametrize("model", TRAINED)
def test_weights_of_one_engine_give_the_other_the_same_scores(both, model, there):
    (here,) = set(ENGINES) - {there}
    options, clicks = options_of(model), random_clicks(N_USERS, N_ITEMS, 0.1)
    trained = both[here].build(options, N_ITEMS)
    for batch, beta in batches_of(options, clicks)[:20]:
        trained.train_step(batch, {"beta": beta, "lr": 0.01})
    other = both[there].build(options.replace(seed=77), N_ITEMS)
    other.load_weights(trained.weights())
    np.testing.assert_allclose(trained.scores(clicks), other.scores(clicks), rtol=1e-5, atol=1e-5)
    for name, array in trained.weights().items():
        assert np.array_equal(array, other.weights()[name]), name
