"""Grids: what their files spell, that every run is made once, and that one failing run stops nothing."""

from __future__ import annotations

import dataclasses
import functools
import json
import math
import os
import re
import shlex
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from experiments import main_job
from experiments.grids import command as grid
from experiments.grids import dry_run
from experiments.grids import execute as grid_run
from experiments.grids import file as grid_file
from experiments.grids import plan as grid_plan
from experiments.grids.estimate import Estimate, Estimator, Rates
from experiments.grids.execute import arguments_of, command_of
from experiments.grids.file import grid_names, read_grid
from experiments.grids.planned import Planned, describe
from experiments.grids.processes import Job, run_jobs
from run_folders import write_run
from utils.deviations import PROFILES
from utils.models import MODELS
from utils.options import DataSelection, RunOptions, fields_of
from utils.options.command import parsed_run
from utils.results import load
from utils.system.errors import UserError, guarded
from utils.system.files import read_json, write_json

ROOT = Path(__file__).resolve().parents[1]
BOTH = ("pytorch", "mxnet")
CORE = ("profile", "anneal_cap", "weight_decay", "seed")

SMALL = """
description = "small"
datasets = ["tiny"]
seeds = [1]

[every_run]
n_epochs = 3

[[runs]]
model = ["vae", "dae"]
p_dims = "20,60"
"""


def runs_of(name, datasets=None, seeds=None, engines=BOTH):
    file = read_grid(name)
    return file.runs(datasets or file.datasets, engines, seeds or file.seeds)


@pytest.fixture
def write_grid(tmp_path):
    def write(text):
        path = tmp_path / "mine.toml"
        path.write_text(text)
        return str(path)

    return write


# What the files spell


def test_the_grids_of_the_issue_are_there_and_described():
    assert grid_names() == [
        "against_the_study", "annealing", "annealing_to_one", "clicks", "defaults", "liang2018", "published", "quick",
        "stay", "why_the_frameworks_differed", "why_the_frameworks_differed_short",
    ]  # fmt: skip
    assert all(read_grid(name).description for name in grid_names())


def test_the_discrepancy_begins_with_its_core_and_runs_nothing_twice():
    """Both profiles, cap 0 and 0.2, decay 0 and .001, both engines, three seeds; then what each engine had."""
    runs = runs_of("why_the_frameworks_differed")
    core = {(run.engine, *(run.options.values()[name] for name in CORE)) for run in runs[:48]}
    assert len(core) == 48
    assert all(run.options.model.deviations == () for run in runs[:48])
    assert len({run.options.run_id(run.engine, "data") for run in runs}) == len(runs) == 3 * (16 + 16 + 6 + 24)
    for run in runs[48:]:
        had = PROFILES["recotour2020"][run.engine]
        assert {name.removeprefix("no_") for name in run.options.model.deviations} <= had


def test_the_grid_against_the_study_adds_seeds_to_runs_of_the_discrepancy():
    more, core = runs_of("against_the_study"), runs_of("why_the_frameworks_differed")
    ids = {run.options.run_id(run.engine, "data"): run.options.training.seed for run in more}
    known = {run.options.run_id(run.engine, "data") for run in core}
    assert {seed for name, seed in ids.items() if name in known} == {1, 2, 3}
    assert len(ids) == len(more) == 16
    assert len(ids.keys() & known) == 6


def test_quick_runs_each_model_in_each_of_its_engines_over_its_seeds():
    runs = runs_of("quick")
    trained = [run for run in runs if run.options.training]
    assert Counter((run.engine, run.options.model.name, run.options.training.seed) for run in trained) == Counter(
        (engine, model, seed) for engine in BOTH for model in ("vae", "dae") for seed in (1, 2, 3)
    )
    fitted = [(run.engine, run.options.model.name) for run in runs if not run.options.training]
    assert sorted(fitted) == [("mxnet", "ease"), ("numpy", "popularity"), ("pytorch", "ease")], "once, without a seed"
    assert {run.options.data.dataset for run in runs} == {"movielens-100k"}
    pairs = [(a.options, b.options) for a, b in zip(trained[::2], trained[1::2], strict=True)]
    assert all(a == b for a, b in pairs)  # the two engines stand side by side


def test_clicks_runs_every_model_of_clicks_in_each_of_its_engines_on_the_same_split():
    runs = runs_of("clicks", seeds=(1, 2))
    wanted = [
        (engine, name, seed)
        for name, entry in MODELS.items() if entry.task == "clicks"
        for engine in entry.engines
        for seed in ((1, 2) if "seed" in fields_of(name) else (None,))
    ]  # fmt: skip
    assert Counter((run.engine, run.options.model.name, run.options.seed) for run in runs) == Counter(wanted)
    assert {run.options.data for run in runs} == {DataSelection("movielens-100k")}


def test_published_is_the_70_commands_of_the_study():
    runs = runs_of("published")
    assert Counter(run.options.data.dataset for run in runs) == {"movielens": 35, "amazon": 35}
    exploratory = [run for run in runs if run.options.model.anneal_cap == 1]
    assert len(runs) == 70
    assert len(exploratory) == 12
    assert {run.options.model.p_dims for run in exploratory} == {(100, 300), (200, 600), (300, 900)}


def test_published_gives_each_framework_the_settings_its_figures_were_had_with():
    names = (
        "dataset", "model", "p_dims", "lr", "lr_scheduler", "lr_patience", "early_stop_patience", "weight_decay",
        "batch_size", "dropout_enc", "dropout_dec",
    )  # fmt: skip

    def told(run):
        options = run.options.resolved()
        plain = [options.values()[name] for name in names]
        cap = options.model.anneal_cap if options.model.name == "vae" else "NA"
        listed = [str([float(part) for part in value]) for value in plain[-2:]]
        frame = {"pytorch": "Pytorch", "mxnet": "Mxnet"}[run.engine]
        return (frame, *plain[:2], str(list(plain[2])), *plain[3:-2], *listed, cap)

    ours = Counter(told(run) for run in runs_of("published") if run.options.model.anneal_cap != 1)
    table = load(ROOT / "results" / "published.csv")
    table = table[table["source"] == "recotour2020"]
    theirs = Counter(
        (row["dl_frame"], *(row[name] for name in names), row["anneal_cap"]) for _, row in table.iterrows()
    )
    assert ours == theirs
    assert sum(theirs.values()) == 58


def test_published_on_another_data_set_takes_the_movielens_half():
    movielens = [run.options.replace(dataset="mine") for run in runs_of("published", ["movielens"])]
    assert [run.options for run in runs_of("published", ["mine"])] == movielens


def test_liang2018_is_the_papers_setting():
    vae, dae = (run.options.resolved() for run in runs_of("liang2018", seeds=[1], engines=["pytorch"]))
    for options in (vae, dae):
        sizes = options.training.batch_size, options.settings.eval_batch_size, options.training.n_epochs
        assert sizes == (500, 2000, 200)
        assert options.training.early_stop_patience == 0
    model = vae.model
    assert (model.name, model.p_dims, model.annealing, model.anneal_total, model.anneal_cap) == (
        "vae", (200, 600), "absolute", 200_000, 0.2
    )  # fmt: skip
    assert vae.training.weight_decay == 0
    assert (dae.model.name, dae.model.p_dims, dae.training.decay) == ("dae", (200,), "l2")
    assert math.isclose(dae.training.weight_decay, 0.02 / 500)


def test_annealing_trains_every_exploratory_run_again_in_two_ways():
    runs = runs_of("annealing", seeds=[4, 5])
    first = [run for run in runs if run.first is None]
    assert all(run.options.model.anneal_cap == 1 and run.options.training.early_stop_patience == 0 for run in first)
    assert len(first) == 3 * 2 * 2
    again = [run for run in runs if run.first is not None]
    assert Counter(run.first for run in again) == dict.fromkeys(first, 2)
    for run in again:
        assert (run.engine, run.options.training.seed) == (run.first.engine, run.first.options.training.seed)


@given(beta=st.floats(0, 1))
def test_a_learned_cap_has_two_decimals_and_a_kept_slope_is_the_slope(beta):
    first = Planned("mxnet", RunOptions(anneal_cap=1.0, anneal_share=0.85, n_epochs=200))
    plain = Planned("mxnet", first.options, first, ("anneal_cap",)).learn(beta).options
    assert plain.model.anneal_cap == max(0.01, round(beta, 2))
    assert plain.model.anneal_share == 0.85
    longer = first.options.replace(n_epochs=400)
    for options in (first.options, longer):
        kept = Planned("mxnet", options, first, ("anneal_cap", "anneal_share")).learn(beta).options
        slope = kept.model.anneal_cap / (kept.model.anneal_share * kept.training.n_epochs)  # of beta, an epoch
        assert math.isclose(slope, 1 / (0.85 * 200), rel_tol=1e-3)


@pytest.mark.parametrize("name", grid_names())
def test_the_command_of_every_run_is_read_back_as_its_options(name):
    for run in runs_of(name):
        assert parsed_run(arguments_of(run), "main.py") == run.options
        script = "experiments.run" if run.engine == "numpy" else f"main_{run.engine}.py"
        assert any(word.endswith(script) for word in command_of(run)[1:3])


def test_axes_multiply_and_cases_go_together(write_grid):
    path = write_grid("""
        description = "mine"
        datasets = ["a"]
        seeds = [7]
        [[runs]]
        model = "vae"
        batch_size = [10, 20]
        cases = [{ p_dims = "2,6", anneal_cap = 0.1 }, { p_dims = "3,9", lr_scheduler = true }]
        engines = ["mxnet"]
    """)
    runs = runs_of(path)
    assert {run.engine for run in runs} == {"mxnet"}
    names = ("p_dims", "batch_size", "anneal_cap", "lr_scheduler")
    assert [tuple(run.options.values()[name] for name in names) for run in runs] == [
        ((2, 6), 10, 0.1, False), ((2, 6), 20, 0.1, False), ((3, 9), 10, 0.2, True), ((3, 9), 20, 0.2, True),
    ]  # fmt: skip


HEAD = 'description = "x"\ndatasets = ["a"]\nseeds = [1]\n[[runs]]\n'


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (HEAD + 'p_dimz = "2,6"', "p_dimz is not known here; did you mean p_dims?"),
        (HEAD + "n_epochs = 0", "n_epochs = 0 was given, expected a whole number, at least 1"),
        (HEAD + 'model = "rnn"', "expected one of vae, dae"),
        (HEAD + 'lr_scheduler = "yes"', "expected true or false"),
        (HEAD + "p_dims = [[2, 6]]", "expected a number or text"),
        (HEAD + "lr = []", "lr = [] leaves nothing to run"),
        (HEAD + "anneal_cap = 0", "--anneal_cap 0 leaves nothing to anneal"),
        (HEAD + "seed = 3", "use seeds = [...]"),
        (HEAD + "engines = ['jax']", "expected pytorch or mxnet"),
        (HEAD + "after = 'explore'", "no block before it has name = 'explore'"),
        (HEAD + "anneal_cap = 'best beta'", "anneal_cap = 'best beta' was given, expected a number"),
        (HEAD + "lr = 0.1\ncases = [{ lr = 0.2 }]", "lr stands in a case and beside the cases"),
        (HEAD + "cases = ['a']", "expected a { ... } table"),
        (HEAD.replace("[1]", "['one']"), "seeds = 'one' was given, expected a whole number"),
        (HEAD.replace("[1]", "[]"), "expected a list [...] with at least one value"),
        ("description = 'x'\ndatasets = ['a']\nseeds = [1]", "has no [[runs]]"),
        ("sed = 1\n" + HEAD, "sed is not known here; did you mean seeds?"),
        ("this is no toml", "is not TOML"),
    ],
)  # fmt: skip
def test_a_mistake_in_a_grid_is_one_line_naming_the_file(write_grid, capsys, text, said):
    path = write_grid(text)
    assert guarded(grid.main, ["--grid", path]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert path in error
    assert said in error


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (["--grid", "nosuch"], "there are against_the_study, annealing, annealing_to_one, "),
        (["--grid", "nosuch.toml"], "no such grid"),
        (["--engines", "jax"], "expected a list such as pytorch,mxnet"),
        (["--engines", "mxnet,pytroch"], "(pytorch or mxnet in each place); did you mean pytorch? See"),
        (["--seeds", "a"], "expected a list such as 1,2,3"),
        (["--jobs", "0"], "at least 1"),
        (["--gird", "quick"], "did you mean --grid? See python -m experiments.grid --help"),
        (["--grid", "publishd"], "no such grid; did you mean published? There are against_the_study, "),
    ],
)
def test_a_wrong_option_is_one_line(capsys, argv, said):
    assert guarded(grid.main, argv) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert said in error


def test_the_list_names_each_grid_with_what_it_is_for(capsys):
    assert grid.main(["--list"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines if line[0] != " "] == grid_names()


@pytest.mark.parametrize("columns", [40, 80, 120, 300])
def test_the_list_stands_in_two_columns_within_the_terminal(capsys, monkeypatch, columns):
    monkeypatch.setenv("COLUMNS", str(columns))
    assert grid.main(["--list"]) == 0
    lines = capsys.readouterr().out.splitlines()
    second = max(map(len, grid_names())) + 2
    assert all(line[second - 2 : second] == "  " and line[second] != " " for line in lines)
    told = "".join(line[second:] for line in lines).replace(" ", "")
    assert told == "".join(read_grid(name).description for name in grid_names()).replace(" ", ""), "nothing is cut off"
    assert max(map(len, lines)) <= max(min(columns, 120), second + 30)


# Engines


def obstacles(monkeypatch, **why):
    monkeypatch.setattr(grid_plan, "engine_obstacle", why.get)


def test_a_missing_engine_is_left_out_with_one_line(monkeypatch, capsys):
    obstacles(monkeypatch, mxnet="no wheel here")
    settled = grid_plan.settle(grid_plan.GridOptions())
    assert {run.engine for run in settled.runs} == {"pytorch", "numpy"}
    assert capsys.readouterr().err == "MXNet is left out: no wheel here\n"


def test_a_missing_engine_asked_for_by_name_is_an_error(monkeypatch):
    obstacles(monkeypatch, mxnet="no wheel here")
    with pytest.raises(UserError, match="mxnet engine is not available: no wheel here"):
        grid_plan.settle(grid_plan.GridOptions(engines=BOTH))


def test_a_model_whose_package_is_missing_is_left_out_with_one_line(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "implicit", None)  # what Python does to a module that must not be found
    monkeypatch.setitem(sys.modules, "sklearn", None)
    settled = grid_plan.settle(grid_plan.GridOptions(grid="clicks", engines=None))
    assert {run.options.model.name for run in settled.runs} == {*MODELS} - {"ials", "slim"}
    said = capsys.readouterr().err.splitlines()[-2:]
    assert [line.partition("; run: ")[0] for line in said] == [
        "left out: --model slim: it needs sklearn, which is not installed",
        "left out: --model ials: it needs implicit, which is not installed",
    ]


def test_no_engine_at_all_is_an_error(monkeypatch):
    obstacles(monkeypatch, mxnet="no wheel here", pytorch="not installed")
    with pytest.raises(UserError, match="not available"):
        grid_plan.settle(grid_plan.GridOptions())


def test_jobs_share_the_threads(monkeypatch):
    obstacles(monkeypatch)
    monkeypatch.setattr(grid_plan, "thread_count", lambda: 8)
    threads = {
        jobs: {run.options.settings.threads for run in grid_plan.settle(grid_plan.GridOptions(jobs=jobs)).runs}
        for jobs in (1, 2, 3, 20)
    }
    assert threads == {1: {None}, 2: {4}, 3: {2}, 20: {1}}


# Running, with a stand-in for the main scripts

DOOR = """
import json, os, pathlib, sys, time
folder, engine, model, seed, beta, cap = pathlib.Path(sys.argv[1]), *sys.argv[2:7]
plan = json.loads(os.environ["DOOR"])
with open(plan["journal"], "a") as journal:
    journal.write(json.dumps([folder.name, time.time()]) + "\\n")
print("training", folder.name)
deadline = time.time() + 60
while len(open(plan["journal"]).readlines()) < plan.get("lines", 0) and time.time() < deadline:
    time.sleep(0.01)
time.sleep(plan.get("seconds", 0))
if [engine, model, int(seed)] in plan.get("fail", []):
    sys.exit("error: the loss became nan")
(folder / "per_user.npz").write_bytes(b"")
(folder / "run.json").write_text("{}")
(folder / "options.json").write_text(json.dumps(json.loads(sys.argv[7])))
test = dict.fromkeys(["loss", "n100", "r20", "r50"], 0.25)
(folder / "metrics.json").write_text(json.dumps({
    "run_id": folder.name, "engine": engine, "dl_frame": engine.title(), "beta": float(beta) or None,
    "best_epoch": 2, "epochs": 3, "test": test, "status": "finished"}))
with open(plan["journal"], "a") as journal:
    journal.write(json.dumps([folder.name, time.time()]) + "\\n")
"""


@pytest.fixture
def stand_in(tmp_path, monkeypatch):
    """Runs are made by a script that writes what a run leaves behind; ``stand_in(...)`` says how it behaves."""
    script = tmp_path / "door.py"
    script.write_text(DOOR)
    journal = tmp_path / "journal"
    journal.touch()
    facts = SimpleNamespace(fingerprint="0123abcd", origin="preparation 0123abcd", manifest={"counts": COUNTS})
    monkeypatch.setattr(grid_plan, "data_of", lambda options: facts)
    monkeypatch.setattr(grid_plan, "engine_obstacle", lambda engine: None)

    def command(run):
        options = run.options
        folder = grid_plan.RunIndex().folder(run)
        beta = 0 if options.model.name == "dae" else 0.237
        return (
            sys.executable, "-S", str(script), str(folder), run.engine, options.model.name,
            str(options.values().get("seed", 0)), str(beta), str(options.values().get("anneal_cap", 0)),
            json.dumps(options.resolved().flat()),
        )  # fmt: skip

    monkeypatch.setattr(grid_run, "command_of", command)

    def behave(**how):
        monkeypatch.setenv("DOOR", json.dumps({"journal": str(journal), **how}))

    def visits():
        """[(run id, time)] twice per run that went well: when it began and when it ended."""
        return [json.loads(line) for line in journal.read_text().splitlines()]

    behave()
    behave.visits = visits
    behave.argv = ["--log_dir", str(tmp_path / "results")]
    behave.results = tmp_path / "results"
    return behave


COUNTS = {"training_users": 80, "training_items": 60, "training_events": 900, "validation_users": 10}


def test_every_run_is_made_once_and_not_again(stand_in, write_grid, capsys):
    argv = ["--grid", write_grid(SMALL), "--seeds", "1,2", *stand_in.argv]
    assert grid.main(argv) == 0
    out = capsys.readouterr().out
    assert "[8/8]" in out
    seconds = re.findall(r"NDCG@100 0.2500, best epoch 2 of 3, ([0-9]+) s\n", out)
    assert len(seconds) == 8
    assert max(map(int, seconds)) < 60
    assert len({name for name, _ in stand_in.visits()}) == 8
    assert len(load(stand_in.results / "all_results.csv")) == 8
    assert grid.main(argv) == 0
    assert "8 finished before" in capsys.readouterr().out
    assert len(stand_in.visits()) == 16


def test_runs_that_come_to_the_same_are_made_once(stand_in, write_grid):
    caps = SMALL + "anneal_cap = [0.1, 0.3]\n"  # a dae has no beta: two of its runs are one
    assert grid.main(["--grid", write_grid(caps), "--engines", "mxnet", *stand_in.argv]) == 0
    assert len({name for name, _ in stand_in.visits()}) == len(stand_in.visits()) / 2 == 3


def test_weights_asked_for_later_are_made_later(stand_in, write_grid):
    argv = ["--grid", write_grid(SMALL), "--engines", "mxnet", *stand_in.argv]
    grid.main(argv)
    grid.main([*argv, "--save_results"])
    assert len(stand_in.visits()) == 2 * 2 * 2


def test_a_failed_run_is_reported_with_its_log_and_the_others_go_on(stand_in, write_grid, capsys):
    stand_in(fail=[["pytorch", "vae", 1]])
    argv = ["--grid", write_grid(SMALL), *stand_in.argv]
    assert grid.main(argv) == 1
    captured = capsys.readouterr()
    assert "3 of 4 runs are finished" in captured.out
    (line,) = captured.err.splitlines()
    assert line.startswith("failed: tiny vae 20,60 cap 0.2 pytorch seed 1: error: the loss became nan; its log is")
    console = Path(line.rsplit(" ", 1)[1])
    assert console.read_text().startswith("training tiny-vae")
    stand_in()
    assert grid.main(argv) == 0  # the failed one alone is tried again
    assert [name for name, _ in stand_in.visits()][-2:] == [console.parent.name] * 2


def test_no_more_runs_at_once_than_jobs(stand_in, write_grid):
    for jobs in (1, 3):
        argv = ["--grid", write_grid(SMALL), "--seeds", f"{jobs},7{jobs}", "--jobs", str(jobs), *stand_in.argv]
        before = len(stand_in.visits())
        stand_in(lines=before + jobs, seconds=0.05)  # none ends before so many have begun, however slow the machine is
        assert grid.main(argv) == 0
        visits = stand_in.visits()[before:]
        began = {}
        most = 0
        for name, _ in visits:
            if name in began:
                del began[name]
            else:
                began[name] = True
                most = max(most, len(began))
        assert most == jobs


def test_annealing_trains_again_with_the_beta_it_found(stand_in, capsys):
    argv = ["--grid", "annealing", "--dataset", "tiny", "--engines", "mxnet", "--jobs", "4", *stand_in.argv]
    assert grid.main(argv) == 0
    records = [read_json(path) for path in stand_in.results.glob("runs/*/options.json")]
    caps = Counter((record["anneal_cap"], record["anneal_share"]) for record in records)
    assert caps == {(1.0, 0.85): 3, (0.24, 0.85): 3, (0.24, 0.204): 3}
    capsys.readouterr()
    assert grid.main([*argv, "--dry_run"]) == 0
    assert "9 runs, 9 of them finished" in capsys.readouterr().out


def test_what_starts_from_a_failed_run_has_failed_with_it(stand_in, capsys):
    stand_in(fail=[["mxnet", "vae", 1]])
    argv = ["--grid", "annealing", "--dataset", "tiny", "--engines", "mxnet", *stand_in.argv]
    assert grid.main(argv) == 1
    captured = capsys.readouterr()
    assert "0 of 9 runs are finished" in captured.out
    assert captured.err.count("the run it starts from failed") == 6
    assert len(stand_in.visits()) == 3


def test_missing_data_is_said_before_anything_starts(stand_in, write_grid, monkeypatch, tmp_path, capsys):
    monkeypatch.undo()
    obstacles(monkeypatch)
    argv = ["--grid", write_grid(SMALL), "--data_dir", str(tmp_path), *stand_in.argv]
    assert guarded(grid.main, argv) == 2
    assert "python -m data_prep --dataset tiny" in capsys.readouterr().err
    assert not stand_in.results.exists()


# Processes

PARENT = """
import sys
from pathlib import Path
from experiments.grids.processes import Job, run_jobs
from utils.system.errors import guarded
jobs = [Job((sys.executable, "-S", sys.argv[1]), Path(sys.argv[2]) / str(n)) for n in range(3)]
sys.exit(guarded(lambda argv: run_jobs(jobs, 2, print) and None))
"""
CHILD = """
import signal, sys, time
def stop(*_):
    print("saved", flush=True)
    sys.exit(130)
signal.signal(signal.SIGTERM, stop)
print("ready", flush=True)
time.sleep(200)
"""


def wait_until_ready(consoles):
    deadline = time.monotonic() + 60
    while not all(path.exists() and "ready" in path.read_text() for path in consoles):
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interruption_lets_the_runs_under_way_save_and_starts_no_other(tmp_path, number):
    child = tmp_path / "child.py"
    child.write_text(CHILD)
    command = [sys.executable, "-c", PARENT, str(child), str(tmp_path)]
    with subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True) as parent:
        consoles = [tmp_path / str(n) / "console.txt" for n in range(3)]
        wait_until_ready(consoles[:2])
        parent.send_signal(number)
        _, error = parent.communicate(timeout=60)
    assert parent.returncode == 130
    assert "Traceback" not in error
    assert [path.read_text().split() for path in consoles[:2]] == [["ready", "saved"]] * 2
    assert not consoles[2].exists()


def test_under_nohup_a_grid_outlives_its_terminal(tmp_path):
    child = tmp_path / "child.py"
    child.write_text(CHILD)
    command = ["nohup", sys.executable, "-c", PARENT, str(child), str(tmp_path)]
    with subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True) as parent:
        wait_until_ready([tmp_path / str(n) / "console.txt" for n in range(2)])
        parent.send_signal(signal.SIGHUP)
        with pytest.raises(subprocess.TimeoutExpired):
            parent.wait(timeout=1)
        parent.send_signal(signal.SIGTERM)
        parent.communicate(timeout=60)
    assert parent.returncode == 130


def test_a_run_that_is_killed_says_so(tmp_path):
    kill_itself = "import os, signal; os.kill(os.getpid(), signal.SIGKILL)"
    (outcome,) = run_jobs([Job((sys.executable, "-S", "-c", kill_itself), tmp_path)], 1, lambda outcome: None)
    assert outcome.code == -9
    assert outcome.last_words() == "ended by SIGKILL (out of memory?)"


# Dry run


def test_a_dry_run_lists_every_command_and_starts_none(stand_in, write_grid, capsys):
    assert grid.main(["--grid", write_grid(SMALL), "--dry_run", *stand_in.argv]) == 0
    out = capsys.readouterr().out
    assert out.count("python main_pytorch.py --dataset tiny") == 2
    assert out.count("python main_mxnet.py --dataset tiny") == 2
    assert "4 runs, 0 of them finished" in out
    assert "rough" in out
    assert not stand_in.visits()
    assert not stand_in.results.exists()


def test_a_dry_run_needs_no_data(monkeypatch, tmp_path, capsys):
    obstacles(monkeypatch)
    argv = ["--grid", "published", "--dry_run", "--data_dir", str(tmp_path / "data"), "--log_dir", str(tmp_path)]
    assert grid.main(argv) == 0
    captured = capsys.readouterr()
    assert "70 runs" in captured.out
    assert "?" not in captured.out  # both sets are in the catalogue with their counts
    assert captured.err.count("not prepared yet") == 2
    assert grid.main([*argv, "--dataset", "mine"]) == 0
    assert "35 without an estimate" in capsys.readouterr().out


def test_an_annealing_dry_run_says_what_is_not_known_yet(stand_in, capsys):
    grid.main(["--grid", "annealing", "--dataset", "tiny", "--engines", "mxnet", "--dry_run", *stand_in.argv])
    commands = [line for line in capsys.readouterr().out.splitlines() if "<beta at" in line]
    assert len(commands) == 6
    for line in commands:
        unknown = ("--anneal_cap <beta at its best epoch when annealed to 1>", "--anneal_share <slope kept>")
        known = functools.reduce(lambda text, words: text.replace(words, ""), unknown, line[line.index("--") :])
        assert unknown[0] in line
        assert parsed_run(shlex.split(known), "main.py").model.name == "vae", "all else is the command of the run"


def test_a_dry_run_adds_up_the_hours_and_the_largest_runs_memory(capsys):
    estimates = [Estimate(3 * 3600, 1024, True), Estimate(7200, 3072, True), Estimate(3600, 2048, False), None]
    dry_run._print_sums(estimates, finished=2, jobs=2)
    assert capsys.readouterr().out.splitlines()[:2] == [
        "6 runs, 2 of them finished; the others, 2 at a time: about 3.0 h, 5.0 GiB of memory",
        "1 without an estimate: nothing like them was measured, or data are unknown",
    ]


def test_an_estimate_is_that_of_the_same_shape_measured_before(stand_in, write_grid):
    path = write_grid(SMALL.replace("n_epochs = 3", "n_epochs = 30"))
    assert grid.main(["--grid", path, "--engines", "pytorch", *stand_in.argv]) == 0
    for folder in stand_in.results.glob("runs/*"):
        write_json(folder / "run.json", {"seconds": 30.0, "threads": 2, "peak_memory_mib": 512.0, "device": "cpu"})
    vae = next(run for run in runs_of(path) if run.engine == "pytorch" and run.options.model.name == "vae")
    wide = vae.options.replace(p_dims=(30, 90), threads=2)
    longer = vae.options.replace(n_epochs=300, early_stop_patience=0, threads=1)
    estimator = Estimator(stand_in.results)
    same = estimator.estimate(dataclasses.replace(vae, options=longer), COUNTS)
    assert (same.measured, same.mib) == (True, 512.0)
    assert math.isclose(same.seconds, 30.0 / 3 * 300 * 2)  # ten seconds an epoch, on half the threads
    for patience, seconds in ((20, 30.0), (0, 300.0)):  # they stopped after 3 of 30 epochs
        alike = vae.options.replace(early_stop_patience=patience, threads=2)
        assert math.isclose(estimator.estimate(dataclasses.replace(vae, options=alike), COUNTS).seconds, seconds)
    other = estimator.estimate(dataclasses.replace(vae, options=wide), COUNTS)
    assert not other.measured


def test_an_estimate_is_of_the_same_number_of_neighbours_too(tmp_path):
    write_run(tmp_path, "numpy", model="itemknn", k=7)
    measured = {
        k: Estimator(tmp_path).estimate(Planned("numpy", RunOptions("itemknn", dataset="movielens-1m", k=k)), COUNTS)
        for k in (7, 8)
    }
    assert [measured[k].measured for k in (7, 8)] == [True, False]


def test_a_rough_estimate_grows_with_the_work():
    estimator = Estimator("no-such-folder")
    estimator._rates = Rates(operations=1e10, touches=1e9)
    counts = {"training_users": 5000, "training_items": 3000, "training_events": 400_000, "validation_users": 600}

    def seconds(**changes):
        options = RunOptions(dataset="x", threads=1, **changes)
        return estimator.estimate(Planned("pytorch", options), counts).seconds

    assert math.isclose(seconds(n_epochs=300) - seconds(n_epochs=200), seconds(n_epochs=200) - seconds(n_epochs=100))
    assert seconds(p_dims=(300, 900)) > seconds(p_dims=(200, 600)) > seconds(p_dims=(100, 300))
    assert seconds(eval_every=10) < seconds()
    assert estimator.estimate(Planned("pytorch", RunOptions(device="cuda")), counts) is None


_MEASURED = [  # engine, data set, epochs, users in a batch; seconds of the whole command, peak of its memory in MiB
    ("pytorch", "movielens-100k", 50, 100, 7.6, 458),
    ("mxnet", "movielens-100k", 50, 100, 9.7, 345),
    ("pytorch", "movielens-1m", 5, 512, 6.6, 566),
    ("mxnet", "movielens-1m", 5, 512, 6.7, 518),
]  # fmt: skip


@pytest.mark.parametrize(("engine", "dataset", "n_epochs", "batch_size", "seconds", "mib"), _MEASURED)
def test_a_rough_estimate_comes_near_what_runs_took(monkeypatch, engine, dataset, n_epochs, batch_size, seconds, mib):
    """Measured on two cores that did as ``Rates.measured`` said of them."""
    monkeypatch.setattr("experiments.grids.estimate.thread_count", lambda: 2)
    estimator = Estimator("no-such-folder")
    estimator._rates = Rates(operations=1.89e11, touches=4.2e9)
    counts = {
        "movielens-100k": {"training_users": 752, "training_items": 1417, "training_events": 44_415,
                           "validation_users": 93},
        "movielens-1m": {"training_users": 4828, "training_items": 3497, "training_events": 462_561,
                         "validation_users": 603},
    }  # fmt: skip
    options = RunOptions(dataset=dataset, n_epochs=n_epochs, batch_size=batch_size)
    found = estimator.estimate(Planned(engine, options), counts[dataset])
    assert seconds / 1.5 < found.seconds < 1.5 * seconds
    assert mib / 1.25 < found.mib < 1.25 * mib


def test_on_half_the_threads_the_work_takes_twice_as_long_and_the_start_does_not(monkeypatch):
    monkeypatch.setattr("experiments.grids.estimate.thread_count", lambda: 2)
    estimator = Estimator("no-such-folder")
    estimator._rates = Rates(operations=1e10, touches=1e9)

    def seconds(threads, n_epochs):
        options = RunOptions(dataset="x", threads=threads, n_epochs=n_epochs)
        return estimator.estimate(Planned("pytorch", options), COUNTS).seconds

    assert math.isclose(seconds(1, 200) - seconds(1, 100), 2 * (seconds(2, 200) - seconds(2, 100)))
    assert math.isclose(2 * seconds(1, 100) - seconds(1, 200), 2 * seconds(2, 100) - seconds(2, 200)), "the start"


# The main job


def test_the_main_job_prepares_runs_and_compares(stand_in, monkeypatch, tmp_path, capsys):
    steps, asked = [], []

    def missing(*_, **stated):
        asked.append(stated["scenario"])
        raise UserError("no prepared data")

    monkeypatch.setattr(main_job, "find_prepared", missing)
    monkeypatch.setattr(main_job, "prepare", lambda options, **where: steps.append(("prepare", options.dataset, where)))
    monkeypatch.setattr(main_job.compare, "main", lambda argv: steps.append(("compare", argv)))
    monkeypatch.setattr(main_job.report, "main", lambda argv: steps.append(("report", argv)))
    assert main_job.main(["--seeds", "1", "--data_dir", "d", *stand_in.argv]) == 0
    table = str(stand_in.results)
    assert steps == [
        ("prepare", "movielens-100k", {"data_dir": "d", "download": True}),
        ("compare", ["--results", table, "--dataset", "movielens-100k"]),
        ("report", ["--results", str(stand_in.results), "--data_dir", "d"]),
    ]
    assert asked == ["strong"]
    assert len(stand_in.visits()) == 2 * (4 + 3)
    steps.clear()
    assert main_job.main(["--dry_run", *stand_in.argv]) == 0
    assert main_job.main(["--list"]) == 0
    assert not steps


def test_the_main_job_prepares_every_scenario_of_a_grid_once(stand_in, monkeypatch):
    prepared = []
    monkeypatch.setattr(main_job, "prepare", lambda options, **_: prepared.append((options.dataset, options.scenario)))
    monkeypatch.setattr(main_job.compare, "main", lambda argv: None)
    monkeypatch.setattr(main_job.report, "main", lambda argv: None)
    monkeypatch.setattr(main_job, "run", lambda grid: 0)
    assert main_job.main(["--grid", "stay", "--data_dir", "nowhere", *stand_in.argv]) == 0
    assert prepared == [("movielens-100k", "weak"), ("movielens-100k", "leave_one_out")]


def test_the_main_job_fetches_no_other_data_set_by_itself(stand_in, monkeypatch, write_grid):
    monkeypatch.setattr(main_job, "prepare", lambda *_, **__: pytest.fail("fetched something"))
    monkeypatch.setattr(main_job.compare, "main", lambda argv: None)
    monkeypatch.setattr(main_job.report, "main", lambda argv: None)
    stand_in(fail=[["mxnet", "dae", 1]])
    assert main_job.main(["--grid", write_grid(SMALL), *stand_in.argv]) == 1  # and still compares the rest


def test_the_commands_run_as_processes():
    for module in ("experiments.grid", "experiments.main_job"):
        listed = subprocess.run(
            [sys.executable, "-m", module, "--list"], cwd=ROOT, capture_output=True, text=True, check=True, timeout=60
        )
        assert "quick" in listed.stdout
        wrong = subprocess.run(
            [sys.executable, "-m", module, "--grid", "nosuch"], cwd=ROOT, capture_output=True, text=True, check=False,
            timeout=60, env={**os.environ, "PYTHONWARNINGS": "ignore"},
        )  # fmt: skip
        assert (wrong.returncode, wrong.stderr.count("\n")) == (2, 1)


def test_a_run_is_described_by_what_tells_it_apart():
    assert describe(Planned("mxnet", RunOptions(dataset="x", seed=4))) == "x vae 200,600 cap 0.2 mxnet seed 4"
    assert describe(Planned("mxnet", RunOptions(dataset="x", model="dae"))) == "x dae 200,600 mxnet seed 1"
    assert all(folder.is_dir() for folder in grid_file.GRIDS)
