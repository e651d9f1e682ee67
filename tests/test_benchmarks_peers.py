"""The contest with other libraries: what is exchanged, our own side of it, and, where they are installed, the peers."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.sparse import csr_matrix

from benchmarks.peers import __main__ as peers
from benchmarks.peers.contest import metrics_table, times_table, train_all
from benchmarks.peers.exchange import (
    TEST,
    TRAIN,
    VALIDATION,
    Settings,
    best_items,
    read_clicks,
    read_settings,
    write_exchange,
)
from benchmarks.worker import ROOT, Answer, Worker
from conftest import metrics_of
from data_prep import find_prepared
from experiments.runs.run import run
from utils.options import RunOptions
from utils.ranking import resolve_ties
from utils.system.errors import guarded

SETTINGS = Settings(widths=[32, 8], batch_size=60, epochs=6, seed=1, threads=1, k=100)


@pytest.fixture
def tastes(data_dir):
    return find_prepared(data_dir, "tastes")


@pytest.fixture
def held_out(tastes):
    return {VALIDATION: tastes.validation_held_out.binary(), TEST: tastes.test_held_out.binary()}


@pytest.fixture
def folder(tmp_path, data_dir):
    """A folder as contestants find it."""
    clicks, _, _ = peers.data_of(peers.PeerOptions(dataset="tastes", data_dir=str(data_dir)))
    write_exchange(tmp_path, SETTINGS, clicks)
    return tmp_path


def test_contestants_see_what_was_written_and_nothing_held_out(folder, tastes):
    assert read_settings(folder) == SETTINGS
    assert {path.stem for path in folder.glob("*.npz")} == {TRAIN, VALIDATION, TEST}
    assert (read_clicks(folder, TEST) != tastes.test_fold_in.binary()).nnz == 0
    assert (read_clicks(folder, TRAIN) != tastes.train.binary()).nnz == 0


@given(st.integers(0, 10_000), st.integers(1, 14))
def test_a_peers_scores_are_ranked_as_our_engines_rank_theirs(seed, k):
    random = np.random.default_rng(seed)
    scores = random.integers(0, 4, (5, 12)).astype(np.float32)  # many are equal
    seen = csr_matrix((random.random((5, 12)) < random.random()).astype(np.float32))
    masked = np.where(seen.toarray() > 0, -np.inf, scores)
    best = np.argsort(-masked, axis=1)[:, : k + 1]
    ours = resolve_ties(np.take_along_axis(masked, best, 1), best, k, lambda rows: masked[rows])
    assert np.array_equal(best_items(scores, seen, k), ours)


def test_in_the_contest_an_engine_is_what_a_run_makes_of_it(engine, folder, held_out, data_dir, tmp_path):
    with Worker("benchmarks.peers.our_worker", folder, engine) as ours:
        courses = train_all({engine: ours}, held_out, epochs=6, patience=20)
        about = ours.do("about").result
    n_items = held_out[TEST].shape[1]
    assert not about["versions"].keys() - {"torch", "mxnet"}
    assert about["layers"] == [n_items, 32, 8, 32, n_items]
    options = RunOptions(
        dataset="tastes", data_dir=str(data_dir), log_dir=str(tmp_path / "results"), p_dims=(8, 32), batch_size=60,
        n_epochs=6,
    )  # fmt: skip
    expected = metrics_of(run(engine, options))
    course = courses[engine]
    assert course.progress.best_epoch == expected["best_epoch"]
    assert np.mean(course.test["n100"]) == pytest.approx(expected["test"]["n100"], abs=1e-12)
    assert len(course.seconds) == len(course.products) == 5, "the first epoch is a warm-up"
    assert min(*course.seconds, *course.products) > 0


ABOUT = {"versions": {"known": "1"}, "layers": [3, 2, 3]}


class Known:
    """A contestant whose lists are right at one epoch, and whose epochs take a known time."""

    def __init__(self, held_out, good_at, seconds):
        self.held_out, self.good_at, self.seconds, self.done = held_out, good_at, seconds, 0

    def do(self, work, *given):
        if work == "rank":
            wanted = self.held_out[given[0]].toarray()
            scores = wanted if self.done == self.good_at else -wanted
            return Answer(best_items(scores, csr_matrix(wanted.shape), 100).tolist(), 0.0, 0.0)
        self.done += work == "epoch"
        return Answer(None, self.seconds if work == "epoch" else self.seconds / 4, 0.0)


def test_the_best_validation_epoch_is_tested_and_patience_ends_a_training(held_out):
    contestants = {"a": Known(held_out, 3, 1.0), "b": Known(held_out, 5, 3.0), "c": Known(held_out, 0, 2.5)}
    courses = train_all(contestants, held_out, epochs=30, patience=4)
    assert [course.progress.best_epoch for course in courses.values()] == [3, 5, 1]
    assert [contestant.done for contestant in contestants.values()] == [7, 9, 5]
    assert np.all(courses["a"].test["n100"] == 1.0)
    assert np.all(courses["c"].test["n100"] < 1.0)
    rows = [line.split() for line in times_table(courses, dict.fromkeys(courses, ABOUT), 2).splitlines()[2:]]
    assert [row[-2:] for row in rows] == [["2.00", "1.00"], ["2.00", "3.00"], ["2.00", "2.50"]]
    assert rows[0][:4] == ["a", "known", "1", "3-2-3"]
    first, _, third = metrics_table(courses).splitlines()[2:]
    assert "1.0000 ± 0.0000" in first
    assert first.endswith(" 0.0000 ± 0.0000")
    assert " -" in third, "its NDCG less the first's"


def test_where_nothing_is_held_out_times_are_all():
    courses = train_all({"a": Known({}, 0, 1.0)}, {}, epochs=3, patience=1)
    assert len(courses["a"].seconds) == len(courses["a"].products) == 2
    assert not courses["a"].test


def test_the_command_times_synthetic_users_and_tells_who_is_absent(engine, monkeypatch, capsys, tmp_path):
    monkeypatch.setattr(peers, "ENGINES", {engine: peers.ENGINES[engine]})
    monkeypatch.setitem(peers.SHAPES, "ml-20m", type(peers.SHAPES["ml-1m"])(100, 50, 10))
    assert peers.main(["--users", "30", "--epochs", "2", "--environments", str(tmp_path)]) == 0
    said = capsys.readouterr()
    assert "30 training users, 50 items" in said.out
    assert "50-600-200-600-50" in said.out
    assert "NDCG" not in said.out
    assert [line.split(":")[0] for line in said.err.splitlines()] == ["without RecBole", "without Cornac"]


@pytest.mark.parametrize(("argv", "expected"), [(["--epochs", "0"], "--epochs"), ([], "movielens-1m")])
def test_bad_input_is_one_line(tmp_path, capsys, argv, expected):
    assert guarded(peers.main, [*argv, "--data_dir", str(tmp_path)]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert expected in line


@pytest.mark.parametrize("name", peers.PEERS)
def test_a_peer_learns_two_tastes_from_the_same_files(name, folder, tastes):
    python = ROOT / ".cache" / "peers" / name / "bin" / "python"
    if not python.exists():
        pytest.skip(f"{peers.PEERS[name]} is not installed; docs/performance.md has how")
    module = f"benchmarks.peers.{name}_worker"
    with Worker(module, folder, python=python, environment={"PYTHONPATH": ""}) as peer:
        for _ in range(40):
            assert peer.do("epoch").seconds > 0
        assert peer.do("products").seconds > 0
        ranked = np.array(peer.do("rank", TEST).result)
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
