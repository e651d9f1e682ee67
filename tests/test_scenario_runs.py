"""Runs under the scenarios whose users stay: what is trained on, what is masked, how the held-out item is ranked."""

import json
import re

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.sparse import csr_matrix

from conftest import interrupted_at, metrics_of, prepared_tastes
from contract import cases, every
from data_prep import find_prepared
from experiments.analysis import compare
from experiments.analysis.published import beside, published
from experiments.analysis.runs import OPTIONS
from experiments.runs import run as runs
from experiments.runs.verify import verify
from experiments.tasks import task_of
from utils.engine import ENGINES
from utils.metrics.sampled import sampled_per_user, with_held_out
from utils.models import MODELS, TRAINED
from utils.options import RunOptions
from utils.options.command import parsed_run
from utils.options.data import SCENARIOS
from utils.results import load
from utils.system.errors import UserError, guarded

STAY = ("weak", "leave_one_out")


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory):
    """Two groups of users with two tastes, prepared under every scenario."""
    return prepared_tastes(tmp_path_factory.mktemp("data"), SCENARIOS)


@pytest.fixture
def options_of(data_dir, tmp_path):
    def made(model, scenario, **more):
        small = {"n_epochs": 3, "batch_size": 30, "lr": 0.01} if model in TRAINED else {}
        small |= {"p_dims": (4, 16)} if model in ("vae", "dae") else {"hidden": 6} if model == "cdae" else {}
        places = {"data_dir": str(data_dir), "log_dir": str(tmp_path / "results"), "save_results": True}
        return RunOptions(model, **{"dataset": "tastes", "scenario": scenario, **small, **places, **more})

    return made


# What is trained on, and what is known


@pytest.mark.parametrize("scenario", STAY)
def test_everything_but_the_test_is_known_at_the_test_and_masked(options_of, data_dir, scenario):
    data = find_prepared(data_dir, "tastes", scenario)
    task = task_of(data, options_of("dae", scenario).resolved())
    train, validation, test = (
        getattr(data, part).binary() for part in ("train", "validation_held_out", "test_held_out")
    )
    assert (task.clicks != train).nnz == 0
    assert (task.validation.fold_in != train).nnz == 0
    assert (task.test.fold_in != train + validation).nnz == 0
    assert (task.test.held_out != test).nnz == 0
    everything = task_of(data, options_of("dae", scenario, validation="none").resolved())
    assert (everything.clicks != train + validation).nnz == 0
    assert (everything.test.fold_in != task.test.fold_in).nnz == 0
    np.testing.assert_array_equal(task.test.rows, np.arange(data.train.n_users))


def test_without_validation_strong_trains_on_the_validation_users_too(options_of, data_dir):
    data = find_prepared(data_dir, "tastes")
    task = task_of(data, options_of("dae", "strong", validation="none").resolved())
    n_train, n_validation = data.train.n_users, data.validation_fold_in.n_users
    assert task.n_users == n_train + n_validation
    both = data.validation_fold_in.binary() + data.validation_held_out.binary()
    assert (task.clicks[:n_train] != data.train.binary()).nnz == 0
    assert (task.clicks[n_train:] != both).nnz == 0
    assert task.clicks.nnz == data.train.nnz + both.nnz
    assert task.test.rows is None


# Runs


@pytest.mark.parametrize("scenario", STAY)
@every(cases([name for name, entry in MODELS.items() if set(STAY) <= set(entry.scenarios)], plainest=True))
def test_test_figures_are_those_of_the_scores(options_of, data_dir, case, scenario):
    case.package()  # or the test is skipped
    model, engine = case.model, case.engine
    options = options_of(model, scenario)
    folder = runs.run(engine, options)
    learner, data = runs.train(engine, options), find_prepared(data_dir, "tastes", scenario)
    known, held_out = data.test_fold_in.binary().toarray(), data.test_held_out.binary().toarray() > 0
    scores = learner.scores(known, users=np.arange(len(known))).astype(np.float64)
    masked = np.where(known > 0, -np.inf, scores)
    best = np.argsort(-masked, axis=1, kind="stable")[:, :10]
    hit = np.take_along_axis(held_out, best, axis=1).any(axis=1)[held_out.any(axis=1)]
    metrics = metrics_of(folder)
    assert metrics["test"]["hr10"] == pytest.approx(hit.mean())
    if scenario == "leave_one_out":
        item = np.argmax(held_out, axis=1)
        rivals = data.candidates("test")
        ahead = [
            sum((scores[u, r], -r) > (scores[u, item[u]], -item[u]) for r in rivals[u] if r >= 0)
            for u in np.flatnonzero(held_out.any(axis=1))
        ]
        assert metrics["test"]["sampled_hr10"] == pytest.approx(np.mean(np.array(ahead) < 10))
        assert metrics["candidate_items"] == 40
    assert all(finding.agrees for finding in verify(folder))
    (row,) = (row for row in load(folder.parents[1] / "all_results.csv").to_dict("records")
              if row["run_id"] == folder.name)  # fmt: skip
    assert row["scenario"] == scenario
    assert (row["candidate_items"] == "NA") == (scenario == "weak")


def test_without_validation_all_epochs_are_run_and_the_last_is_tested(options_of, engine):
    options = options_of("cdae", "weak", validation="none", n_epochs=4)
    folder = runs.run(engine, options)
    metrics = metrics_of(folder)
    assert (metrics["best_epoch"], metrics["epochs"], metrics["validation"]) == (4, 4, {})
    history = pd.read_csv(folder / "history.csv")
    assert history[["val_loss", "val_n100"]].isna().all(axis=None)
    (row,) = load(folder.parents[1] / "all_results.csv").to_dict("records")
    assert row["validation"] == "none"
    assert np.isnan(row["val_n100"])
    assert folder.name != runs.run(engine, options_of("cdae", "weak", n_epochs=4)).name


def test_a_run_without_validation_goes_on_where_it_was_interrupted(options_of, engine, package):
    options = options_of("cdae", "weak", validation="none", n_epochs=4, save_every=0)
    with interrupted_at(package, 11), pytest.raises(KeyboardInterrupt):
        runs.run(engine, options)
    folder = runs.run(engine, options)
    whole = runs.run(engine, options.replace(log_dir=options.settings.log_dir + "2"))
    assert json.loads((folder / "metrics.json").read_text()) == json.loads((whole / "metrics.json").read_text())
    assert (folder / "best.safetensors").read_bytes() == (whole / "best.safetensors").read_bytes()


@pytest.mark.parametrize("scenario", STAY)
def test_the_scenario_is_part_of_which_data_and_so_of_the_name(options_of, engine, scenario):
    names = {runs.run(engine, options_of("dae", each, n_epochs=1)).name for each in ("strong", scenario)}
    assert len(names) == 2


# Refusals


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (("cdae", "strong"), "give --scenario weak or leave_one_out, or --no_user_node"),
        (("vae", "weak", {"validation": "none", "lr_scheduler": True}), "--lr_scheduler watches the validation part"),
        (("cdae", "weak", {"corruption_level": 1.0}), "give it below 1"),
        (("cdae", "weak", {"confidence": 3.0}), "has no part in the logistic likelihood"),
    ],
)
def test_what_cannot_be_is_one_line(options_of, given, said):
    model, scenario, *more = given
    with pytest.raises(UserError, match=said) as caught:
        options_of(model, scenario, **(more[0] if more else {})).resolved()
    assert "\n" not in str(caught.value)


def test_a_preparation_that_is_missing_is_named_with_its_scenario(options_of, tmp_path):
    with pytest.raises(UserError, match=r"python -m data_prep .*--scenario weak"):
        runs.run("numpy", options_of("popularity", "weak", data_dir=str(tmp_path), dataset="movielens-100k"))


def test_a_preset_gives_defaults_which_flags_override(capsys):
    assert RunOptions("cdae", preset="paper").model.tied
    assert RunOptions("cdae", preset="paper").training.batch_size == 1
    assert not RunOptions("cdae", preset="paper", tied=False).model.tied
    liang = RunOptions("cdae", preset="liang2018").resolved()
    assert (liang.data.scenario, liang.training.optimizer, liang.model.negatives) == ("strong", "adam", 0)
    spelt_out = RunOptions(**(liang.values() | {"preset": None}))
    assert spelt_out.run_id("pytorch", "abc") == liang.run_id("pytorch", "abc"), "a name for settings, not one of them"
    assert RunOptions.from_flat(liang.flat()) == liang
    typed = parsed_run(["--model", "cdae", "--preset", "liang2018", "--lr", "0.1"], "x").resolved()
    assert typed == liang.replace(lr=0.1)
    assert parsed_run(typed.as_argv(), "x") == RunOptions(**(typed.values() | {"preset": None}))
    assert liang.replace(preset=None) == RunOptions("cdae", prefetch=0)
    assert typed.replace(preset="paper").training.lr == 0.1, "what was said stays, what was a default follows"
    assert typed.replace(preset="paper").training.batch_size == 1
    with pytest.raises(UserError, match="cdae has paper and liang2018"):
        RunOptions("cdae", preset="nobody")
    code = runs.main("pytorch", ["--model", "cdae", "--preset", "nobody"])
    assert code == 2
    assert "--preset" in capsys.readouterr().err


# The sampled metrics


def test_ranks_among_candidates_by_hand():
    items = np.array([[4, 1, 7], [2, 5, -1], [-1, 3, 5], [9, 1, 2]])
    scores = np.array([[0.5, 0.5, 0.1], [0.3, 0.9, 99.0], [0.0, 1.0, 2.0], [3.0, 1.0, 2.0]])
    found = sampled_per_user(scores, items)
    np.testing.assert_allclose(found["sampled_n10"], [1 / np.log2(3), 1 / np.log2(3), 0.0, 1.0])
    np.testing.assert_array_equal(found["sampled_hr10"], [1, 1, 0, 1])


@given(st.integers(0, 2**32), st.integers(1, 30))
def test_ranks_among_candidates_are_those_of_a_full_sort(seed, n_candidates):
    random = np.random.default_rng(seed)
    items = np.array([random.permutation(60)[: n_candidates + 1] for _ in range(5)])
    scores = random.integers(0, 4, items.shape).astype(float)
    found = sampled_per_user(scores, items)
    for user in range(5):
        order = sorted(range(n_candidates + 1), key=lambda place: (-scores[user, place], items[user, place]))
        rank = 1 + order.index(0)
        assert found["sampled_hr10"][user] == (rank <= 10)
        assert found["sampled_n10"][user] == pytest.approx(1 / np.log2(rank + 1) if rank <= 10 else 0)


def test_several_held_out_items_have_no_rank_among_candidates():
    with pytest.raises(ValueError, match="2 items are held out"):
        with_held_out(np.array([[3]]), csr_matrix([[1, 1, 0, 0]]))
    held_out = csr_matrix([[0, 1, 0, 0], [0, 0, 0, 0]])
    np.testing.assert_array_equal(with_held_out(np.array([[3], [2]]), held_out), [[1, 3], [-1, 2]])


# Comparison


def test_a_scenario_has_a_table_of_its_own_with_the_figures_of_its_protocol(both, options_of, tmp_path, capsys):
    for scenario in ("strong", *STAY):
        for engine in ENGINES:
            runs.run(engine, options_of("dae", scenario, n_epochs=1))
        runs.run("numpy", options_of("popularity", scenario))
    capsys.readouterr()
    assert guarded(compare.main, ["--results", str(tmp_path / "results")]) == 0
    text = capsys.readouterr().out
    parts = re.split(r"^(?=tastes)", text, flags=re.MULTILINE)[1:]
    tables = dict(zip(("leave_one_out", "strong", "weak"), parts, strict=True))
    assert tables["leave_one_out"].startswith("tastes, leave_one_out (")
    assert tables["strong"].startswith("tastes (")
    assert tables["weak"].startswith("tastes, weak (")
    for scenario, table in tables.items():
        assert ("HR@10 of 100" in table) == (scenario == "leave_one_out")
        assert ("Recall@20" in table) == (scenario != "leave_one_out")
        assert re.search(r"^popularity +none +[.0-9]", table, re.MULTILINE)
        assert re.search(r"^dae 4,16 +PyTorch +[.0-9]", table, re.MULTILINE)


def test_published_figures_stand_beside_their_own_scenario_alone():
    figures = published()
    (known, *_) = figures[(figures["model"] == "vae") & (figures["source"] == "liang2018")].to_dict("records")
    row = dict.fromkeys(OPTIONS, "") | {name: known[name] for name in OPTIONS if name in known} | {"scenario": "strong"}
    assert len(beside(row, figures))
    assert not len(beside({**row, "scenario": "weak"}, figures))
