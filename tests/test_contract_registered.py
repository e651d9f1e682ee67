"""What every registered model has beside its code, and refuses: a model that lacks a part of it fails here."""

import dataclasses
import sys
from pathlib import Path

import numpy as np
import pytest

from conftest import random_clicks
from contract import N_ITEMS, Case
from experiments.runs import run as runs
from experiments.tasks import TASKS
from oracles import oracle_of
from tiny import TINY
from utils.engine import ENGINES, NUMPY, check_engine, engine_obstacle, model_obstacle
from utils.models import MODELS
from utils.models.linear import EASEOptions
from utils.options import RunOptions, decisive_of, fields_of
from utils.options.command import parsed_run
from utils.results import COLUMNS
from utils.system.command_line import option
from utils.system.errors import UserError
from utils.weights import load_arrays, save_arrays

MODELS_PAGE = Path(__file__).resolve().parent.parent / "docs" / "models.md"


@pytest.mark.parametrize("model", MODELS)
def test_a_registered_model_has_all_that_a_model_must_have(model, tmp_path):
    assert lacking(model, tmp_path) == []


def lacking(model, folder):
    """What the model called ``model`` lacks, in words; files are written to ``folder``."""
    has = {"oracle": has_oracle, "tiny options": has_tiny_options, "citation": has_citation, "row": has_row}
    found = [what for what, is_there in has.items() if not is_there(model)]
    return found + ([] if "tiny options" in found else lacking_of_export(model, Path(folder) / "weights.safetensors"))


def has_oracle(model):
    try:
        oracle = oracle_of(model)
    except ImportError:
        return False
    wanted = ("forward_backward",) if MODELS[model].options.training is not None else ("weights", "scores")
    return all(callable(getattr(oracle, name, None)) for name in wanted)


def has_tiny_options(model):
    return bool(TINY.get(model))


def has_citation(model):
    return bool(MODELS[model].citation.strip())


def has_row(model):
    """Whether a table of the page has a row that begins with the title (its year and authors may be left out)."""
    name = MODELS[model].title.partition(" (")[0].lower()
    rows = [line.split("|")[1].strip().lower() for line in MODELS_PAGE.read_text().splitlines() if line.startswith("|")]
    return any(row == name or row.startswith((f"{name} ", f"{name},")) for row in rows)


def lacking_of_export(model, path):
    """What is missing of what a model leaves for others: columns of its options, weights that every engine reads."""
    found = [f"column of {name}" for name in decisive_of(model) if name not in COLUMNS]
    clicks, first = random_clicks(40, N_ITEMS, 0.1), next(iter(TINY[model]))
    places = [case for name in MODELS[model].engines if (case := Case(model, first, name)).obstacle() is None]
    for case in places:
        try:
            learner = case.learnt(clicks)
            save_arrays(path, learner.weights(), {})
            for other in places:
                taker = other.build()
                taker.load_weights(load_arrays(path)[0])
                np.testing.assert_allclose(taker.scores(clicks), learner.scores(clicks), rtol=1e-4, atol=1e-4)
        except (ValueError, NotImplementedError, AssertionError) as error:
            found.append(f"weights of {case.engine} ({type(error).__name__})")
    return found


# Each thing lacking is seen


@dataclasses.dataclass(frozen=True)
class FakeOptions(EASEOptions):
    """EASE's, under another name."""

    name = "fake"


@dataclasses.dataclass(frozen=True)
class WithoutColumn(FakeOptions):
    """With an option that came after the table's columns were made."""

    stray: int = option(1, "model", "of no table")


@dataclasses.dataclass(frozen=True)
class WithoutShapes(FakeOptions):
    """With shapes that its weights have not."""

    def shapes(self, n_items, n_users=0):
        return {"weight": (n_items, 1)}


@pytest.fixture
def fake(monkeypatch):
    """Registers a complete model called fake, whose entry is EASE's but for the changes given."""

    def registered(**changes):
        entry = dataclasses.replace(MODELS["ease"], **{"options": FakeOptions, **changes})
        monkeypatch.setitem(MODELS, "fake", entry)

    monkeypatch.setitem(TINY, "fake", {"plain": {"l2": 3.0}})
    registered()
    return registered


def test_a_complete_one_lacks_nothing(fake, tmp_path):
    assert lacking("fake", tmp_path) == []


def test_an_oracle_that_is_lacking_is_seen(fake, tmp_path, monkeypatch):
    with monkeypatch.context() as patched:
        patched.delattr(oracle_of("fake"), "scores")
        assert lacking("fake", tmp_path) == ["oracle"]
    monkeypatch.setitem(sys.modules, "oracles.linear", None)  # what Python does to a module that must not be found
    assert lacking("fake", tmp_path) == ["oracle"]


def test_tiny_options_that_are_lacking_are_seen(fake, tmp_path, monkeypatch):
    monkeypatch.delitem(TINY, "fake")
    assert lacking("fake", tmp_path) == ["tiny options"]


@pytest.mark.parametrize(
    ("changes", "seen"),
    [
        ({"citation": " "}, "citation"),
        ({"title": "Eas (2019)"}, "row"),  # which the row of EASE is not
        ({"options": WithoutColumn}, "column of stray"),
    ],
)
def test_what_an_entry_lacks_is_seen(fake, tmp_path, changes, seen):
    fake(**changes)
    assert lacking("fake", tmp_path) == [seen]


def test_weights_that_nobody_can_read_are_seen(engine, fake, tmp_path):
    fake(options=WithoutShapes, engines=(engine,))
    assert lacking("fake", tmp_path) == [f"weights of {engine} (ValueError)"]


# Its task, its engines


@pytest.mark.parametrize("entry", MODELS.values(), ids=MODELS)
def test_a_model_names_a_task_scenarios_and_engines_that_there_are(entry):
    assert entry.task in TASKS
    assert entry.scenarios
    assert entry.engines
    assert {*entry.engines} <= {*ENGINES, NUMPY.name}


@pytest.mark.parametrize("model", MODELS)
def test_an_engine_that_has_not_the_model_names_the_command_that_has(model):
    if reason := model_obstacle(model):
        pytest.skip(reason)
    for name in {*ENGINES, NUMPY.name} - {*MODELS[model].engines}:
        with pytest.raises(UserError, match=f"--model {model}: there is none in .*; run: python .* --model {model}$"):
            check_engine(name, RunOptions(model).resolved())
    for name in MODELS[model].engines:
        check_engine(name, RunOptions(model).resolved())


@pytest.mark.parametrize("only", sorted(ENGINES))
def test_a_model_of_one_engine_is_refused_by_the_other_in_a_line(fake, data_dir, tmp_path, capsys, only):
    if reason := engine_obstacle(only):
        pytest.skip(reason)
    fake(engines=(only,))
    (other,) = ENGINES.keys() - {only}
    argv = ["--model", "fake", "--dataset", "tastes", "--data_dir", str(data_dir), "--log_dir", str(tmp_path / "r")]
    assert runs.main(other, argv) == 2
    assert capsys.readouterr().err == (
        f"error: --model fake: there is none in {ENGINES[other].title}; run: python main_{only}.py --model fake\n"
    )
    assert not (tmp_path / "r").exists()
    assert runs.main(only, argv) == 0


# Its flags


def words_of(name, field):
    """A flag with a value that it takes."""
    value = field.metadata["choices"][0] if "choices" in field.metadata else {"float": "0.5"}.get(field.type, "1")
    return [f"--{name}"] if field.default is False else [f"--{name}", value]


@pytest.mark.parametrize("model", MODELS)
def test_a_flag_of_another_model_is_refused_by_name_and_whose_it_is(model):
    own = fields_of(model)
    for other in MODELS:
        for name, field in fields_of(other).items():
            words = words_of(name, field)
            if name in own:
                continue
            with pytest.raises(UserError, match=rf"--{name}\b.*; it is a flag of .*\b{other}\b.*, not of {model}; see"):
                parsed_run(["--model", model, *words], "main.py")


@pytest.mark.parametrize("model", [name for name, entry in MODELS.items() if entry.options.unused])
def test_a_flag_that_changes_nothing_is_taken_and_told(model, capsys):
    for name, reason in MODELS[model].options.unused.items():
        field = fields_of(model)[name]
        words = [f"--{name}", field.metadata["choices"][-1]] if "choices" in field.metadata else words_of(name, field)
        parsed_run(["--model", model, *words], "main.py").resolved()
        assert capsys.readouterr().err == f"--{name} is ignored: {reason}\n"
