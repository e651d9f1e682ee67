"""A run as its user meets it: what it leaves behind, found again, gone on with, and how it says no."""

import json
import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from conftest import interrupted_at, metrics_of, two_tastes
from data_prep import DataOptions, find_prepared, prepare
from experiments.runs import run as runs
from experiments.runs.provenance import provenance
from utils.engine import ENGINES
from utils.metrics.ranking import METRICS, per_user
from utils.weights import load_arrays

ROOT = Path(__file__).resolve().parent.parent


def test_a_run_leaves_everything_its_reader_needs(engine, options):
    begun = time.perf_counter()
    folder = runs.run(engine, options)
    took = time.perf_counter() - begun
    assert sorted(path.name for path in folder.iterdir()) == [
        "best.safetensors", "history.csv", "lists.npz", "log.txt", "metrics.json", "options.json", "per_user.npz",
        "run.json",
    ]  # fmt: skip
    metrics = metrics_of(folder)
    assert metrics["dl_frame"] == ENGINES[engine].dl_frame
    assert metrics["status"] == "finished"
    history = pd.read_csv(folder / "history.csv")
    assert len(history) == metrics["epochs"] == 6
    best = history.loc[history["val_n100"].idxmax()]
    assert metrics["best_epoch"] == best["epoch"]
    assert metrics["validation"]["n100"] == pytest.approx(best["val_n100"], rel=1e-12)
    assert metrics["updates"] == metrics["best_epoch"] * 4  # 240 training users in batches of 60
    with np.load(folder / "per_user.npz", allow_pickle=False) as stored:
        per_user = dict(stored)
    assert len(per_user["user"]) == metrics["test_users"] == 30
    for name in METRICS:
        assert per_user[name].mean() == pytest.approx(metrics["test"][name], rel=1e-5)
        error = per_user[name].std(ddof=1) / np.sqrt(30)
        assert metrics["test_se"][name] == pytest.approx(error, rel=1e-4, abs=1e-9)
    about = json.loads((folder / "run.json").read_text())
    assert {"numpy", "python", ENGINES[engine].framework} <= set(about["versions"])
    assert 0 < about["epoch_seconds"] < took
    assert 0 < history["seconds"].sum() + history["eval_seconds"].sum() <= about["seconds"] <= took
    assert about["peak_memory_mib"] > 50
    table = pd.read_csv(folder.parent.parent / "all_results.csv")
    assert table["run_id"].tolist() == [folder.name]
    assert table["n100"].tolist() == [metrics["test"]["n100"]]


def test_the_loss_of_an_epoch_is_the_mean_over_its_users(engine, package, options, monkeypatch):
    read, noted = package.StepLearner.read_terms, []

    def noting(self, handle):
        noted.append(read(self, handle))
        return noted[-1]

    monkeypatch.setattr(package.StepLearner, "read_terms", noting)
    folder = runs.run(engine, options.replace(batch_size=100, n_epochs=2))
    batches = np.array([100, 100, 40])  # of 240 training users
    history = pd.read_csv(folder / "history.csv")
    for name in ("nll", "kl"):
        by_epoch = np.array([terms[name] for terms in noted]).reshape(2, 3)
        assert history[name].tolist() == pytest.approx(by_epoch @ batches / 240, rel=1e-12)
    assert history["loss"].tolist() == pytest.approx(history["nll"] + history["beta"] * history["kl"], rel=1e-12)


def test_the_stored_lists_are_those_that_the_figures_were_taken_from(engine, options, data_dir):
    folder = runs.run(engine, options)
    with np.load(folder / "lists.npz", allow_pickle=False) as stored:
        lists = dict(stored)
    with np.load(folder / "per_user.npz", allow_pickle=False) as stored:
        figures = dict(stored)
    assert lists["items"].dtype == np.int32
    assert lists["items"].shape == (30, 100)
    assert (lists["items"][:, 40:] == -1).all()  # 40 items, those clicked left out
    data = runs.data_of(options)
    fold_in, held_out = (matrix.binary()[lists["user"]] for matrix in (data.test_fold_in, data.test_held_out))
    for user, items in enumerate(lists["items"]):
        assert set(items[items >= 0]) == set(range(data.n_items)) - set(fold_in[user].indices)
    again = per_user(lists["items"], held_out)
    for name in METRICS:
        np.testing.assert_allclose(figures[name], again[name], rtol=1e-6)


def test_the_test_figures_are_those_of_the_stored_best_weights(engine, package, options, data_dir):
    """Not of the last epoch's: with a huge learning rate the last epoch is not the best one."""
    options = options.replace(lr=0.05, n_epochs=12, early_stop_patience=0)
    folder = runs.run(engine, options)
    metrics = metrics_of(folder)
    weights, record = load_arrays(folder / "best.safetensors")
    assert record["run_id"] == folder.name
    data = find_prepared(data_dir, "tastes")
    trainer = package.build(options.resolved(), data.n_items)
    trainer.load_weights(weights)
    evaluation = trainer.evaluate(data.test_fold_in.binary(), 100)
    assert trainer.model.objective(evaluation.means(), metrics) == metrics["test"]["loss"]
    assert metrics["best_epoch"] < 12


@pytest.mark.parametrize(("model", "likelihood"), [("vae", "multinomial"), ("dae", "multinomial"), ("vae", "gaussian")])
def test_the_same_command_gives_the_same_bytes(engine, options, tmp_path, model, likelihood):
    options = options.replace(model=model, likelihood=likelihood)
    once = runs.run(engine, options)
    again = runs.run(engine, options.replace(log_dir=str(tmp_path / "again")))
    for name in ("metrics.json", "per_user.npz", "best.safetensors", "options.json"):
        if name != "options.json":  # which names its log_dir
            assert (once / name).read_bytes() == (again / name).read_bytes(), name


@pytest.mark.parametrize(
    ("stop_at", "likelihood"),
    [(1, "multinomial"), (6, "multinomial"), (13, "multinomial"), (6, "gaussian"), (13, "logistic")],
)
def test_an_interrupted_run_goes_on_as_if_it_had_never_stopped(engine, package, options, tmp_path, stop_at, likelihood):
    """Ctrl-C in the middle of an epoch; every switch on that has a memory."""
    options = options.replace(
        lr_scheduler=True, lr_patience=0, weight_decay=0.01, dropout_dec=(0.1, 0.1), likelihood=likelihood
    )
    straight = runs.run(engine, options.replace(log_dir=str(tmp_path / "straight")))
    with (
        interrupted_at(package, stop_at) as steps,
        pytest.raises(KeyboardInterrupt, match="the same command goes on from there"),
    ):
        runs.run(engine, options)
    assert len(steps) == stop_at
    folder = runs.run(engine, options)
    assert not (folder / "state.safetensors").exists()
    for name in ("metrics.json", "per_user.npz", "best.safetensors"):
        assert (folder / name).read_bytes() == (straight / name).read_bytes(), name
    untimed = [
        pd.read_csv(path / "history.csv").drop(columns=["seconds", "eval_seconds"]) for path in (folder, straight)
    ]
    pd.testing.assert_frame_equal(*untimed)


def test_a_damaged_state_is_set_aside_and_said(engine, options, package, monkeypatch, capsys):
    def stop(self, *arguments):
        raise KeyboardInterrupt

    options = options.replace(save_every=0)
    train_step = package.StepLearner.train_step
    steps = []

    def stops(self, *arguments):
        steps.append(1)
        return stop(self) if len(steps) == 9 else train_step(self, *arguments)

    with monkeypatch.context() as patched:
        patched.setattr(package.StepLearner, "train_step", stops)
        with pytest.raises(KeyboardInterrupt):
            runs.run(engine, options)
    (state,) = Path(options.settings.log_dir).glob("runs/*/state.safetensors")
    state.write_bytes(state.read_bytes()[:1000])
    folder = runs.run(engine, options)
    assert "damaged" in capsys.readouterr().out
    assert (folder / "state.damaged").exists()
    assert metrics_of(folder)["epochs"] == 6


def test_early_stopping_and_eval_every(engine, options):
    folder = runs.run(engine, options.replace(n_epochs=60, eval_every=3, early_stop_patience=2, lr=0.05))
    history = pd.read_csv(folder / "history.csv")
    evaluated = history[history["val_n100"].notna()]
    assert (evaluated["epoch"] % 3 == 0).all()
    metrics = metrics_of(folder)
    assert metrics["best_epoch"] in evaluated["epoch"].tolist(), "the study could save an epoch it had not evaluated"
    assert metrics["epochs"] == metrics["best_epoch"] + 2 * 3
    assert "stopped early" in (folder / "log.txt").read_text()


def test_early_stopping_on_the_loss_compares_epochs_at_the_cap(engine, options):
    folder = runs.run(engine, options.replace(early_stop_score_fn="loss", anneal_cap=1.0, n_epochs=8))
    history = pd.read_csv(folder / "history.csv")
    at_cap = history["val_nll"] + 1.0 * history["val_kl"]
    assert metrics_of(folder)["best_epoch"] == history.loc[at_cap.idxmin(), "epoch"]


@pytest.mark.parametrize(
    ("argv", "expected"),
    [
        (["--dataset", "amazon"], "python -m data_prep --dataset amazon"),
        (["--dataset", "tastse"], "did you mean tastes? Else run: python -m data_prep --dataset tastse --raw FILE"),
        (["--dataset", "movielens1m"], "did you mean movielens-1m or movielens? Else run: "),
        (["--dataset", "tastes", "--min_rating", "3"], "min_rating"),
        (["--dataset", "tastes", "--p_dims", "200,x"], "expected a list such as 200,600"),
        (["--dataset", "tastes", "--anneal_cap", "0"], "add --constant_anneal"),
        (["--dataset", "tastes", "--device", "cuda:77"], "sees no such GPU here"),
        (["--dataset", "tastes", "--seed", str(2**63)], "at most 9223372036854775807"),
        (["--dataset", "tastes", "--log_dir", "caf\udce9"], "is no text in UTF-8"),
    ],
)
def test_bad_input_is_one_line_and_exit_code_2(engine, options, capsys, argv, expected):
    places = ["--data_dir", options.settings.data_dir, "--log_dir", options.settings.log_dir]
    assert runs.main(engine, [*argv, *places]) == 2
    captured = capsys.readouterr()
    lines = captured.err.strip().splitlines()
    assert len(lines) == 1, captured.err
    assert lines[0].startswith("error: ")
    assert expected in lines[0]
    assert not Path(options.settings.log_dir).exists(), "refused before anything was made"


def test_a_missing_framework_is_one_line_that_says_how_to_install_it(engine, options, monkeypatch, capsys):
    monkeypatch.setattr("utils.engine.importlib.util.find_spec", lambda name: None)
    argv = ["--dataset", "tastes", "--data_dir", options.settings.data_dir, "--log_dir", options.settings.log_dir]
    assert runs.main(engine, argv) == 2
    assert f"-e '.[{engine}]'" in capsys.readouterr().err


def test_a_full_disk_is_one_line_and_leaves_no_result(engine, options, monkeypatch, capsys):
    def full(*arguments, **more):
        raise OSError(28, "No space left on device", "metrics.json")

    monkeypatch.setattr("experiments.runs.folder.write_json", full)
    argv = [
        "--dataset",
        "tastes",
        "--data_dir",
        options.settings.data_dir,
        "--log_dir",
        options.settings.log_dir,
        "--n_epochs",
        "1",
    ]
    assert runs.main(engine, argv) == 2
    assert "the disk is full" in capsys.readouterr().err
    assert not list(Path(options.settings.log_dir).glob("runs/*/metrics.json"))


def test_each_door_as_a_process_gives_the_same_bytes_twice(engine, options, tmp_path):
    """Also with several threads: the same seed, thread count and machine give bit-identical metrics."""
    folders = []
    for where in ("once", "again"):
        command = [sys.executable, f"main_{engine}.py", "--dataset", "tastes", "--data_dir", options.settings.data_dir,
                   "--log_dir", str(tmp_path / where), "--n_epochs", "2", "--threads", "2"]  # fmt: skip
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, done.stderr
        assert "NDCG@100" in done.stdout
        assert "\r" not in done.stderr + done.stdout, "no progress bar where nobody watches"
        folders += (tmp_path / where).glob("runs/*")
    once, again = folders
    assert json.loads((once / "run.json").read_text())["threads"] == 2
    for name in ("metrics.json", "per_user.npz"):
        assert (once / name).read_bytes() == (again / name).read_bytes(), name


def test_test_users_whose_items_no_training_user_has_are_evaluated_alike(both, options, tmp_path):
    """In batches of one user too: they are ranked, have no loss, and count in no metric, for nothing is held out."""

    def prepared(name, strangers=()):
        clicks = [
            (user, 1000 * user + item if user in strangers else (user + item) % 20)
            for user in range(40)
            for item in range(8)
        ]
        pd.DataFrame(clicks, columns=["user", "item"]).to_csv(tmp_path / f"{name}.csv", index=False)
        return prepare(DataOptions(name), raw=tmp_path / f"{name}.csv", data_dir=tmp_path, say=lambda line: None)

    usual = prepared("usual")  # the draw of the held-out users knows nothing of their items
    strangers = {*usual.test_fold_in.user_ids[:2], usual.validation_fold_in.user_ids[0]}
    data = prepared("strangers", strangers)
    assert [*np.diff(data.test_fold_in.indptr)] == [0, 0, 7, 7]
    found = {}
    for size in (1, 4):
        asked = options.replace(
            dataset="strangers", data_dir=str(tmp_path), log_dir=str(tmp_path / str(size)),
            eval_batch_size=size, n_epochs=2,
        )  # fmt: skip
        for engine in both:
            folder = runs.run(engine, asked)
            with np.load(folder / "lists.npz") as lists:
                found[engine, size] = (metrics_of(folder), dict(lists))
    metrics, lists = found["pytorch", 4]
    assert metrics["test_users"] == 2
    assert lists["user"].tolist() == [2, 3]
    for other, other_lists in found.values():
        assert other["test"] == pytest.approx(metrics["test"], rel=1e-5, abs=1e-6)
        assert other["validation"] == pytest.approx(metrics["validation"], rel=1e-5, abs=1e-6)
        np.testing.assert_array_equal(other_lists["items"], lists["items"])


def test_from_python_a_trained_model_ranks_and_embeds_new_users(engine, options):
    model = runs.train(engine, options.replace(n_epochs=40, save_results=False))
    newcomers = two_tastes(n_users=8, n_items=40, clicks=5, seed=9)
    data = runs.data_of(options)
    clicks = newcomers[:, data.item_ids]  # columns as the model knows them
    ranked = model.rank(clicks, 5)
    assert (np.arange(8) % 2 == (data.item_ids[ranked] % 2).T).mean() > 0.9
    assert model.embed(clicks).shape == (8, 4)


@pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")
def test_a_record_names_the_commit_and_whether_tracked_files_were_changed(tmp_path, monkeypatch):
    def git(*words):
        who = ("-c", "user.name=x", "-c", "user.email=x@y", "-c", "commit.gpgsign=false")
        command = ["git", "-C", str(tmp_path), *who, *words]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()

    def recorded():
        about = provenance({}, "cpu")
        return about["git_commit"], about["git_dirty"]

    monkeypatch.setattr("experiments.runs.provenance._ROOT", tmp_path)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))  # whatever checkout the temporary folder is in
    assert recorded() == (None, None), "outside a checkout nothing is known"
    git("init", "-q")
    (tmp_path / "code.py").write_text("x = 1\n")
    git("add", "code.py")
    git("commit", "-q", "-m", "x")
    commit = git("rev-parse", "HEAD")
    assert recorded() == (commit, False)
    (tmp_path / "notes.txt").write_text("untracked")
    assert recorded() == (commit, False)
    (tmp_path / "code.py").write_text("x = 2\n")
    assert recorded() == (commit, True)
