"""RecVAE: a variational autoencoder with a composite prior (Shenbin et al. 2020)."""

from __future__ import annotations

import math
from collections.abc import Iterator

from torch import nn

from pytorch_impl.device_batch import SparseRows
from pytorch_impl.layers import ClickLinear, Linear
from pytorch_impl.runtime import torch
from utils.models.recvae import DEPTH, PRIOR_WEIGHTS, WIDE_LOGVAR, RecVAEOptions


class Encoder(nn.Module):
    """Five hidden layers, each fed all before it, to mean and log-variance of a Gaussian code."""

    def __init__(self, options: RecVAEOptions, n_items: int) -> None:
        super().__init__()
        width = options.hidden
        self.layers, self.norms = nn.ModuleList(), nn.ModuleList()
        for k in range(DEPTH):
            self.layers.append(Linear(width, width) if k else ClickLinear(n_items, width))
            self.norms.append(nn.LayerNorm(width, eps=options.norm_epsilon))
        self.mu, self.logvar = Linear(width, options.latent), Linear(width, options.latent)

    def forward(self, matrix: SparseRows) -> tuple[torch.Tensor, torch.Tensor]:
        """Mean and log-variance, ``(M, K)`` each, of users' clicks ``(M, I)``."""
        last, before = matrix, None
        for layer, norm in zip(self.layers, self.norms, strict=True):
            summed = layer(last) if before is None else layer(last) + before
            last = norm(summed * torch.sigmoid(summed))
            before = last if before is None else before + last
        return self.mu(last), self.logvar(last)

    def named(self, prefix: str) -> Iterator[tuple[str, nn.Parameter, bool]]:
        """Each parameter: canonical name, parameter, whether it is kept transposed."""
        for k, (layer, norm) in enumerate(zip(self.layers, self.norms, strict=True)):
            yield f"{prefix}.{k}.weight", layer.weight, k == 0
            yield f"{prefix}.{k}.bias", layer.bias, False
            yield f"{prefix}.{k}.norm.weight", norm.weight, False
            yield f"{prefix}.{k}.norm.bias", norm.bias, False
        for name, head in (("mu", self.mu), ("logvar", self.logvar)):
            yield f"{prefix}.{name}.weight", head.weight, False
            yield f"{prefix}.{name}.bias", head.bias, False


class CompositePrior(nn.Module):
    """The logarithm of a mixture: standard Gaussian, the old code's, a wide one."""

    def forward(self, z: torch.Tensor, old_mu: torch.Tensor, old_logvar: torch.Tensor) -> torch.Tensor:
        """``log p`` of each number of ``z``; all are ``(M, K)``."""
        zeros = torch.zeros_like(z)
        of_each = (zeros, zeros), (old_mu, old_logvar), (zeros, zeros + WIDE_LOGVAR)
        logs = [math.log(w) + log_density(z, *each) for w, each in zip(PRIOR_WEIGHTS, of_each, strict=True)]
        return torch.logsumexp(torch.stack(logs), dim=0)


class RecVAE(nn.Module):
    """An encoder to a Gaussian code, one linear layer to logits, and the old encoder, which only the prior reads.

    A pure function: noise is an argument, and without noise there is none (``z = mu``).
    """

    def __init__(self, options: RecVAEOptions, n_items: int) -> None:
        super().__init__()
        self.encoder, self.old = Encoder(options, n_items), Encoder(options, n_items)
        self.prior, self.decoder = CompositePrior(), Linear(options.latent, n_items)

    def forward(
        self, matrix: SparseRows, clean: SparseRows | None = None, epsilon: torch.Tensor | None = None
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Logits ``(M, I)`` and ``|x|_1 (log q(z) - log p(z))`` ``(M,)`` of users' clicks ``(M, I)``.

        In training ``clean`` are the clicks without dropout and ``epsilon`` ``(M, K)`` is drawn. Without them the old
        encoder is taken to be the encoder, which it is whenever an epoch is over.
        """
        mu, logvar = self.encoder(matrix)
        old_mu, old_logvar = (mu, logvar) if clean is None else self.old(clean)
        z = mu if epsilon is None else mu + torch.exp(0.5 * logvar) * epsilon
        (starts, _, _), _ = matrix if clean is None else clean
        kl = (log_density(z, mu, logvar) - self.prior(z, old_mu, old_logvar)).sum(dim=1)
        return self.decoder(z), starts.diff() * kl

    def encode(self, matrix: SparseRows) -> torch.Tensor:
        """The code ``mu`` of users' clicks, ``(M, K)``."""
        return self.encoder(matrix)[0]

    def named(self) -> Iterator[tuple[str, nn.Parameter, bool]]:
        """Each parameter: canonical name, parameter, whether it is kept transposed."""
        yield from self.encoder.named("encoder")
        yield "decoder.0.weight", self.decoder.weight, False
        yield "decoder.0.bias", self.decoder.bias, False

    def snapshot(self) -> Iterator[tuple[str, nn.Parameter, bool]]:
        """The old encoder, as :meth:`named` has the encoder."""
        yield from self.old.named("encoder")


def log_density(z: torch.Tensor, mu: torch.Tensor, logvar: torch.Tensor) -> torch.Tensor:
    """``log N(z; mu, exp(logvar))`` of each number, ``(M, K)``."""
    return -0.5 * (math.log(2 * math.pi) + logvar + (z - mu).square() * torch.exp(-logvar))
