"""The contest with other libraries: what is exchanged, our own side of it, and, where they are installed, the peers."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.sparse import csr_matrix

from benchmarks.peers import install as installation
from benchmarks.peers.__main__ import main
from benchmarks.peers.contest import Course, fastest, time_all, times_faster, train_all, write_data
from benchmarks.peers.contestant import ROOT, Contestant
from benchmarks.peers.exchange import (
    TEST,
    TRAIN,
    VALIDATION,
    Settings,
    best_items,
    read_clicks,
    read_ranked,
    read_settings,
    write_clicks,
    write_ranked,
    write_settings,
)
from benchmarks.peers.install import PEERS, is_installed, python_of
from benchmarks.peers.report import epoch_targets, quality_targets, shape_targets, table, told
from conftest import metrics_of, random_clicks
from data_prep import find_prepared
from experiments.runs.run import run
from utils.options import RunOptions
from utils.ranking import resolve_ties
from utils.system.errors import UserError, guarded

SETTINGS = Settings(p_dims=(8, 32), batch_size=60, epochs=6, seed=1, threads=1, k=100)


@pytest.fixture
def tastes(data_dir):
    return find_prepared(data_dir, "tastes")


@pytest.fixture
def folder(tmp_path, tastes):
    """A folder as contestants find it."""
    write_settings(tmp_path, SETTINGS)
    write_data(tmp_path, tastes)
    return tmp_path


def contestant(folder, *command, title="it"):
    return Contestant(title, [*command], folder, folder / "log.txt", threads=1)


# What is exchanged


def test_what_is_written_is_read_back(tmp_path):
    clicks, ranked = random_clicks(7, 30, 0.2), np.array([[3, 1, -1], [0, 2, 5]])
    write_clicks(tmp_path, TRAIN, clicks)
    write_ranked(tmp_path / "r.npz", ranked)
    write_settings(tmp_path, SETTINGS)
    assert (read_clicks(tmp_path, TRAIN) != clicks).nnz == 0
    assert read_clicks(tmp_path, TRAIN).shape == clicks.shape
    assert np.array_equal(read_ranked(tmp_path / "r.npz"), ranked)
    assert read_settings(tmp_path) == SETTINGS


def test_nothing_pickled_is_read(tmp_path):
    np.savez(tmp_path / "r.npz", ranked=np.array([{"any": "object"}], dtype=object))
    with pytest.raises(ValueError, match="allow_pickle"):
        read_ranked(tmp_path / "r.npz")


def test_contestants_see_nothing_held_out(folder, tastes):
    assert {path.stem for path in folder.glob("*.npz")} == {TRAIN, VALIDATION, TEST}
    assert (read_clicks(folder, TEST) != tastes.test_fold_in.binary()).nnz == 0


@given(st.integers(0, 10_000), st.integers(1, 14))
def test_a_peers_scores_are_ranked_as_our_engines_rank_theirs(seed, k):
    random = np.random.default_rng(seed)
    scores = random.integers(0, 4, (5, 12)).astype(np.float32)  # many are equal
    seen = csr_matrix((random.random((5, 12)) < random.random()).astype(np.float32))
    masked = np.where(seen.toarray() > 0, -np.inf, scores)
    best = np.argsort(-masked, axis=1)[:, : k + 1]
    ours = resolve_ties(np.take_along_axis(masked, best, 1), best, k, lambda rows: masked[rows])
    assert np.array_equal(best_items(scores, seen, k), ours)


# Our side


def test_in_the_contest_an_engine_is_what_a_run_makes_of_it(engine, folder, tastes, data_dir, tmp_path):
    with contestant(folder, sys.executable, "-m", "benchmarks.peers.our_worker", folder, engine) as ours:
        courses = train_all({engine: ours}, tastes, epochs=6, patience=20)
        assert not ours.about["versions"].keys() - {"torch", "mxnet"}
        assert ours.about["layers"] == [tastes.n_items, 32, 8, 32, tastes.n_items]
    options = RunOptions(
        dataset="tastes", data_dir=str(data_dir), log_dir=str(tmp_path / "results"), p_dims=(8, 32), batch_size=60,
        n_epochs=6,
    )  # fmt: skip
    expected = metrics_of(run(engine, options))
    course = courses[engine]
    assert course.progress.best_epoch == expected["best_epoch"]
    assert np.mean(course.test["n100"]) == pytest.approx(expected["test"]["n100"], abs=1e-12)
    assert len(course.seconds) == 5, "the first epoch is a warm-up"
    assert min(*course.seconds, *course.floors) > 0


def test_a_contestant_that_stops_is_one_line_with_its_last_word(folder):
    with pytest.raises(UserError, match=r"it stopped \(no such library\); see .*log.txt"):
        contestant(folder, sys.executable, "-c", "raise SystemExit('no such library')")
    dies_later = "import sys; print('{}', flush=True); sys.stdin.readline(); raise SystemExit('out of memory')"
    with contestant(folder, sys.executable, "-c", dies_later) as dying, pytest.raises(UserError, match="out of memory"):
        dying.epoch()


ABOUT = {"versions": {"known": "1"}, "layers": [3, 2, 3], "items": 3}


class Known:
    """A contestant whose lists are right from some epoch on, and whose epochs take a known time."""

    def __init__(self, data, good_at, seconds):
        self.data, self.good_at, self.seconds, self.done = data, good_at, seconds, 0

    def epoch(self):
        self.done += 1
        return self.seconds

    def floor(self):
        return self.seconds / 4

    def rank(self, part):
        held_out = getattr(self.data, f"{part}_held_out").binary()
        scores = held_out.toarray() if self.done == self.good_at else -held_out.toarray()
        return best_items(scores, csr_matrix(held_out.shape), 100)


def test_the_best_validation_epoch_is_tested_and_patience_ends_a_training(tastes):
    contestants = {"pytorch": Known(tastes, 3, 1.0), "recbole": Known(tastes, 5, 3.0), "cornac": Known(tastes, 0, 2.5)}
    courses = train_all(contestants, tastes, epochs=30, patience=4)
    assert [course.progress.best_epoch for course in courses.values()] == [3, 5, 1]
    assert [contestant.done for contestant in contestants.values()] == [7, 9, 5]
    assert np.all(courses["pytorch"].test["n100"] == 1.0)
    assert np.all(courses["cornac"].test["n100"] < 1.0)
    assert times_faster(courses, "pytorch", "recbole") == 3.0
    shown = table(courses, dict.fromkeys(courses, ABOUT), 1_000)
    assert "3-2-3" in shown
    assert "1.0000 ± 0.0000" in shown
    assert "4.00" in shown, "an epoch over its floor"

    assert [met for *_, met in epoch_targets(courses, ("pytorch",))] == [True]
    assert [met for *_, met in quality_targets(courses, ("pytorch",))] == [True, True]
    assert [met for *_, met in quality_targets(courses, ("cornac",))] == [False, False]
    assert fastest(courses, ["recbole", "cornac"]) == "cornac"
    assert [measured for _, measured, _, _ in shape_targets(courses, ("pytorch",))] == ["2.50"]


def test_missed_targets_are_counted(capsys):
    slow = {name: Course([seconds] * 3, [1.0]) for name, seconds in {"mxnet": 2.0, "recbole": 3.9}.items()}
    assert told(epoch_targets(slow, ("mxnet",))) == 1
    assert "MISSED" in capsys.readouterr().out


def test_times_alone_take_no_data():
    courses = time_all({"mxnet": Known(None, 0, 1.0)}, rounds=2)
    assert len(courses["mxnet"].seconds) == len(courses["mxnet"].floors) == 2
    assert "NDCG" not in table(courses, {"mxnet": ABOUT}, 1_000)


# Installation


@pytest.fixture
def pip(monkeypatch):
    """What would have been run, in place of running it; ``pip.fails`` makes a command fail."""

    class Commands(list):
        fails = False

        def run(self, command, stdout, **_):
            self.append(command)
            python = Path(command[-1]) / "bin" / "python"
            if "venv" in command:
                python.parent.mkdir(parents=True, exist_ok=True)
                python.touch()
            elif self.fails:
                stdout.write("ERROR: No matching distribution found\nmore\n")
            return subprocess.CompletedProcess(command, int("venv" not in command and self.fails))

    commands = Commands()
    monkeypatch.setattr(installation.subprocess, "run", commands.run)
    return commands


@pytest.mark.parametrize("name", PEERS)
def test_a_peer_is_installed_once(name, pip, tmp_path):
    python = installation.install(name, tmp_path, say=lambda line: None)
    assert is_installed(name, tmp_path)
    assert len(pip) == 1 + len(PEERS[name].pip)
    assert all(command[0] == str(python) for command in pip[1:]), "with its own pip, not the project's"
    installation.install(name, tmp_path, say=lambda line: None)
    assert len(pip) == 1 + len(PEERS[name].pip)


def test_other_pins_are_installed_anew(pip, tmp_path, monkeypatch):
    installation.install("cornac", tmp_path, say=lambda line: None)
    monkeypatch.setitem(PEERS, "cornac", installation.Peer("Cornac", "module", (("cornac==9",),)))
    assert not is_installed("cornac", tmp_path)
    installation.install("cornac", tmp_path, say=lambda line: None)
    assert pip[-1][-1] == "cornac==9"


def test_a_failed_installation_is_no_installation(pip, tmp_path):
    pip.fails = True
    with pytest.raises(UserError, match=r"RecBole could not be installed .*No matching distribution found.*log"):
        installation.install("recbole", tmp_path, say=lambda line: None)
    assert not is_installed("recbole", tmp_path)
    pip.fails = False
    installation.install("recbole", tmp_path, say=lambda line: None)
    assert is_installed("recbole", tmp_path)


# The door


def test_a_wrong_option_is_one_line(capsys):
    assert guarded(main, ["--epochs", "0"]) == 2
    assert len(capsys.readouterr().err.splitlines()) == 1


def test_real_data_asked_for_by_name_must_be_there(tmp_path, capsys):
    assert guarded(main, ["--dataset", "movielens-1m", "--data_dir", str(tmp_path)]) == 2
    assert "movielens-1m" in capsys.readouterr().err


def test_the_script_explains_itself():
    done = subprocess.run(["bash", str(ROOT / "benchmarks" / "peers.sh"), "--help"], capture_output=True, text=True)
    assert done.returncode == 0
    assert "--dataset movielens-1m|movielens-100k" in done.stdout


# The peers themselves


@pytest.mark.parametrize("name", PEERS)
def test_a_peer_learns_two_tastes_from_the_same_files(name, folder, tastes):
    cache = ROOT / ".cache" / "peers"
    if not is_installed(name, cache):
        pytest.skip(f"{PEERS[name].title} is not installed; bash benchmarks/peers.sh installs it")
    with contestant(folder, python_of(name, cache), "-m", PEERS[name].module, folder) as peer:
        for _ in range(40):
            assert peer.epoch() > 0
        assert peer.floor() > 0
        ranked = peer.rank(TEST)
    fold_in = tastes.test_fold_in.binary()
    assert ranked.shape == (fold_in.shape[0], 100)
    parity = np.array([int(item) % 2 for item in tastes.item_ids])
    right = []
    for user in range(len(ranked)):
        seen = set(fold_in[user].indices)
        found = ranked[user][ranked[user] >= 0]
        assert seen.isdisjoint(found)
        assert len(set(found)) == tastes.n_items - len(seen), "every other item, once"
        right.append(parity[found[:5]] == parity[min(seen)])
    assert np.mean(right) > 0.9
