"""The deviations of ``utils.deviations`` that act in this engine, apart from what computes as the paper does."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator, Mapping
from types import ModuleType

import numpy as np
from mxnet.gluon import Parameter
from numpy.typing import ArrayLike
from scipy.sparse import csr_matrix

from mxnet_impl.device_batch import DeviceBatch, SparseRows, to_device
from mxnet_impl.layers import Linear, Tower
from mxnet_impl.learner import StepLearner
from mxnet_impl.losses import kl_divergence
from mxnet_impl.models import network_class
from mxnet_impl.models.mult_vae import MultVAE
from mxnet_impl.optimizers import BETA2, EPSILON, SGD, AdaGrad, Adam, build_optimizer
from mxnet_impl.runtime import mx
from utils.batches import Batch, ClickMatrix, binary_clicks, evaluation_batches
from utils.deviant_draws import draw_stock_weights, with_tanh
from utils.models.base import Statistics
from utils.options import RunOptions, TrainingOptions

ZERO_BIASES = True  # stock_init: the study's MXNet code left biases at Gluon's default


class TanhLinear(Linear):
    """A layer with tanh on what comes in, its dropout done."""

    def hybrid_forward(
        self, F: ModuleType, x: mx.nd.NDArray, weight: mx.nd.NDArray, bias: mx.nd.NDArray
    ) -> mx.nd.NDArray:
        """As ``Linear.hybrid_forward``."""
        return super().hybrid_forward(F, F.Activation(x, act_type="tanh"), weight, bias)


class TanhTower(Tower):
    """A tower under ``tanh_everywhere``: tanh after each dropout layer too, also where its rate is 0.

    The first tanh of a tower from clicks is on the sparse input, done before it gets here (``with_tanh``).
    """

    linear = TanhLinear


class BakedVAE(MultVAE):
    """Mult-VAE under ``baked_sampling``, written as the study wrote it: the mode is a Python number in the graph.

    ``hybrid_forward`` is run once per graph. Hybridised, the network keeps the mode of its first call, and sampling
    with it; not hybridised, it reads the mode at each call and does not sample at evaluation.
    """

    def hybrid_forward(
        self, F: ModuleType, matrix: SparseRows, *noise: mx.nd.NDArray
    ) -> tuple[mx.nd.NDArray, mx.nd.NDArray]:
        """As ``MultVAE.hybrid_forward``."""
        n = self.encoder.n_masks
        mu, logvar = self._split(self.encoder(matrix, *noise[:n]))
        z = mu
        if noise:
            z = mu + float(mx.autograd.is_training()) * F.exp(0.5 * logvar) * noise[n]
        return self.decoder(z, *noise[n + 1 :]), kl_divergence(mu, logvar)


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
                gradient = parameter.grad()
                mx.nd._internal._mul_scalar(gradient, scalar=self.rescale, out=gradient)  # sparse ones stay sparse
        if self.stock_epsilon:  # beside the corrected root this is EPSILON beside the uncorrected one
            self.inner.epsilon = EPSILON / math.sqrt(1.0 - BETA2**self.t)
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
        if isinstance(self.network, BakedVAE):  # baked in training, though a resumed run may begin with an evaluation
            one_user = evaluation_batches(csr_matrix(np.ones((1, n_items), np.float32)), 1)
            (batch,) = self.model.with_evaluation_noise(one_user, options.training.seed, epoch=0)
            clicks = to_device(batch, self.device, self.dtype)
            with mx.autograd.record():
                self.network(*clicks.inputs, *clicks.noise)

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

    def build_optimizer(self, parameters: Mapping[str, Parameter], options: TrainingOptions) -> DeviantOptimizer:
        """The optimiser that ``options`` name, decaying as ``coupled_decay`` says."""
        if "coupled_decay" in self.deviations:
            options = dataclasses.replace(options, decay="l2")
        return DeviantOptimizer(build_optimizer(parameters, options), "stock_epsilon" in self.deviations)

    def train_step(self, batch: Batch, knobs: Mapping[str, float]) -> mx.nd.NDArray:
        """One update; a handle for :meth:`read_terms`."""
        if "tanh_everywhere" in self.deviations:
            batch = with_tanh(batch)
        if "double_rescale" in self.deviations:
            self.optimizers[batch.part].rescale = 1.0 / batch.n_users
        return super().train_step(batch, knobs)

    def _outputs(self, clicks: DeviceBatch) -> tuple[mx.nd.NDArray, ...]:
        network = self.network if clicks.noise else self.noiseless
        return network(clicks.matrix, *clicks.noise)

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
