"""Runs that survive: damaged state, runs at once, losses that are no numbers, memory and disks that are full."""

from __future__ import annotations

import ast
import dataclasses
import errno
import json
import math
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from conftest import metrics_of
from experiments.analysis import compare
from experiments.grids import command as grid
from experiments.grids.processes import Job, JobState, run_jobs
from experiments.runs import run as runs
from experiments.runs import verify
from experiments.runs.divergence import DivergedError, check_loss
from experiments.runs.folder import RunFolder
from experiments.runs.loop import Training
from experiments.runs.out_of_memory import memory_explained
from run_folders import write_run
from utils.engine import ENGINES, engine_obstacle, load_engine
from utils.options import RunOptions
from utils.results import DIVERGED, collect, load, rebuild
from utils.system.errors import UserError, guarded
from utils.system.files import read_json, remove_leftovers, sha256_of, write_json, write_text
from utils.system.locks import held, process_holding
from utils.weights import load_arrays, save_arrays

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ("metrics.json", "per_user.npz", "best.safetensors")


def same_results(one, other):
    return all((one / name).read_bytes() == (other / name).read_bytes() for name in RESULTS)


def argv_of(options):
    argv = [
        "--dataset",
        "tastes",
        "--data_dir",
        options.settings.data_dir,
        "--log_dir",
        options.settings.log_dir,
        "--p_dims",
        "4,16",
    ]
    return [*argv, "--batch_size", "60", "--n_epochs", "6", "--lr", "0.01", "--save_results"]


@pytest.fixture
def either():
    """One engine that this machine has, for what has nothing to do with engines."""
    return next(name for name in reversed(ENGINES) if engine_obstacle(name) is None)  # MXNet starts sooner


@pytest.fixture
def killed(package, options, monkeypatch):
    """Starts a run that dies in its third epoch (nothing is tidied up) and returns its folder."""

    def start(engine, **changes):
        given, steps, train_step = options.replace(save_every=0, **changes), [], package.StepLearner.train_step

        def dies(self, *arguments):
            steps.append(1)
            if len(steps) == 11:
                raise SystemExit  # as SIGKILL would: no handler of ours sees it
            return train_step(self, *arguments)

        with monkeypatch.context() as patched:
            patched.setattr(package.StepLearner, "train_step", dies)
            with pytest.raises(SystemExit):
                runs.run(engine, given)
        (folder,) = Path(given.settings.log_dir).glob("runs/*")
        return folder

    return start


# State


@pytest.mark.parametrize("place", [0.001, 0.7])
def test_a_bit_that_flipped_in_the_state_is_noticed_and_the_run_ends_as_ever(
    engine, options, killed, capsys, tmp_path, place
):
    straight = runs.run(engine, options.replace(log_dir=str(tmp_path / "straight")))
    state = killed(engine) / "state.safetensors"
    content = bytearray(state.read_bytes())
    content[int(place * len(content))] ^= 4
    state.write_bytes(content)
    folder = runs.run(engine, options)
    assert "damaged" in capsys.readouterr().out
    assert (folder / "state.damaged").read_bytes() == content
    assert same_results(folder, straight)


def test_a_state_of_another_version_is_kept_and_said(engine, options, killed):
    state = killed(engine) / "state.safetensors"
    arrays, record = load_arrays(state)
    save_arrays(state, arrays, {**record, "position": {**record["position"], "moons": 2}})
    with pytest.raises(UserError, match="state is of another version of this program"):
        runs.run(engine, options)
    assert load_arrays(state)[1]["position"]["moons"] == 2


def test_an_interrupted_run_keeps_its_threads(engine, options, killed, capsys, monkeypatch):
    """Whatever --threads says now: another number adds up in another order."""
    state = killed(engine) / "state.safetensors"
    arrays, record = load_arrays(state)
    assert record["threads"] == 1  # what the suite runs with
    save_arrays(state, arrays, {**record, "threads": 3})
    asked = []
    monkeypatch.setattr(runs, "load_engine", lambda name, threads: asked.append(threads) or load_engine(name))
    runs.run(engine, options.replace(threads=8))
    assert asked == [3]
    assert "began with 3 threads" in capsys.readouterr().out


def test_saving_never_takes_more_than_its_share(engine, package, options):
    options = options.replace(save_every=1e-6).resolved()
    data = runs.data_of(options)
    with RunFolder(Path(options.settings.log_dir) / "runs" / "x") as folder:
        training = Training(package.build(options, data.n_items), data, options, folder)
        training.save_seconds, training.saved_at = 100.0, time.perf_counter() - 4000.0
        assert not training._is_time_to_save()
        training.saved_at -= 2000.0
        assert training._is_time_to_save()


def test_the_cost_of_saving_is_recorded(engine, options):
    folder = runs.run(engine, options.replace(save_every=0))
    about = read_json(folder / "run.json")
    assert 0 < about["saving_seconds"] < about["seconds"]


# Locks


def test_of_two_one_waits_and_says_for_whom(tmp_path):
    path, waited = tmp_path / "a" / ".lock", []
    code = f"""
import sys, time
from utils.system.locks import held
with held({str(path)!r}) as real:
    print(real, flush=True)
    sys.stdin.readline()
"""
    other = subprocess.Popen([sys.executable, "-c", code], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert other.stdout.readline() == b"True\n"
    assert process_holding(path) == f"process {other.pid} on {os.uname().nodename}"

    def wait(who):
        waited.append(who)
        other.communicate(b"\n")

    with held(path, wait) as real:
        assert real
        assert waited == [f"process {other.pid} on {os.uname().nodename}"]
    assert process_holding(path) is None
    assert list(path.parent.iterdir()) == []


def test_who_dies_lets_go(tmp_path):
    code = f"""
import os, signal
from utils.system.locks import held
with held({str(tmp_path / "lock")!r}):
    os.kill(os.getpid(), signal.SIGKILL)
"""
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT).returncode == -signal.SIGKILL
    assert (tmp_path / "lock").exists()
    assert process_holding(tmp_path / "lock") is None
    with held(tmp_path / "lock", lambda who: pytest.fail(f"waited for {who}")):
        pass


@pytest.mark.parametrize("system", ["without fcntl", "a file system that refuses"])
def test_where_there_are_no_locks_it_says_so_and_works(tmp_path, monkeypatch, capsys, system):
    if system == "without fcntl":
        monkeypatch.setattr("utils.system.locks.fcntl", None)
    else:

        def refuse(*_):
            raise OSError(errno.ENOLCK, "no locks available")

        monkeypatch.setattr("utils.system.locks.fcntl.flock", refuse)
    with held(tmp_path / "lock") as real:
        assert not real
    assert "has no locks" in capsys.readouterr().err
    assert process_holding(tmp_path / "lock") is None


def test_two_main_scripts_on_one_run_make_it_once(either, options):
    command = [sys.executable, f"main_{either}.py", *argv_of(options)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    both = [
        subprocess.Popen(
            command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        for _ in range(2)
    ]
    said = [process.communicate(timeout=100)[0] for process in both]
    assert [process.returncode for process in both] == [0, 0], said
    assert sorted("not run again" in text for text in said) == [False, True]
    (folder,) = Path(options.settings.log_dir).glob("runs/*")
    assert (folder / "log.txt").read_text().count("test (best epoch") == 1
    assert load(Path(options.settings.log_dir) / "all_results.csv")["run_id"].tolist() == [folder.name]


def test_a_grid_comes_back_to_what_another_process_holds(tmp_path):
    stands = {"a": [JobState.HELD] * 3 + [JobState.FREE], "b": [JobState.FREE], "c": [JobState.HELD, JobState.DONE]}
    ended = []
    jobs = [Job((sys.executable, "-S", "-c", ""), tmp_path / name) for name in stands]
    run_jobs(jobs, 1, ended.append, lambda job: stands[job.folder.name].pop(0))
    assert [outcome.code for outcome in ended] == [0, 0, 0]
    assert [outcome.job.folder.name for outcome in ended if outcome.elsewhere] == ["c"]
    assert not (tmp_path / "c").exists()
    assert [outcome.job.folder.name for outcome in ended][-1] == "a"


def test_two_grids_at_once_run_no_run_twice_and_lose_no_row(either, options, tmp_path):
    (tmp_path / "g.toml").write_text(GRID.replace("1e30", "0.02"))
    command = [sys.executable, "-m", "experiments.grid", "--grid", str(tmp_path / "g.toml"), "--engines", either]
    command += ["--data_dir", options.settings.data_dir, "--log_dir", options.settings.log_dir]
    both = [subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    said = [process.communicate(timeout=100)[0] for process in both]
    assert [process.returncode for process in both] == [0, 0], said
    assert all("2 of 2 runs are finished" in text for text in said)
    logs = [path.read_text() for path in Path(options.settings.log_dir).glob("runs/*/log.txt")]
    assert [text.count("test (best epoch") for text in logs] == [1, 1]
    assert len(load(Path(options.settings.log_dir) / "all_results.csv")) == 2


def test_what_killed_processes_left_is_swept_by_who_holds_the_lock(engine, options, killed):
    folder = killed(engine)
    for place in (folder, folder.parent.parent):
        (place / f".{'all_results.csv' if place != folder else 'state.safetensors'}.abc.tmp").write_text("half")
    write_text(folder.parent.parent / "notes.tmp", "the user's own")
    runs.run(engine, options)
    assert [path.name for path in folder.parent.parent.rglob("*.tmp")] == ["notes.tmp"]
    assert not list(folder.parent.glob(".*"))


# Losses that are no numbers


def test_a_run_that_diverges_is_recorded_with_the_best_weights_before(engine, package, options, monkeypatch, capsys):
    """Half a training: its weights are those of an uninterrupted run of as many epochs."""
    read, steps = package.StepLearner.read_terms, []

    def spoilt(self, handle):
        steps.append(1)
        return {"nll": float("nan"), "kl": 0.0} if len(steps) == 4 * 3 + 2 else read(self, handle)

    monkeypatch.setattr(package.StepLearner, "read_terms", spoilt)
    assert runs.main(engine, argv_of(options)) == 2
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert "the loss became nan in epoch 4, batch 2 (learning rate 0.01, beta " in line
    assert "lower --lr or --anneal_cap" in line
    (folder,) = Path(options.settings.log_dir).glob("runs/*")
    metrics = metrics_of(folder)
    assert (metrics["status"], metrics["epochs"], metrics["diverged"]["batch"]) == (DIVERGED, 3, 2)
    assert f"of epoch {metrics['best_epoch']}," in line
    assert metrics["test"]["n100"] > 0
    assert (folder / "best.safetensors").exists()
    assert not (folder / "state.safetensors").exists()
    (row,) = load(Path(options.settings.log_dir) / "all_results.csv").to_dict("records")
    assert (row["status"], row["n100"]) == (DIVERGED, metrics["test"]["n100"])

    monkeypatch.setattr(Training, "epochs", lambda self: pytest.fail("trained again"))
    assert runs.main(engine, argv_of(options)) == 2  # said again, not run again
    captured = capsys.readouterr()
    assert "finished before" in captured.out
    assert line == captured.err.strip()


def test_a_run_that_diverges_before_any_evaluation_has_a_row_without_figures(engine, options, capsys):
    argv = [*argv_of(options), "--lr", "1e30"]
    assert runs.main(engine, argv) == 2
    assert "nothing to test" in capsys.readouterr().err
    (row,) = load(Path(options.settings.log_dir) / "all_results.csv").to_dict("records")
    assert row["status"] == DIVERGED
    assert np.isnan(row["n100"])
    assert np.isnan(row["best_epoch"])
    (folder,) = Path(options.settings.log_dir).glob("runs/*")
    for name in ("per_user.npz", "lists.npz"):
        with np.load(folder / name, allow_pickle=False) as stored:
            assert {len(array) for array in stored.values()} == {0}, "of no user"
    assert runs.main(engine, argv) == 2
    assert "finished before" in capsys.readouterr().out


def test_a_model_without_beta_diverges_at_beta_0():
    with pytest.raises(DivergedError) as raised:
        check_loss(math.inf, 3, 2, {"lr": 0.01})
    assert raised.value.where.record() == {"epoch": 3, "batch": 2, "lr": 0.01, "beta": 0.0, "loss": "inf"}


def test_an_evaluation_that_is_no_number_is_a_divergence_too(engine, package, options, monkeypatch):
    evaluate, calls = package.StepLearner.evaluate, []

    def spoilt(self, *arguments, **more):
        calls.append(1)
        found = evaluate(self, *arguments, **more)
        spoilt_terms = {**found.terms, "nll": found.terms["nll"] * np.nan}
        return dataclasses.replace(found, terms=spoilt_terms) if len(calls) == 2 else found

    monkeypatch.setattr(package.StepLearner, "evaluate", spoilt)
    with pytest.raises(UserError, match="became nan in epoch 2, its evaluation"):
        runs.run(engine, options)


GRID = """
description = "one of its runs diverges"
datasets = ["tastes"]
seeds = [1]
[every_run]
n_epochs = 2
p_dims = "4,16"
batch_size = 60
[[runs]]
lr = [1e30, 0.01]
"""


def test_a_grid_goes_on_after_a_run_that_diverged_and_says_so(either, options, tmp_path, capsys):
    (tmp_path / "g.toml").write_text(GRID)
    argv = ["--grid", str(tmp_path / "g.toml"), "--engines", either, "--data_dir", options.settings.data_dir]
    argv += ["--log_dir", options.settings.log_dir]
    for visit in range(2):
        assert grid.main(argv) == 0, "a result, if a sad one"
        captured = capsys.readouterr()
        assert "2 of 2 runs are finished" in captured.out
        (line,) = captured.err.strip().splitlines()
        assert line.startswith(f"diverged: tastes vae 4,16 cap 0.2 {either} seed 1: the loss became")
        assert ("2 finished before" in captured.out) == (visit == 1)
    table = load(Path(options.settings.log_dir) / "all_results.csv")
    assert sorted(table["status"]) == [DIVERGED, "finished"]
    assert guarded(compare.main, ["--results", options.settings.log_dir]) == 0
    assert "lr 1e+30" in capsys.readouterr().out, "listed"


def test_a_run_that_diverged_is_not_averaged(tmp_path):
    for seed in (1, 2):
        for engine in ENGINES:
            folder = write_run(tmp_path, engine, seed=seed)
    metrics = read_json(folder / "metrics.json")
    assert compare.compare(collect(tmp_path))["seeds"].tolist() == [2]
    write_json(folder / "metrics.json", {**metrics, "status": DIVERGED})
    assert compare.compare(collect(tmp_path))["seeds"].tolist() == [1]


# Memory


def refusals():
    """What NumPy and either framework raise when memory is refused, by name, without importing what is not there."""
    torch_like = type("OutOfMemoryError", (RuntimeError,), {})
    mxnet_like = type("MXNetError", (Exception,), {})
    return [
        np.core._exceptions._ArrayMemoryError((1 << 40,), np.dtype("f4")),
        MemoryError(),
        torch_like("CUDA out of memory. Tried to allocate 20.00 MiB"),
        RuntimeError("[enforce fail at alloc_cpu.cpp:124] DefaultCPUAllocator: can't allocate memory: you tried ..."),
        mxnet_like("storage_manager.h: cudaMalloc failed: out of memory"),
        mxnet_like("cpu_device_storage.h:71: Failed to allocate CPU Memory"),
    ]


@pytest.mark.parametrize("refusal", refusals(), ids=lambda error: type(error).__name__)
def test_out_of_memory_names_the_sizes_and_what_to_do(engine, package, options, monkeypatch, capsys, refusal):
    def refuse(*_):
        raise refusal

    monkeypatch.setattr(package.StepLearner, "train_step", refuse)
    assert runs.main(engine, argv_of(options)) == 2
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert "out of memory while training: the scores of 60 users x 40 items are 0.0 MiB" in line
    assert "try --batch_size 30" in line
    monkeypatch.undo()
    monkeypatch.setattr(package.StepLearner, "evaluate", refuse)
    assert runs.main(engine, argv_of(options)) == 2
    assert "while evaluating: the scores of 500 users x 40 items" in capsys.readouterr().err


def test_of_a_batch_of_one_user_no_smaller_one_is_advised(engine, package, options, monkeypatch, capsys):
    def refuse(*_):
        raise MemoryError

    monkeypatch.setattr(package.StepLearner, "train_step", refuse)
    assert runs.main(engine, [*argv_of(options), "--batch_size", "1"]) == 2
    assert "try smaller --p_dims, or a machine with more memory" in capsys.readouterr().err


def test_a_model_that_no_memory_holds_is_one_line(engine, options, capsys):
    argv = [*argv_of(options), "--p_dims", "1000000,1000000000"]
    assert runs.main(engine, argv) == 2
    assert "out of memory while building the model: the weights are" in capsys.readouterr().err


def test_other_errors_are_not_taken_for_it():
    with pytest.raises(RuntimeError, match="shapes"), memory_explained(RunOptions().resolved(), 10, "training"):
        raise RuntimeError("shapes do not match")


# Disks


@pytest.mark.parametrize(
    ("file", "code"),
    [
        ("options.json", errno.EROFS),
        ("history.csv", errno.ENOSPC),
        ("state.safetensors", errno.ENOSPC),
        ("best.safetensors", errno.EDQUOT),
        ("metrics.json", errno.ENOSPC),
        ("all_results.csv", errno.EACCES),
    ],
)
def test_a_disk_that_refuses_is_one_line_and_the_run_goes_on_later(either, options, monkeypatch, capsys, file, code):
    replace = os.replace

    def refuse(source, target):
        if Path(target).name == file:
            raise OSError(code, "refused", str(target))
        return replace(source, target)

    argv = [*argv_of(options), "--save_every", "0"]
    with monkeypatch.context() as patched:
        patched.setattr(os, "replace", refuse)
        assert runs.main(either, argv) == 2
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert file in line
    results = Path(options.settings.log_dir)
    assert not list(results.rglob("*.tmp"))
    assert not (results / "all_results.csv").exists()
    assert runs.main(either, argv) == 0
    assert len(load(results / "all_results.csv")) == 1


LIMITED = """
import resource, sys
from experiments.runs.run import main as run_main
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[1]), -1))
sys.exit(run_main(sys.argv[2], sys.argv[3:]))
"""


def test_a_file_that_the_system_cuts_short_is_one_line(either, options, tmp_path):
    """Not injected: the kernel refuses to write on in the middle of the state, which Rust writes."""
    argv = [*argv_of(options), "--save_every", "0"]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE_")}  # it writes
    done = subprocess.run(
        [sys.executable, "-c", LIMITED, "6000", either, *argv], cwd=ROOT, env=environment, capture_output=True,
        text=True, timeout=100,
    )  # fmt: skip
    assert done.returncode == 2, done.stderr
    assert "state.safetensors: the file would be larger than is allowed here" in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert not list(Path(options.settings.log_dir).rglob("*.safetensors*"))
    assert runs.main(either, argv) == 0


KILLED_IN_A_WRITE = """
import resource, signal, sys
from experiments.runs.run import main as run_main
signal.signal(signal.SIGXFSZ, signal.SIG_DFL)  # which Python ignores
resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[1]), -1))
sys.exit(run_main(sys.argv[2], sys.argv[3:]))
"""


def test_what_a_kill_inside_a_save_leaves_is_gone_after_the_next_command(either, options, tmp_path):
    """The kernel kills it inside safetensors, which has a file of its own open then."""
    straight = runs.run(either, options.replace(log_dir=str(tmp_path / "straight")))
    argv, results = [*argv_of(options), "--save_every", "0"], Path(options.settings.log_dir)
    done = subprocess.run([sys.executable, "-c", KILLED_IN_A_WRITE, "6000", either, *argv], cwd=ROOT, timeout=100)
    assert done.returncode == -signal.SIGXFSZ
    (left,) = (path for path in results.rglob(".*") if path.suffix == ".tmp")
    kept = Path(shutil.copytree(left, tmp_path / left.name))
    assert "state.safetensors" in kept.name
    assert len(list(kept.iterdir())) == 1, "killed with the library's file open"
    assert runs.main(either, argv) == 0
    (folder,) = results.glob("runs/*")
    assert same_results(folder, straight)
    assert not list(results.rglob(".*"))

    shutil.copytree(kept, folder / kept.name)  # killed so, and finished by an earlier version, which did not sweep it
    (folder / ".tmpAb1Cd2").write_text("what safetensors left beside the state then")
    (folder / ".mine").touch()
    assert runs.main(either, argv) == 0
    assert [path.name for path in results.rglob(".*")] == [".mine"]


@pytest.mark.parametrize("name", ["metrics.json", "per_user.npz"])
@pytest.mark.parametrize("damage", ["truncated", "flipped"])
def test_results_that_were_damaged_are_no_results_and_made_again(either, options, capsys, name, damage):
    folder = runs.run(either, options)
    content = (folder / name).read_bytes()
    spoilt = content[: len(content) // 2]
    if damage == "flipped":
        middle = content.index(b"0.") + 2 if name == "metrics.json" else len(content) // 2
        spoilt = content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :]
    (folder / name).write_bytes(spoilt)
    capsys.readouterr()
    if name == "metrics.json":
        assert len(load(rebuild(options.settings.log_dir))) == 0
        said = "is not valid JSON" if damage == "truncated" else "is damaged (its checksum differs)"
        (line,) = capsys.readouterr().err.splitlines()
        assert f"{folder / name} {said}" in line
        assert line.endswith("; the run is left out of all_results.csv")
    runs.run(either, options)
    assert f"{name} is damaged" in capsys.readouterr().out
    assert (folder / name).read_bytes() == content
    assert len(load(rebuild(options.settings.log_dir))) == 1


def test_a_clock_set_back_changes_nothing(engine, options, tmp_path, monkeypatch):
    straight = runs.run(engine, options.replace(log_dir=str(tmp_path / "straight")))
    times = iter(range(2_000_000_000, 0, -1000))
    monkeypatch.setattr(time, "time", lambda: float(next(times)))
    folder = runs.run(engine, options.replace(save_every=0))
    for path in folder.rglob("*"):
        os.utime(path, (1, 1))
    assert same_results(runs.run(engine, options), straight)
    assert len(load(rebuild(options.settings.log_dir))) == 1


# Verification


@pytest.mark.parametrize("likelihood", ["multinomial", "logistic"])
def test_stored_weights_confirm_stored_metrics(engine, options, capsys, likelihood):
    options = options.replace(likelihood=likelihood)
    folder = runs.run(engine, options)
    assert verify.main([str(folder)]) == 0
    assert "confirmed, bit for bit" in capsys.readouterr().out
    assert verify.main([folder.name, "--log_dir", options.settings.log_dir]) == 0
    weights, record = load_arrays(folder / "best.safetensors")
    weights["decoder.1.bias"][::2] += 3.0
    save_arrays(folder / "best.safetensors", weights, record)
    capsys.readouterr()
    assert guarded(verify.main, [str(folder)]) == 1
    captured = capsys.readouterr()
    assert "loss" in captured.out
    assert "DIFFERS" in captured.out
    assert captured.err.startswith("NOT CONFIRMED")


@pytest.mark.parametrize(
    ("name", "stored", "found", "agrees"),
    [
        ("n100", 0.3, 0.30004, True), ("n100", 0.3, 0.30006, False), ("r20", 0.3, 0.29994, False),
        ("loss", 500.0, 500.004, True), ("loss", 500.0, 500.006, False), ("nll", 500.0, 499.994, False),
    ],
)  # fmt: skip
def test_a_metric_agrees_within_5e_5_and_a_loss_within_a_hundred_thousandth_of_it(name, stored, found, agrees):
    finding = verify.Finding(name, stored, found)
    assert finding.agrees == agrees
    assert str(finding).endswith("agrees" if agrees else "DIFFERS")


def test_what_cannot_be_verified_says_why(either, options, capsys):
    def refused(*argv):
        assert guarded(verify.main, list(argv)) == 2
        (line,) = capsys.readouterr().err.strip().splitlines()
        return line

    assert "no such run" in refused("nowhere")
    folder = runs.run(either, options.replace(save_results=False))
    capsys.readouterr()
    assert "again with --save_results" in refused(str(folder))
    runs.run(either, options)
    capsys.readouterr()
    weights = folder / "best.safetensors"
    content = weights.read_bytes()
    weights.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    assert "its checksum differs" in refused(str(folder))
    weights.write_bytes(content)
    record = read_json(folder / "options.json")
    write_json(folder / "options.json", {**record, "dataset": "others"})
    assert "no prepared data for 'others'" in refused(str(folder))
    write_json(folder / "options.json", {**record, "p_dims": 3})
    assert "is damaged" in refused(str(folder))
    (folder / "metrics.json").write_text(json.dumps({}))
    assert "no sound results" in refused(str(folder))


def test_a_run_says_where_it_came_from(engine, options):
    folder = runs.run(engine, options)
    about = read_json(folder / "run.json")
    assert {"numpy", "scipy", "python", ENGINES[engine].framework} <= set(about["versions"])
    assert {**about["options"], "engine": engine} == read_json(folder / "options.json")
    assert about["seed"] == options.training.seed
    assert about["manifest_sha256"] == sha256_of(about["manifest"])
    assert {"git_commit", "git_dirty", "device", "threads", "machine"} <= set(about)


# Safety

BUILTINS = {"eval", "exec", "compile", "__import__"}
MODULES = {"pickle", "marshal", "shelve", "dill"}
METHODS = {("os", "system"), ("os", "popen"), ("archive", "extractall"), ("archive", "extract")}
HOUSE = ("utils", "data_prep", "pytorch_impl", "mxnet_impl", "experiments", "benchmarks")
SOURCES = [*ROOT.glob("*.py"), *(path for folder in HOUSE for path in (ROOT / folder).rglob("*.py"))]


def test_no_pickle_no_eval_no_shell_made_of_strings():
    assert len(SOURCES) > 80
    nodes = [(path, node) for path in SOURCES for node in ast.walk(ast.parse(path.read_text()))]
    for path, node in nodes:
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            names = {alias.name for alias in node.names} | {getattr(node, "module", None)}
            assert not MODULES & names, path
        if isinstance(node, ast.Call):
            name, method = getattr(node.func, "id", ""), getattr(node.func, "attr", "")
            owner = getattr(getattr(node.func, "value", None), "id", "")
            given = {keyword.arg: getattr(keyword.value, "value", None) for keyword in node.keywords}
            assert name not in BUILTINS, f"{path}, line {node.lineno}"
            assert (owner, method) not in METHODS, f"{path}, line {node.lineno}"
            assert given.get("shell") is not True, path
            assert (owner, method) != ("torch", "load"), path
            assert (owner, method) != ("np", "load") or given.get("allow_pickle") is False, path


def test_sweeping_takes_temporary_files_only(tmp_path):
    for name in (".a.xyz.tmp", "a.tmp", ".b", "c", ".tmp123456"):
        (tmp_path / name).touch()
    (tmp_path / ".c.xyz.tmp").mkdir()
    (tmp_path / ".c.xyz.tmp" / "c").touch()
    remove_leftovers(tmp_path, "a*")
    assert sorted(path.name for path in tmp_path.iterdir()) == [".b", ".c.xyz.tmp", ".tmp123456", "a.tmp", "c"]
    remove_leftovers(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == [".b", ".tmp123456", "a.tmp", "c"]
    remove_leftovers(tmp_path, also=".tmp??????")
    assert sorted(path.name for path in tmp_path.iterdir()) == [".b", "a.tmp", "c"]
