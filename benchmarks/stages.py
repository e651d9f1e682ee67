"""A training step taken apart: where its time goes, measured from outside the engines."""

from __future__ import annotations

import importlib
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any, NamedTuple

import numpy as np
from scipy.sparse import csr_matrix
from tqdm import tqdm

from utils.batches import Batch, plain_batch, with_noise
from utils.engine import ENGINES, Trainer
from utils.options import RunOptions

BETA = 0.2
STAGES = (
    "batch sliced", "noise drawn", "copied to the engine", "forward", "loss", "backward", "optimiser", "loss read",
)  # fmt: skip
APART, WHOLE = "all stages, waiting after each", "the step undivided"


class StagedStep:
    """A trainer's step, one stage after the other, each waited for; the same update as ``Trainer.train_step``.

    ``options`` are resolved, ``clicks`` the binary training matrix ``(users, items)``. An engine that computes
    asynchronously (MXNet) loses by the waiting what overlaps otherwise: compare with the step undivided.
    """

    def __init__(self, engine: str, trainer: Trainer, options: RunOptions, clicks: csr_matrix) -> None:
        package = ENGINES[engine].package
        self.to_device = importlib.import_module(f"{package}.clicks").to_device
        self.click_log_likelihood = importlib.import_module(f"{package}.losses").click_log_likelihood
        self.framework = _framework(engine, package, trainer)
        self.trainer, self.options, self.clicks = trainer, options, clicks

    def whole(self, users: np.ndarray, step: int) -> tuple[float, float]:
        """The step of ``users`` undivided, as a run does it: batch, update, loss read. Returns (nll, kl)."""
        batch = with_noise(plain_batch(self.clicks[users]), self.options, 1, step)
        return self.trainer.read_losses(self.trainer.train_step(batch, BETA, self.options.lr))

    def apart(self, users: np.ndarray, step: int, clock: Clock) -> tuple[float, float]:
        """The same in stages, each told to ``clock`` when it is done."""
        batch = plain_batch(self.clicks[users])
        clock.done("batch sliced")
        batch = with_noise(batch, self.options, 1, step)
        clock.done("noise drawn")
        return self._on_the_engine(batch, clock)

    def _on_the_engine(self, batch: Batch, clock: Clock) -> tuple[float, float]:
        trainer = self.trainer
        clicks = self.to_device(batch, trainer.device, trainer.dtype)
        self._finished("copied to the engine", clock)
        self.framework.forget()
        with self.framework.recording():
            logits, divergence = trainer.network(clicks.matrix, *clicks.noise)
            self._finished("forward", clock)
            nll = -self.click_log_likelihood(logits, clicks.positions).sum() / batch.n_users
            kl = divergence.mean()
            loss = nll + BETA * kl
        self._finished("loss", clock)
        del logits, divergence  # nor does the trainer's own step hold them through the backward pass
        loss.backward()
        self._finished("backward", clock)
        trainer.optimizer.step(self.options.lr)
        self._finished("optimiser", clock)
        losses = trainer.read_losses(self.framework.join(nll, kl))
        clock.done("loss read")
        return losses

    def _finished(self, stage: str, clock: Clock) -> None:
        self.framework.wait()
        clock.done(stage)


class _Framework(NamedTuple):
    """How a framework records, waits for its work on the CPU, makes a handle of losses, forgets gradients."""

    recording: Callable[[], AbstractContextManager]
    wait: Callable[[], None]
    join: Callable[[Any, Any], Any]
    forget: Callable[[], None]


class Clock:
    """The seconds of each stage of one step, by name; the first stage begins when it is made."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self.last = time.perf_counter()

    def done(self, stage: str) -> None:
        """``stage`` ends now, and the next one begins."""
        now = time.perf_counter()
        self.seconds[stage] = now - self.last
        self.last = now


def stage_seconds(staged: StagedStep, rounds: int, warmup: int = 2) -> dict[str, np.ndarray]:
    """Seconds of each stage (``STAGES``), of their sum (``APART``) and of the step undivided (``WHOLE``).

    A round is one step of either kind, in turn; float64 ``(rounds,)`` by name.
    """
    random = np.random.default_rng(1)
    seconds = {name: np.empty(rounds) for name in (*STAGES, APART, WHOLE)}
    for number in tqdm(range(-warmup, rounds), desc="steps", disable=None, leave=False):
        step = number + warmup
        users = random.choice(staged.clicks.shape[0], staged.options.batch_size, replace=False)
        clock = Clock()
        staged.apart(users, step, clock)
        begun = time.perf_counter()
        staged.whole(users, step)
        whole = time.perf_counter() - begun
        if number >= 0:
            for name in STAGES:
                seconds[name][number] = clock.seconds[name]
            seconds[APART][number], seconds[WHOLE][number] = sum(clock.seconds.values()), whole
    return seconds


def _framework(engine: str, package: str, trainer: Trainer) -> _Framework:
    runtime = importlib.import_module(f"{package}.runtime")
    if engine == "mxnet":
        mx = runtime.mx
        return _Framework(mx.autograd.record, mx.nd.waitall, lambda nll, kl: mx.nd.concat(nll, kl, dim=0), lambda: None)

    def forget() -> None:
        for _, parameter, _ in trainer.network.named():
            parameter.grad = None

    torch = runtime.torch
    return _Framework(nullcontext, lambda: None, lambda nll, kl: torch.stack([nll.detach(), kl.detach()]), forget)
