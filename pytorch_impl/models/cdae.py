"""CDAE: a denoising autoencoder with a node for each user (Wu et al. 2016)."""

from __future__ import annotations

from collections.abc import Iterator

from torch import nn

from pytorch_impl.device_batch import DeviceBatch, SparseRows
from pytorch_impl.layers import ClickLinear, Linear
from pytorch_impl.runtime import torch
from utils.models.cdae import CDAEOptions


class CDAE(nn.Module):
    """``h = sigmoid(W' x~ + V_u + b)``, ``f = W2 h + b2``; W2 may be W, and the user's V_u may be left out.

    A pure function: the corrupted input is an argument.
    """

    def __init__(self, options: CDAEOptions, n_items: int, n_users: int = 0) -> None:
        super().__init__()
        self.options = options
        self.encoder = ClickLinear(n_items, options.hidden)
        self.decoder = Linear(options.hidden, n_items)
        if options.tied:
            self.decoder.weight = self.encoder.weight
        if options.has_user_node:
            self.user = nn.Parameter(torch.empty(n_users, options.hidden))

    def forward(self, matrix: SparseRows, users: torch.Tensor | None = None) -> tuple[torch.Tensor]:
        """Logits ``(M, I)`` of users' clicks ``(M, I)``; ``users`` ``(M,)`` are their rows in training."""
        return (self.decoder(self.encode(matrix, users)),)

    def encode(self, matrix: SparseRows, users: torch.Tensor | None = None) -> torch.Tensor:
        """The code of users' clicks, ``(M, K)``."""
        summed = self.encoder(matrix)
        return torch.sigmoid(summed if users is None else summed + self.user[users])

    def half_square_of_touched(self, clicks: DeviceBatch) -> torch.Tensor:
        """``|w|^2 / 2`` of all that the users of a step touch, each as often as they do, a scalar.

        A user touches the input weights of the clicks that are left of it, its node, the hidden biases, and the output
        weights and biases of the items that the loss looks at.
        """
        (_, read, _), _ = clicks.matrix
        n_users = clicks.matrix[0][0].shape[0] - 1
        total = _squares(self.encoder.weight)[read].sum() + n_users * self.encoder.bias.square().sum()
        of_outputs = _squares(self.decoder.weight) + self.decoder.bias.square()
        if clicks.negatives is None:
            total = total + n_users * of_outputs.sum()
        else:
            total = total + of_outputs[torch.cat([clicks.positions[1], clicks.negatives[1]])].sum()
        return 0.5 * (total if clicks.users is None else total + _squares(self.user[clicks.users]).sum())

    def named(self) -> Iterator[tuple[str, nn.Parameter, bool]]:
        """Each parameter: canonical name, parameter, whether it is kept transposed."""
        yield "encoder.0.weight", self.encoder.weight, True
        yield "encoder.0.bias", self.encoder.bias, False
        if self.options.has_user_node:
            yield "user.weight", self.user, False
        if not self.options.tied:
            yield "decoder.0.weight", self.decoder.weight, False
        yield "decoder.0.bias", self.decoder.bias, False


def _squares(weight: torch.Tensor) -> torch.Tensor:
    """The squared length of each row."""
    return weight.square().sum(dim=1)
