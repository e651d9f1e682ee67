"""CDAE: a denoising autoencoder with a node for each user (Wu et al. 2016)."""

from __future__ import annotations

from collections.abc import Iterator
from types import ModuleType

from mxnet.gluon import HybridBlock, Parameter

from mxnet_impl.device_batch import DeviceBatch, SparseRows
from mxnet_impl.layers import ClickLinear
from mxnet_impl.runtime import mx
from utils.models.cdae import CDAEOptions


class CDAE(HybridBlock):
    """``h = sigmoid(W' x~ + V_u + b)``, ``f = W2 h + b2``; W2 may be W, and the user's V_u may be left out.

    A pure function: the corrupted input is an argument.
    """

    def __init__(self, options: CDAEOptions, n_items: int, n_users: int = 0, **kwargs) -> None:
        super().__init__(**kwargs)
        self.options = options
        with self.name_scope():
            self.encoder = ClickLinear(n_items, options.hidden)
            own = None if options.tied else self.params.get("weight", shape=(n_items, options.hidden))
            self.weight = own or self.encoder.weight
            self.bias = self.params.get("bias", shape=(n_items,))
            if options.has_user_node:
                self.user = self.params.get("user", shape=(n_users, options.hidden))

    def hybrid_forward(
        self, F: ModuleType, matrix: SparseRows, users: mx.nd.NDArray | None = None, **weights: mx.nd.NDArray
    ) -> tuple[mx.nd.NDArray]:
        """Logits ``(M, I)`` of users' clicks ``(M, I)``; ``users`` ``(M,)`` are their rows in training."""
        summed = self.encoder(matrix)
        if users is not None:
            summed = summed + F.take(weights["user"], users)
        code = F.Activation(summed, act_type="sigmoid")
        wide = F.FullyConnected(code, weights["weight"], weights["bias"], num_hidden=self.bias.shape[0], flatten=False)
        return (wide,)

    def encode(self, matrix: SparseRows, users: mx.nd.NDArray | None = None) -> mx.nd.NDArray:
        """The code of users' clicks, ``(M, K)``."""
        summed = self.encoder(matrix)
        return (summed if users is None else summed + self.user.data().take(users)).sigmoid()

    def half_square_of_touched(self, clicks: DeviceBatch) -> mx.nd.NDArray:
        """``|w|^2 / 2`` of all that the users of a step touch, each as often as they do, ``(1,)``.

        A user touches the input weights of the clicks that are left of it, its node, the hidden biases, and the output
        weights and biases of the items that the loss looks at.
        """
        n_users, read = clicks.matrix.shape[0], clicks.matrix.indices
        total = n_users * self.encoder.bias.data().square().sum()
        if clicks.matrix.data.shape[0]:
            total = total + _squares(self.encoder.weight.data()).take(read).sum()
        of_outputs = _squares(self.weight.data()) + self.bias.data().square()
        if clicks.negatives is None:
            total = total + n_users * of_outputs.sum()
        else:
            for places in (clicks.positions, clicks.negatives):
                total = total + of_outputs.take(places[1]).sum() if places.shape[1] else total
        return 0.5 * (total if clicks.users is None else total + self.user.data().take(clicks.users).square().sum())

    def named(self) -> Iterator[tuple[str, Parameter, bool]]:
        """Each parameter: canonical name, parameter, whether it is kept transposed."""
        yield "encoder.0.weight", self.encoder.weight, True
        yield "encoder.0.bias", self.encoder.bias, False
        if self.options.has_user_node:
            yield "user.weight", self.user, False
        if not self.options.tied:
            yield "decoder.0.weight", self.weight, False
        yield "decoder.0.bias", self.bias, False


def _squares(weight: mx.nd.NDArray) -> mx.nd.NDArray:
    """The squared length of each row."""
    return weight.square().sum(axis=1)
