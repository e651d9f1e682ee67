"""Mult-VAE: a variational autoencoder with a multinomial likelihood (Liang et al. 2018, sec. 2)."""

from __future__ import annotations

from collections.abc import Iterator
from types import ModuleType

from mxnet.gluon import HybridBlock, Parameter

from mxnet_impl.device_batch import SparseRows
from mxnet_impl.layers import Tower
from mxnet_impl.losses import kl_divergence
from mxnet_impl.runtime import mx
from utils.models.mult_vae import MultVAEOptions


class MultVAE(HybridBlock):
    """Encoder ``I - q_dims`` to mean and log-variance of a Gaussian code, decoder ``p_dims - I`` to logits.

    A pure function: noise is an argument, and without noise there is none (``z = mu``).
    """

    tower = Tower

    def __init__(self, options: MultVAEOptions, n_items: int, **kwargs) -> None:
        super().__init__(**kwargs)
        self.latent = options.p_dims[0]
        encoder = [n_items, *options.q_dims[:-1], 2 * self.latent]
        with self.name_scope():
            self.encoder = self.tower(encoder, options.dropout_enc, from_clicks=True)
            self.decoder = self.tower([*options.p_dims, n_items], options.dropout_dec, from_clicks=False)

    def hybrid_forward(
        self, F: ModuleType, matrix: SparseRows, *noise: mx.nd.NDArray
    ) -> tuple[mx.nd.NDArray, mx.nd.NDArray]:
        """Logits ``(M, I)`` and KL ``(M,)`` of users' clicks ``(M, I)``.

        ``noise``: masks of the encoder, epsilon ``(M, K)``, masks of the decoder, as training draws them; or none.
        """
        n = self.encoder.n_masks
        mu, logvar = self._split(self.encoder(matrix, *noise[:n]))
        z = mu
        if noise:  # the reparameterisation trick (sec. 2.2)
            z = mu + F.exp(0.5 * logvar) * noise[n]
        return self.decoder(z, *noise[n + 1 :]), kl_divergence(mu, logvar)

    def encode(self, matrix: SparseRows) -> mx.nd.NDArray:
        """The code ``mu`` of users' clicks, ``(M, K)``."""
        return self._split(self.encoder(matrix))[0]

    def named(self) -> Iterator[tuple[str, Parameter, bool]]:
        """Each parameter: canonical name, parameter, whether it is kept transposed."""
        yield from self.encoder.named("encoder")
        yield from self.decoder.named("decoder")

    def _split(self, encoded: mx.nd.NDArray) -> tuple[mx.nd.NDArray, mx.nd.NDArray]:
        return (
            encoded.slice_axis(axis=1, begin=0, end=self.latent),
            encoded.slice_axis(axis=1, begin=self.latent, end=2 * self.latent),
        )
