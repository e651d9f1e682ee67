"""What the contracts share: a model in a tiny setting and an engine, and what its oracle says to a question."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import numpy as np
import pytest

from experiments.tasks.clicks import training_batches
from oracles import optimizers, oracle_of
from oracles.base import Passed
from tiny import TINY
from utils.batches import plain_batch
from utils.engine import engine_obstacle, load_engine, model_obstacle
from utils.models import MODELS, TRAINED
from utils.options import RunOptions

N_ITEMS = 80
N_USERS = 400  # that a model with a node for each has, which is more than any test asks about
FITTED = tuple(name for name in MODELS if name not in TRAINED)


@dataclass(frozen=True)
class Case:
    """A model in one of its tiny settings, in one of its engines."""

    model: str
    setting: str
    engine: str

    def options(self, **more):
        """Its options, resolved; ``more`` are others by the names of their flags."""
        trained = {} if MODELS[self.model].options.training is None else {"batch_size": 50}
        return RunOptions(self.model, **{**trained, **TINY[self.model][self.setting], **more}).resolved()

    def obstacle(self):
        """Why it cannot run here; None where it can."""
        return engine_obstacle(self.engine) or model_obstacle(self.model)

    def package(self):
        """The engine's package; the test is skipped, with the reason, where it cannot run."""
        if reason := self.obstacle():
            pytest.skip(reason)
        return load_engine(self.engine)

    def build(self, n_items=N_ITEMS, statistics=None, **more):
        """A learner as it is built, neither trained nor fitted; row i of what it is asked about is its user i."""
        learner = self.package().build(self.options(**more), n_items, statistics, N_USERS)
        if learner.model.has_user_node:
            for name in ("evaluate", "rank", "scores", "embed"):
                setattr(learner, name, _of_first_users(getattr(learner, name)))
        return learner

    def learnt(self, clicks, **more):
        """A learner that has learnt something of ``clicks``: an epoch of steps, or its fit."""
        learner = self.build(clicks.shape[1], **more)
        if learner.options.training is None:
            learner.fit(clicks)
            return learner
        for batch in training_batches(clicks, learner.options, 1):
            learner.train_step(batch, {**learner.model.final_knobs(), "lr": lr_of(learner.options)})
        return learner

    def in_other_engines(self):
        """The same in each of the model's other engines that can run here."""
        others = [name for name in MODELS[self.model].engines if name != self.engine]
        return [Case(self.model, self.setting, name) for name in others if engine_obstacle(name) is None]

    def __str__(self):
        return f"{self.model}-{self.setting}-{self.engine}"


def _of_first_users(question):
    return lambda clicks, *given, **more: question(clicks, *given, users=np.arange(clicks.shape[0]), **more)


def lr_of(options):
    """A learning rate under which a few steps teach something: ten times Adam's own; AdaGrad's is large already."""
    return options.training.lr if options.training.optimizer == "adagrad" else 0.01


def plain(model, clicks):
    """A batch of ``clicks`` without noise, of users 0, 1, ... where the model wants to know whose they are."""
    users = np.arange(clicks.shape[0]) if model.has_user_node else None
    return plain_batch(clicks, model.passes[0].name, model.l2_normalised, users)


def shapes_of(model, n_items=N_ITEMS):
    """The shapes of the model's weights, as :meth:`Case.build` has them."""
    return model.shapes(n_items, N_USERS)


def cases(models=MODELS, plainest=False):
    """The cases of ``models``, each in every engine that has it; in its ``plainest`` setting alone, or in all."""
    return [
        Case(model, setting, engine)
        for model in models
        for setting in list(TINY.get(model, ()))[: 1 if plainest else None]  # none: told by test_contract_registered.py
        for engine in MODELS[model].engines
    ]


def that_can_run(cases):
    """Those of the ``cases`` whose engine can run here; the test is skipped where none can."""
    able = [case for case in cases if case.obstacle() is None]
    if not able:
        pytest.skip(cases[0].obstacle())
    return able


def of_each_likelihood(models):
    """Of the cases of ``models`` the first with each likelihood, in every engine."""
    first = {}
    for case in cases(models):
        first.setdefault((case.model, case.engine, case.options().model.likelihood), case)
    return list(first.values())


def every(cases):
    """A decorator: the test takes each of the ``cases`` as ``case``."""
    return pytest.mark.parametrize("case", cases, ids=str)


def oracle_pass(options, weights, batch, knobs):
    """The oracle's pass of a trained model, of the run options ``options``."""
    return oracle_of(options.model.name).forward_backward(options.model, weights, batch, knobs)


class OracleTraining:
    """The training of a learner once more, by its oracle: in float64, from the same weights and snapshot."""

    def __init__(self, learner):
        self.options, self.state, self.steps = learner.options, {}, Counter()
        self.weights = {name: array.astype(np.float64) for name, array in learner.weights().items()}
        self.snapshot = {name: array.astype(np.float64) for name, array in learner.snapshot().items()}

    def step(self, batch, knobs):
        """An update; the oracle's pass before it, its gradients zero where the batch's pass trains nothing."""
        if batch.takes_snapshot:
            self.snapshot = {name: self.weights[name].copy() for name in self.snapshot}
        snapshot = {f"snapshot/{name}": array for name, array in self.snapshot.items()}
        passed = oracle_pass(self.options, self.weights | snapshot, batch, knobs)
        (trains,) = {part.trains for part in self.options.model.passes if part.name == batch.part}
        trained = {name: array for name, array in self.weights.items() if name.startswith(trains)}
        for name, gradient in passed.gradients.items():
            gradient *= name in trained
        self.steps[batch.part] += 1
        training, lr = self.options.training, knobs["lr"]
        optimizers.step(trained, passed.gradients, self.state, training, lr, self.steps[batch.part])
        return passed


def asked(learner, clicks):
    """What the oracle answers with the weights of ``learner`` to users' ``clicks``, without noise: a ``Passed``."""
    model = learner.model
    if model.name in TRAINED:
        return oracle_pass(learner.options, learner.weights(), plain(model, clicks), model.final_knobs())
    oracle, known = oracle_of(model.name), (model, learner.weights(), clicks)
    return Passed(np.nan, {}, {}, oracle.scores(*known), oracle.code(*known) if hasattr(oracle, "code") else None)


def best_items(scores, clicks, k):
    """The list of each user by a full sort: clicked items left out, equal scores by item, -1 where none is left."""
    masked = np.where(clicks > 0, -np.inf, scores)
    if k > masked.shape[1]:
        masked = np.pad(masked, ((0, 0), (0, k - masked.shape[1])), constant_values=-np.inf)
    best = np.argsort(-masked, axis=1, kind="stable")[:, :k]
    return np.where(np.take_along_axis(masked, best, axis=1) > -np.inf, best, -1)
