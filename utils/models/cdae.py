"""CDAE (Wu et al. 2016): a denoising autoencoder with a node for each user, whose unclicked items may be sampled."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from utils.batches import Batch, draw_unclicked
from utils.models.base import ModelOptions, Pass, Statistics
from utils.randomness import Purpose, dropout_mask, stream
from utils.system.command_line import integer, option, real
from utils.system.errors import UserError

_MODEL = "model"
_INITIAL_WIDTH = 4.0  # of the initial weights, times Glorot's of a matrix (items, hidden): suits a sigmoid


@dataclass(frozen=True)
class CDAEOptions(ModelOptions):
    """The options of CDAE: ``h = sigmoid(W' x~ + V_u + b)``, ``f = W2 h + b2`` (eq. 1 and 2).

    A step's gradient is the sum over its users: AdaGrad as the authors have it depends on its size, and they take one
    user at a time.
    """

    name: ClassVar[str] = "cdae"
    training: ClassVar[Mapping[str, Any] | None] = {"optimizer": "adagrad", "lr": 0.1, "batch_size": 64}
    l2_normalised: ClassVar[bool] = False
    summed: ClassVar[bool] = True
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "paper": {"tied": True, "batch_size": 1, "l2": 0.01},
        "liang2018": {
            "hidden": 200, "no_user_node": True, "likelihood": "gaussian", "confidence": 2.5, "negatives": 0,
            "optimizer": "adam", "lr": 0.001, "batch_size": 500, "scenario": "strong",
        },
    }  # fmt: skip

    preset: str | None = option(
        None, _MODEL, "defaults of other flags: paper, as the authors' code (tied, one user at a time, L2); liang2018, "
        "the variant in the table of Liang et al. 2018 (200 units, weighted square loss, Adam)",
        choices=("paper", "liang2018"), affects_result=False,
    )  # fmt: skip
    hidden: int = option(50, _MODEL, "hidden units", integer(1))
    no_user_node: bool = option(False, _MODEL, "without the node of each user, so that it serves users it never saw")
    tied: bool = option(False, _MODEL, "the output weights are the input weights")
    corruption: str = option(
        "mask", _MODEL, "of the input: mask, clicks dropped out and the others scaled up; gaussian, noise added to the "
        "clicks", choices=("mask", "gaussian"),
    )  # fmt: skip
    corruption_level: float = option(
        0.5, _MODEL, "mask: the probability that a click is dropped; gaussian: the standard deviation", real(minimum=0)
    )
    likelihood: str = option(
        "logistic", _MODEL, "of clicks given the outputs: logistic, the cross-entropy; gaussian, half the square loss",
        choices=("gaussian", "logistic"), later=True,
    )  # fmt: skip
    confidence: float = option(
        1.0, _MODEL, "gaussian: the weight c1 of a click's squared error, 1 for all else", real(above=0, below=1e31),
        later=True,
    )  # fmt: skip
    negatives: int = option(
        5, _MODEL, "items a click drawn anew in every step from those the user did not click, which the loss looks at "
        "beside the clicks; 0: it looks at all items", integer(0),
    )  # fmt: skip
    l2: float = option(
        0.0, _MODEL, "lambda of an L2 penalty on weights and biases, for each user on those that its step touches",
        real(minimum=0, below=1e31),
    )  # fmt: skip

    def resolved(self) -> CDAEOptions:
        """These options checked against each other; ``UserError`` on a contradiction."""
        if self.corruption == "mask" and self.corruption_level >= 1:
            raise UserError(
                f"--corruption_level {self.corruption_level:g}: a mask drops a share of the clicks, give it below 1"
            )
        if self.likelihood != "gaussian" and self.confidence != 1:
            raise UserError(
                f"--confidence {self.confidence:g} has no part in the {self.likelihood} likelihood: leave it out, or "
                "add --likelihood gaussian"
            )
        return self

    @property
    def has_user_node(self) -> bool:
        """Whether each training user has a weight vector of its own."""
        return not self.no_user_node

    @property
    def touched_l2(self) -> float:
        """lambda."""
        return self.l2

    @property
    def code_width(self) -> int:
        """The hidden width."""
        return self.hidden

    def check_scenario(self, scenario: str) -> None:
        """Refuse held-out users that have no node: ``UserError``."""
        if scenario == "strong" and self.has_user_node:
            raise UserError(
                "--scenario strong: it tests users held out whole, and cdae has a node for each training user; give "
                "--scenario weak or leave_one_out, or --no_user_node"
            )

    def dimensions(self) -> dict[str, tuple[int, ...]]:
        """The hidden width."""
        return {"hidden": (self.hidden,)}

    def shapes(self, n_items: int, n_users: int = 0) -> dict[str, tuple[int, ...]]:
        """The input layer's weights, the users', and the output layer's; of tied ones its bias alone."""
        shapes: dict[str, tuple[int, ...]] = {"encoder.0.weight": (self.hidden, n_items)}
        shapes["encoder.0.bias"] = (self.hidden,)
        shapes |= {"user.weight": (n_users, self.hidden)} if self.has_user_node else {}
        shapes |= {} if self.tied else {"decoder.0.weight": (n_items, self.hidden)}
        return shapes | {"decoder.0.bias": (n_items,)}

    def initial_weights(
        self, n_items: int, seed: int, statistics: Statistics | None, n_users: int = 0
    ) -> dict[str, np.ndarray]:
        """Matrices uniform within ``4 sqrt(6 / (I + K))``, biases 0, as in the authors' code."""
        limit = _INITIAL_WIDTH * np.sqrt(6.0 / (n_items + self.hidden))
        drawn = super().initial_weights(n_items, seed, statistics, n_users)
        scaled = {}
        for name, array in drawn.items():  # Glorot's, of the matrix' own shape
            factor = limit / np.sqrt(6.0 / sum(array.shape)) if array.ndim == 2 else 0.0
            scaled[name] = (array * factor).astype(np.float32)
        return scaled

    def with_noise(self, batch: Batch, seed: int, epoch: int, step: int, part: Pass) -> Batch:
        """``batch`` with its input corrupted (sec. 3.1) and the unclicked items of its loss drawn (sec. 3.3)."""
        values, level = batch.values, self.corruption_level
        if level > 0 and part.input_dropout:
            random = stream(seed, Purpose.INPUT_DROPOUT, epoch, step)
            if self.corruption == "mask":
                values = values * dropout_mask(random, len(values), level)
            else:
                values = values + np.float32(level) * random.standard_normal(len(values), dtype=np.float32)
        negatives = None
        if self.negatives:
            negatives = draw_unclicked(batch, self.negatives, stream(seed, Purpose.NEGATIVES, epoch, step))
        return dataclasses.replace(batch, values=values, negatives=negatives)
