"""What the networks are made of: a first layer that reads sparse clicks, and towers of layers with tanh between."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from types import ModuleType

from mxnet.gluon import HybridBlock, Parameter, nn

from mxnet_impl.device_batch import SparseRows
from mxnet_impl.runtime import mx


class ClickLinear(HybridBlock):
    """A linear layer on sparse rows ``(M, I)``; it reads only the weights of the clicked items.

    The weight is kept ``(I, width)``, a row per item, and written down ``(width, I)`` like any other.
    """

    def __init__(self, n_items: int, width: int, **kwargs) -> None:
        super().__init__(**kwargs)
        with self.name_scope():
            self.weight = self.params.get("weight", shape=(n_items, width), grad_stype="row_sparse")
            self.bias = self.params.get("bias", shape=(width,))

    def hybrid_forward(
        self, F: ModuleType, matrix: SparseRows, weight: mx.nd.NDArray, bias: mx.nd.NDArray
    ) -> mx.nd.NDArray:
        """``matrix @ weight + bias``, ``(M, width)``."""
        summed = F.sparse.dot(matrix, weight)
        # The bias as a product with ones: its gradient is then one too, faster than broadcast_add's sum.
        ones = F.ones_like(F.slice_axis(summed, axis=1, begin=0, end=1))
        return summed + F.dot(ones, F.reshape(bias, shape=(1, -1)))


class Linear(nn.Dense):
    """A dense layer with its two widths in PyTorch's order."""

    def __init__(self, n_in: int, n_out: int, **kwargs) -> None:
        super().__init__(n_out, in_units=n_in, flatten=False, **kwargs)


class Tower(HybridBlock):
    """Linear layers of the given widths with tanh between them, none after the last (Liang et al. 2018, sec. 2.1).

    ``dropout`` holds a rate per layer, of the dropout before it; a layer with a rate above 0 takes the next mask.
    The input of a tower ``from_clicks`` is sparse and comes with its dropout applied (``utils.batches``).
    """

    linear = Linear

    def __init__(self, widths: Sequence[int], dropout: Sequence[float], from_clicks: bool, **kwargs) -> None:
        super().__init__(**kwargs)
        self.layers = []
        with self.name_scope():
            for i, (n_in, n_out) in enumerate(itertools.pairwise(widths)):
                sparse = from_clicks and i == 0
                layer = ClickLinear(n_in, n_out) if sparse else self.linear(n_in, n_out)
                self.register_child(layer)
                self.layers.append(layer)
        self.masked = [p > 0 and not (from_clicks and i == 0) for i, p in enumerate(dropout)]

    def hybrid_forward(self, F: ModuleType, x: SparseRows | mx.nd.NDArray, *masks: mx.nd.NDArray) -> mx.nd.NDArray:
        """The last layer's output, ``(M, widths[-1])``; ``masks`` are all that training needs, or none."""
        remaining = iter(masks)
        for i, layer in enumerate(self.layers):
            if i > 0:
                x = F.Activation(x, act_type="tanh")  # much faster than F.tanh
            if masks and self.masked[i]:
                x = x * next(remaining)
            x = layer(x)
        return x

    @property
    def n_masks(self) -> int:
        """How many masks a training pass takes."""
        return sum(self.masked)

    def named(self, prefix: str) -> Iterator[tuple[str, Parameter, bool]]:
        """Each parameter: canonical name, parameter, whether it is kept transposed."""
        for i, layer in enumerate(self.layers):
            yield f"{prefix}.{i}.weight", layer.weight, isinstance(layer, ClickLinear)
            yield f"{prefix}.{i}.bias", layer.bias, False
