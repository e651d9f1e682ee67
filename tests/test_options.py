"""The command line: published flags and defaults, lists as people write them, contradictions named in one line."""

import dataclasses
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data_prep import DATASETS
from utils.models import MODELS, ModelEntry
from utils.models.base import ModelOptions
from utils.options import RunOptions, fields_of
from utils.options.command import parsed_run
from utils.system.command_line import did_you_mean, option, real
from utils.system.errors import UserError


def options_from(*argv):
    return parsed_run(argv, "python main_x.py", "test")


def test_the_published_defaults():
    options = options_from().resolved()
    published = {
        "dataset": "amazon", "log_dir": "results", "model": "vae", "q_dims": (600, 200), "p_dims": (200, 600),
        "dropout_enc": (0.5, 0.0), "dropout_dec": (0.0, 0.0), "n_epochs": 200, "weight_decay": 0.0, "lr": 0.001,
        "batch_size": 512, "constant_anneal": False, "anneal_cap": 0.2, "lr_scheduler": False, "lr_patience": 5,
        "eval_every": 1, "early_stop_patience": 20, "early_stop_score_fn": "metric", "save_results": False,
    }  # fmt: skip
    assert {name: options.values()[name] for name in published} == published


@pytest.mark.parametrize("written", ["200,600", "[200, 600]", "[200,600]", " 200 , 600 ", "[200, 600,]"])
def test_lists_are_read_as_people_write_them(written):
    assert options_from("--p_dims", written).model.p_dims == (200, 600)


@pytest.mark.parametrize("depth", [1, 2, 3, 4])
def test_default_dropout_is_on_the_input_only_at_any_depth(depth):
    options = RunOptions(p_dims=tuple(range(10, 10 + depth))).resolved()
    assert options.model.dropout_enc == (0.5,) + (0.0,) * (depth - 1)
    assert options.model.dropout_dec == (0.0,) * depth


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["--p_dims", "__import__('os')"], "was given, expected a list such as 200,600"),
        (["--p_dims", "[200, 600"], "expected a list such as 200,600"),
        (["--p_dims", ""], "expected a list such as 200,600 (a whole number, at least 1 in each place)"),
        (["--p_dims", "200,-600"], "'200,-600' was given"),
        (["--lr", "nan"], "'nan' was given, expected a number, at least 1e-30"),
        (["--lr", "0"], "expected a number, at least 1e-30"),
        (["--batch_size", "12.5"], "expected a whole number, at least 1"),
        (["--model", "svd"], "invalid choice: 'svd'"),
        (["--dropout_enc", "0.5,1"], "'0.5,1' was given"),
        (["--device", "gpu"], "expected cpu, cuda or cuda:N"),
        (["--learning_rate", "1"], "unrecognized arguments: --learning_rate"),
        (["--test_users_size", "10.5"], "a fraction of the users below 1, or a whole number"),
        (["--epochs"], "unrecognized arguments"),
        (["--lr"], "expected one argument"),
    ],
)
def test_a_wrong_value_is_one_line(argv, message):
    with pytest.raises(UserError) as caught:
        options_from(*argv)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("given_options", "message"),
    [
        ({"q_dims": (600, 100)}, "--q_dims 600,100 ends with 100 and --p_dims 200,600 begins with 200"),
        ({"dropout_enc": (0.5,)}, "--dropout_enc 0.5 has 1 values, but --p_dims makes 2 layers"),
        ({"dropout_dec": (0.5, 0.1, 0.1)}, "--dropout_dec 0.5,0.1,0.1 has 3 values"),
        ({"q_dims": (300, 600, 200), "dropout_enc": (0.5, 0.0)}, "but --q_dims makes 3 layers"),
        ({"anneal_cap": 0.0}, "--anneal_cap 0 leaves nothing to anneal (relative annealing): add --constant_anneal"),
        ({"constant_anneal": True, "annealing": "absolute"}, "contradict each other"),
        ({"confidence": 2.0}, "--confidence 2.0 has no part in the multinomial likelihood: leave it out, or add"),
        ({"confidence": 2.0, "likelihood": "logistic"}, "has no part in the logistic likelihood"),
    ],
)
def test_options_are_checked_against_each_other(given_options, message):
    with pytest.raises(UserError) as caught:
        RunOptions(**given_options).resolved()
    assert message in str(caught.value)


@pytest.mark.parametrize("name", ["min_user_click", "min_item_click"])
def test_a_selection_may_ask_for_no_clicks_at_all_and_not_for_fewer(name):
    assert getattr(parsed_run([f"--{name}", "0"], "main.py").data, name) == 0
    with pytest.raises(UserError, match=f"--{name}: '-1' was given, expected a whole number, at least 0"):
        parsed_run([f"--{name}", "-1"], "main.py")


def test_a_dae_has_no_beta_to_contradict():
    assert RunOptions(model="dae", anneal_cap=0.0).resolved().model.anneal_cap == 0


values = st.fixed_dictionaries(
    {
        "p_dims": st.lists(st.integers(1, 999), min_size=1, max_size=4).map(tuple),
        "lr": st.floats(1e-6, 10).map(lambda x: float(f"{x:g}")),
        "n_epochs": st.integers(1, 999),
        "model": st.sampled_from(["vae", "dae"]),
        "constant_anneal": st.booleans(),
        "weight_decay": st.sampled_from([0.0, 4e-05, 0.001]),
        "test_users_size": st.sampled_from([None, 0.1, 750]),
        "min_rating": st.sampled_from([None, 3.5, "none"]),
        "seed": st.integers(0, 2**31),
    }
)


@given(values)
def test_options_survive_the_command_line(chosen):
    options = RunOptions(**chosen)
    assert options_from(*options.as_argv()) == options


@given(values)
def test_a_run_has_the_same_id_however_its_options_are_written(chosen):
    options = RunOptions(**chosen)
    assert options.run_id("mxnet", "abc") == options.resolved().run_id("mxnet", "abc")
    elsewhere = options.replace(log_dir="elsewhere", data_dir="x", threads=3, save_results=True)
    elsewhere = elsewhere.replace(eval_batch_size=77, prefetch=1, save_every=9.0)
    assert elsewhere.run_id("mxnet", "abc") == options.run_id("mxnet", "abc")
    json.dumps(options.resolved().flat())


def test_what_changes_the_result_changes_the_id():
    base = RunOptions()
    ids = [base.run_id("mxnet", "abc"), base.run_id("pytorch", "abc"), base.run_id("mxnet", "abd")]
    for change in (
        {"seed": 2},
        {"lr": 0.01},
        {"p_dims": (100, 600)},
        {"anneal_cap": 0.3},
        {"decay": "l2"},
        {"n_epochs": 9},
    ):
        ids.append(base.replace(**change).run_id("mxnet", "abc"))
    assert len(set(ids)) == len(ids)
    dae = base.replace(model="dae")
    assert dae.run_id("mxnet", "a") == dae.replace(anneal_cap=0.9).run_id("mxnet", "a"), "a dae has no beta"


LATER = {"likelihood", "output_bias", "confidence"}


@pytest.mark.parametrize(
    ("given", "recorded"),
    [
        ({}, {}),
        ({"output_bias": "zero", "confidence": 2.5}, {}),
        ({"output_bias": "popularity"}, {"output_bias": "popularity"}),
        ({"likelihood": "logistic", "output_bias": "popularity"}, {"likelihood": "logistic"}),
        ({"likelihood": "gaussian", "output_bias": "zero", "confidence": 5.0},
         {"likelihood": "gaussian", "output_bias": "zero", "confidence": 5.0}),
    ],
)  # fmt: skip
@pytest.mark.parametrize("model", ["vae", "dae"])
def test_an_option_added_later_is_recorded_where_it_differs_from_its_default(model, given, recorded):
    """So that records and names of earlier runs stay as they are."""
    options, plain = RunOptions(model, **given).resolved(), RunOptions(model).resolved()
    assert options.flat() == plain.flat() | recorded
    assert not LATER & set(plain.flat())
    assert RunOptions.from_flat(options.flat()) == options
    assert (options.run_id("mxnet", "abc") == plain.run_id("mxnet", "abc")) is (not recorded)


def test_run_ids_of_before_the_later_options_stay():
    assert RunOptions("vae").run_id("pytorch", "d18f650d") == "amazon-vae-200-600-pytorch-s1-4c559fd3"
    assert RunOptions("dae", p_dims=(100, 300)).run_id("mxnet", "d18f650d") == "amazon-dae-100-300-mxnet-s1-9eac6393"


def test_help_names_every_flag(capsys):
    with pytest.raises(SystemExit) as stop:
        options_from("--help")
    assert stop.value.code == 0
    text = capsys.readouterr().out
    assert text.startswith("usage: python main_x.py [-h]")
    for name in ("model", *fields_of("vae")):
        assert f"--{name}" in text


@dataclasses.dataclass(frozen=True)
class OtherOptions(ModelOptions):
    """Those of a model that is fitted once and has one flag of its own."""

    name = "other"
    training = None
    ridge: float = option(500.0, "model", "the penalty", real(above=0))

    def shapes(self, n_items):
        return {"weight": (n_items, n_items)}


@pytest.fixture
def other(monkeypatch):
    entry = ModelEntry(OtherOptions, module="other", network="Other", title="Other", citation="nobody")
    monkeypatch.setitem(MODELS, "other", entry)
    return entry


def test_a_model_has_its_own_flags_and_refuses_those_of_others_by_name(other, capsys):
    options = options_from("--ridge", "30", "--model", "other", "--dataset", "x")
    assert (options.model, options.training) == (OtherOptions(ridge=30.0), None)
    assert options.run_id("pytorch", "abc").startswith("x-other-pytorch-"), "no widths and no seed"
    assert RunOptions.from_flat(options.flat()) == options
    assert options_from(*options.as_argv()) == options
    for argv, flag, owner in (
        (["--model", "other", "--n_epochs", "3"], "--n_epochs", "vae, dae, cdae and recvae"),
        (["--ridge", "30"], "--ridge", "other"),
    ):  # fmt: skip
        with pytest.raises(UserError, match=f"unrecognized arguments: {flag} .*; it is a flag of {owner}, not of "):
            options_from(*argv)
    with pytest.raises(SystemExit):
        options_from("--help", "--model", "other")
    text = capsys.readouterr().out
    assert "--ridge" in text
    assert "--p_dims" not in text
    assert RunOptions("other").run_id("mxnet", "abc") != options.replace(ridge=500.0).run_id("pytorch", "abc")


def test_a_flag_that_changes_nothing_is_told(capsys):
    options_from("--model", "dae", "--anneal_cap", "0.4")
    assert capsys.readouterr().err == "--anneal_cap is ignored: a dae has no beta to anneal\n"
    options_from("--model", "vae", "--anneal_cap", "0.4")
    assert capsys.readouterr().err == ""


def test_a_name_that_is_no_option_of_the_model_is_refused_in_python_too():
    with pytest.raises(TypeError, match="learning_rate is no option of the model vae"):
        RunOptions(learning_rate=1)


@pytest.mark.parametrize(
    ("given", "known", "hint"),
    [
        ("movielens1m", DATASETS, "did you mean movielens-1m or movielens?"),
        ("MovieLens-100K", DATASETS, "did you mean movielens-100k?"),
        ("publishd", ("published", "quick"), "did you mean published?"),
        ("vea", ("vae", "dae"), "did you mean vae?"),
        ("mine", DATASETS, ""),
        ("x", (), ""),
        ("--bacth_size", ("--batch_size", "--eval_batch_size", "--seed"), "did you mean --batch_size?"),
    ],
)
def test_what_is_nearly_a_name_is_told_with_the_name(given, known, hint):
    assert did_you_mean(given, known) == hint


@pytest.mark.parametrize(
    ("argv", "line"),
    [
        (
            ["--model", "vea"],
            "; did you mean vae? See",
        ),
        (["--seed", "2", "--bacth_size=5"], "unrecognized arguments: --bacth_size=5; did you mean --batch_size? See"),
        (["5"], "unrecognized arguments: 5; see"),
    ],
)
def test_an_error_says_what_was_meant_and_the_command_that_helps(argv, line):
    with pytest.raises(UserError) as error:
        options_from(*argv)
    assert str(error.value).endswith(f"{line} python main_x.py --help")
