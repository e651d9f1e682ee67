"""The straightforward training step in MXNet Gluon, the baseline: dense batches, stock layers and Adam, hybridised."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from types import ModuleType

import numpy as np
from mxnet.gluon import HybridBlock, Trainer, nn
from scipy.sparse import csr_matrix

from mxnet_impl.runtime import mx
from utils.options import RunOptions


class DenseNetwork(HybridBlock):
    """Mult-VAE or Mult-DAE as it is usually written: input normalised and dropped out dense, noise drawn inside."""

    def __init__(self, options: RunOptions, n_items: int) -> None:
        super().__init__()
        self.variational = options.model == "vae"
        self.latent = options.p_dims[0]
        widths = [n_items, *options.q_dims[:-1], self.latent * (2 if self.variational else 1)]
        with self.name_scope():
            self.encoder = nn.HybridSequential()
            for i, (a, b) in enumerate(itertools.pairwise(widths)):
                self.encoder.add(nn.Dense(b, in_units=a, activation="tanh" if i + 2 < len(widths) else None))
            widths = [*options.p_dims, n_items]
            self.decoder = nn.HybridSequential()
            for i, (a, b) in enumerate(itertools.pairwise(widths)):
                self.decoder.add(nn.Dense(b, in_units=a, activation="tanh" if i + 2 < len(widths) else None))

    def hybrid_forward(self, F: ModuleType, x: mx.nd.NDArray) -> tuple[mx.nd.NDArray, mx.nd.NDArray]:
        """Log-probabilities and KL of dense clicks."""
        h = self.encoder(F.Dropout(F.L2Normalization(x), 0.5))
        if self.variational:
            mu, logvar = F.split(h, axis=1, num_outputs=2)
            kl = -0.5 * F.sum(1 + logvar - F.square(mu) - F.exp(logvar), axis=1)
            h = mu + F.exp(0.5 * logvar) * F.random.normal_like(mu)
        else:
            h = F.tanh(h)
            kl = F.zeros_like(F.sum(h, axis=1))
        return F.log_softmax(self.decoder(h)), kl


def dense_step(options: RunOptions, clicks: csr_matrix) -> Callable[[], float]:
    """A function that trains one step on the next ``batch_size`` users of ``clicks`` and returns the loss."""
    network = DenseNetwork(options, clicks.shape[1])
    network.initialize(mx.init.Xavier())
    network.hybridize()
    trainer = Trainer(network.collect_params(), "adam", {"learning_rate": options.lr})
    position = 0

    def step() -> float:
        nonlocal position
        rows = np.arange(position, position + options.batch_size) % clicks.shape[0]
        position += options.batch_size
        x = mx.nd.array(clicks[rows].toarray())
        with mx.autograd.record():
            log_pi, kl = network(x)
            loss = (-(log_pi * x).sum(axis=1) + 0.2 * kl).mean()
        loss.backward()
        trainer.step(1)
        mx.nd.waitall()
        return loss.asscalar()

    return step


def output_products(options: RunOptions, n_items: int) -> Callable[[], None]:
    """The floor: the three matrix products of the output layer (forward, and both gradients), into fresh arrays."""
    hidden = mx.nd.random.normal(shape=(options.batch_size, options.p_dims[-1]))
    weight = mx.nd.random.normal(shape=(n_items, options.p_dims[-1]))
    logits = mx.nd.random.normal(shape=(options.batch_size, n_items))

    def products() -> None:
        products = (
            mx.nd.dot(hidden, weight, transpose_b=True),
            mx.nd.dot(logits, weight),
            mx.nd.dot(logits, hidden, transpose_a=True),
        )
        for product in products:
            product.wait_to_read()

    return products
