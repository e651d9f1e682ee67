"""The deviations of ``utils.deviations`` that act in this engine, apart from what computes as the paper does."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator, Mapping

import numpy as np
from numpy.typing import ArrayLike

from pytorch_impl.device_batch import DeviceBatch, to_device
from pytorch_impl.layers import Linear, Tower
from pytorch_impl.learner import StepLearner
from pytorch_impl.models import network_class
from pytorch_impl.models.mult_vae import MultVAE
from pytorch_impl.optimizers import BETA2, EPSILON, SGD, AdaGrad, Adam, build_optimizer
from pytorch_impl.runtime import torch
from utils.batches import Batch, ClickMatrix, binary_clicks, evaluation_batches
from utils.deviant_draws import draw_stock_weights, with_tanh
from utils.models.base import Statistics
from utils.options import RunOptions, TrainingOptions

ZERO_BIASES = False  # stock_init: the study's PyTorch code drew biases from N(0, 0.001), not truncated


class TanhLinear(Linear):
    """A layer with tanh on what comes in, its dropout done."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """As ``Linear.forward``."""
        return super().forward(torch.tanh(x))


class TanhTower(Tower):
    """A tower under ``tanh_everywhere``: tanh after each dropout layer too, also where its rate is 0.

    The first tanh of a tower from clicks is on the sparse input, done before it gets here (``with_tanh``).
    """

    linear = TanhLinear


class BakedVAE(MultVAE):
    """Mult-VAE under ``baked_sampling``: given noise at evaluation, it samples.

    PyTorch runs ``forward`` anew at each call, so nothing is frozen here: ``MultVAE`` samples whenever noise is given.
    """


class DeviantOptimizer:
    """An optimiser under ``double_rescale`` (``rescale``, set before each step) and ``stock_epsilon``."""

    def __init__(self, inner: Adam | AdaGrad | SGD, stock_epsilon: bool) -> None:
        self.inner, self.stock_epsilon = inner, stock_epsilon and isinstance(inner, Adam)
        self.rescale, self.t = 1.0, 0

    def step(self, lr: float) -> None:
        """One update from the gradients, which are multiplied by ``rescale`` first."""
        self.t += 1
        if self.rescale != 1.0:
            for parameter in self.inner.parameters.values():
                parameter.grad.mul_(self.rescale)
        if self.stock_epsilon:  # beside the corrected root this is EPSILON beside the uncorrected one
            for group in self.inner.inner.param_groups:
                group["eps"] = EPSILON / math.sqrt(1.0 - BETA2**self.t)
        self.inner.step(lr)

    def state(self) -> dict[str, np.ndarray]:
        """As the optimiser's own."""
        return self.inner.state()

    def load_state(self, state: Mapping[str, np.ndarray]) -> None:
        """Take what :meth:`state` gave."""
        self.t = int(state.get("t", 0))
        self.inner.load_state(state)


class DeviantLearner(StepLearner):
    """A learner under ``deviations``; ``rank``, ``scores`` and ``embed`` stay at ``z = mu``."""

    def __init__(
        self, options: RunOptions, n_items: int, statistics: Statistics | None, deviations: frozenset[str]
    ) -> None:
        self.deviations = deviations
        super().__init__(options, n_items, statistics)

    def network_class(self, model: str) -> type:
        """The network with the parts that the deviations replace."""
        network = network_class(model)
        if "baked_sampling" in self.deviations and network is MultVAE:
            network = BakedVAE
        if "tanh_everywhere" in self.deviations:
            network = type(network.__name__, (network,), {"tower": TanhTower})
        return network

    def initial_weights(self, statistics: Statistics | None) -> dict[str, np.ndarray]:
        """The initial weights, with this framework's biases under ``stock_init``."""
        if "stock_init" in self.deviations:
            weights = draw_stock_weights(self.shapes(), self.options.training.seed, ZERO_BIASES)
            return self.model.with_output_bias(weights, statistics)
        return super().initial_weights(statistics)

    def build_optimizer(
        self, parameters: Mapping[str, torch.nn.Parameter], options: TrainingOptions
    ) -> DeviantOptimizer:
        """The optimiser that ``options`` name, decaying as ``coupled_decay`` says."""
        if "coupled_decay" in self.deviations:
            options = dataclasses.replace(options, decay="l2")
        return DeviantOptimizer(build_optimizer(parameters, options), "stock_epsilon" in self.deviations)

    def train_step(self, batch: Batch, knobs: Mapping[str, float]) -> torch.Tensor:
        """One update; a handle for :meth:`read_terms`."""
        if "tanh_everywhere" in self.deviations:
            batch = with_tanh(batch)
        if "double_rescale" in self.deviations:
            self.optimizers[batch.part].rescale = 1.0 / batch.n_users
        return super().train_step(batch, knobs)

    def _outputs(self, clicks: DeviceBatch) -> tuple[torch.Tensor, ...]:
        return self.network(*clicks.inputs, *clicks.noise)

    def _evaluation(
        self, fold_in: ClickMatrix, epoch: int | None = None, users: ArrayLike | None = None
    ) -> Iterator[tuple[Batch, DeviceBatch]]:
        batches = evaluation_batches(binary_clicks(fold_in, self.n_items), self.options.settings.eval_batch_size)
        if "baked_sampling" in self.deviations and epoch is not None:
            batches = self.model.with_evaluation_noise(batches, self.options.training.seed, epoch)
        for batch in batches:
            if "tanh_everywhere" in self.deviations:
                batch = with_tanh(batch)
            yield batch, to_device(batch, self.device, self.dtype)
