"""What is measured against in PyTorch: the training step as it is usually written, and matrix products alone.

The step takes dense batches, autograd, stock layers and stock Adam. Nothing of what is measured is imported.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence

import numpy as np
import torch
from scipy.sparse import csr_matrix
from torch import nn

from benchmarks.shapes import sampled_items


class DenseNetwork(nn.Module):
    """Mult-VAE or Mult-DAE as it is usually written: input normalised and dropped out dense, noise drawn inside.

    ``widths`` lead from the items to the code; the decoder's are the same, back.
    """

    def __init__(self, widths: Sequence[int], variational: bool) -> None:
        super().__init__()
        self.variational = variational
        into = [*widths[:-1], widths[-1] * (2 if variational else 1)]
        self.encoder = nn.ModuleList(nn.Linear(a, b) for a, b in itertools.pairwise(into))
        self.decoder = nn.ModuleList(nn.Linear(a, b) for a, b in itertools.pairwise(widths[::-1]))

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Logits and mean KL of dense clicks."""
        h = nn.functional.dropout(nn.functional.normalize(x), 0.5, self.training)
        for i, layer in enumerate(self.encoder):
            h = layer(torch.tanh(h) if i else h)
        kl = torch.zeros(())
        if self.variational:
            mu, logvar = h.chunk(2, dim=1)
            kl = (-0.5 * (1 + logvar - mu**2 - logvar.exp()).sum(1)).mean()
            h = mu + torch.exp(0.5 * logvar) * torch.randn_like(mu)
        else:
            h = torch.tanh(h)
        for i, layer in enumerate(self.decoder):
            h = layer(torch.tanh(h) if i else h)
        return h, kl


def dense_step(clicks: csr_matrix, hidden: Sequence[int], variational: bool, batch_size: int) -> Callable[[], float]:
    """A function that trains one step on the next ``batch_size`` users of ``clicks`` and returns the loss.

    ``hidden`` are the encoder's widths after the items, the code last.
    """
    network = DenseNetwork([clicks.shape[1], *hidden], variational)
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-3)
    position = 0

    def step() -> float:
        nonlocal position
        rows = np.arange(position, position + batch_size) % clicks.shape[0]
        position += batch_size
        x = torch.from_numpy(clicks[rows].toarray())
        logits, kl = network(x)
        loss = -(torch.log_softmax(logits, 1) * x).sum(1).mean() + 0.2 * kl
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return float(loss.detach())

    return step


def cdae_step(
    clicks: csr_matrix, hidden: int, batch_size: int, per_click: int, gather_rows: bool
) -> Callable[[], float]:
    """A function that trains CDAE one step on the next ``batch_size`` users of ``clicks`` and returns the loss.

    The loss is of the clicks and of ``per_click`` items drawn for each: by a mask over dense outputs, or, with
    ``gather_rows``, by the output weights of these items gathered for each of them. Stock layers, stock AdaGrad.
    """
    n_users, n_items = clicks.shape
    encoder, decoder = nn.Linear(n_items, hidden), nn.Linear(hidden, n_items)
    node = nn.Embedding(n_users, hidden)
    parameters = [*encoder.parameters(), *decoder.parameters(), *node.parameters()]
    optimizer = torch.optim.Adagrad(parameters, lr=0.1, eps=1.0)
    random, position = np.random.default_rng(1), 0

    def step() -> float:
        nonlocal position
        rows = np.arange(position, position + batch_size) % n_users
        position += batch_size
        x = torch.from_numpy(clicks[rows].toarray())
        users, items = map(torch.from_numpy, sampled_items(x.numpy(), per_click, random))
        h = torch.sigmoid(encoder(nn.functional.dropout(x, 0.5)) + node(torch.from_numpy(rows)))
        if gather_rows:
            f = (h[users] * decoder.weight[items]).sum(1) + decoder.bias[items]
            loss = (nn.functional.softplus(f) - x[users, items] * f).sum()
        else:
            times = torch.zeros_like(x).index_put_((users, items), torch.ones(()), accumulate=True)
            f = decoder(h)
            loss = (times * (nn.functional.softplus(f) - x * f)).sum()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return float(loss.detach())

    return step


def output_products(batch_size: int, width: int, n_items: int) -> Callable[[], None]:
    """The floor of a step: the output layer's three matrix products (forward, both gradients), into fresh arrays."""
    shapes = ((batch_size, width), (n_items, width), (batch_size, n_items))
    hidden, weight, logits = (torch.randn(shape) for shape in shapes)

    def products() -> None:
        torch.mm(hidden, weight.T)
        torch.mm(logits, weight)
        torch.mm(logits.T, hidden)

    return products


def forward_products(weights: Sequence[np.ndarray], clicks: csr_matrix, batch_size: int) -> Callable[[], np.ndarray]:
    """The floor of an evaluation: a network's forward products alone, no bias, no activation, batch after batch.

    ``weights`` are ``(out, in)``, first layer first; where one takes fewer than the layer before gives, the first of
    these (the means of a variational code). The function returns the last batch's ``(users, items)``.
    """
    first, *others = [torch.from_numpy(weight) for weight in weights]
    table, batches = first.T.contiguous(), []
    for begin in range(0, clicks.shape[0], batch_size):
        rows = clicks[begin : begin + batch_size]
        batches.append([torch.from_numpy(part.astype(np.int64)) for part in (rows.indices, rows.indptr[:-1])])

    def products() -> np.ndarray:
        for items, starts in batches:
            x = nn.functional.embedding_bag(items, table, starts, mode="sum")
            for weight in others:
                x = torch.mm(x[:, : weight.shape[1]], weight.T)
        return x.numpy()

    return products
