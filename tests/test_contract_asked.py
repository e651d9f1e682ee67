"""What every learner is asked, trained or fitted, in every engine: its answers are its oracle's, however asked."""

import numpy as np
import pytest
from scipy.sparse import csr_matrix

from conftest import random_clicks
from contract import N_ITEMS, asked, best_items, cases, every, of_each_likelihood, shapes_of
from utils.engine import ENGINES
from utils.models import MODELS, TRAINED
from utils.system.errors import UserError


def learnt_of(case, **more):
    """A learner that has learnt, and users to ask it about."""
    return case.learnt(random_clicks(120, N_ITEMS, 0.1), **more), random_clicks(70, N_ITEMS, 0.1, seed=8)


PRECISE = [(case, "float32") for case in cases()] + [(case, "float64") for case in cases(plainest=True)]


@pytest.mark.parametrize(("case", "precision"), PRECISE, ids=str)
def test_scores_lists_losses_and_code_are_the_oracles_without_noise(case, precision):
    """After hybridised training too, whose graph the 2020 study's Gluon block kept sampling from at evaluation."""
    learner, users = learnt_of(case, precision=precision)
    near = {"rtol": 1e-4, "atol": 1e-6} if precision == "float32" else {"rtol": 1e-9, "atol": 1e-12}
    wanted, scores = asked(learner, users), learner.scores(users)
    assert scores.dtype == precision
    np.testing.assert_allclose(scores, wanted.scores, **near)
    evaluation, again = learner.evaluate(users, 10), learner.evaluate(users, 10)
    np.testing.assert_array_equal(evaluation.ranked, best_items(scores, users.toarray(), 10))
    np.testing.assert_array_equal(learner.rank(users, 10), evaluation.ranked)
    assert tuple(evaluation.terms) == learner.model.terms
    assert set(wanted.terms) == set(learner.model.terms)
    for name, values in evaluation.terms.items():
        np.testing.assert_allclose(values, wanted.terms[name], err_msg=name, **near)
        np.testing.assert_array_equal(values, again.terms[name], err_msg=name)
    if wanted.code is None:
        with pytest.raises(ValueError, match="no code"):
            learner.embed(users)
    else:
        assert learner.embed(users).dtype == precision
        np.testing.assert_allclose(learner.embed(users), wanted.code, **near)


@every(cases(plainest=True))
def test_the_evaluation_batch_size_changes_nothing(case):
    (whole, users), (small, _) = learnt_of(case), learnt_of(case, eval_batch_size=7)
    one, other = whole.evaluate(users, 10), small.evaluate(users, 10)
    np.testing.assert_array_equal(one.ranked, other.ranked)
    np.testing.assert_array_equal(whole.rank(users, 10), small.rank(users, 10))
    np.testing.assert_allclose(whole.scores(users), small.scores(users), rtol=1e-5, atol=1e-6)
    for name, values in one.terms.items():
        np.testing.assert_allclose(values, other.terms[name], rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("users", [["none"], ["all"], ["none"] * 3, ["some", "none", "all", "some", "none"]], ids=str)
@every(of_each_likelihood(MODELS))
def test_users_with_no_click_and_with_every_click_are_users_like_any_other(case, users):
    """In batches of one too; a list ends in -1 where no item is left, and is empty for who has clicked them all."""
    dense = random_clicks(len(users), N_ITEMS, 0.1).toarray()
    dense[[user == "none" for user in users]], dense[[user == "all" for user in users]] = 0, 1
    for size in {1, len(users)}:
        learner, _ = learnt_of(case, eval_batch_size=size)
        wanted = asked(learner, csr_matrix(dense))
        np.testing.assert_allclose(learner.scores(dense), wanted.scores, rtol=1e-4, atol=1e-6)
        for k in (10, N_ITEMS + 3):
            evaluation = learner.evaluate(dense, k)
            np.testing.assert_array_equal(evaluation.ranked, best_items(learner.scores(dense), dense, k))
            np.testing.assert_array_equal(learner.rank(dense, k), evaluation.ranked)
        assert [(row == -1).all() for row in evaluation.ranked] == [user == "all" for user in users]
        for name, values in evaluation.terms.items():
            np.testing.assert_allclose(values, wanted.terms[name], rtol=1e-4, atol=1e-6, err_msg=name)
        if learner.model.likelihood == "multinomial" and learner.model.terms:
            assert [nll == 0 for nll in evaluation.terms["nll"]] == [user == "none" for user in users]
        if wanted.code is not None:
            np.testing.assert_allclose(learner.embed(dense), wanted.code, rtol=1e-4, atol=1e-6)


@every(cases(plainest=True))
def test_no_users_give_no_rows_of_the_same_width(case):
    learner, users = learnt_of(case, precision="float64")
    nobody, code = users[:0], asked(learner, users).code
    assert learner.scores(nobody).shape == (0, N_ITEMS)
    assert (learner.rank(nobody, 4).shape, learner.rank(nobody, 4).dtype) == ((0, 4), np.int32)
    assert {name: each.shape for name, each in learner.evaluate(nobody, 4).terms.items()} == dict.fromkeys(
        learner.model.terms, (0,)
    )
    if code is not None:
        assert learner.embed(nobody).shape == (0, code.shape[1])


@every(cases())
def test_weights_are_a_copy_of_canonical_shapes_and_travel_between_engines(case):
    learner, users = learnt_of(case)
    weights, scores = learner.weights(), learner.scores(users)
    shapes = {name: array.shape for name, array in weights.items()}
    assert shapes == learner.shapes() == shapes_of(learner.model)
    other_seed = {"seed": 77} if case.model in TRAINED else {}
    for place in (case, *case.in_other_engines()):
        taker = place.build(**other_seed)
        taker.load_weights(weights)
        near = {"rtol": 0, "atol": 0} if place == case else {"rtol": 1e-5, "atol": 1e-5}
        np.testing.assert_allclose(taker.scores(users), scores, **near)
        for name, array in taker.weights().items():
            np.testing.assert_array_equal(array, weights[name], err_msg=name)
    for array in weights.values():
        array[:] = 0
    np.testing.assert_array_equal(learner.scores(users), scores)


@every(cases(plainest=True))
def test_weights_that_do_not_fit_are_refused(case):
    learner, _ = learnt_of(case)
    weights = learner.weights()
    name, array = next(iter(weights.items()))
    with pytest.raises(ValueError, match=f"differ from the model's in {name}"):
        learner.load_weights({other: each for other, each in weights.items() if other != name})
    with pytest.raises(ValueError, match=f"{name} is .*, the model needs "):
        learner.load_weights({**weights, name: array[1:]})


@pytest.mark.parametrize("model", [name for name in MODELS if len(MODELS[name].engines) > 1])
def test_the_engines_give_the_same_lists_but_for_near_equal_scores(both, model):
    """Each with what it has learnt by itself; training in float32 would carry the last digits far."""
    lists, scores, precision = [], [], "float64" if model in TRAINED else "float32"
    for case in cases([model], plainest=True):
        learner, users = learnt_of(case, precision=precision)
        lists.append(learner.rank(users, 20))
        scores.append(learner.scores(users))
    np.testing.assert_allclose(*scores, rtol=1e-4, atol=1e-5)
    assert (lists[0] == lists[1]).mean() > 0.99


@every(cases(plainest=True))
def test_a_device_this_machine_lacks_is_one_line(case):
    package = case.package()
    with pytest.raises(UserError, match=r"^--device cuda:63: [^\n]+$"):
        package.device_of("cuda:63")
    if case.engine in ENGINES:
        with pytest.raises(UserError, match=r"--device cuda:63: .* sees no such GPU here; use --device cpu"):
            case.build(device="cuda:63")
