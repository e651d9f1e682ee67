"""What the networks are made of: a first layer that reads sparse clicks, and towers of layers with tanh between."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence

from torch import nn

from pytorch_impl.clicks import SparseRows
from pytorch_impl.runtime import torch


class ClickLinear(nn.Module):
    """A linear layer on sparse rows ``(M, I)``; it reads only the weights of the clicked items.

    The weight is kept ``(I, width)``, a row per item, and written down ``(width, I)`` like any other.
    """

    def __init__(self, n_items: int, width: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(n_items, width))
        self.bias = nn.Parameter(torch.empty(width))

    def forward(self, matrix: SparseRows) -> torch.Tensor:
        """``matrix @ weight + bias``, ``(M, width)``."""
        indptr, indices, values = matrix
        summed = nn.functional.embedding_bag(
            indices, self.weight, indptr, mode="sum", per_sample_weights=values, include_last_offset=True
        )
        return summed + self.bias


class Tower(nn.Module):
    """Linear layers of the given widths with tanh between them, none after the last (Liang et al. 2018, sec. 2.1).

    ``dropout`` holds a rate per layer, of the dropout before it; a layer with a rate above 0 takes the next mask.
    The input of a tower ``from_clicks`` is sparse and comes with its dropout applied (``utils.batches``).
    """

    def __init__(self, widths: Sequence[int], dropout: Sequence[float], from_clicks: bool) -> None:
        super().__init__()
        self.layers = nn.ModuleList()
        for i, (n_in, n_out) in enumerate(itertools.pairwise(widths)):
            self.layers.append(ClickLinear(n_in, n_out) if from_clicks and i == 0 else nn.Linear(n_in, n_out))
        self.masked = [p > 0 and not (from_clicks and i == 0) for i, p in enumerate(dropout)]

    def forward(self, x: SparseRows | torch.Tensor, *masks: torch.Tensor) -> torch.Tensor:
        """The last layer's output, ``(M, widths[-1])``; ``masks`` are all that training needs, or none."""
        remaining = iter(masks)
        for i, layer in enumerate(self.layers):
            if i > 0:
                x = torch.tanh(x)
            if masks and self.masked[i]:
                x = x * next(remaining)
            x = layer(x)
        return x

    @property
    def n_masks(self) -> int:
        """How many masks a training pass takes."""
        return sum(self.masked)

    def named(self, prefix: str) -> Iterator[tuple[str, nn.Parameter, bool]]:
        """Each parameter: canonical name, parameter, whether it is kept transposed."""
        for i, layer in enumerate(self.layers):
            yield f"{prefix}.{i}.weight", layer.weight, isinstance(layer, ClickLinear)
            yield f"{prefix}.{i}.bias", layer.bias, False
