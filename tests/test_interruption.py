"""Ctrl-C and SIGTERM at any moment: heeded within a batch, 130, one line, and a run that ends as if undisturbed."""

from __future__ import annotations

import contextlib
import functools
import io
import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from contextlib import redirect_stderr
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from conftest import two_tastes
from data_prep import DataOptions, prepare
from experiments.runs import evaluation as testing
from experiments.runs import run as runs
from experiments.runs.folder import RunFolder
from experiments.runs.loop import Training
from utils.engine import ENGINES
from utils.options import RunOptions
from utils.system.errors import guarded
from utils.system.files import read_json
from utils.system.interruption import Interruption, LeftOffError
from utils.system.locks import held, process_holding

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ("metrics.json", "per_user.npz", "lists.npz", "best.safetensors")
ASKING = [signal.SIGINT, signal.SIGTERM]
N_USERS = 40  # to train on
BATCH_SIZES = (1, 7, 13, 20, N_USERS - 1, N_USERS, N_USERS + 1, 512)  # down to one step an epoch


@pytest.fixture(scope="module")
def few(tmp_path_factory):
    """Data of 50 users, of whom 40 are trained on: a batch each takes no time, and a batch of all is soon reached."""
    folder = tmp_path_factory.mktemp("few")
    clicks = two_tastes(n_users=50, n_items=40, clicks=10).tocoo()
    pd.DataFrame({"user": clicks.row, "item": clicks.col}).to_csv(folder / "few.csv", index=False)
    options = DataOptions("few", columns={"user": "user", "item": "item"})
    data = prepare(options, raw=folder / "few.csv", data_dir=folder, say=lambda line: None)
    assert data.train.binary().shape[0] == N_USERS
    return folder


def same_results(one, other):
    return all((one / name).read_bytes() == (other / name).read_bytes() for name in RESULTS)


def moments_of(package):
    """The calls of a run at which a signal may come: whose, and its name."""
    return {
        "loading data": (runs, "data_of"),
        "building": (package, "build"),
        "a step": (package.StepLearner, "train_step"),
        "the losses of a step": (package.StepLearner, "read_terms"),
        "an evaluation": (package.StepLearner, "evaluate"),
        "moving a batch": (package.learner, "to_device"),
        "the weights": (package.StepLearner, "weights"),
        "a row of the history": (RunFolder, "write_history"),
        "a line of the log": (RunFolder, "log"),
        "a save": (Training, "save"),
        "the test": (testing, "judge_test_users"),
        "the results": (RunFolder, "finish"),
        "the table": (runs, "rebuild"),
    }


@contextlib.contextmanager
def traced(package, moment=None, nth=0, numbers=(), after=False):
    """Yields the calls of ``moments_of`` in the block, a list that grows; at the ``nth`` call of ``moment``, before or
    ``after`` it, the signals ``numbers`` come.
    """
    calls = []

    def ask():
        calls.append("signal")
        for number in numbers:
            os.kill(os.getpid(), number)

    def wrapped(name, function):
        @functools.wraps(function)
        def noted(*arguments, **more):
            calls.append(name)
            is_it = name == moment and calls.count(name) == nth
            if is_it and not after:
                ask()
            result = function(*arguments, **more)
            if is_it and after:
                ask()
            return result

        return noted

    with pytest.MonkeyPatch.context() as patched:
        for name, (owner, attribute) in moments_of(package).items():
            patched.setattr(owner, attribute, wrapped(name, getattr(owner, attribute)))
        yield calls


def options_of(data_dir, log_dir, **given):
    few = {"dataset": "few", "p_dims": (4, 16), "n_epochs": 2, "eval_batch_size": 2, "lr": 0.01, "lr_scheduler": True,
           "lr_patience": 0, "weight_decay": 0.01, "save_results": True}  # fmt: skip
    return RunOptions(data_dir=str(data_dir), log_dir=str(log_dir), **{**few, **given})


def argv_of(data_dir, log_dir, **given):
    return options_of(data_dir, log_dir, **given).as_argv()


@pytest.fixture(scope="module")
def quickly():
    """Without what takes most of a tiny run's time, and which no interruption minds."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("utils.system.files.sync", lambda path: None)
        patched.setattr("experiments.runs.run.provenance", lambda *_: {})
        yield


@pytest.fixture(scope="module")
def undisturbed(engine, package, few, tmp_path_factory, quickly):
    """The folder of an undisturbed run by batch size and how often it saves, and the calls it made; made when asked."""

    @functools.cache
    def run(batch_size, save_every):
        place = tmp_path_factory.mktemp("undisturbed")
        with traced(package) as calls:
            assert runs.main(engine, argv_of(few, place, batch_size=batch_size, save_every=save_every)) == 0
        (folder,) = place.glob("runs/*")
        return folder, calls

    return run


@settings(max_examples=settings.default.max_examples // 2)  # of each engine
@given(st.data())
def test_an_interruption_at_any_moment_is_heeded_and_the_run_ends_as_if_undisturbed(
    engine, package, few, undisturbed, tmp_path_factory, drawn
):
    """Whatever the batch size, so also where an epoch is one step."""
    batch_size = drawn.draw(st.sampled_from(BATCH_SIZES), "batch size")
    save_every = drawn.draw(st.sampled_from([0.0, 30.0]), "save_every")
    straight, calls = undisturbed(batch_size, save_every)
    moment = drawn.draw(st.sampled_from(sorted(set(calls))), "moment")
    nth = drawn.draw(st.integers(1, calls.count(moment)), "which")
    numbers = drawn.draw(st.sampled_from([(signal.SIGINT,), (signal.SIGTERM,), (signal.SIGTERM, signal.SIGINT)]))
    results, said = tmp_path_factory.mktemp("asked"), io.StringIO()
    argv = argv_of(few, results, batch_size=batch_size, save_every=save_every)
    with traced(package, moment, nth, numbers, drawn.draw(st.booleans(), "after")) as calls, redirect_stderr(said):
        assert runs.main(engine, argv) == 130
    afterwards = Counter(calls[calls.index("signal") :])
    assert afterwards["a step"] <= 1
    assert afterwards["moving a batch"] <= 1
    (line,) = said.getvalue().splitlines()
    assert "the same command goes on" in line
    was_training = "a step" in calls and "the results" not in calls
    assert (len(list(results.glob("runs/*/state.safetensors"))) == 1) == was_training
    assert runs.main(engine, argv) == 0
    (folder,) = results.glob("runs/*")
    assert same_results(folder, straight)
    assert not [*results.rglob(".*"), *results.rglob("state.safetensors")]


# The signals themselves


@pytest.mark.parametrize("number", [*ASKING, signal.SIGHUP])
def test_the_first_only_asks_and_one_long_after_it_ends_at_once(number, monkeypatch):
    now = iter([100.0, 100.9, 101.1])
    monkeypatch.setattr("utils.system.interruption.time.monotonic", lambda: next(now))
    reached = []
    with pytest.raises(KeyboardInterrupt), Interruption() as interruption:  # noqa: PT012 (how far it comes)
        interruption.heed()
        for moment in ("asked", "as one with the first", "again"):
            os.kill(os.getpid(), number)
            reached.append(moment)
    assert reached == ["asked", "as one with the first"]
    with pytest.raises(LeftOffError):
        interruption.heed()


def test_one_that_nothing_heeded_is_not_lost():
    before = [signal.getsignal(number) for number in ASKING]
    with pytest.raises(KeyboardInterrupt), Interruption():
        os.kill(os.getpid(), signal.SIGTERM)
    with pytest.raises(ZeroDivisionError), Interruption():  # noqa: PT012 (what is raised after the signal)
        os.kill(os.getpid(), signal.SIGTERM)
        raise ZeroDivisionError
    assert [signal.getsignal(number) for number in ASKING] == before


def test_a_hang_up_that_is_ignored_stays_so_and_ctrl_c_does_not(monkeypatch):
    before = {number: signal.signal(number, signal.SIG_IGN) for number in (signal.SIGHUP, signal.SIGINT)}
    try:
        with pytest.raises(KeyboardInterrupt), Interruption() as interruption:  # noqa: PT012 (how far it comes)
            os.kill(os.getpid(), signal.SIGHUP)
            assert not interruption.asked
            os.kill(os.getpid(), signal.SIGINT)
            assert interruption.asked
        assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@pytest.mark.parametrize("number", [*ASKING, signal.SIGHUP])
def test_every_command_ends_with_one_line_and_130(number, capsys):
    def main(argv):
        os.kill(os.getpid(), number)
        pytest.fail("went on")

    assert guarded(main) == 130
    assert capsys.readouterr().err == "interrupted\n"


# Before there is anything to save


def test_who_waits_for_another_process_can_be_interrupted(engine, few, tmp_path, capsys):
    options = options_of(few, tmp_path).resolved()
    lock = tmp_path / "runs" / f".{options.run_id(engine, runs.data_of(options).fingerprint)}.lock"
    with held(lock):
        timer = threading.Timer(0.5, os.kill, (os.getpid(), signal.SIGTERM))
        timer.start()
        assert runs.main(engine, argv_of(few, tmp_path)) == 130
        timer.join()
        assert process_holding(lock) is not None
    captured = capsys.readouterr()
    assert "is under way in process" in captured.out
    assert captured.err == "interrupted: the same command goes on\n"


SIGNALLED_AT_AN_IMPORT = """
import os, runpy, signal, sys

class Sender:
    def find_spec(self, name, *_):
        if name == wanted:
            os.kill(os.getpid(), int(number))

sys.meta_path.insert(0, Sender())
number, wanted, *sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
"""


@pytest.mark.parametrize("number", ASKING)
@pytest.mark.parametrize("module", ["experiments.runs.run", "the framework"])
def test_while_the_program_or_the_framework_loads_too(engine, few, tmp_path, number, module):
    wanted = ENGINES[engine].framework if module == "the framework" else module
    command = [sys.executable, "-c", SIGNALLED_AT_AN_IMPORT, str(int(number)), wanted, f"main_{engine}.py"]
    done = subprocess.run([*command, *argv_of(few, tmp_path)], cwd=ROOT, capture_output=True, text=True, timeout=100)
    assert done.returncode == 130, done.stderr
    assert done.stderr.startswith("interrupted")
    assert len(done.stderr.splitlines()) == 1
    assert not list(tmp_path.iterdir())


# As processes


GRID = """
description = "every epoch is one batch"
datasets = ["few"]
seeds = [1]
[every_run]
p_dims = "4,16"
lr = 0.01
n_epochs = 150
early_stop_patience = 0
[[runs]]
model = ["vae", "dae"]
"""


@pytest.fixture(scope="module")
def straight(engine, few, tmp_path_factory, quickly):
    """The folders of the grid's runs, by model, undisturbed."""
    place = {"data_dir": str(few), "log_dir": str(tmp_path_factory.mktemp("straight")), "save_results": True}
    of_all = {"dataset": "few", "p_dims": (4, 16), "lr": 0.01, "n_epochs": 150, "early_stop_patience": 0}
    return {model: runs.run(engine, RunOptions(model=model, **of_all, **place)) for model in ("vae", "dae")}


def wait_for(condition, what):
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline, f"waited in vain for {what}"
        time.sleep(0.01)


@pytest.mark.parametrize(("jobs", "number"), [(1, signal.SIGINT), (2, signal.SIGTERM)])
def test_a_grid_whose_epochs_are_one_batch_stops_and_goes_on(engine, few, straight, tmp_path, jobs, number):
    (tmp_path / "one.toml").write_text(GRID)
    words = ["--grid", tmp_path / "one.toml", "--engines", engine, "--data_dir", few, "--jobs", jobs, "--save_results"]
    command = [sys.executable, "-m", "experiments.grid", *words, "--log_dir", tmp_path / "asked"]
    command, runs_dir = list(map(str, command)), tmp_path / "asked" / "runs"
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as process:
        wait_for(lambda: list(runs_dir.glob("*/history.csv")), "the first epoch")
        process.send_signal(number)
        _, said = process.communicate(timeout=60)
    assert process.returncode == 130, said
    assert "the same command goes on with the others" in said
    states = list(runs_dir.glob("*/state.safetensors"))
    assert 1 <= len(states) <= jobs
    for state in states:
        assert "the same command goes on from there" in state.with_name("console.txt").read_text()
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=100)
    assert done.returncode == 0, done.stderr
    assert len(list(runs_dir.iterdir())) == 2
    for folder in runs_dir.iterdir():
        assert same_results(folder, straight[read_json(folder / "options.json")["model"]])
