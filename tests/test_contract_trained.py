"""What every trained model does: its losses, gradients and steps are its oracle's, in every engine and any batch."""

import dataclasses
from types import SimpleNamespace

import numpy as np
import pytest
from scipy.sparse import csr_matrix

from conftest import random_clicks, two_tastes
from contract import (
    N_ITEMS,
    OracleTraining,
    cases,
    every,
    lr_of,
    of_each_likelihood,
    oracle_pass,
    plain,
    shapes_of,
    that_can_run,
)
from experiments.parity.command import BOUNDS, bounds_of
from experiments.parity.lockstep import apart
from experiments.tasks.clicks import steps_per_epoch, training_batches
from tiny import TINY
from utils.metrics.ranking import find_hits, recall
from utils.models import TRAINED

N_USERS, STEPS = 160, 50  # three batches of 50 users and one of 10 an epoch


def batches_of(options, n_steps):
    """The batches of the first ``n_steps``, with the knobs and learning rate of each in a run of 20 epochs."""
    clicks, per_epoch = random_clicks(N_USERS, N_ITEMS, 0.1), steps_per_epoch(N_USERS, options)
    for step in range(n_steps):
        batch = next(training_batches(clicks, options, 1 + step // per_epoch, step % per_epoch))
        yield batch, {**options.model.knobs_at(step, per_epoch, 20), "lr": options.training.lr}


def check_step(learner, handle, knobs, wanted, loss_bound):
    """The terms that a step tells are the oracle's, and so is the loss that the model makes of them."""
    terms = learner.read_terms(handle)
    assert tuple(terms) == learner.model.terms
    for name, mean in wanted.means().items():
        assert terms[name] == pytest.approx(mean, rel=max(loss_bound, 1e-4), abs=1e-7), name
    assert learner.model.objective(terms, knobs) == pytest.approx(wanted.loss, rel=loss_bound)


# The judge is judged


@pytest.mark.parametrize(("model", "setting"), [(model, setting) for model in TRAINED for setting in TINY[model]])
def test_the_oracles_gradients_agree_with_finite_differences(model, setting):
    case = next(case for case in cases([model]) if case.setting == setting)
    options, random = case.options(), np.random.default_rng(3)
    clicks = random_clicks(5, 9, 0.4, seed=1)
    weights = {name: random.normal(size=shape) for name, shape in shapes_of(options.model, 9).items()}
    snapshot = {name: random.normal(size=array.shape) for name, array in options.model.initial_snapshot(9, 1).items()}
    batch = options.model.with_noise(plain(options.model, clicks), 1, epoch=1, step=1, part=options.model.passes[0])
    knobs = options.model.final_knobs()
    beside = {f"snapshot/{name}": array for name, array in snapshot.items()}
    passed = oracle_pass(options, weights | beside, batch, knobs)
    assert passed.loss == pytest.approx(options.model.objective(passed.means(), knobs), rel=1e-12)
    assert {name: array.shape for name, array in passed.gradients.items()} == shapes_of(options.model, 9)
    for name, array in weights.items():
        for place in [tuple(random.integers(0, n) for n in array.shape) for _ in range(4)]:
            kept, h, losses = array[place], 1e-6, []
            for moved in (kept + h, kept - h):
                array[place] = moved
                losses.append(oracle_pass(options, weights | beside, batch, knobs).descended)
            array[place] = kept
            slope = (losses[0] - losses[1]) / (2 * h)
            assert slope == pytest.approx(passed.gradients[name][place], rel=1e-4, abs=1e-6), (name, place)


# Steps


@pytest.mark.parametrize("precision", BOUNDS)
@every(cases(TRAINED))
def test_loss_and_every_gradient_of_the_first_step_are_the_oracles(case, precision):
    learner = case.build(precision=precision)
    weights, bounds = learner.weights(), bounds_of(learner.options)
    ((batch, knobs),) = batches_of(learner.options, 1)
    for each in (knobs, {**learner.model.final_knobs(), "lr": 1e-12}):  # as a run begins, and as it ends
        learner.load_weights(weights)
        wanted = OracleTraining(learner).step(batch, each)
        handle = learner.train_step(batch, each)
        check_step(learner, handle, each, wanted, bounds.first_loss)
        gradients = learner.gradients()
        assert set(gradients) == set(weights)
        for name, array in gradients.items():
            assert array.shape == weights[name].shape
            assert apart(array, wanted.gradients[name]) < bounds.first_gradient, name


@pytest.mark.parametrize("precision", BOUNDS)
@pytest.mark.parametrize(("model", "setting"), [(model, setting) for model in TRAINED for setting in TINY[model]])
def test_fifty_steps_end_where_the_oracle_does_and_the_engines_together(model, setting, precision):
    """Same weights, order, masks and noise in, and so the same numbers out, but for the arithmetic's last digits."""
    places = that_can_run([case for case in cases([model]) if case.setting == setting])
    learners = {case.engine: case.build(precision=precision) for case in places}
    options = next(iter(learners.values())).options
    bounds, oracle = bounds_of(options), OracleTraining(next(iter(learners.values())))
    for batch, knobs in batches_of(options, STEPS):
        wanted, losses = oracle.step(batch, knobs), []
        for learner in learners.values():
            handle = learner.train_step(batch, knobs)
            check_step(learner, handle, knobs, wanted, bounds.last_loss)
            losses.append(learner.model.objective(learner.read_terms(handle), knobs))
        assert losses == pytest.approx([losses[0]] * len(losses), rel=bounds.last_loss)
    trained = [learner.weights() for learner in learners.values()]
    for name, array in oracle.weights.items():
        for engine, found in zip(learners, trained, strict=True):
            assert apart(found[name], array) < bounds.last_weight, (engine, name)
            assert apart(found[name], trained[0][name]) < bounds.last_weight, (engine, name)


@pytest.mark.parametrize("precision", BOUNDS)
@pytest.mark.parametrize(
    ("optimizer", "weight_decay", "decay"),
    [
        ("adam", 0.05, "decoupled"), ("adam", 0.05, "l2"),
        ("sgd", 0.0, "decoupled"), ("sgd", 0.05, "decoupled"), ("sgd", 0.05, "l2"),
        ("adagrad", 0.0, "decoupled"), ("adagrad", 0.05, "decoupled"), ("adagrad", 0.05, "l2"),
    ],
)  # fmt: skip
@every(cases(TRAINED, plainest=True))
def test_every_optimiser_and_decay_follows_the_oracle(case, optimizer, weight_decay, decay, precision):
    given = {"optimizer": optimizer, "weight_decay": weight_decay, "decay": decay, "lr": 0.01, "precision": precision}
    learner = case.build(**given)
    oracle, options = OracleTraining(learner), learner.options
    for batch, knobs in batches_of(options, 8):
        learner.train_step(batch, knobs)
        oracle.step(batch, knobs)
    for name, array in learner.weights().items():
        assert apart(array, oracle.weights[name]) < bounds_of(options).last_weight, name


@pytest.mark.parametrize("optimizer", ["adam", "sgd"])
@every(of_each_likelihood(TRAINED))
def test_training_goes_on_through_batches_without_clicks(case, optimizer):
    learner = case.build(optimizer=optimizer, weight_decay=0.05, precision="float64")
    options, model, oracle = learner.options, learner.model, OracleTraining(learner)
    first, middle, last = (batch for batch, _ in batches_of(options, 3))

    def without_clicks(n_users):
        nobody = plain(model, csr_matrix((n_users, N_ITEMS), dtype=np.float32))
        return model.with_noise(nobody, options.training.seed, epoch=1, step=1, part=model.passes[0])

    all_dropped = dataclasses.replace(middle, values=np.zeros_like(middle.values))
    knobs = {**model.final_knobs(), "lr": 0.01}
    for batch in (first, without_clicks(1), without_clicks(3), all_dropped, last):
        handle = learner.train_step(batch, knobs)
        wanted = oracle.step(batch, knobs)
        for name, mean in learner.read_terms(handle).items():
            assert mean == pytest.approx(wanted.terms[name].mean(), rel=1e-5, abs=1e-12)
        for name, gradient in learner.gradients().items():
            np.testing.assert_allclose(gradient, wanted.gradients[name], rtol=1e-4, atol=1e-8, err_msg=name)
    for name, array in learner.weights().items():
        assert apart(array, oracle.weights[name]) < 1e-6, name


@every(cases(TRAINED, plainest=True))
def test_weights_and_optimiser_can_be_taken_out_and_put_back(case):
    one, other = case.build(), case.build(seed=9)
    assert any((array != other.weights()[name]).any() for name, array in one.weights().items()), "drawn from the seed"
    batches = list(batches_of(one.options, 8))
    for batch, knobs in batches[:5]:
        one.train_step(batch, knobs)
    other.load_weights(one.weights())
    other.load_memory(one.memory())
    for learner in (one, other):
        for batch, knobs in batches[5:]:
            learner.train_step(batch, knobs)
    for name, array in one.weights().items():
        np.testing.assert_array_equal(array, other.weights()[name], err_msg=name)


# A known right answer


@every(of_each_likelihood(TRAINED))
def test_two_tastes_are_told_apart(case):
    """Two groups of users who share no item: every recommendation must come from one's own half."""
    clicks = two_tastes()
    statistics = SimpleNamespace(item_popularity=np.asarray(clicks.mean(axis=0), np.float64).ravel())
    learner = case.build(clicks.shape[1], statistics, batch_size=100)
    for epoch in range(1, 31):
        for batch in training_batches(clicks, learner.options, epoch):
            learner.train_step(batch, {**learner.model.knobs_at(epoch, 1, 100), "lr": lr_of(learner.options)})
    ranked = learner.rank(clicks, 10)
    assert (ranked % 2 == np.arange(len(ranked))[:, None] % 2).mean() > 0.999
    own_half = two_tastes(clicks=30)  # everything of one's own half; what one has clicked is not recommended again
    assert recall(find_hits(ranked, own_half), 10).mean() > 0.999
