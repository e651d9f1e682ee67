"""A run's life, whatever the model: named by its options, interrupted, found finished, verified, tabled, compared."""

import contextlib
import functools
import os
import re
import signal

import numpy as np
import pytest

from conftest import metrics_of, prepared_tastes
from contract import cases, that_can_run
from experiments.analysis import compare
from experiments.parity import command as parity
from experiments.parity.worker import Worker
from experiments.report import command as report
from experiments.runs import run as runs
from experiments.runs import verify
from experiments.runs.fitting import Fitting
from experiments.runs.loop import Training
from experiments.runs.weights import load_weights
from experiments.tasks import task_of
from utils.metrics.ranking import METRICS
from utils.models import MODELS, TRAINED
from utils.options import decisive_of
from utils.options.command import parsed_run
from utils.options.data import SCENARIOS
from utils.results import load
from utils.results_table import DECISIVE_OPTIONS, NOT_APPLICABLE
from utils.system.errors import guarded
from utils.system.files import read_json
from utils.weights import load_arrays, save_arrays

RESULTS = ("metrics.json", "per_user.npz", "lists.npz", "best.safetensors")
#: Each under the scenario that its model has by itself; ``test_scenario_runs.py`` has them under all.
CASES = [(case, MODELS[case.model].scenarios[0]) for case in cases(plainest=True)]
every_run = pytest.mark.parametrize(("case", "scenario"), CASES, ids=str)


def options_of(case, scenario, data_dir, log_dir):
    trained = {"n_epochs": 3, "batch_size": 60, "lr": 0.01} if case.model in TRAINED else {}
    place = {"data_dir": str(data_dir), "log_dir": str(log_dir), "save_results": True}
    return case.options(dataset="tastes", **trained, **place, scenario=scenario)


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory):
    """Two groups of users with two tastes, prepared under every scenario."""
    return prepared_tastes(tmp_path_factory.mktemp("data"), SCENARIOS)


@pytest.fixture(scope="module")
def undisturbed(data_dir, tmp_path_factory):
    """The folder of an undisturbed run of a case, made when it is asked for; all in one results folder."""
    log_dir = tmp_path_factory.mktemp("undisturbed")

    @functools.cache
    def run(case, scenario):
        case.package()  # or the test is skipped
        options = options_of(case, scenario, data_dir, log_dir)
        before = set(log_dir.glob("runs/*"))
        assert runs.main(case.engine, options.as_argv()) == 0
        (folder,) = set(log_dir.glob("runs/*")) - before
        return folder

    return run


@contextlib.contextmanager
def interrupted(case, nth):
    """Ctrl-C at the ``nth`` training step, or in the fit, of a run in the block."""
    owner, name = type(case.build()), "train_step" if case.model in TRAINED else "fit"
    method, calls = getattr(owner, name), []

    def asking(self, *arguments):
        calls.append(name)
        if len(calls) == nth:
            os.kill(os.getpid(), signal.SIGINT)
        return method(self, *arguments)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(owner, name, asking)
        yield
    assert calls


@every_run
def test_a_run_is_named_by_its_options_and_found_finished(case, scenario, undisturbed, data_dir, capsys, monkeypatch):
    folder = undisturbed(case, scenario)
    log_dir = folder.parent.parent
    options = options_of(case, scenario, data_dir, log_dir)
    assert folder.name == options.run_id(case.engine, runs.data_of(options).fingerprint)
    assert folder.name.startswith("-".join(["tastes", case.model, *map(str, options.model.widths), case.engine]))
    assert parsed_run(options.as_argv(), "main.py").resolved() == options
    assert set(read_json(folder / "options.json")) == {*options.flat(), "engine"}
    expected = {*RESULTS, "options.json", "run.json", "log.txt"} | ({"history.csv"} if case.model in TRAINED else set())
    assert {path.name for path in folder.iterdir()} == expected
    before = {path: path.stat().st_mtime_ns for path in folder.iterdir()}
    for life in (Training, Fitting):
        monkeypatch.setattr(life, "epochs", lambda self: pytest.fail("run again"))
    capsys.readouterr()
    assert runs.main(case.engine, options.as_argv()) == 0
    assert "finished before" in capsys.readouterr().out
    assert {path: path.stat().st_mtime_ns for path in folder.iterdir()} == before


INTERRUPTED = [(*run, nth) for run in CASES for nth in ((1, 6) if run[0].model in TRAINED else (1,))]


@pytest.mark.parametrize(("case", "scenario", "nth"), INTERRUPTED, ids=str)
def test_interrupted_it_ends_with_the_same_command_as_if_undisturbed(
    case, scenario, nth, undisturbed, data_dir, tmp_path, capsys
):
    straight, argv = undisturbed(case, scenario), options_of(case, scenario, data_dir, tmp_path).as_argv()
    with interrupted(case, nth):
        assert runs.main(case.engine, argv) == 130
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert ("saved in epoch " if case.model in TRAINED else "no state to save; the same command fits it anew") in line
    assert not list(tmp_path.rglob("metrics.json"))
    assert len(list(tmp_path.rglob("state.safetensors"))) == (case.model in TRAINED)
    assert runs.main(case.engine, argv) == 0
    (folder,) = tmp_path.glob("runs/*")
    assert folder.name == straight.name
    for name in RESULTS:
        assert (folder / name).read_bytes() == (straight / name).read_bytes(), name
    assert not [*tmp_path.rglob(".*"), *tmp_path.rglob("state.safetensors")]


@every_run
def test_its_weights_give_its_metrics_again_in_every_engine(case, scenario, undisturbed, data_dir, capsys):
    folder = undisturbed(case, scenario)
    assert guarded(verify.main, [str(folder)]) == 0
    assert "confirmed, bit for bit" in capsys.readouterr().out
    options = options_of(case, scenario, data_dir, folder.parent.parent)
    data = runs.data_of(options)
    for place in (case, *case.in_other_engines()):
        task = task_of(data, options)
        learner = place.package().build(options, data.n_items, n_users=task.n_users)
        learner.load_weights(load_weights(folder / "best.safetensors", options, data, learner.shapes()))
        for name, (mean, _) in task.judge(learner, task.test).means().items():
            assert mean == pytest.approx(metrics_of(folder)["test"][name], abs=5e-5), (place.engine, name)


@every_run
def test_weights_that_are_changed_are_not_confirmed(case, scenario, undisturbed, tmp_path, capsys):
    folder = tmp_path / undisturbed(case, scenario).name
    folder.mkdir()
    for path in undisturbed(case, scenario).iterdir():
        (folder / path.name).write_bytes(path.read_bytes())
    weights, record = load_arrays(folder / "best.safetensors")
    random = np.random.default_rng(2)
    weights = {name: random.permuted(array.ravel()).reshape(array.shape) for name, array in weights.items()}
    save_arrays(folder / "best.safetensors", weights, record)
    assert guarded(verify.main, [str(folder)]) == 1
    assert "NOT CONFIRMED" in capsys.readouterr().err


@every_run
def test_its_row_of_the_results_has_what_applies_and_nothing_else(case, scenario, undisturbed):
    folder = undisturbed(case, scenario)
    metrics, options = metrics_of(folder), read_json(folder / "options.json")
    rows = load(folder.parent.parent / "all_results.csv").to_dict("records")
    (row,) = (row for row in rows if row["run_id"] == folder.name)
    own, model = decisive_of(case.model), MODELS[case.model].options
    for name in DECISIVE_OPTIONS:
        applies = name == "model" or (name in own and name not in model.unused)
        assert (row[name] == NOT_APPLICABLE) == (not applies), name
    terms = dict.fromkeys(("nll", "kl")) | {name: metrics["test"].get(name) for name in model.terms}
    for name, value in {**terms, "loss": metrics["test"]["loss"] if model.terms else None}.items():
        assert row[name] == (NOT_APPLICABLE if value is None else value), name
    for name in ("best_epoch", "epochs", "updates"):
        assert row[name] == (NOT_APPLICABLE if model.training is None else metrics[name]), name
    if model.training is None:
        assert {metrics[name] for name in ("best_epoch", "epochs", "updates", "beta")} == {None}
    assert row["beta"] == (metrics["beta"] if "beta" in model.knobs else NOT_APPLICABLE)
    assert {name: row[name] for name in METRICS} == {name: metrics["test"][name] for name in METRICS}
    assert row["val_n100"] == metrics["validation"]["n100"]
    assert row["n_parameters"] == sum(array.size for array in load_arrays(folder / "best.safetensors")[0].values())
    assert options["model"] == row["model"] == case.model


@pytest.mark.parametrize("model", [name for name in MODELS if len(MODELS[name].engines) > 1])
def test_the_lock_step_finds_the_engines_alike(both, model, data_dir, tmp_path, monkeypatch, capsys):
    """Both in this process; ``test_lockstep.py`` has them in processes of their own."""

    class InProcess:
        def __init__(self, name, folder):
            self.name, self.file, self.worker = name, folder / f"{name}.safetensors", Worker(name, folder)

        def __enter__(self):
            return self

        def __exit__(self, *_):
            pass

        def do(self, command):
            name, *words = command.split(maxsplit=1)
            getattr(self.worker, name)(*words)

        def result(self):
            return load_arrays(self.file)

    monkeypatch.setattr(parity, "Engine", InProcess)
    case = cases([model], plainest=True)[0]
    argv = options_of(case, MODELS[model].scenarios[0], data_dir, tmp_path).replace(save_results=False).as_argv()
    assert parity.main([*argv, "--steps", "6"]) == 0
    out = capsys.readouterr().out
    assert "PASS: the engines agree" in out
    assert ("weights after step 6" in out) == (model in TRAINED)
    betas = [line.split()[1] for line in out.splitlines() if re.match("[1246] ", line.strip())]
    assert len(betas) == (4 if model in TRAINED else 0)
    assert ("beta" in MODELS[model].options.knobs) == any(float(beta) > 0 for beta in betas)


def test_comparison_and_report_hold_every_model(undisturbed, data_dir, tmp_path, capsys):
    able = that_can_run([case for case, _ in CASES])
    for case, scenario in CASES:
        if case in able:
            results = undisturbed(case, scenario).parent.parent
    capsys.readouterr()
    assert guarded(compare.main, ["--results", str(results)]) == 0
    text = capsys.readouterr().out
    assert guarded(report.main, ["--results", str(results), "--data_dir", str(data_dir), "--out", str(tmp_path)]) == 0
    page = (tmp_path / "index.html").read_text(encoding="utf-8")
    models = [case.model for case in able]
    for model in models:
        assert re.search(rf"\b{model}\b", text)
        assert re.search(rf"\b{model}\b", page)
    table, _, alone = text.partition("Without a partner")
    complete = [model for model in dict.fromkeys(models) if models.count(model) == len(MODELS[model].engines)]
    paired = [model for model in complete if len(MODELS[model].engines) > 1]
    assert not [model for model in complete if paired and re.search(rf"\b{model}\b", alone)]
    assert table.count("deterministic") == sum("seed" not in decisive_of(model) for model in complete if paired)
    for model in complete if paired else []:  # a model without a framework joins the table of those in two
        if len(MODELS[model].engines) == 1:
            assert re.search(rf"\n{model}( [0-9]+)? +none +[.0-9]", table), model
