"""RecVAE: a variational autoencoder with a composite prior (Shenbin et al. 2020)."""

from __future__ import annotations

import math
from collections.abc import Iterator
from types import ModuleType

from mxnet.gluon import HybridBlock, Parameter, nn

from mxnet_impl.device_batch import SparseRows
from mxnet_impl.layers import ClickLinear, Linear
from mxnet_impl.runtime import mx
from utils.models.recvae import DEPTH, PRIOR_WEIGHTS, WIDE_LOGVAR, RecVAEOptions


class Encoder(HybridBlock):
    """Five hidden layers, each fed all before it, to mean and log-variance of a Gaussian code."""

    def __init__(self, options: RecVAEOptions, n_items: int, **kwargs) -> None:
        super().__init__(**kwargs)
        width = options.hidden
        self.layers, self.norms = [], []
        with self.name_scope():
            for k in range(DEPTH):
                self.layers.append(Linear(width, width) if k else ClickLinear(n_items, width))
                self.norms.append(nn.LayerNorm(epsilon=options.norm_epsilon, in_channels=width))
                self.register_child(self.layers[k])
                self.register_child(self.norms[k])
            self.mu, self.logvar = Linear(width, options.latent), Linear(width, options.latent)

    def hybrid_forward(self, F: ModuleType, matrix: SparseRows) -> tuple[mx.nd.NDArray, mx.nd.NDArray]:
        """Mean and log-variance, ``(M, K)`` each, of users' clicks ``(M, I)``."""
        last, before = matrix, None
        for layer, norm in zip(self.layers, self.norms, strict=True):
            summed = layer(last) if before is None else layer(last) + before
            last = norm(summed * F.Activation(summed, act_type="sigmoid"))
            before = last if before is None else before + last
        return self.mu(last), self.logvar(last)

    def named(self, prefix: str) -> Iterator[tuple[str, Parameter, bool]]:
        """Each parameter: canonical name, parameter, whether it is kept transposed."""
        for k, (layer, norm) in enumerate(zip(self.layers, self.norms, strict=True)):
            yield f"{prefix}.{k}.weight", layer.weight, k == 0
            yield f"{prefix}.{k}.bias", layer.bias, False
            yield f"{prefix}.{k}.norm.weight", norm.gamma, False
            yield f"{prefix}.{k}.norm.bias", norm.beta, False
        for name, head in (("mu", self.mu), ("logvar", self.logvar)):
            yield f"{prefix}.{name}.weight", head.weight, False
            yield f"{prefix}.{name}.bias", head.bias, False


class CompositePrior(HybridBlock):
    """The logarithm of a mixture: standard Gaussian, the old code's, a wide one."""

    def hybrid_forward(
        self, F: ModuleType, z: mx.nd.NDArray, old_mu: mx.nd.NDArray, old_logvar: mx.nd.NDArray
    ) -> mx.nd.NDArray:
        """``log p`` of each number of ``z``; all are ``(M, K)``."""
        zeros = F.zeros_like(z)
        of_each = (zeros, zeros), (old_mu, old_logvar), (zeros, zeros + WIDE_LOGVAR)
        logs = [math.log(w) + log_density(z, *each) for w, each in zip(PRIOR_WEIGHTS, of_each, strict=True)]
        top = F.BlockGrad(F.maximum(F.maximum(logs[0], logs[1]), logs[2]))  # there is no logsumexp
        return top + F.log(sum(F.exp(log - top) for log in logs))


class RecVAE(HybridBlock):
    """An encoder to a Gaussian code, one linear layer to logits, and the old encoder, which only the prior reads.

    A pure function: noise is an argument, and without noise there is none (``z = mu``).
    """

    def __init__(self, options: RecVAEOptions, n_items: int, **kwargs) -> None:
        super().__init__(**kwargs)
        with self.name_scope():
            self.encoder, self.old = Encoder(options, n_items), Encoder(options, n_items)
            self.prior, self.decoder = CompositePrior(), Linear(options.latent, n_items)

    def hybrid_forward(
        self, F: ModuleType, matrix: SparseRows, clean: SparseRows | None = None, epsilon: mx.nd.NDArray | None = None
    ) -> tuple[mx.nd.NDArray, mx.nd.NDArray]:
        """Logits ``(M, I)`` and ``|x|_1 (log q(z) - log p(z))`` ``(M,)`` of users' clicks ``(M, I)``.

        In training ``clean`` are the clicks without dropout and ``epsilon`` ``(M, K)`` is drawn. Without them the old
        encoder is taken to be the encoder, which it is whenever an epoch is over.
        """
        mu, logvar = self.encoder(matrix)
        old_mu, old_logvar = (mu, logvar) if clean is None else self.old(clean)
        z = mu if epsilon is None else mu + F.exp(0.5 * logvar) * epsilon
        # A user's n clicks are 1 / sqrt(n) each. sign(), which would count them, gives what an earlier batch left in
        # its memory where a batch has none.
        n_clicks = F.round(F.square(F.sum(matrix if clean is None else clean, axis=1)))
        kl = (log_density(z, mu, logvar) - self.prior(z, old_mu, old_logvar)).sum(axis=1)
        return self.decoder(z), n_clicks * kl

    def encode(self, matrix: SparseRows) -> mx.nd.NDArray:
        """The code ``mu`` of users' clicks, ``(M, K)``."""
        return self.encoder(matrix)[0]

    def named(self) -> Iterator[tuple[str, Parameter, bool]]:
        """Each parameter: canonical name, parameter, whether it is kept transposed."""
        yield from self.encoder.named("encoder")
        yield "decoder.0.weight", self.decoder.weight, False
        yield "decoder.0.bias", self.decoder.bias, False

    def snapshot(self) -> Iterator[tuple[str, Parameter, bool]]:
        """The old encoder, as :meth:`named` has the encoder."""
        yield from self.old.named("encoder")


def log_density(z: mx.nd.NDArray, mu: mx.nd.NDArray, logvar: mx.nd.NDArray) -> mx.nd.NDArray:
    """``log N(z; mu, exp(logvar))`` of each number, ``(M, K)``."""
    return -0.5 * (math.log(2 * math.pi) + logvar + (z - mu).square() * (-logvar).exp())
