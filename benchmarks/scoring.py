"""The pieces of an evaluation that a benchmark times one by one, in either framework."""

from __future__ import annotations

import importlib
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from scipy.sparse import csr_matrix

from utils.batches import evaluation_batches
from utils.engine import ENGINES, Trainer


class Scoring(ABC):
    """A trainer and its evaluation batches, which are on the device already.

    Every method that computes returns when the device is done.
    """

    def __init__(self, module: Any, trainer: Trainer, clicks: csr_matrix) -> None:
        self.module, self.trainer, self.clicks = module, trainer, clicks
        batches = evaluation_batches(clicks, trainer.eval_batch_size)
        self.batches = [module.to_device(batch, trainer.device, trainer.dtype) for batch in batches]

    def rows(self) -> list[csr_matrix]:
        """The clicks of each batch."""
        step = self.trainer.eval_batch_size
        return [self.clicks[begin : begin + step] for begin in range(0, self.clicks.shape[0], step)]

    def scores(self) -> Iterator[Any]:
        """The scores, one batch at a time: float ``(M, items)`` on the device."""
        return map(self._score, self.batches)

    def top(self, scores: Sequence[Any], k: int) -> None:
        """What follows the scores in ``Trainer.rank``: fold-in left out, the ``k`` best, equal scores by item."""
        for batch, batch_scores in zip(self.batches, scores, strict=True):
            self.module._top(batch_scores, batch, k)

    @abstractmethod
    def products(self) -> Iterator[Any]:
        """The network's forward matrix products, one batch at a time: no bias, no activation, ``(M, items)``."""

    @abstractmethod
    def to_numpy(self, scores: Any) -> np.ndarray:
        """Scores copied out of the framework, float ``(M, items)``."""

    @abstractmethod
    def _score(self, batch: Any) -> Any:
        """The scores of one batch."""


class PyTorchScoring(Scoring):
    """In PyTorch."""

    def products(self) -> Iterator[Any]:
        from pytorch_impl.layers import gathered
        from pytorch_impl.runtime import torch

        (first, *others) = [p.detach() for _, p, _ in self.trainer.network.named() if p.dim() == 2]
        for batch in self.batches:
            by_user, _ = batch.matrix
            x = gathered(first, *by_user)
            for weight in others:  # the code of a variational model is the first half of what precedes it
                x = torch.mm(x[:, : weight.shape[1]], weight.T)
            self._wait()
            yield x

    def to_numpy(self, scores: Any) -> np.ndarray:
        return scores.cpu().numpy()

    def _score(self, batch: Any) -> Any:
        from pytorch_impl.runtime import torch

        with torch.no_grad():
            logits = self.trainer.network(batch.matrix)[0]
        self._wait()
        return logits

    def _wait(self) -> None:
        from pytorch_impl.runtime import torch

        if self.trainer.device.type == "cuda":
            torch.cuda.synchronize(self.trainer.device)


class MXNetScoring(Scoring):
    """In MXNet."""

    def products(self) -> Iterator[Any]:
        from mxnet_impl.runtime import mx

        (first, *others) = [p.data() for _, p, _ in self.trainer.network.named() if len(p.shape) == 2]
        for batch in self.batches:
            x = mx.nd.sparse.dot(batch.matrix, first)
            for weight in others:  # the code of a variational model is the first half of what precedes it
                x = mx.nd.dot(x[:, : weight.shape[1]], weight, transpose_b=True)
            x.wait_to_read()
            yield x

    def to_numpy(self, scores: Any) -> np.ndarray:
        return scores.asnumpy()

    def _score(self, batch: Any) -> Any:
        logits = self.trainer.noiseless(batch.matrix)[0]
        logits.wait_to_read()
        return logits


SCORING = {"pytorch": PyTorchScoring, "mxnet": MXNetScoring}


def scoring_of(engine: str, trainer: Trainer, clicks: csr_matrix) -> Scoring:
    """The pieces of the evaluation of ``clicks`` ``(users, items)`` by a ``trainer`` of ``engine``."""
    module = importlib.import_module(f"{ENGINES[engine].package}.trainer")
    return SCORING[engine](module, trainer, clicks)
