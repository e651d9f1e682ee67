"""What a model is fed and how it is judged: passes of an epoch, statistics of the data, held-out users."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pytest
from scipy.sparse import csr_matrix

from conftest import random_clicks
from data_prep import find_prepared
from experiments.runs import run as runs
from experiments.runs.folder import RunFolder
from experiments.runs.loop import Training
from experiments.runs.steps import training_steps
from experiments.tasks import task_of
from experiments.tasks.clicks import Fold, steps_per_epoch, training_batches
from utils.engine import Evaluation
from utils.models import MODELS, ModelEntry
from utils.models.base import Pass
from utils.models.mult_vae import MultVAEOptions
from utils.options import RunOptions


@dataclass(frozen=True)
class TwoPassOptions(MultVAEOptions):
    """A vae whose epoch is a pass for the encoder and one for the decoder, the latter without input dropout."""

    name: ClassVar[str] = "two-pass"
    training: ClassVar[dict] = {"lr": 0.01, "batch_size": 40}
    passes: ClassVar[tuple[Pass, ...]] = (Pass("encoder"), Pass("decoder", input_dropout=False))

    def initial_weights(self, n_items, seed, statistics, n_users=0):
        """With the items' popularity as the output bias."""
        last = f"decoder.{len(self.p_dims) - 1}.bias"
        return super().initial_weights(n_items, seed, None) | {last: statistics.item_popularity.astype(np.float32)}


@pytest.fixture
def two_pass(monkeypatch):
    entry = ModelEntry(TwoPassOptions, module="mult_vae", network="MultVAE", title="Two passes", citation="nobody")
    monkeypatch.setitem(MODELS, "two-pass", entry)
    return RunOptions("two-pass", p_dims=(3, 5)).resolved()


def test_each_pass_has_every_user_once_in_an_order_and_with_noise_of_its_own(two_pass):
    clicks = random_clicks(101, 30, 0.2)
    batches = list(training_batches(clicks, two_pass, epoch=2))
    assert steps_per_epoch(101, two_pass) == len(batches) == 6
    assert [batch.part for batch in batches] == ["encoder"] * 3 + ["decoder"] * 3
    assert [batch.n_users for batch in batches] == [40, 40, 21] * 2
    users = [[tuple(row) for b in batches[i : i + 3] for row in np.split(b.indices, b.indptr[1:-1])] for i in (0, 3)]
    assert sorted(users[0]) == sorted(users[1]) == sorted(tuple(row.indices) for row in clicks)
    assert users[0] != users[1]
    dropped = [np.mean(np.concatenate([b.values for b in batches[i : i + 3]]) == 0) for i in (0, 3)]
    assert dropped[0] == pytest.approx(0.5, abs=0.1)
    assert dropped[1] == 0
    assert not np.array_equal(batches[0].noise[0], batches[3].noise[0]), "steps are numbered through all passes"
    resumed = list(training_batches(clicks, two_pass, epoch=2, first_step=4))
    assert [b.part for b in resumed] == ["decoder"] * 2
    np.testing.assert_array_equal(resumed[0].values, batches[4].values)


def test_initial_weights_see_the_popularity_of_the_training_items(package, two_pass, data_dir):
    data = find_prepared(data_dir, "tastes")
    task = task_of(data, two_pass)
    counts = np.bincount(data.train.indices, minlength=data.n_items)
    np.testing.assert_allclose(task.item_popularity, counts / data.train.n_users)
    weights = package.build(two_pass, data.n_items, task).weights()
    np.testing.assert_allclose(weights["decoder.1.bias"], counts / data.train.n_users, rtol=1e-6)


def test_a_models_own_defaults_of_training_are_its_defaults(two_pass):
    assert (two_pass.training.lr, two_pass.training.batch_size, two_pass.training.n_epochs) == (0.01, 40, 200)
    assert "--lr" not in two_pass.as_argv()
    given = RunOptions("two-pass", p_dims=(3, 5), lr=0.01)
    assert given.run_id("mxnet", "abc") == two_pass.run_id("mxnet", "abc")
    assert given.replace(lr=0.001).run_id("mxnet", "abc") != two_pass.run_id("mxnet", "abc")


def test_the_steps_of_an_epoch_have_the_knobs_of_their_place_in_the_run(package, two_pass, data_dir):
    data = find_prepared(data_dir, "tastes")
    task = task_of(data, two_pass)
    learner = package.build(two_pass, data.n_items, task)
    steps = list(training_steps(learner, task, epoch=2, lr=0.5, first_step=3))
    per_epoch, model = task.steps_per_epoch, two_pass.model
    assert [step.number for step in steps] == list(range(4, per_epoch + 1))
    assert [step.knobs for step in steps] == [
        {"lr": 0.5, **model.knobs_at(per_epoch + place, per_epoch, 200)} for place in range(3, per_epoch)
    ]
    assert steps[0].knobs["beta"] > 0
    assert all(set(learner.read_terms(step.handle)) == {"nll", "kl"} for step in steps)


class Remembered:
    """A learner that recommends what it was made with."""

    def __init__(self, ranked):
        self.ranked = ranked

    def evaluate(self, fold_in, k, epoch, heed, users, candidates):
        self.asked = {"k": k, "epoch": epoch}
        ranked = np.full((fold_in.shape[0], k), -1, np.int32)
        ranked[:, : self.ranked.shape[1]] = self.ranked
        return Evaluation(ranked, {"nll": np.arange(fold_in.shape[0], dtype=float)})


def test_only_users_with_something_held_out_are_judged(data_dir):
    task = task_of(find_prepared(data_dir, "tastes"), RunOptions().resolved())
    held_out = csr_matrix(([1.0, 1.0], ([0, 2], [5, 1])), shape=(3, 8))
    fold = Fold(random_clicks(3, 8, 0.3), held_out)
    learner = Remembered(np.array([[5, 1], [5, 1], [5, 1]]))
    judged = task.judge(learner, fold)
    assert learner.asked == {"k": 100, "epoch": 0}, "lists as long as the metrics', under the noise of the test"
    assert judged.users.tolist() == [0, 2]
    assert judged.figures["n100"] == pytest.approx([1, 1 / np.log2(3)])
    assert judged.means()["n100"][0] == pytest.approx((1 + 1 / np.log2(3)) / 2)
    assert judged.evaluation.means() == {"nll": 1.0}, "the objective is of all"


def test_a_training_can_be_left_between_two_epochs_and_gone_on_with(engine, package, options, tmp_path):
    options = options.replace(n_epochs=4, early_stop_patience=0).resolved()
    data = runs.data_of(options)

    def training_in(folder):
        task = task_of(data, options)
        return Training(package.build(options, data.n_items, task), task, options, folder)

    with RunFolder(tmp_path / "whole") as folder:
        rows = list(training_in(folder).epochs())
    with RunFolder(tmp_path / "left") as folder:
        left = training_in(folder)
        for row in left.epochs():
            if row["epoch"] == 2:
                break
        left.save()
    with RunFolder(tmp_path / "left") as folder:
        rest = [row["epoch"] for row in training_in(folder).epochs()]
    assert [row["epoch"] for row in rows] == [1, 2, 3, 4]
    assert rest == [3, 4]
    assert (tmp_path / "left" / "history.csv").read_text().count("\n") == 5
