"""RecVAE's own: its prior, and the passes of an epoch that train in turns, with the old encoder between them."""

from collections import Counter

import numpy as np
import pytest
from scipy.special import logsumexp
from scipy.stats import norm

from conftest import interrupted_at, metrics_of, random_clicks
from experiments.runs import run as runs
from experiments.tasks.clicks import training_batches
from utils.options import RunOptions
from utils.system.errors import UserError
from utils.weights import load_arrays, under

SMALL = {"hidden": 6, "latent": 4, "batch_size": 40, "lr": 0.01}
N_ITEMS, PER_PASS = 30, 3  # batches of 40, 40 and 21 users
RESULTS = ("metrics.json", "per_user.npz", "lists.npz", "best.safetensors")


def built(package, **more):
    return package.build(RunOptions("recvae", **{**SMALL, **more}).resolved(), N_ITEMS)


def batches_of(learner, epoch=1):
    return list(training_batches(random_clicks(101, N_ITEMS, 0.2), learner.options, epoch))


def copied(learner):
    """The weights, and what training remembers beside them, of the encoder and of the decoder."""
    weights, memory = learner.weights(), learner.memory()
    return {part: under(f"{part}.", weights) | under(f"{part}/", memory) for part in ("encoder", "decoder")}


def same(one, other):
    return set(one) == set(other) and all(np.array_equal(array, other[name]) for name, array in one.items())


def old_is_the_encoder(learner):
    weights, old = learner.weights(), learner.snapshot()
    return same(old, {name: weights[name] for name in old})


def test_the_prior_is_scipys_mixture_of_three_gaussians(engine, package):
    random = np.random.default_rng(1)
    z, mean, logvar = random.normal(size=(3, 50, 7)) * [[[4]], [[2]], [[1]]]
    z[0], logvar[0] = 900.0, -9.0  # far from all three, where their densities are 0
    network = built(package, precision="float64").network
    if engine == "pytorch":
        found = network.prior(*(package.runtime.torch.from_numpy(each) for each in (z, mean, logvar))).numpy()
    else:
        found = network.prior(*(package.runtime.mx.nd.array(each, dtype="float64") for each in (z, mean, logvar)))
        found = found.asnumpy()
    each = [norm.logpdf(z), norm.logpdf(z, mean, np.exp(logvar / 2)), norm.logpdf(z, 0, np.exp(10 / 2))]
    wanted = logsumexp(np.stack(each), axis=0, b=np.array([0.15, 0.75, 0.10]).reshape(3, 1, 1))
    np.testing.assert_allclose(found, wanted, rtol=1e-12)


def test_an_epoch_is_three_passes_of_the_encoder_and_one_of_the_decoder(package):
    learner = built(package)
    batches = batches_of(learner)
    assert [batch.part for batch in batches] == ["encoder"] * 3 * PER_PASS + ["decoder"] * PER_PASS
    assert [batch.takes_snapshot for batch in batches] == [False] * 3 * PER_PASS + [True] + [False] * (PER_PASS - 1)
    for batch in batches:
        is_dropped = (batch.values == 0).any()
        assert is_dropped == (batch.part == "encoder")
        np.testing.assert_array_equal(batch.clean > 0, True)
        learner.train_step(batch, {"lr": 0.01})
    memory = learner.memory()
    assert (memory["encoder/t"], memory["decoder/t"]) == (3 * PER_PASS, PER_PASS)


def test_a_pass_leaves_the_others_weights_gradients_and_optimiser_alone(package):
    learner = built(package)
    counts = Counter()
    for epoch in (1, 2):
        for batch in batches_of(learner, epoch):
            before = copied(learner)
            learner.train_step(batch, {"lr": 0.01})
            after = copied(learner)
            (other,) = {"encoder", "decoder"} - {batch.part}
            assert same(before[other], after[other])
            assert not same(before[batch.part], after[batch.part])
            gradients = learner.gradients()
            assert not any(gradient.any() for gradient in under(f"{other}.", gradients).values())
            assert any(gradient.any() for gradient in under(f"{batch.part}.", gradients).values())
            counts[batch.part] += 1
    assert counts == {"encoder": 6 * PER_PASS, "decoder": 2 * PER_PASS}


@pytest.mark.parametrize("deviations", [(), ("own_start",)])
def test_the_old_encoder_is_the_encoder_of_the_last_epoch(package, deviations):
    """In the first it is another random one, or, under ``own_start``, the encoder as it starts."""
    learner = built(package, deviations=deviations)
    assert not old_is_the_encoder(learner)
    first, start = learner.weights(), learner.snapshot()
    wanted = {name: first[name] for name in start} if deviations else start
    for epoch in (1, 2):
        for batch in batches_of(learner, epoch):
            learner.train_step(batch, {"lr": 0.01})
            if batch.part == "encoder":
                assert same(learner.snapshot(), wanted)
            else:
                assert old_is_the_encoder(learner)
        wanted = learner.snapshot()


def test_the_loss_of_an_evaluation_is_that_under_the_old_encoder_of_its_epoch(package):
    """It reads the encoder in its place, which weights on disk have."""
    learner = built(package, precision="float64")
    for batch in batches_of(learner):
        learner.train_step(batch, {"lr": 0.01})
    evaluation = learner.evaluate(random_clicks(5, N_ITEMS, 0.3, seed=2), 5)
    other = built(package, precision="float64", seed=9)
    other.load_weights(learner.weights())
    again = other.evaluate(random_clicks(5, N_ITEMS, 0.3, seed=2), 5)
    assert evaluation.terms["kl"].any()
    for name, values in evaluation.terms.items():
        np.testing.assert_array_equal(again.terms[name], values, err_msg=name)


def test_the_small_epsilon_changes_the_encoder_and_nothing_of_the_draws(package):
    one, other = built(package), built(package, deviations=("small_epsilon",))
    assert same(one.weights(), other.weights())
    assert same(one.snapshot(), other.snapshot())
    users = random_clicks(5, N_ITEMS, 0.3)
    assert np.abs(one.embed(users) - other.embed(users)).max() > 1e-3


@pytest.mark.parametrize(("deviations", "passes"), [((), (1, 2, 3, 4)), (("own_start",), (4,))])
def test_interrupted_at_every_pass_boundary_it_ends_as_if_undisturbed(
    package, engine, data_dir, tmp_path, deviations, passes
):
    def argv(log_dir):
        place = {"data_dir": str(data_dir), "log_dir": str(log_dir), "save_results": True}
        return RunOptions("recvae", dataset="tastes", n_epochs=2, deviations=deviations, **{**SMALL, **place}).as_argv()

    with interrupted_at(package, 0) as steps:
        assert runs.main(engine, argv(tmp_path / "straight")) == 0
    (straight,) = tmp_path.glob("straight/runs/*")
    per_pass = len(steps) // 8
    assert len(steps) == 8 * per_pass
    for number in passes:  # of the first epoch; the interruption is heeded at the end of its last step
        log_dir = tmp_path / str(number)
        with interrupted_at(package, number * per_pass):
            assert runs.main(engine, argv(log_dir)) == 130
        (state,) = log_dir.rglob("state.safetensors")
        assert under("optimizer/snapshot/", load_arrays(state)[0])
        assert runs.main(engine, argv(log_dir)) == 0
        (folder,) = log_dir.glob("runs/*")
        for name in RESULTS:
            assert (folder / name).read_bytes() == (straight / name).read_bytes(), (number, name)
    assert not any("snapshot" in name for name in load_arrays(straight / "best.safetensors")[0])
    assert metrics_of(straight)["n_parameters"] == sum(
        array.size for array in load_arrays(straight / "best.safetensors")[0].values()
    )


def test_a_deviation_of_another_model_is_refused_in_a_line(capsys):
    assert runs.main("pytorch", ["--model", "recvae", "--deviations", "stock_init"]) == 2
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert "small_epsilon, own_start" in line
    with pytest.raises(UserError, match="'stock_init' was given, expected small_epsilon, own_start"):
        RunOptions("recvae", deviations=("stock_init",)).resolved()
    twice = RunOptions("recvae", deviations=("own_start", "small_epsilon", "own_start")).resolved()
    assert twice == RunOptions("recvae", deviations=("small_epsilon", "own_start")).resolved()
