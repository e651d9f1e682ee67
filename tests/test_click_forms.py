"""Models are asked about clicks in any form, or say what is wrong with it; both engines alike."""

import copy
import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import sparse

from conftest import random_clicks
from utils.batches import binary_clicks
from utils.options import RunOptions

N_ITEMS = 7
DTYPES = ("bool", "int8", "uint8", "int16", "int64", "uint64", "float32", "float64")
WITH_REPETITIONS = ("csr", "csc", "coo", "bsr")  # formats that can hold a place twice, or a stored zero
FORMATS = (*WITH_REPETITIONS, "lil", "dok", "dia", "array", "list")


def stored(random, clicks, dtype, form, kind):
    """``clicks`` (bool) as a matrix that stores places out of order, some of them several times, and zeros too."""
    entries = [(*place, True) for place in np.argwhere(clicks) for _ in range(random.randint(1, 3))]
    entries += [(*place, False) for place in np.argwhere(~clicks) if random.random() < 0.2]
    random.shuffle(entries)
    rows, columns, clicked = (np.array(each, dtype=int) for each in zip(*entries, strict=True)) if entries else [[]] * 3
    # 127 stored three times is no number of 8 bits: repetitions must not be added up in the dtype given.
    values = (np.array(clicked) * np.array([random.choice((1, 2, 127)) for _ in entries])).astype(dtype)
    coo = getattr(sparse, f"coo_{kind}")((values, (rows, columns)), shape=clicks.shape)
    if form == "coo":
        return coo
    major, minor = (columns, rows) if form == "csc" else (rows, columns)
    order = np.argsort(major, kind="stable")
    indptr = np.searchsorted(np.asarray(major)[order], np.arange(clicks.shape[form == "csc"] + 1))
    values = values[order].reshape(-1, 1, 1) if form == "bsr" else values[order]
    return getattr(sparse, f"{form}_{kind}")((values, np.asarray(minor)[order], indptr), shape=clicks.shape)


def given_as(random, clicks, dtype, form, kind):
    """``clicks``, bool ``(users, items)``, as the format, dtype and kind (matrix or array) named."""
    if form in WITH_REPETITIONS:
        return stored(random, clicks, dtype, form, kind)
    dense = (clicks * np.array([random.choice((1, 2, 127)) for _ in clicks.flat]).reshape(clicks.shape)).astype(dtype)
    if form in ("array", "list"):
        return dense if form == "array" else dense.tolist()
    return getattr(sparse, f"{form}_{kind}")(dense)


def contents(matrix):
    """All that makes up ``matrix``, copied."""
    if sparse.issparse(matrix) and matrix.format == "dok":
        return dict(matrix.items())
    if sparse.issparse(matrix):
        return copy.deepcopy({name: value for name, value in vars(matrix).items() if isinstance(value, np.ndarray)})
    return copy.deepcopy(matrix)


@pytest.fixture(scope="module")
def trainers(both):
    """Models of both engines that score ``N_ITEMS`` items, two users at a time."""
    options = RunOptions(p_dims=(3, 5), eval_batch_size=2).resolved()
    return [package.build(options, N_ITEMS) for package in both.values()]


@given(
    random=st.randoms(use_true_random=False),
    clicks=st.lists(st.lists(st.booleans(), min_size=N_ITEMS, max_size=N_ITEMS), min_size=1, max_size=4),
    form=st.sampled_from(FORMATS),
    dtype=st.sampled_from(DTYPES),
    kind=st.sampled_from(("matrix", "array")),
    k=st.integers(1, N_ITEMS + 2),
)
def test_every_form_gives_what_the_plain_binary_matrix_gives(trainers, random, clicks, form, dtype, kind, k):
    clicks = np.array(clicks)
    plain = sparse.csr_matrix(clicks.astype(np.float32))
    matrix = given_as(random, clicks, dtype, form, kind)
    before = contents(matrix)
    canonical = binary_clicks(matrix, N_ITEMS)
    assert (canonical.dtype, canonical.has_canonical_format) == (np.float32, True)
    np.testing.assert_array_equal(canonical.toarray(), clicks)
    assert canonical.nnz == clicks.sum()
    for trainer in trainers:
        ranked = trainer.rank(matrix, k)
        np.testing.assert_array_equal(ranked, trainer.rank(plain, k))
        assert not (np.take_along_axis(clicks, ranked.astype(int), axis=1) & (ranked >= 0)).any()
        np.testing.assert_array_equal((ranked >= 0).sum(axis=1), np.minimum(k, N_ITEMS - clicks.sum(axis=1)))
        np.testing.assert_array_equal(trainer.scores(matrix), trainer.scores(plain))
        np.testing.assert_array_equal(trainer.embed(matrix), trainer.embed(plain))
        np.testing.assert_array_equal(trainer.evaluate(matrix, k).terms["nll"], trainer.evaluate(plain, k).terms["nll"])
    np.testing.assert_equal(contents(matrix), before)


@pytest.mark.parametrize("form", FORMATS)
def test_no_users_give_no_rows(package, form):
    trainer = package.build(RunOptions(p_dims=(3, 5), precision="float64").resolved(), N_ITEMS)
    nobody = np.zeros((0, N_ITEMS))
    if form != "array":
        nobody = sparse.csr_matrix(nobody) if form in ("list", "dia") else sparse.csr_matrix(nobody).asformat(form)
    ranked, evaluation = trainer.rank(nobody, 4), trainer.evaluate(nobody, 4)
    assert (ranked.shape, ranked.dtype) == ((0, 4), np.int32)
    assert (trainer.scores(nobody).shape, trainer.scores(nobody).dtype) == ((0, N_ITEMS), np.float64)
    assert (trainer.embed(nobody).shape, trainer.embed(nobody).dtype) == ((0, 3), np.float64)
    assert (evaluation.ranked.shape, evaluation.terms["nll"].shape, evaluation.terms["kl"].shape) == (
        (0, 4),
        (0,),
        (0,),
    )
    one = np.zeros((1, N_ITEMS))
    assert trainer.scores(one).dtype == trainer.embed(one).dtype == np.float64


ONE = np.eye(1, N_ITEMS)
REFUSED = {
    "too narrow": (np.eye(2, 6), "6 columns were given, the model has 7 items"),
    "too wide": (sparse.csc_array(np.eye(2, 8)), "8 columns were given, the model has 7 items"),
    "one dimension": (ONE[0], "the clicks have 1 dimension(s); expected 2"),
    "one sparse dimension": (sparse.coo_array(ONE[0]), "the clicks have 1 dimension(s); expected 2"),
    "three dimensions": (np.zeros((1, 1, N_ITEMS)), "the clicks have 3 dimension(s); expected 2"),
    "nothing": (None, "the clicks have 0 dimension(s); expected 2"),
    "rows of two lengths": ([[1] * 7, [1] * 6], "the clicks are no array ("),
    "complex": (ONE * 1j, "the clicks are of dtype complex128; expected booleans or real numbers"),
    "complex, sparse": (sparse.coo_matrix(ONE * 1j), "the clicks are of dtype complex128"),
    "text": ([list("0100000")], "the clicks are of dtype <U1"),
    "objects": (np.array([[None] * N_ITEMS]), "the clicks are of dtype object"),
    "negative": (-2 * ONE, "the value at row 0, column 0 is -2.0; expected a positive number for a click, 0 for none"),
    "negative, outweighed": (sparse.coo_matrix(([3, -1], ([0, 0], [4, 4])), (1, N_ITEMS)), "row 0, column 4 is -1"),
    "no number": (sparse.lil_matrix(ONE * np.nan), "the value at row 0, column 0 is nan"),
    "infinite": (sparse.dia_matrix((np.full((1, 2), np.inf), [1]), (2, N_ITEMS)), "row 0, column 1 is inf"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_no_matrix_of_clicks_is_refused_in_a_line(package, case):
    trainer = package.build(RunOptions(p_dims=(3, 5)).resolved(), N_ITEMS)
    wrong, message = REFUSED[case]
    for ask in (trainer.scores, trainer.embed, lambda fold_in: trainer.rank(fold_in, 3)):
        with pytest.raises(ValueError, match=re.escape(message)) as refusal:
            ask(wrong)
        assert "\n" not in str(refusal.value)


@pytest.mark.parametrize("k", [0, -1, 2.0, "3", None, True, np.float32(2)])
def test_lists_of_no_length_are_refused(package, k):
    trainer = package.build(RunOptions(p_dims=(3, 5)).resolved(), N_ITEMS)
    for ask in (trainer.rank, trainer.evaluate):
        with pytest.raises(ValueError, match=re.escape(f"k is {k!r}; expected a whole number of at least 1")):
            ask(ONE, k)
    assert trainer.rank(ONE, np.int64(2)).tolist() == trainer.rank(ONE, 2).tolist()


def test_what_is_masked_is_no_click():
    masked = np.ma.masked_array(np.ones((1, N_ITEMS)), mask=[[0, 1, 0, 1, 1, 1, 1]])
    assert binary_clicks(masked, N_ITEMS).indices.tolist() == [0, 2]


def test_a_deviant_trainer_takes_every_form_too(package):
    options = RunOptions(p_dims=(3, 5), deviations=("baked_sampling", "tanh_everywhere")).resolved()
    trainer, clicks = package.build(options, 30), random_clicks(6, 30, 0.2)
    for matrix in (clicks.tocsc(), 5 * clicks.toarray().astype(int)):
        np.testing.assert_array_equal(trainer.rank(matrix, 5), trainer.rank(clicks, 5))
    with pytest.raises(ValueError, match="29 columns were given, the model has 30 items"):
        trainer.embed(clicks[:, :29])
