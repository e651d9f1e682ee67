"""What the networks are made of: a first layer that reads sparse clicks, and towers of layers with tanh between."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence

from torch import nn
from torch.autograd.function import FunctionCtx

from pytorch_impl.device_batch import SparseRows
from pytorch_impl.runtime import torch

BLOCK = 1024  # outputs of a layer computed at once on a CPU: see Linear


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
        return _SparseProduct.apply(self.weight, matrix) + self.bias


class Linear(nn.Linear):
    """``nn.Linear``, which on a CPU computes a wide output in blocks that share one array.

    The library behind PyTorch's CPU products takes half as long again for ``x @ weight.T`` with tens of thousands of
    outputs than for the two products of its gradient, which have as many operations; in blocks it does not.
    In mixed precision the products are in bfloat16, what goes in and out is float32.
    """

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """``x @ weight.T + bias``, ``(M, out)``."""
        if self.out_features > BLOCK and x.device.type == "cpu" and not torch.is_autocast_enabled("cpu"):
            return _BlockedProduct.apply(x, self.weight, self.bias)
        return super().forward(x).to(x.dtype)  # from bfloat16 in mixed precision


class Tower(nn.Module):
    """Linear layers of the given widths with tanh between them, none after the last (Liang et al. 2018, sec. 2.1).

    ``dropout`` holds a rate per layer, of the dropout before it; a layer with a rate above 0 takes the next mask.
    The input of a tower ``from_clicks`` is sparse and comes with its dropout applied (``utils.batches``).
    """

    linear = Linear

    def __init__(self, widths: Sequence[int], dropout: Sequence[float], from_clicks: bool) -> None:
        super().__init__()
        self.layers = nn.ModuleList()
        for i, (n_in, n_out) in enumerate(itertools.pairwise(widths)):
            self.layers.append(ClickLinear(n_in, n_out) if from_clicks and i == 0 else self.linear(n_in, n_out))
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


class _SparseProduct(torch.autograd.Function):
    """``matrix @ weight``. The gradient gathers by item as the product gathers by user: the same sums in the same
    order as ``embedding_bag``'s own gradient, which sorts the clicks in every step.
    """

    @staticmethod
    def forward(ctx: FunctionCtx, weight: torch.Tensor, matrix: SparseRows) -> torch.Tensor:
        by_user, ctx.by_item = matrix
        return gathered(weight, *by_user)

    @staticmethod
    def backward(ctx: FunctionCtx, gradient: torch.Tensor) -> tuple[torch.Tensor, None]:
        return gathered(gradient.contiguous(), *ctx.by_item), None


class _BlockedProduct(torch.autograd.Function):
    """``x @ weight.T + bias`` in blocks of outputs; see :class:`Linear`."""

    @staticmethod
    def forward(ctx: FunctionCtx, x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor) -> torch.Tensor:
        ctx.save_for_backward(x, weight)
        out = x.new_empty(x.shape[0], weight.shape[0])
        for part, rows, biases in zip(out.split(BLOCK, dim=1), weight.split(BLOCK), bias.split(BLOCK), strict=True):
            torch.addmm(biases, x, rows.T, out=part)
        return out

    @staticmethod
    def backward(ctx: FunctionCtx, gradient: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        x, weight = ctx.saved_tensors
        return gradient @ weight, gradient.T @ x, gradient.sum(dim=0)


def gathered(table: torch.Tensor, indptr: torch.Tensor, indices: torch.Tensor, values: torch.Tensor) -> torch.Tensor:
    """The product of sparse rows and ``table`` ``(I, width)``: ``(rows, width)``, its dtype that of ``table``.

    ``indptr`` int ``(rows + 1,)``, ``indices`` int and ``values`` ``(entries,)`` are the rows as CSR has them.
    """
    return nn.functional.embedding_bag(
        indices, table, indptr, mode="sum", per_sample_weights=values, include_last_offset=True
    )
