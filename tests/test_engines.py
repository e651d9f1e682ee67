"""Both engines compute what Liang et al. 2018 wrote, by an independent NumPy oracle; neither judges the other."""

import dataclasses

import numpy as np
import pytest
from scipy.sparse import csr_matrix

import oracle
from conftest import random_clicks, two_tastes
from experiments.tasks.clicks import steps_per_epoch, training_batches
from oracle import oracle_pass
from utils.batches import plain_batch
from utils.engine import ENGINES, engine_obstacle, load_engine
from utils.metrics.ranking import find_hits, recall
from utils.models import TRAINED
from utils.options import RunOptions
from utils.system.errors import UserError

N_ITEMS = 80
LIKELIHOODS = ("multinomial", "gaussian", "logistic")
SHAPES = {
    "one layer": {"p_dims": (7,), "dropout_enc": (0.5,), "dropout_dec": (0.0,)},
    "two layers": {"p_dims": (6, 11)},
    "three layers, dropout everywhere": {
        "p_dims": (5, 9, 13), "dropout_enc": (0.5, 0.2, 0.1), "dropout_dec": (0.3, 0.1, 0.2)
    },
    "another encoder": {"p_dims": (6, 11), "q_dims": (9, 8, 6)},
}  # fmt: skip


class Popular:
    """The statistics of data whose items have the given popularity."""

    def __init__(self, item_popularity):
        self.item_popularity = np.asarray(item_popularity, np.float64)


def options_of(model, shape="two layers", **more):
    return RunOptions(model=model, batch_size=50, **SHAPES[shape], **more).resolved()


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("model", TRAINED)
def test_the_first_steps_losses_are_the_papers(package, model, shape):
    options = options_of(model, shape)
    trainer = package.build(options, N_ITEMS)
    batch = next(training_batches(random_clicks(50, N_ITEMS, 0.1), options, epoch=1))
    wanted = oracle_pass(options, trainer.weights(), batch, beta=0.3)
    nll, kl = trainer.read_terms(trainer.train_step(batch, {"beta": 0.3, "lr": 0.001})).values()
    assert nll == pytest.approx(wanted.nll, rel=1e-6)
    assert kl == pytest.approx(wanted.kl, rel=1e-4, abs=1e-7)


@pytest.mark.parametrize(("weight_decay", "decay"), [(0.0, "decoupled"), (0.05, "decoupled"), (0.05, "l2")])
@pytest.mark.parametrize("optimizer", ["adam", "sgd"])
@pytest.mark.parametrize("model", TRAINED)
def test_training_follows_the_oracle_step_by_step(package, model, optimizer, weight_decay, decay):
    options = options_of(model, optimizer=optimizer, weight_decay=weight_decay, decay=decay)
    clicks = random_clicks(120, N_ITEMS, 0.1)  # three batches, the last one smaller
    trainer = package.build(options, N_ITEMS)
    weights = {name: array.astype(np.float64) for name, array in trainer.weights().items()}
    state, t, lr = {}, 0, 0.01
    for epoch in (1, 2):
        for batch in training_batches(clicks, options, epoch):
            t += 1
            trainer.train_step(batch, {"beta": 0.2, "lr": lr})
            gradients = oracle_pass(options, weights, batch, 0.2).gradients
            if optimizer == "adam":
                oracle.adam(weights, gradients, state, lr, weight_decay, decay, t)
            else:
                for name, w in weights.items():
                    lam = weight_decay if w.ndim == 2 else 0.0
                    w *= 1 - lr * lam  # for SGD the two decays are the same to first order, and here exactly:
                    w -= lr * gradients[name]  # W - lr * (g + lambda W) = (1 - lr lambda) W - lr g
    assert t == 6
    for name, array in trainer.weights().items():
        distance = np.linalg.norm(array - weights[name]) / np.linalg.norm(weights[name])
        assert distance < 1e-4, f"{name} is {distance:.1e} away after {t} steps"


@pytest.mark.parametrize("likelihood", LIKELIHOODS)
@pytest.mark.parametrize("model", TRAINED)
def test_evaluation_is_the_mean_code_and_has_no_noise_after_hybridised_training(package, model, likelihood):
    """The 2020 study's Gluon block kept sampling at evaluation, its training mode frozen by hybridize()."""
    options = options_of(model, "three layers, dropout everywhere", likelihood=likelihood)
    clicks = random_clicks(120, N_ITEMS, 0.1)
    trainer = package.build(options, N_ITEMS)
    for batch in training_batches(clicks, options, 1):
        trainer.train_step(batch, {"beta": 1.0, "lr": 0.01})
    first, second = trainer.evaluate(clicks, 10), trainer.evaluate(clicks, 10)
    assert np.array_equal(first.terms["nll"], second.terms["nll"])
    assert np.array_equal(first.ranked, second.ranked)
    wanted = oracle_pass(options, trainer.weights(), plain_batch(clicks), beta=1.0)
    np.testing.assert_allclose(first.terms["nll"], wanted.nll_of_users, rtol=1e-5)
    np.testing.assert_allclose(first.terms["kl"], wanted.kl_of_users, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(trainer.embed(clicks), wanted.code, rtol=1e-4, atol=1e-6)
    scores = np.where(clicks.toarray() > 0, -np.inf, wanted.logits)
    best = np.take_along_axis(scores, first.ranked.astype(int), axis=1)
    np.testing.assert_allclose(best, -np.sort(-scores, axis=1)[:, :10], rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("likelihood", LIKELIHOODS)
@pytest.mark.parametrize("model", TRAINED)
def test_a_known_right_answer(package, model, likelihood):
    """Two groups of users who share no item: every recommendation must come from one's own half."""
    options = RunOptions(model=model, likelihood=likelihood, p_dims=(4, 16), batch_size=100, lr=0.01).resolved()
    clicks = two_tastes()
    trainer = package.build(options, clicks.shape[1], Popular(np.asarray(clicks.mean(axis=0)).ravel()))
    for epoch in range(1, 31):
        for batch in training_batches(clicks, options, epoch):
            trainer.train_step(batch, {"beta": 0.05, "lr": options.training.lr})
    ranked = trainer.rank(clicks, 10)
    assert (ranked % 2 == np.arange(len(ranked))[:, None] % 2).mean() > 0.999
    own_half = two_tastes(clicks=30)  # everything of one's own half; what one has clicked is not recommended again
    assert recall(find_hits(ranked, own_half), 10).mean() > 0.999


def test_the_evaluation_batch_size_changes_nothing(package):
    options = options_of("vae")
    clicks = random_clicks(60, N_ITEMS, 0.1)
    whole = package.build(options, N_ITEMS).evaluate(clicks, 10)
    small = package.build(options.replace(eval_batch_size=7), N_ITEMS).evaluate(clicks, 10)
    assert np.array_equal(whole.ranked, small.ranked)
    np.testing.assert_allclose(whole.terms["nll"], small.terms["nll"], rtol=1e-6)


@pytest.mark.parametrize("likelihood", ["gaussian", "logistic"])
def test_users_without_clicks_have_a_loss_where_the_likelihood_is_of_every_item(package, likelihood):
    options, clicks = options_of("dae", likelihood=likelihood), csr_matrix((3, N_ITEMS), dtype=np.float32)
    trainer = package.build(options, N_ITEMS)
    wanted = oracle_pass(options, trainer.weights(), plain_batch(clicks), beta=0)
    assert (wanted.nll_of_users > 0).all()
    np.testing.assert_allclose(trainer.evaluate(clicks, 5).terms["nll"], wanted.nll_of_users, rtol=1e-5)


#: Departures of the study's code that leave both engines alike.
DEVIATIONS = ("tanh_everywhere", "coupled_decay", "stock_epsilon", "double_rescale")


@pytest.mark.parametrize("deviations", [(), DEVIATIONS])
@pytest.mark.parametrize("users", [["none"], ["all"], ["none"] * 3, ["some", "none", "all", "some", "none"]])
@pytest.mark.parametrize("model", TRAINED)
def test_users_with_no_click_and_with_every_click_are_ranked_alike(both, model, users, deviations):
    """As any other user, in batches of one too: one without clicks has no loss, one with all of them no list."""
    dense = random_clicks(len(users), N_ITEMS, 0.1).toarray()
    dense[[user == "none" for user in users]], dense[[user == "all" for user in users]] = 0, 1
    found = []
    for package in both.values():
        for size in (1, len(users)):
            trainer = package.build(options_of(model, deviations=deviations, eval_batch_size=size), N_ITEMS)
            evaluation, ranked = trainer.evaluate(dense, 10), trainer.rank(dense, 10)
            masked = np.where(dense > 0, -np.inf, trainer.scores(dense))
            best = np.argsort(-masked, axis=1, kind="stable")[:, :10]
            wanted = np.where(np.take_along_axis(masked, best, axis=1) > -np.inf, best, -1)
            np.testing.assert_array_equal(ranked, wanted)
            np.testing.assert_array_equal(evaluation.ranked, wanted)
            assert [nll == 0 for nll in evaluation.terms["nll"]] == [user == "none" for user in users]
            assert [list(row) == [-1] * 10 for row in ranked] == [user == "all" for user in users]
            found.append((trainer.weights(), evaluation, ranked, trainer.embed(dense)))
    for weights, evaluation, ranked, code in found[1:]:
        assert all(np.array_equal(array, found[0][0][name]) for name, array in weights.items())
        np.testing.assert_array_equal(ranked, found[0][2])
        np.testing.assert_allclose(evaluation.terms["nll"], found[0][1].terms["nll"], rtol=1e-5)
        np.testing.assert_allclose(evaluation.terms["kl"], found[0][1].terms["kl"], rtol=1e-4, atol=1e-7)
        np.testing.assert_allclose(code, found[0][3], rtol=1e-4, atol=1e-6)


def without_clicks(n_users, options):
    """A training batch of users without clicks."""
    batch = plain_batch(csr_matrix((n_users, N_ITEMS), dtype=np.float32))
    return options.model.with_noise(batch, options.training.seed, epoch=1, step=1, part=options.model.passes[0])


def all_dropped(batch):
    """``batch`` when the dropout of the input has left nothing of it."""
    return dataclasses.replace(batch, values=np.zeros_like(batch.values))


@pytest.mark.parametrize(
    ("likelihood", "optimizer"),
    [("multinomial", "adam"), ("multinomial", "sgd"), ("gaussian", "adam"), ("logistic", "adam")],
)
@pytest.mark.parametrize("empty", ["a user without clicks", "three users without clicks", "every click dropped out"])
@pytest.mark.parametrize("model", TRAINED)
def test_training_goes_on_through_a_batch_without_clicks(package, model, empty, likelihood, optimizer):
    options = options_of(model, optimizer=optimizer, likelihood=likelihood, weight_decay=0.05, precision="float64")
    first, middle, last = training_batches(random_clicks(120, N_ITEMS, 0.1), options, 1)
    n_users = {"a user without clicks": 1, "three users without clicks": 3}.get(empty)
    middle = without_clicks(n_users, options) if n_users else all_dropped(middle)
    trainer, state, lr = package.build(options, N_ITEMS), {}, 0.01
    weights = {name: array.astype(np.float64) for name, array in trainer.weights().items()}
    for t, batch in enumerate((first, middle, last), 1):
        nll, kl = trainer.read_terms(trainer.train_step(batch, {"beta": 0.2, "lr": lr})).values()
        wanted = oracle_pass(options, weights, batch, 0.2)
        assert (nll, kl) == pytest.approx((wanted.nll, wanted.kl), rel=1e-5, abs=1e-12)
        for name, gradient in trainer.gradients().items():
            np.testing.assert_allclose(gradient, wanted.gradients[name], rtol=1e-4, atol=1e-8, err_msg=name)
        if optimizer == "adam":
            oracle.adam(weights, wanted.gradients, state, lr, 0.05, "decoupled", t)
        else:
            for name, w in weights.items():
                w -= lr * (wanted.gradients[name] + (0.05 * w if w.ndim == 2 else 0))
    for name, array in trainer.weights().items():
        assert np.linalg.norm(array - weights[name]) / np.linalg.norm(weights[name]) < 1e-6, name


@pytest.mark.parametrize("likelihood", LIKELIHOODS)
@pytest.mark.parametrize("model", TRAINED)
def test_the_engines_go_on_alike_under_deviations_through_batches_without_clicks(both, model, likelihood):
    options = options_of(model, deviations=DEVIATIONS, weight_decay=0.05, likelihood=likelihood)
    first, middle, last = training_batches(random_clicks(120, N_ITEMS, 0.1), options, 1)
    trainers = [package.build(options, N_ITEMS) for package in both.values()]
    for batch in (first, without_clicks(1, options), middle, all_dropped(middle), last):
        losses = [
            tuple(trainer.read_terms(trainer.train_step(batch, {"beta": 0.2, "lr": 0.01})).values())
            for trainer in trainers
        ]
        np.testing.assert_allclose(losses[0], losses[1], rtol=1e-4, atol=1e-6)
    one, other = (trainer.weights() for trainer in trainers)
    for name, array in one.items():
        assert np.linalg.norm(array - other[name]) / np.linalg.norm(array) < 1e-4, name


@pytest.mark.parametrize("model", TRAINED)
def test_weights_and_optimiser_can_be_taken_out_and_put_back(package, model):
    options, clicks = options_of(model), random_clicks(120, N_ITEMS, 0.1)
    one, other = package.build(options, N_ITEMS), package.build(options.replace(seed=9), N_ITEMS)
    batches = [batch for epoch in (1, 2) for batch in training_batches(clicks, options, epoch)]
    for batch in batches[:3]:
        one.train_step(batch, {"beta": 0.2, "lr": 0.01})
    other.load_weights(one.weights())
    other.load_optimizer_state(one.optimizer_state())
    for batch in batches[3:]:
        one.train_step(batch, {"beta": 0.2, "lr": 0.01})
        other.train_step(batch, {"beta": 0.2, "lr": 0.01})
    for name, array in one.weights().items():
        assert np.array_equal(array, other.weights()[name]), name


def test_weights_that_do_not_fit_are_refused(package):
    trainer = package.build(options_of("vae"), N_ITEMS)
    weights = trainer.weights()
    with pytest.raises(ValueError, match=r"differ from the model's in encoder\.0\.bias"):
        trainer.load_weights({name: array for name, array in weights.items() if name != "encoder.0.bias"})
    with pytest.raises(ValueError, match=r"encoder\.0\.weight is \(80, 11\)"):
        trainer.load_weights({**weights, "encoder.0.weight": weights["encoder.0.weight"].T})


def test_canonical_shapes_are_those_of_the_paper(package):
    shapes = package.build(RunOptions(p_dims=(200, 600)).resolved(), 30).shapes()
    assert shapes == {
        "encoder.0.weight": (600, 30), "encoder.0.bias": (600,),
        "encoder.1.weight": (400, 600), "encoder.1.bias": (400,),
        "decoder.0.weight": (600, 200), "decoder.0.bias": (600,),
        "decoder.1.weight": (30, 600), "decoder.1.bias": (30,),
    }  # fmt: skip


def test_a_device_this_machine_lacks_is_one_line(package):
    with pytest.raises(UserError, match=r"--device cuda:63: .* sees no such GPU here; use --device cpu"):
        package.build(options_of("vae", device="cuda:63"), N_ITEMS)


@pytest.mark.parametrize("model", TRAINED)
def test_the_engines_train_alike_and_exchange_weights(model):
    """Same weights, order, masks and noise in, and so the same numbers out, but for the arithmetic's last digits."""
    for name in ENGINES:
        if reason := engine_obstacle(name):
            pytest.skip(reason)
    options, clicks = options_of(model, "three layers, dropout everywhere"), random_clicks(150, N_ITEMS, 0.1)
    trainers = {name: load_engine(name).build(options, N_ITEMS) for name in sorted(ENGINES)}
    losses = {name: [] for name in trainers}
    for epoch in range(1, 11):
        for batch in training_batches(clicks, options, epoch):
            for name, trainer in trainers.items():
                losses[name].append(
                    tuple(trainer.read_terms(trainer.train_step(batch, {"beta": 0.2, "lr": 0.001})).values())
                )
    assert len(losses["mxnet"]) == 10 * steps_per_epoch(150, options)
    np.testing.assert_allclose(losses["mxnet"], losses["pytorch"], rtol=1e-4, atol=1e-6)
    torch_trainer, mxnet_trainer = trainers["pytorch"], trainers["mxnet"]
    for name, array in mxnet_trainer.weights().items():
        theirs = torch_trainer.weights()[name]
        assert np.linalg.norm(array - theirs) / np.linalg.norm(theirs) < 1e-4, name
    mxnet_trainer.load_weights(torch_trainer.weights())
    here, there = torch_trainer.evaluate(clicks, 10), mxnet_trainer.evaluate(clicks, 10)
    np.testing.assert_allclose(here.terms["nll"], there.terms["nll"], rtol=1e-5)
    assert (here.ranked == there.ranked).mean() > 0.99
