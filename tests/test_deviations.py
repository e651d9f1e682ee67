"""The deviations of the 2020 study: each against a hand-computed case or a NumPy oracle, in both engines."""

import dataclasses
import json

import numpy as np
import pytest

from conftest import interrupted_at, metrics_of, random_clicks
from contract import asked, best_items, oracle_pass
from experiments.analysis.settings_text import setting_parts
from experiments.parity import command as parity
from experiments.parity.command import BOUNDS
from experiments.parity.lockstep import apart
from experiments.runs import run as runs
from experiments.runs.deviations import DeviantTraining, FallingPlateau
from experiments.runs.evaluation import judge_best
from experiments.runs.folder import RunFolder
from experiments.tasks import task_of
from experiments.tasks.clicks import training_batches
from utils.batches import Batch, plain_batch
from utils.deviations import DEVIATIONS, PROFILES, deviations_of, engine_deviations, shared_deviations
from utils.engine import Evaluation, engine_obstacle, load_engine
from utils.options import RunOptions
from utils.options.command import parsed_run
from utils.randomness import draw_weights
from utils.results import load
from utils.system.errors import UserError, guarded

N_ITEMS = 60
DEEP = {"p_dims": (5, 9, 13), "dropout_enc": (0.5, 0.2, 0.0), "dropout_dec": (0.3, 0.0, 0.2)}
#: Those that compute the same in both engines (stock_init is each framework's own).
IN_BOTH_ENGINES = ("baked_sampling", "double_rescale", "coupled_decay", "tanh_everywhere", "stock_epsilon")


def options_of(*deviations, **more):
    given = {"p_dims": (6, 11), "batch_size": 50, "precision": "float64", **more}
    return RunOptions(deviations=deviations, **given).resolved()


def trained(package, options, n_epochs=1, n_users=120):
    """A trainer after some epochs, the last batch of each smaller, and the clicks it was trained on."""
    clicks, trainer = random_clicks(n_users, N_ITEMS, 0.1), package.build(options, N_ITEMS)
    for epoch in range(1, n_epochs + 1):
        for batch in training_batches(clicks, options, epoch):
            trainer.train_step(batch, {"beta": 0.2, "lr": 0.01})
    return trainer, clicks


# What is in force


def test_the_profiles_are_those_of_the_published_code():
    at_2020 = RunOptions(profile="recotour2020")
    shared = {"tanh_everywhere", "plateau_min", "batch_mean_loss", "stock_init", "stale_best"}
    assert deviations_of(at_2020.model, "pytorch") == shared
    assert deviations_of(at_2020.model, "mxnet") == set(DEVIATIONS), "MXNet had them all"
    assert not deviations_of(RunOptions().model, "mxnet") | deviations_of(RunOptions().model, "pytorch")


@pytest.mark.parametrize("name", ["mxnet", "pytorch"])
def test_what_acts_in_the_shared_training_is_told_to_it_and_all_else_to_the_engine(name):
    study = RunOptions(profile="recotour2020").resolved().model
    shared = {"plateau_min", "batch_mean_loss", "stale_best"}
    assert shared_deviations(study, name) == shared
    assert engine_deviations(study, name) == PROFILES["recotour2020"][name] - shared


def test_names_add_to_the_profile_and_no_names_take_from_it():
    options = RunOptions(profile="recotour2020", deviations=("no_tanh_everywhere", "coupled_decay"))
    assert deviations_of(options.model, "pytorch") == {
        "plateau_min", "batch_mean_loss", "stock_init", "stale_best", "coupled_decay"
    }  # fmt: skip
    assert deviations_of(RunOptions(deviations=("no_stock_init",)).model, "mxnet") == set()


def test_runs_of_before_keep_their_names_and_the_order_of_names_is_no_matter():
    assert RunOptions().run_id("mxnet", "abc") == "amazon-vae-200-600-mxnet-s1-ea4c7f32"
    older = RunOptions(dataset="movielens-1m", seed=3, weight_decay=0.001)
    assert older.run_id("pytorch", "abc") == "movielens-1m-vae-200-600-pytorch-s3-db2c5887"
    one = RunOptions(deviations=("stock_init", "baked_sampling"))
    other = RunOptions(deviations=("baked_sampling", "stock_init", "stock_init"))
    ids = {options.run_id("mxnet", "abc") for options in (one, other)}
    assert len(ids) == 1
    profile = RunOptions(profile="recotour2020").run_id("mxnet", "abc")
    assert len({*ids, profile, RunOptions().run_id("mxnet", "abc")}) == 3


@pytest.mark.parametrize(
    ("argv", "expected"),
    [
        (["--deviations", "tanh"], "list such as baked_sampling,no_stock_init (baked_sampling, double_rescale,"),
        (["--deviations", "stale_best,stok_init"], "before it in each place); did you mean stock_init"),
        (["--deviations", "no_"], "or one of them with no_ before it"),
        (["--deviations", ""], "expected a list such as"),
        (["--deviations", "stale_best,no_stale_best"], "stale_best and no_stale_best contradict each other"),
        (["--profile", "2020"], "invalid choice: '2020' (choose from"),
    ],
)  # fmt: skip
def test_a_wrong_name_is_one_line(engine, options, capsys, argv, expected):
    assert runs.main(engine, ["--dataset", "tastes", "--data_dir", options.settings.data_dir, *argv]) == 2
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert expected in line


def test_from_python_too():
    with pytest.raises(UserError, match="--deviations: 'tanh' was given, expected baked_sampling, "):
        RunOptions(deviations=("tanh",)).resolved()


def test_the_command_line_gives_them_back():
    options = RunOptions(profile="recotour2020", deviations=("no_stock_init", "coupled_decay"))
    assert parsed_run(options.as_argv(), "x") == options


# baked_sampling


def test_a_hybridised_block_that_reads_the_mode_once_keeps_sampling():
    """The real thing: one class, one difference, ``hybridize()``. Both first called in training, as in the study."""
    if reason := engine_obstacle("mxnet"):
        pytest.skip(reason)
    load_engine("mxnet")
    from mxnet_impl.deviations import BakedVAE
    from mxnet_impl.device_batch import to_device
    from mxnet_impl.runtime import mx

    options, clicks = options_of(), random_clicks(8, N_ITEMS, 0.1)
    drawn = [
        next(options.model.with_evaluation_noise([plain_batch(clicks)], options.training.seed, epoch))
        for epoch in (1, 2)
    ]
    one, other = (to_device(batch, mx.cpu(), "float32") for batch in drawn)
    apart_by = {}
    for hybridised in (True, False):
        network = BakedVAE(options.model, N_ITEMS)
        network.initialize(mx.init.Normal(0.3))
        if hybridised:
            network.hybridize()
        with mx.autograd.record():
            network(one.matrix, *one.noise)
        with mx.autograd.predict_mode():
            predictions = [network(sent.matrix, *sent.noise)[0].asnumpy() for sent in (one, other)]
        apart_by[hybridised] = np.abs(predictions[0] - predictions[1]).max()
    assert apart_by[True] > 0.01
    assert apart_by[False] == 0


def test_baked_sampling_evaluates_at_a_sampled_code(package):
    options = options_of("baked_sampling", **DEEP)
    trainer, clicks = trained(package, options)
    first, again, other = (trainer.evaluate(clicks, 10, epoch) for epoch in (1, 1, 2))
    assert np.array_equal(first.terms["nll"], again.terms["nll"]), "the epoch names the noise"
    assert np.array_equal(first.ranked, again.ranked)
    assert (first.terms["nll"] != other.terms["nll"]).all()
    assert np.array_equal(first.terms["kl"], other.terms["kl"])
    (batch,) = options.model.with_evaluation_noise([plain_batch(clicks)], options.training.seed, epoch=1)
    wanted = oracle_pass(options, trainer.weights(), batch, {"beta": 0.2})
    np.testing.assert_allclose(first.terms["nll"], wanted.terms["nll"], rtol=1e-6)
    plain = asked(trainer, clicks)
    np.testing.assert_allclose(trainer.scores(clicks), plain.scores, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(trainer.embed(clicks), plain.code, rtol=1e-5, atol=1e-6)


def test_baked_sampling_does_not_depend_on_the_evaluation_batch_size(package):
    options = options_of("baked_sampling")
    whole, clicks = trained(package, options)
    small, _ = trained(package, options.replace(eval_batch_size=7))
    one, other = whole.evaluate(clicks, 10, 3), small.evaluate(clicks, 10, 3)
    np.testing.assert_allclose(one.terms["nll"], other.terms["nll"], rtol=1e-9)
    assert np.array_equal(one.ranked, other.ranked)


def test_before_any_training_it_samples_too(package):
    """A run resumed after its last epoch begins with the test."""
    trainer, clicks = package.build(options_of("baked_sampling"), N_ITEMS), random_clicks(20, N_ITEMS, 0.1)
    assert (trainer.evaluate(clicks, 10, 1).terms["nll"] != trainer.evaluate(clicks, 10, 2).terms["nll"]).all()


def test_a_dae_has_nothing_to_sample(package):
    trainer, clicks = trained(package, options_of("baked_sampling", model="dae"))
    assert np.array_equal(trainer.evaluate(clicks, 10, 1).terms["nll"], trainer.evaluate(clicks, 10, 2).terms["nll"])


def test_equal_noise_gives_equal_rankings_in_both_engines(both):
    options = options_of("baked_sampling")
    trainers = {name: trained(package, options)[0] for name, package in both.items()}
    clicks = random_clicks(120, N_ITEMS, 0.1)
    trainers["mxnet"].load_weights(trainers["pytorch"].weights())
    one, other = (trainer.evaluate(clicks, 10, 4) for trainer in trainers.values())
    assert np.array_equal(one.ranked, other.ranked)
    np.testing.assert_allclose(one.terms["nll"], other.terms["nll"], rtol=1e-9)


# tanh_everywhere


def study_forward(options, weights, batch: Batch):
    """(mean nll, mean kl, logits) of the study's loop: dropout, tanh, linear, tanh, dropout, tanh, linear..."""
    W = {name: np.asarray(array, dtype=np.float64) for name, array in weights.items()}
    noise = iter(np.asarray(array, dtype=np.float64) for array in batch.noise)
    x, clicks = np.zeros((batch.n_users, batch.n_items)), np.zeros((batch.n_users, batch.n_items))
    x[batch.rows, batch.indices], clicks[batch.rows, batch.indices] = batch.values, 1  # dropped out already

    def tower(name, x, rates, drop_first):
        for i, p in enumerate(rates):
            if p > 0 and batch.noise and (i > 0 or drop_first):
                x = x * next(noise)
            x = np.tanh(x) @ W[f"{name}.{i}.weight"].T + W[f"{name}.{i}.bias"]
            x = np.tanh(x) if i < len(rates) - 1 else x
        return x

    code, kl = tower("encoder", x, options.model.dropout_enc, drop_first=False), np.zeros(batch.n_users)
    if options.model.name == "vae":
        mu, logvar = np.split(code, 2, axis=1)
        code = mu + np.exp(logvar / 2) * next(noise) if batch.noise else mu
        kl = -0.5 * (1 + logvar - mu**2 - np.exp(logvar)).sum(1)
    else:
        code = np.tanh(code)
    logits = tower("decoder", code, options.model.dropout_dec, drop_first=True)
    log_pi = logits - np.log(np.exp(logits).sum(1, keepdims=True))
    return -(clicks * log_pi).sum() / batch.n_users, kl.mean(), logits


@pytest.mark.parametrize("shape", [{"p_dims": (6, 11)}, DEEP], ids=["two layers", "three layers, hidden dropout"])
@pytest.mark.parametrize("model", ["vae", "dae"])
def test_tanh_everywhere_is_the_studys_loop(package, model, shape):
    options = options_of("tanh_everywhere", model=model, **shape)
    trainer, clicks = package.build(options, N_ITEMS), random_clicks(50, N_ITEMS, 0.1)
    # Glorot weights of so few clicks leave every tanh close to the identity.
    weights = {name: 5.0 * array for name, array in trainer.weights().items()}
    trainer.load_weights(weights)
    _, _, logits = study_forward(options, weights, plain_batch(clicks))
    np.testing.assert_allclose(trainer.scores(clicks), logits, rtol=1e-9, atol=1e-9)
    assert apart(asked(trainer, clicks).scores, logits) > 0.05, "it makes a difference"

    batch = next(training_batches(clicks, options, epoch=1))
    nll, kl = trainer.read_terms(trainer.train_step(batch, {"beta": 0.2, "lr": 1e-12})).values()
    assert (nll, kl) == pytest.approx(study_forward(options, weights, batch)[:2], rel=1e-9, abs=1e-12)
    gradients, h = trainer.gradients(), 1e-7  # the slope along the gradient is its squared norm
    slopes = []
    for sign in (1, -1):
        moved = {name: array + sign * h * gradients[name] for name, array in weights.items()}
        nll, kl, _ = study_forward(options, moved, batch)
        slopes.append(nll + 0.2 * kl)
    assert (slopes[0] - slopes[1]) / (2 * h) == pytest.approx(sum((g**2).sum() for g in gradients.values()), rel=1e-5)


# double_rescale, coupled_decay, stock_epsilon


def study_adam(weights, gradients, state, lr, t, weight_decay, coupled, users, stock_epsilon):
    """MXNet's adam_update in NumPy, with or without each of the study's habits."""
    for name, w in weights.items():
        g = gradients[name] / users
        lam = weight_decay if w.ndim == 2 else 0.0
        g = g + lam * w if coupled else g
        m, v = state.setdefault(name, [np.zeros_like(w), np.zeros_like(w)])
        m[:], v[:] = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g * g
        w *= 1.0 if coupled else 1 - lr * lam
        first, second = 1 - 0.9**t, 1 - 0.999**t
        root = np.sqrt(v) + 1e-8 if stock_epsilon else np.sqrt(v) + 1e-8 * np.sqrt(second)
        w -= lr * np.sqrt(second) / first * m / root


@pytest.mark.parametrize(
    "deviations",
    [
        ("double_rescale",),
        ("coupled_decay",),
        ("double_rescale", "coupled_decay"),
        ("stock_epsilon",),
        ("double_rescale", "coupled_decay", "stock_epsilon"),
    ],
    ids="+".join,
)
def test_updates_are_the_studys(package, deviations):
    options = options_of(*deviations, weight_decay=0.05)
    trainer, clicks = package.build(options, N_ITEMS), random_clicks(120, N_ITEMS, 0.1)
    start = {name: array.astype(np.float64) for name, array in trainer.weights().items()}
    weights, state, t = {name: array.copy() for name, array in start.items()}, {}, 0
    for epoch in (1, 2):
        for batch in training_batches(clicks, options, epoch):  # 50, 50 and 20 users
            t += 1
            trainer.train_step(batch, {"beta": 0.2, "lr": 0.01})
            users = batch.n_users if "double_rescale" in deviations else 1
            gradients = oracle_pass(options, weights, batch, {"beta": 0.2}).gradients
            study_adam(
                weights, gradients, state, 0.01, t, 0.05, "coupled_decay" in deviations, users,
                "stock_epsilon" in deviations,
            )  # fmt: skip
    for name, array in trainer.weights().items():
        assert apart(array - start[name], weights[name] - start[name]) < 2e-5, name


def test_the_gradient_divided_twice_makes_coupled_decay_as_many_times_stronger(package):
    """After some epochs lambda * W outweighs what is left of the gradient: the weights go to nothing."""
    sizes = []
    for deviations in (("coupled_decay",), ("coupled_decay", "double_rescale")):
        trainer, _ = trained(package, options_of(*deviations, weight_decay=0.01), n_epochs=20)
        sizes.append(np.linalg.norm(trainer.weights()["decoder.1.weight"]))
    assert sizes[1] < 0.1 * sizes[0]


@pytest.mark.parametrize("deviations", [(), ("stock_epsilon",), ("stock_epsilon", "double_rescale")], ids=str)
def test_the_first_step_is_as_large_as_its_epsilon_says(package, deviations):
    """``lr * g / (|g| + eps)``: the stock epsilon is 1e-8 / sqrt(0.001), 32 times as large, at the first step."""
    options, clicks = options_of(*deviations), random_clicks(50, N_ITEMS, 0.1)
    trainer = package.build(options, N_ITEMS)
    before, (batch,) = trainer.weights(), training_batches(clicks, options, 1)
    gradients = oracle_pass(options, before, batch, {"beta": 1e-5}).gradients
    trainer.train_step(batch, {"beta": 1e-5, "lr": 0.01})
    epsilon = 1e-8 / np.sqrt(0.001) if "stock_epsilon" in deviations else 1e-8
    seen = 0
    for name, array in trainer.weights().items():
        g = gradients[name] / (50 if "double_rescale" in deviations else 1)
        wanted = -0.01 * g / (np.abs(g) + epsilon)
        np.testing.assert_allclose(array - before[name], wanted, rtol=1e-4, atol=1e-12)
        seen += ((g != 0) & (np.abs(wanted) < 0.00999)).sum()
    assert seen > 10 or not deviations, "some gradients are small enough for epsilon to show"


@pytest.mark.parametrize("deviation", ["double_rescale", "coupled_decay"])
def test_plain_sgd_has_them_too(package, deviation):
    options = options_of(deviation, optimizer="sgd", weight_decay=0.05)
    trainer, clicks = package.build(options, N_ITEMS), random_clicks(50, N_ITEMS, 0.1)
    before, (batch,) = trainer.weights(), training_batches(clicks, options, 1)
    trainer.train_step(batch, {"beta": 0.2, "lr": 0.5})
    for name, g in oracle_pass(options, before, batch, {"beta": 0.2}).gradients.items():
        w, lam = before[name].astype(np.float64), 0.05 if before[name].ndim == 2 else 0.0
        wanted = w - 0.5 * (g + lam * w) if deviation == "coupled_decay" else w - 0.5 * (g / 50 + lam * w)
        np.testing.assert_allclose(trainer.weights()[name], wanted, rtol=1e-6, atol=1e-9)


def test_coupled_decay_is_decay_l2(package):
    ours, _ = trained(package, options_of("coupled_decay", weight_decay=0.01))
    l2, _ = trained(package, options_of(decay="l2", weight_decay=0.01))
    for name, array in ours.weights().items():
        assert np.array_equal(array, l2.weights()[name]), name


# stock_init


def test_stock_biases(engine, package):
    weights = package.build(options_of("stock_init", p_dims=(50, 3000), precision="float32"), N_ITEMS).weights()
    clean = draw_weights({name: array.shape for name, array in weights.items()}, seed=1)
    for name, array in weights.items():
        if array.ndim == 2:
            assert np.array_equal(array, clean[name]), "matrices are Glorot uniform either way"
    biases = np.concatenate([array for array in weights.values() if array.ndim == 1])
    if engine == "mxnet":
        assert not biases.any()
    else:
        assert biases.std() == pytest.approx(0.001, rel=0.05)
        assert np.abs(biases).max() > 0.0025, "not truncated"


# The three that act in the training both engines share


class Scripted:
    """A trainer that learns nothing; the held-out item of its n-th evaluation stands at ``places[n]``."""

    def __init__(self, held_out, places):
        self.item = held_out.indices[held_out.indptr[:-1]]
        self.places, self.steps, self.loaded = iter(places), 0, None

    def train_step(self, batch, knobs):
        self.steps += 1

    def read_terms(self, handle):
        return {"nll": 1.0, "kl": 0.0}

    def evaluate(self, fold_in, k, epoch=0, heed=None, users=None, candidates=None):
        ranked = np.full((fold_in.shape[0], k), -1, dtype=np.int32)
        ranked[: len(self.item), next(self.places)] = self.item
        nll = np.arange(fold_in.shape[0], dtype=np.float64)
        return Evaluation(ranked, {"nll": nll, "kl": 2 * nll})

    def weights(self):
        return {"steps": np.array([self.steps])}

    def load_weights(self, weights):
        self.loaded = int(weights["steps"][0])

    def shapes(self):
        return {"steps": (1,)}


def scripted(options, tmp_path, places, deviations, **more):
    """A training through evaluations that find the held-out item at ``places``; 240 users in batches of 60."""
    options = options.replace(early_stop_patience=0, **more).resolved()
    data = runs.data_of(options)
    trainer = Scripted(data.validation_held_out.binary(), places)
    with RunFolder(tmp_path / "run") as folder:
        task = task_of(data, options)
        training = DeviantTraining(trainer, task, options, folder, frozenset(deviations))
        list(training.epochs())
        metrics, *_ = judge_best(training, task, options)
    return training, metrics


def test_plateau_min_lowers_the_rate_every_patience_and_one_evaluations():
    schedule, rates = FallingPlateau(lr=1.0, patience=2), []
    for score in range(1, 12):
        schedule.update(score / 100)
        rates.append(schedule.lr)
    assert rates == pytest.approx([1, 1, 1, 0.1, 0.1, 0.1, 0.01, 0.01, 0.01, 1e-3, 1e-3])


def test_plateau_min_in_a_training_that_gets_better_and_better(options, tmp_path):
    places = [9, 8, 7, 6, 5, 4, 3, 2, 1, 0]
    for deviations, wanted in (({"plateau_min"}, [1, 1, 1, 0.1, 0.1, 0.01, 0.01, 0.001]), (set(), [1] * 8)):
        where = tmp_path / f"{len(deviations)}"
        training, _ = scripted(options, where, places, deviations, n_epochs=8, lr_scheduler=True, lr_patience=1, lr=1.0)
        assert [row["lr"] for row in training.position.history] == pytest.approx(wanted)


def test_batch_mean_loss_by_hand(options, tmp_path):
    """30 users with nll 0 to 29 and kl twice that; in batches of 20 their means are 9.5 and 24.5."""
    more = {"n_epochs": 5, "batch_size": 20, "anneal_cap": 0.4, "anneal_share": 1.0}
    places = [9, 0, 8, 7, 6, 5]
    training, metrics = scripted(options, tmp_path, places, {"batch_mean_loss"}, **more)
    last = training.position.knobs["beta"]
    assert (metrics["best_epoch"], metrics["beta"]) == (2, training.position.history[1]["beta"])
    assert last > 1.5 * metrics["beta"]
    assert metrics["test"]["nll"] == pytest.approx(17.0)
    assert metrics["test"]["loss"] == pytest.approx(17.0 + last * 34.0), "at the last epoch's beta"
    assert metrics["validation"]["loss"] == pytest.approx(17.0 + metrics["beta"] * 34.0)
    _, metrics = scripted(options, tmp_path / "clean", places, {"stale_best"}, **more)
    assert metrics["test"]["loss"] == pytest.approx(14.5 + metrics["beta"] * 29.0)


@pytest.mark.parametrize(
    ("places", "best", "clean_best"),
    [([5, 3, 4, 6], 8, 6), ([5, 4, 3, 2], 11, 11), ([2, 3, 4, 5], 5, 3), ([5, 4, 3, 6], 10, 9)],
)
def test_stale_best_takes_epochs_it_never_evaluated(options, tmp_path, places, best, clean_best):
    """Evaluated in epochs 3, 6, 9 and the last, 11; the study saved whenever the last evaluation was the best."""
    for deviations, epoch in (({"stale_best"}, best), ({"batch_mean_loss"}, clean_best)):
        where = tmp_path / f"{epoch}"
        training, metrics = scripted(options, where, [*places, 0], deviations, n_epochs=11, eval_every=3)
        assert metrics["best_epoch"] == epoch
        assert metrics["updates"] == training.learner.loaded == 4 * epoch, "and tested their weights"
        evaluated = {row["epoch"]: row["val_n100"] for row in training.position.history}
        assert metrics["validation"]["n100"] == evaluated[clean_best]


# Together


@pytest.mark.parametrize("precision", BOUNDS)
@pytest.mark.parametrize("model", ["vae", "dae"])
def test_the_engines_agree_under_the_same_deviations(both, model, precision):
    options = options_of(*IN_BOTH_ENGINES, model=model, precision=precision, weight_decay=0.001, **DEEP)
    trainers = {name: trained(package, options, n_epochs=10)[0] for name, package in both.items()}
    theirs, bounds = trainers["mxnet"].weights(), BOUNDS[precision]
    for name, array in trainers["pytorch"].weights().items():
        assert apart(array, theirs[name]) < bounds.last_weight, name


#: Those that leave a single step alike in both engines.
OF_A_STEP = ("tanh_everywhere", "coupled_decay", "stock_epsilon", "double_rescale")


@pytest.mark.parametrize("users", [["none"], ["all"], ["none"] * 3, ["some", "none", "all", "some", "none"]], ids=str)
@pytest.mark.parametrize("model", ["vae", "dae"])
def test_users_with_no_click_and_with_every_click_are_ranked_alike(both, model, users):
    """As any other user, in batches of one too: one without clicks has no loss, one with all of them no list."""
    dense = random_clicks(len(users), N_ITEMS, 0.1).toarray()
    dense[[user == "none" for user in users]], dense[[user == "all" for user in users]] = 0, 1
    found = []
    for package in both.values():
        for size in (1, len(users)):
            trainer = package.build(options_of(*OF_A_STEP, model=model, eval_batch_size=size), N_ITEMS)
            evaluation, ranked = trainer.evaluate(dense, 10), trainer.rank(dense, 10)
            np.testing.assert_array_equal(ranked, best_items(trainer.scores(dense), dense, 10))
            np.testing.assert_array_equal(evaluation.ranked, ranked)
            assert [nll == 0 for nll in evaluation.terms["nll"]] == [user == "none" for user in users]
            assert [list(row) == [-1] * 10 for row in ranked] == [user == "all" for user in users]
            found.append((evaluation, ranked, trainer.embed(dense)))
    for evaluation, ranked, code in found[1:]:
        np.testing.assert_array_equal(ranked, found[0][1])
        np.testing.assert_allclose(evaluation.terms["nll"], found[0][0].terms["nll"], rtol=1e-9)
        np.testing.assert_allclose(evaluation.terms["kl"], found[0][0].terms["kl"], rtol=1e-9, atol=1e-12)
        np.testing.assert_allclose(code, found[0][2], rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("likelihood", ["multinomial", "gaussian", "logistic"])
@pytest.mark.parametrize("model", ["vae", "dae"])
def test_the_engines_go_on_alike_through_batches_without_clicks(both, model, likelihood):
    options = options_of(*OF_A_STEP, model=model, weight_decay=0.05, likelihood=likelihood, precision="float32")
    first, middle, last = training_batches(random_clicks(120, N_ITEMS, 0.1), options, 1)
    nobody = plain_batch(random_clicks(1, N_ITEMS, 0, at_least_one=False))
    nobody = options.model.with_noise(nobody, options.training.seed, epoch=1, step=1, part=options.model.passes[0])
    all_dropped = dataclasses.replace(middle, values=np.zeros_like(middle.values))
    trainers = [package.build(options, N_ITEMS) for package in both.values()]
    for batch in (first, nobody, middle, all_dropped, last):
        losses = [
            tuple(trainer.read_terms(trainer.train_step(batch, {"beta": 0.2, "lr": 0.01})).values())
            for trainer in trainers
        ]
        np.testing.assert_allclose(losses[0], losses[1], rtol=1e-4, atol=1e-6)
    one, other = (trainer.weights() for trainer in trainers)
    for name, array in one.items():
        assert apart(array, other[name]) < 1e-4, name


def test_without_all_its_deviations_the_profile_is_the_papers_bit_for_bit(engine, options, tmp_path):
    options = options.replace(
        lr_scheduler=True, lr_patience=0, eval_every=2, weight_decay=0.01, early_stop_score_fn="loss"
    )
    none = tuple(f"no_{name}" for name in DEVIATIONS)
    paper = runs.run(engine, options)
    bare = runs.run(engine, options.replace(profile="recotour2020", deviations=none))
    study = runs.run(engine, options.replace(profile="recotour2020"))
    as_before = {**metrics_of(paper), "run_id": ""}
    assert {**metrics_of(bare), "run_id": ""} == as_before
    assert (bare / "per_user.npz").read_bytes() == (paper / "per_user.npz").read_bytes()
    assert {**metrics_of(study), "run_id": ""} != as_before


def test_a_run_says_what_was_in_force(engine, options):
    options = options.replace(profile="recotour2020", deviations=("no_stock_init", "coupled_decay"))
    folder = runs.run(engine, options.replace(n_epochs=1))
    about = json.loads((folder / "run.json").read_text())
    assert about["deviations"] == sorted((PROFILES["recotour2020"][engine] | {"coupled_decay"}) - {"stock_init"})
    stored = json.loads((folder / "options.json").read_text())
    assert (stored["profile"], stored["deviations"]) == ("recotour2020", ["coupled_decay", "no_stock_init"])
    (row,) = load(folder.parent.parent / "all_results.csv").to_dict("records")
    assert (row["profile"], row["deviations"]) == ("recotour2020", "[coupled_decay, no_stock_init]")
    words = setting_parts(row, ["profile", "deviations"])
    assert words[2:] == ["profile recotour2020", "deviations coupled_decay,no_stock_init"]


@pytest.mark.parametrize("stop_at", [7, 18])
def test_an_interrupted_run_goes_on_as_if_it_had_never_stopped(engine, package, options, tmp_path, stop_at):
    options = options.replace(
        profile="recotour2020", weight_decay=0.001, lr_scheduler=True, lr_patience=1, eval_every=2
    )
    straight = runs.run(engine, options.replace(log_dir=str(tmp_path / "straight")))
    with interrupted_at(package, stop_at), pytest.raises(KeyboardInterrupt):
        runs.run(engine, options)
    folder = runs.run(engine, options)
    for name in ("metrics.json", "per_user.npz", "best.safetensors"):
        assert (folder / name).read_bytes() == (straight / name).read_bytes(), name


@pytest.mark.parametrize("argv", [["--profile", "recotour2020"], ["--deviations", "stock_init,tanh_everywhere"]])
def test_the_lock_step_refuses_what_it_cannot_compare(both, argv, capsys):
    assert guarded(parity.main, argv) == 2
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert "the lock-step takes only coupled_decay, double_rescale, stock_epsilon, tanh_everywhere" in line
