"""The straightforward training step in PyTorch, the baseline: dense batches, autograd, stock layers, stock Adam."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import numpy as np
import torch
from scipy.sparse import csr_matrix
from torch import nn

from utils.options import RunOptions


class DenseNetwork(nn.Module):
    """Mult-VAE or Mult-DAE as it is usually written: input normalised and dropped out dense, noise drawn inside."""

    def __init__(self, options: RunOptions, n_items: int) -> None:
        super().__init__()
        self.variational = options.model == "vae"
        self.latent = options.p_dims[0]
        widths = [n_items, *options.q_dims[:-1], self.latent * (2 if self.variational else 1)]
        self.encoder = nn.ModuleList(nn.Linear(a, b) for a, b in itertools.pairwise(widths))
        widths = [*options.p_dims, n_items]
        self.decoder = nn.ModuleList(nn.Linear(a, b) for a, b in itertools.pairwise(widths))

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


def dense_step(options: RunOptions, clicks: csr_matrix) -> Callable[[], float]:
    """A function that trains one step on the next ``batch_size`` users of ``clicks`` and returns the loss."""
    network = DenseNetwork(options, clicks.shape[1])
    optimizer = torch.optim.Adam(network.parameters(), lr=options.lr)
    position = 0

    def step() -> float:
        nonlocal position
        rows = np.arange(position, position + options.batch_size) % clicks.shape[0]
        position += options.batch_size
        x = torch.from_numpy(clicks[rows].toarray())
        logits, kl = network(x)
        loss = -(torch.log_softmax(logits, 1) * x).sum(1).mean() + 0.2 * kl
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return float(loss.detach())

    return step


def output_products(options: RunOptions, n_items: int) -> Callable[[], None]:
    """The floor: the three matrix products of the output layer (forward, and both gradients), into fresh arrays."""
    hidden = torch.randn(options.batch_size, options.p_dims[-1])
    weight = torch.randn(n_items, options.p_dims[-1])
    logits = torch.randn(options.batch_size, n_items)

    def products() -> None:
        torch.mm(hidden, weight.T)
        torch.mm(logits, weight)
        torch.mm(logits.T, hidden)

    return products
