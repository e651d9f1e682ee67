"""Mult-VAE: a variational autoencoder with a multinomial likelihood (Liang et al. 2018, sec. 2)."""

from __future__ import annotations

from collections.abc import Iterator

from torch import nn

from pytorch_impl.device_batch import SparseRows
from pytorch_impl.layers import Tower
from pytorch_impl.losses import kl_divergence
from pytorch_impl.runtime import torch
from utils.models.mult_vae import MultVAEOptions


class MultVAE(nn.Module):
    """Encoder ``I - q_dims`` to mean and log-variance of a Gaussian code, decoder ``p_dims - I`` to logits.

    A pure function: noise is an argument, and without noise there is none (``z = mu``).
    """

    tower = Tower

    def __init__(self, options: MultVAEOptions, n_items: int) -> None:
        super().__init__()
        self.latent = options.p_dims[0]
        encoder = [n_items, *options.q_dims[:-1], 2 * self.latent]
        self.encoder = self.tower(encoder, options.dropout_enc, from_clicks=True)
        self.decoder = self.tower([*options.p_dims, n_items], options.dropout_dec, from_clicks=False)

    def forward(self, matrix: SparseRows, *noise: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Logits ``(M, I)`` and KL ``(M,)`` of users' clicks ``(M, I)``.

        ``noise``: masks of the encoder, epsilon ``(M, K)``, masks of the decoder, as training draws them; or none.
        """
        n = self.encoder.n_masks
        mu, logvar = self._split(self.encoder(matrix, *noise[:n]))
        z = mu
        if noise:  # the reparameterisation trick (sec. 2.2)
            z = mu + torch.exp(0.5 * logvar) * noise[n]
        return self.decoder(z, *noise[n + 1 :]), kl_divergence(mu, logvar)

    def encode(self, matrix: SparseRows) -> torch.Tensor:
        """The code ``mu`` of users' clicks, ``(M, K)``."""
        return self._split(self.encoder(matrix))[0]

    def named(self) -> Iterator[tuple[str, nn.Parameter, bool]]:
        """Each parameter: canonical name, parameter, whether it is kept transposed."""
        yield from self.encoder.named("encoder")
        yield from self.decoder.named("decoder")

    def _split(self, encoded: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        return encoded[:, : self.latent], encoded[:, self.latent :]
