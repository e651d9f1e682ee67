"""Mult-DAE: a denoising autoencoder with a multinomial likelihood (Liang et al. 2018, sec. 2.3)."""

from __future__ import annotations

from collections.abc import Iterator
from types import ModuleType

from mxnet.gluon import HybridBlock, Parameter

from mxnet_impl.device_batch import SparseRows
from mxnet_impl.layers import Tower
from mxnet_impl.runtime import mx
from utils.models.mult_dae import MultDAEOptions


class MultDAE(HybridBlock):
    """Encoder ``I - q_dims`` to a code, tanh on the code, decoder ``p_dims - I`` to logits.

    A pure function: noise is an argument, and without noise there is none.
    """

    tower = Tower

    def __init__(self, options: MultDAEOptions, n_items: int, **kwargs) -> None:
        super().__init__(**kwargs)
        with self.name_scope():
            self.encoder = self.tower([n_items, *options.q_dims], options.dropout_enc, from_clicks=True)
            self.decoder = self.tower([*options.p_dims, n_items], options.dropout_dec, from_clicks=False)

    def hybrid_forward(
        self, F: ModuleType, matrix: SparseRows, *noise: mx.nd.NDArray
    ) -> tuple[mx.nd.NDArray, mx.nd.NDArray]:
        """Logits ``(M, I)`` of users' clicks ``(M, I)``, and a KL of 0 ``(M,)``: no prior, no such term.

        ``noise``: masks of the encoder, masks of the decoder, as training draws them; or none.
        """
        n = self.encoder.n_masks
        code = F.Activation(self.encoder(matrix, *noise[:n]), act_type="tanh")
        return self.decoder(code, *noise[n:]), F.zeros_like(F.sum(code, axis=1))

    def encode(self, matrix: SparseRows) -> mx.nd.NDArray:
        """The code of users' clicks, ``(M, K)``."""
        return self.encoder(matrix).tanh()

    def named(self) -> Iterator[tuple[str, Parameter, bool]]:
        """Each parameter: canonical name, parameter, whether it is kept transposed."""
        yield from self.encoder.named("encoder")
        yield from self.decoder.named("decoder")
