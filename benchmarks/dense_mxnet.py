"""What is measured against in MXNet Gluon: the training step as it is usually written, and matrix products alone.

The step takes dense batches, stock layers and stock Adam, hybridised.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from types import ModuleType

import numpy as np
from mxnet.gluon import HybridBlock, Trainer, nn
from scipy.sparse import csr_matrix

from benchmarks.shapes import sampled_items
from mxnet_impl.runtime import mx


class DenseNetwork(HybridBlock):
    """Mult-VAE or Mult-DAE as it is usually written: input normalised and dropped out dense, noise drawn inside.

    ``widths`` lead from the items to the code; the decoder's are the same, back.
    """

    def __init__(self, widths: Sequence[int], variational: bool) -> None:
        super().__init__()
        self.variational = variational
        into = [*widths[:-1], widths[-1] * (2 if variational else 1)]
        with self.name_scope():
            self.encoder, self.decoder = _stacked(into), _stacked(widths[::-1])

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


def _stacked(widths: Sequence[int]) -> nn.HybridSequential:
    """Dense layers with tanh between them."""
    layers = nn.HybridSequential()
    for i, (a, b) in enumerate(itertools.pairwise(widths)):
        layers.add(nn.Dense(b, in_units=a, activation="tanh" if i + 2 < len(widths) else None))
    return layers


def dense_step(clicks: csr_matrix, hidden: Sequence[int], variational: bool, batch_size: int) -> Callable[[], float]:
    """A function that trains one step on the next ``batch_size`` users of ``clicks`` and returns the loss.

    ``hidden`` are the encoder's widths after the items, the code last.
    """
    network = DenseNetwork([clicks.shape[1], *hidden], variational)
    network.initialize(mx.init.Xavier())
    network.hybridize()
    trainer = Trainer(network.collect_params(), "adam", {"learning_rate": 1e-3})
    position = 0

    def step() -> float:
        nonlocal position
        rows = np.arange(position, position + batch_size) % clicks.shape[0]
        position += batch_size
        x = mx.nd.array(clicks[rows].toarray())
        with mx.autograd.record():
            log_pi, kl = network(x)
            loss = (-(log_pi * x).sum(axis=1) + 0.2 * kl).mean()
        loss.backward()
        trainer.step(1)
        mx.nd.waitall()
        return float(loss.asscalar())

    return step


def cdae_step(
    clicks: csr_matrix, hidden: int, batch_size: int, per_click: int, gather_rows: bool
) -> Callable[[], float]:
    """A function that trains CDAE one step on the next ``batch_size`` users of ``clicks`` and returns the loss.

    The loss is of the clicks and of ``per_click`` items drawn for each: by a mask over dense outputs, or, with
    ``gather_rows``, by the output weights of these items gathered for each of them. Stock operators, stock AdaGrad.
    """
    n_users, n_items = clicks.shape
    shapes = {"v": (n_users, hidden), "w": (hidden, n_items), "b": (hidden,), "w2": (n_items, hidden), "b2": (n_items,)}
    weights = {name: mx.nd.random.uniform(-0.1, 0.1, shape) for name, shape in shapes.items()}
    optimizer = mx.optimizer.AdaGrad(learning_rate=0.1, eps=1.0)
    states = {name: optimizer.create_state(place, weight) for place, (name, weight) in enumerate(weights.items())}
    for weight in weights.values():
        weight.attach_grad()
    random, position = np.random.default_rng(1), 0

    def step() -> float:
        nonlocal position
        rows = np.arange(position, position + batch_size) % n_users
        position += batch_size
        dense = clicks[rows].toarray()
        users, items = sampled_items(dense, per_click, random)
        x, of_users, of_items = mx.nd.array(dense), mx.nd.array(users, dtype="int32"), mx.nd.array(items, dtype="int32")
        targets = mx.nd.array(dense[users, items])
        times = np.zeros_like(dense)
        if not gather_rows:
            np.add.at(times, (users, items), 1)
        with mx.autograd.record():
            summed = mx.nd.FullyConnected(mx.nd.Dropout(x, 0.5), weights["w"], weights["b"], num_hidden=hidden)
            h = mx.nd.sigmoid(summed + weights["v"].take(mx.nd.array(rows, dtype="int32")))
            if gather_rows:
                f = (h.take(of_users) * weights["w2"].take(of_items)).sum(axis=1) + weights["b2"].take(of_items)
                loss = (mx.nd.Activation(f, "softrelu") - targets * f).sum()
            else:
                f = mx.nd.FullyConnected(h, weights["w2"], weights["b2"], num_hidden=n_items)
                loss = (mx.nd.array(times) * (mx.nd.Activation(f, "softrelu") - x * f)).sum()
        loss.backward()
        for place, (name, weight) in enumerate(weights.items()):
            optimizer.update(place, weight, weight.grad, states[name])
        mx.nd.waitall()
        return float(loss.asscalar())

    return step


def output_products(batch_size: int, width: int, n_items: int) -> Callable[[], None]:
    """The floor of a step: the output layer's three matrix products (forward, both gradients), into fresh arrays."""
    shapes = ((batch_size, width), (n_items, width), (batch_size, n_items))
    hidden, weight, logits = (mx.nd.random.normal(shape=shape) for shape in shapes)

    def products() -> None:
        products = (
            mx.nd.dot(hidden, weight, transpose_b=True),
            mx.nd.dot(logits, weight),
            mx.nd.dot(logits, hidden, transpose_a=True),
        )
        for product in products:
            product.wait_to_read()

    return products


def forward_products(weights: Sequence[np.ndarray], clicks: csr_matrix, batch_size: int) -> Callable[[], np.ndarray]:
    """The floor of an evaluation: a network's forward products alone, no bias, no activation, batch after batch.

    ``weights`` are ``(out, in)``, first layer first; where one takes fewer than the layer before gives, the first of
    these (the means of a variational code). The function returns the last batch's ``(users, items)``.
    """
    first, *others = [mx.nd.array(weight) for weight in weights]
    table = first.T.copy()
    batches = [mx.nd.sparse.csr_matrix(clicks[i : i + batch_size]) for i in range(0, clicks.shape[0], batch_size)]

    def products() -> np.ndarray:
        for batch in batches:
            x = mx.nd.sparse.dot(batch, table)
            for weight in others:
                x = mx.nd.dot(x[:, : weight.shape[1]], weight, transpose_b=True)
            x.wait_to_read()
        return x.asnumpy()

    return products
