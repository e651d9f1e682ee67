"""RecVAE (Shenbin et al. 2020): a variational autoencoder whose prior knows its former encoder, trained in turns."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from utils.batches import Batch
from utils.models.base import ModelOptions, Pass, Statistics, Value
from utils.randomness import Purpose, dropout_mask, stream
from utils.system.command_line import integer, list_of, option, real
from utils.system.errors import UserError

DEPTH = 5  # hidden layers of the encoder
#: The prior: weight, and log-variance, of N(0, 1), of the former code, of a wide Gaussian (authors' code).
PRIOR_WEIGHTS = (0.15, 0.75, 0.1)
WIDE_LOGVAR = 10.0
_MODEL, _DEVIATIONS = "model", "deviations"
_EPSILON, _SMALL_EPSILON = 0.1, 1e-5
_ENCODER = "encoder."  # what the names of the encoder's weights begin with


def _deviation(text: str) -> str:
    if text not in RecVAEOptions.own_deviations:
        raise ValueError(", ".join(RecVAEOptions.own_deviations))
    return text


@dataclass(frozen=True)
class RecVAEOptions(ModelOptions):
    """The options of RecVAE, by themselves as the authors' own code.

    An epoch is three passes that train the encoder, and one, without dropout on the input, that trains the decoder.
    Before the latter the encoder is copied: the prior reads the code that the copy, the old encoder, gives a user.
    """

    name: ClassVar[str] = "recvae"
    terms: ClassVar[tuple[str, ...]] = ("nll", "kl")
    training: ClassVar[Mapping[str, object] | None] = {"lr": 0.0005, "batch_size": 500, "n_epochs": 50}
    own_deviations: ClassVar[Mapping[str, str]] = {
        "small_epsilon": "layer normalisation adds 1e-5 to the variance, not 0.1",
        "own_start": "the prior's old encoder starts as the encoder itself, not as another random one",
    }

    hidden: int = option(600, _MODEL, "units of each of the encoder's five hidden layers", integer(1))
    latent: int = option(200, _MODEL, "K: width of the code", integer(1))
    dropout: float = option(0.5, _MODEL, "dropout on the encoder's input", real(minimum=0, below=1))
    gamma: float = option(0.005, _MODEL, "weight of the KL term, for each click of a user", real(minimum=0, below=1e31))
    deviations: tuple[str, ...] = option(
        (), _DEVIATIONS, "of the second published code: "
        + "; ".join(f"{name}: {meaning}" for name, meaning in own_deviations.items()),
        list_of(_deviation, "small_epsilon,own_start", own_deviations),
    )  # fmt: skip

    def resolved(self) -> RecVAEOptions:
        """These options, each deviation once and in one order; ``UserError`` where one is unknown."""
        for name in self.deviations:
            if name not in self.own_deviations:
                raise UserError(f"--deviations: {name!r} was given, expected {', '.join(self.own_deviations)}")
        given = tuple(name for name in self.own_deviations if name in self.deviations)
        return dataclasses.replace(self, deviations=given)

    @property
    def passes(self) -> tuple[Pass, ...]:  # type: ignore[override]
        """Encoder three times, decoder once; the encoder stands still in the decoder's pass.

        So a copy of it taken before that pass, or before the first of the next epoch, is the same one; of the first
        epoch, the latter is the encoder as it starts.
        """
        encoder = Pass("encoder", trains=_ENCODER)
        first = dataclasses.replace(encoder, takes_snapshot="own_start" in self.deviations)
        return (first, encoder, encoder, Pass("decoder", input_dropout=False, trains="decoder.", takes_snapshot=True))

    @property
    def norm_epsilon(self) -> float:
        """What layer normalisation adds to the variance: a number of float32, which MXNet keeps it in."""
        return float(np.float32(_SMALL_EPSILON if "small_epsilon" in self.deviations else _EPSILON))

    @property
    def code_width(self) -> int:
        """The width of the code."""
        return self.latent

    def objective(self, terms: Mapping[str, Value], knobs: Mapping[str, float]) -> Value:
        """``nll + gamma * kl``; ``kl`` is ``|x|_1 (log q(z) - log p(z))`` at the z of the step."""
        return terms["nll"] + self.gamma * terms["kl"] if self.gamma else terms["nll"]

    def dimensions(self) -> dict[str, tuple[int, ...]]:
        """The width of the code, and that of the hidden layers."""
        return {"latent": (self.latent,), "hidden": (self.hidden,)}

    def shapes(self, n_items: int, n_users: int = 0) -> dict[str, tuple[int, ...]]:
        """Five hidden layers, each with its normalisation, two heads, and the decoder's one layer."""
        widths = {f"{_ENCODER}{k}": (self.hidden, self.hidden if k else n_items) for k in range(DEPTH)}
        widths |= {f"{_ENCODER}{head}": (self.latent, self.hidden) for head in ("mu", "logvar")}
        shapes: dict[str, tuple[int, ...]] = {}
        for layer, (n_out, n_in) in (widths | {"decoder.0": (n_items, self.latent)}).items():
            shapes[f"{layer}.weight"], shapes[f"{layer}.bias"] = (n_out, n_in), (n_out,)
            if layer.removeprefix(_ENCODER).isdecimal():
                shapes[f"{layer}.norm.weight"], shapes[f"{layer}.norm.bias"] = (n_out,), (n_out,)
        return shapes

    def initial_weights(
        self, n_items: int, seed: int, statistics: Statistics | None, n_users: int = 0
    ) -> dict[str, np.ndarray]:
        """As PyTorch draws linear layers, ``U(+-1 / sqrt(in))``, biases too; normalisations change nothing at first."""
        return self._drawn(n_items, seed, place=0)

    def initial_snapshot(self, n_items: int, seed: int) -> dict[str, np.ndarray]:
        """The encoder of another draw."""
        drawn = self._drawn(n_items, seed, place=len(self.shapes(n_items)))
        return {name: array for name, array in drawn.items() if name.startswith(_ENCODER)}

    def _drawn(self, n_items: int, seed: int, place: int) -> dict[str, np.ndarray]:
        """Weights, each from the stream of its place after ``place``."""
        shapes, drawn = self.shapes(n_items), {}
        for nth, (name, shape) in enumerate(shapes.items(), start=place):
            if ".norm." in name:
                drawn[name] = np.full(shape, name.endswith("weight"), np.float32)
                continue
            _, n_in = shapes[f"{name.rpartition('.')[0]}.weight"]
            uniform = stream(seed, Purpose.WEIGHTS, step=nth).random(shape)
            drawn[name] = ((2 * uniform - 1) / np.sqrt(n_in)).astype(np.float32)
        return drawn

    def with_noise(self, batch: Batch, seed: int, epoch: int, step: int, part: Pass) -> Batch:
        """``batch`` with dropout on its input, the input without it for the prior, and epsilon for the code."""
        values = batch.values
        if self.dropout > 0 and part.input_dropout:
            values = values * dropout_mask(stream(seed, Purpose.INPUT_DROPOUT, epoch, step), len(values), self.dropout)
        random = stream(seed, Purpose.EPSILON, epoch, step)
        epsilon = random.standard_normal((batch.n_users, self.latent), dtype=np.float32)
        return dataclasses.replace(batch, values=values, clean=batch.values, noise=(epsilon,))
