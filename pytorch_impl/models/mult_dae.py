"""Mult-DAE: a denoising autoencoder with a multinomial likelihood (Liang et al. 2018, sec. 2.3)."""

from __future__ import annotations

from collections.abc import Iterator

from torch import nn

from pytorch_impl.device_batch import SparseRows
from pytorch_impl.layers import Tower
from pytorch_impl.runtime import torch
from utils.models.mult_dae import MultDAEOptions


class MultDAE(nn.Module):
    """Encoder ``I - q_dims`` to a code, tanh on the code, decoder ``p_dims - I`` to logits.

    A pure function: noise is an argument, and without noise there is none.
    """

    tower = Tower

    def __init__(self, options: MultDAEOptions, n_items: int) -> None:
        super().__init__()
        self.encoder = self.tower([n_items, *options.q_dims], options.dropout_enc, from_clicks=True)
        self.decoder = self.tower([*options.p_dims, n_items], options.dropout_dec, from_clicks=False)

    def forward(self, matrix: SparseRows, *noise: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Logits ``(M, I)`` of users' clicks ``(M, I)``, and a KL of 0 ``(M,)``: no prior, no such term.

        ``noise``: masks of the encoder, masks of the decoder, as training draws them; or none.
        """
        n = self.encoder.n_masks
        code = torch.tanh(self.encoder(matrix, *noise[:n]))
        return self.decoder(code, *noise[n:]), torch.zeros_like(code[:, 0])

    def encode(self, matrix: SparseRows) -> torch.Tensor:
        """The code of users' clicks, ``(M, K)``."""
        return torch.tanh(self.encoder(matrix))

    def named(self) -> Iterator[tuple[str, nn.Parameter, bool]]:
        """Each parameter: canonical name, parameter, whether it is kept transposed."""
        yield from self.encoder.named("encoder")
        yield from self.decoder.named("decoder")
