"""What Mult-VAE and Mult-DAE (Liang et al. 2018) have in common: two towers on users' clicks, and the study's flags."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import ClassVar, TypeVar

import numpy as np

from utils.batches import Batch
from utils.deviations import DEVIATIONS, KNOWN, PROFILES, deviation, in_order
from utils.models.base import ModelOptions, Pass, Statistics
from utils.randomness import Purpose, dropout_mask, stream
from utils.system.command_line import integer, list_of, option, real, text_of
from utils.system.errors import UserError

_MODEL, _ANNEALING, _DEVIATIONS = "model", "annealing of beta (vae)", "deviations"
_CONFIDENCE = 2.5  # of 1, 2.5, 5 and 20 the best for a dae on the validation users of MovieLens 1M (docs/models.md)
_SMOOTHING = 1e-4  # keeps the logarithms of popularities 0 and 1 finite
_widths = list_of(integer(1), "200,600")
_dropouts = list_of(real(minimum=0, below=1), "0.5,0")
_deviations = list_of(deviation, "baked_sampling,no_stock_init", KNOWN)

Chosen = TypeVar("Chosen", bound="MultOptions")


@dataclass(frozen=True)
class MultOptions(ModelOptions):
    """The options of both models; ``None`` means "derived": see :meth:`resolved`.

    Both record both terms: a dae's KL is 0.
    """

    terms: ClassVar[tuple[str, ...]] = ("nll", "kl")
    has_code_noise: ClassVar[bool]  # whether the code is sampled, its mean and log-variance given by the encoder

    p_dims: tuple[int, ...] = option((200, 600), _MODEL, "widths of the decoder, latent first, items left out", _widths)
    q_dims: tuple[int, ...] | None = option(
        None, _MODEL, "widths of the encoder, items left out, latent last (default: p_dims reversed)", _widths
    )
    dropout_enc: tuple[float, ...] | None = option(
        None, _MODEL, "dropout before each encoder layer (default: 0.5 on the input, 0 elsewhere)", _dropouts
    )
    dropout_dec: tuple[float, ...] | None = option(
        None, _MODEL, "dropout before each decoder layer (default: 0 everywhere)", _dropouts
    )
    likelihood: str = option(
        "multinomial", _MODEL, "of a user's clicks given the outputs (Liang et al. 2018, eq. 2 to 4)",
        choices=("multinomial", "gaussian", "logistic"), later=True,
    )  # fmt: skip
    output_bias: str | None = option(
        None, _MODEL, "where the output biases start: zero, near 0 as all biases are drawn; popularity, where they say "
        "how popular each item is (default: zero for multinomial, popularity for the others)",
        choices=("zero", "popularity"), later=True,
    )  # fmt: skip
    confidence: float = option(
        _CONFIDENCE, _MODEL, "gaussian: the weight c1 of a click's squared error, 1 for all else",
        real(above=0, below=1e31), later=True,
    )  # fmt: skip

    anneal_cap: float = option(0.2, _ANNEALING, "largest beta", real(minimum=0, below=1e31))
    annealing: str = option(
        "relative", _ANNEALING,
        "relative: beta reaches the cap at a share of the planned epochs; absolute: beta = step / anneal_total up to "
        "the cap; constant: the cap from the first step; none: beta = 1 throughout, the plain VAE",
        choices=("relative", "absolute", "constant", "none"),
    )  # fmt: skip
    constant_anneal: bool = option(False, _ANNEALING, "the study's name for --annealing constant")
    anneal_share: float = option(0.85, _ANNEALING, "relative: share of the epochs that reaches the cap", real(above=0))
    anneal_total: int = option(200_000, _ANNEALING, "absolute: steps in which beta would reach 1", integer(1))

    profile: str = option(
        "paper", _DEVIATIONS, "how the model computes: as in Liang et al. 2018, or, in each framework, as the code of "
        "the study of 2020 for that framework did; hyper-parameters are the same in both",
        choices=tuple(PROFILES),
    )  # fmt: skip
    deviations: tuple[str, ...] = option(
        (), _DEVIATIONS, "of the study's deviations from the paper those to add to the profile, or with no_ before the "
        "name to take from it: " + "; ".join(f"{name}: {about.meaning}" for name, about in DEVIATIONS.items()),
        _deviations,
    )  # fmt: skip

    def resolved(self: Chosen) -> Chosen:
        """These options checked against each other, every derived one filled in.

        Raises ``UserError`` when two options contradict each other.
        """
        q_dims = self.q_dims or tuple(reversed(self.p_dims))
        if q_dims[-1] != self.p_dims[0]:
            raise UserError(
                f"--q_dims {text_of(q_dims)} ends with {q_dims[-1]} and --p_dims {text_of(self.p_dims)} begins with "
                f"{self.p_dims[0]}: both name the latent width, give the same number"
            )
        dropout_enc = self.dropout_enc or (0.5, *(0.0 for _ in q_dims[1:]))
        dropout_dec = self.dropout_dec or tuple(0.0 for _ in self.p_dims)
        _check_dropout("dropout_enc", dropout_enc, "q_dims" if self.q_dims else "p_dims", q_dims)
        _check_dropout("dropout_dec", dropout_dec, "p_dims", self.p_dims)
        if self.likelihood != "gaussian" and self.confidence != _CONFIDENCE:
            raise UserError(
                f"--confidence {text_of(self.confidence)} has no part in the {self.likelihood} likelihood: "
                "leave it out, or add --likelihood gaussian"
            )
        annealing = self._annealing()
        return dataclasses.replace(
            self, q_dims=q_dims, dropout_enc=dropout_enc, dropout_dec=dropout_dec, annealing=annealing,
            constant_anneal=annealing == "constant", deviations=in_order(self.deviations),
            output_bias=None if self.output_bias == self._own_output_bias else self.output_bias,
        )  # fmt: skip

    @property
    def _own_output_bias(self) -> str:
        return "zero" if self.likelihood == "multinomial" else "popularity"

    @property
    def output_bias_in_force(self) -> str:
        """Where the output biases start: what ``output_bias`` says, else what the likelihood does by itself."""
        return self.output_bias or self._own_output_bias

    def _annealing(self) -> str:
        if self.constant_anneal and self.annealing not in ("relative", "constant"):
            raise UserError(
                f"--constant_anneal and --annealing {self.annealing} contradict each other: give one of them"
            )
        return "constant" if self.constant_anneal else self.annealing

    @property
    def code_width(self) -> int:
        """The latent width."""
        return self.p_dims[0]

    def dimensions(self) -> dict[str, tuple[int, ...]]:
        """The widths of both towers, items left out."""
        return {"p_dims": self.p_dims, "q_dims": self.q_dims}

    def shapes(self, n_items: int, n_users: int = 0) -> dict[str, tuple[int, ...]]:
        """``encoder.<layer>.weight`` ``(out, in)`` and ``.bias`` ``(out,)``, then the decoder's."""
        code = self.q_dims[-1] * (2 if self.has_code_noise else 1)
        towers = {"encoder": (n_items, *self.q_dims[:-1], code), "decoder": (*self.p_dims, n_items)}
        shapes: dict[str, tuple[int, ...]] = {}
        for tower, widths in towers.items():
            for layer, (n_in, n_out) in enumerate(pairwise(widths)):
                shapes[f"{tower}.{layer}.weight"], shapes[f"{tower}.{layer}.bias"] = (n_out, n_in), (n_out,)
        return shapes

    def initial_weights(
        self, n_items: int, seed: int, statistics: Statistics | None, n_users: int = 0
    ) -> dict[str, np.ndarray]:
        """The weights training starts from, by canonical name; see :meth:`with_output_bias`."""
        return self.with_output_bias(super().initial_weights(n_items, seed, statistics, n_users), statistics)

    def with_output_bias(self, weights: dict[str, np.ndarray], statistics: Statistics | None) -> dict[str, np.ndarray]:
        """``weights`` with the output bias, float32 ``(I,)``, where it is to start.

        At the items' popularity p that is the output of each item which is the best for all users: its log-odds
        (logistic), ``c1 p / (c1 p + 1 - p)`` (gaussian), ``log p`` (multinomial). Without ``statistics`` the weights
        stay as they are: others are loaded then.
        """
        if statistics is None or self.output_bias_in_force == "zero":
            return weights
        p = statistics.item_popularity
        if self.likelihood == "gaussian":
            bias = self.confidence * p / (self.confidence * p + 1 - p)
        else:
            bias = np.log(p + _SMOOTHING) - (np.log(1 - p + _SMOOTHING) if self.likelihood == "logistic" else 0)
        return weights | {f"decoder.{len(self.p_dims) - 1}.bias": bias.astype(np.float32)}

    def with_noise(self, batch: Batch, seed: int, epoch: int, step: int, part: Pass) -> Batch:
        """``batch`` with input dropout applied and the noise of its step drawn (Liang et al. 2018, sec. 2.1.1, 2.4)."""
        values = batch.values
        if self.dropout_enc[0] > 0 and part.input_dropout:
            random = stream(seed, Purpose.INPUT_DROPOUT, epoch, step)
            values = values * dropout_mask(random, len(values), self.dropout_enc[0])
        masks = stream(seed, Purpose.LAYER_DROPOUT, epoch, step)

        def drawn(widths: tuple[int, ...], rates: tuple[float, ...]) -> list[np.ndarray]:
            each = zip(widths, rates, strict=True)
            return [dropout_mask(masks, (batch.n_users, width), p) for width, p in each if p > 0]

        noise = drawn(self.q_dims[:-1], self.dropout_enc[1:])
        if self.has_code_noise:
            epsilon = stream(seed, Purpose.EPSILON, epoch, step)
            noise.append(epsilon.standard_normal((batch.n_users, self.p_dims[0]), dtype=np.float32))
        noise += drawn(self.p_dims, self.dropout_dec)
        return dataclasses.replace(batch, values=values, noise=tuple(noise))

    def with_evaluation_noise(self, batches: Iterable[Batch], seed: int, epoch: int) -> Iterator[Batch]:
        """Evaluation batches with the noise of ``baked_sampling``: epsilon, and masks of hidden dropout all ones.

        One stream per epoch runs on from batch to batch, so that the users' noise does not depend on the size of the
        evaluation batches. Epoch 0 is the test's. A model whose code is not sampled gets no noise.
        """
        random = stream(seed, Purpose.EVALUATION_NOISE, epoch)
        for batch in batches:
            yield self._with_evaluation_noise(batch, random) if self.has_code_noise else batch

    def _with_evaluation_noise(self, batch: Batch, random: np.random.Generator) -> Batch:
        def ones(widths: tuple[int, ...], rates: tuple[float, ...]) -> list[np.ndarray]:
            each = zip(widths, rates, strict=True)
            return [np.ones((batch.n_users, width), np.float32) for width, p in each if p > 0]

        epsilon = random.standard_normal((batch.n_users, self.p_dims[0]), dtype=np.float32)
        encoder, decoder = ones(self.q_dims[:-1], self.dropout_enc[1:]), ones(self.p_dims, self.dropout_dec)
        return dataclasses.replace(batch, noise=(*encoder, epsilon, *decoder))


def _check_dropout(name: str, given: tuple[float, ...], dims_name: str, dims: tuple[int, ...]) -> None:
    if len(given) != len(dims):
        raise UserError(
            f"--{name} {text_of(given)} has {len(given)} values, but --{dims_name} makes {len(dims)} layers: "
            f"give {len(dims)} values, one before each layer"
        )
