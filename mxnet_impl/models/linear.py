"""The linear family (``utils.models.linear``): EASE, EDLAE, DLAE (Steck 2019, 2020), by a Cholesky factorisation."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from scipy.sparse import csr_matrix

from mxnet_impl.device_batch import SparseRows
from mxnet_impl.runtime import mx
from utils.models.linear import LinearOptions, gram
from utils.system.errors import UserError

MOST_ELEMENTS = 2**31 - 1  # of an array of MXNet's


class LinearAutoencoder:
    """``f = x B`` with ``B`` ``(I, I)`` in closed form, in the one array that ``G`` came in."""

    def __init__(self, options: LinearOptions, n_items: int) -> None:
        if n_items**2 > MOST_ELEMENTS:
            raise UserError(
                f"--model {options.name}: {n_items:,} x {n_items:,} items are more than an array of MXNet's can hold "
                f"(46,340 items); use main_pytorch.py"
            )
        self.options, self.n_items = options, n_items
        self.weight: mx.nd.NDArray | None = None

    def fit(self, clicks: csr_matrix, device: mx.Context, dtype: str) -> None:
        """Take ``B`` from binary ``clicks`` ``(users, I)``; ``UserError`` where they have no such solution."""
        array = gram(clicks, dtype)  # overwritten, step by step
        penalties = self.options.penalties(array.diagonal().astype(np.float64))
        np.fill_diagonal(array, array.diagonal() + penalties)
        matrix = mx.nd.from_numpy(array, zero_copy=True)  # what MXNet writes, NumPy reads
        if device.device_type != "cpu":
            matrix = matrix.as_in_context(device)
        try:
            mx.nd.linalg.potrf(matrix, out=matrix)
            mx.nd.linalg.potri(matrix, out=matrix)
            matrix.wait_to_read()
        except mx.MXNetError:
            raise self.options.too_small("the matrix is not positive definite") from None
        inverse_diagonal = mx.nd.diag(matrix).asnumpy().astype(np.float64)
        scale, diagonal = self.options.columns(inverse_diagonal, penalties)
        if not np.isfinite(scale).all():
            raise self.options.too_small("the solution is no finite number")
        row = mx.nd.array(scale[None, :], ctx=device, dtype=matrix.dtype)
        mx.nd.broadcast_mul(matrix, row, out=matrix)
        places = mx.nd.arange(self.n_items, ctx=device, dtype="int32")
        matrix[places, places] = mx.nd.array(diagonal, ctx=device, dtype=matrix.dtype)
        matrix.wait_to_read()
        self.weight = matrix

    def take(self, weights: Mapping[str, np.ndarray], device: mx.Context, dtype: str) -> None:
        """Take ``B`` as :meth:`arrays` gave it."""
        self.weight = mx.nd.array(weights["weight"], ctx=device, dtype=dtype)

    def arrays(self) -> dict[str, np.ndarray]:
        """A copy of ``B``, by canonical name."""
        return {"weight": self.weight.asnumpy()}

    def __call__(self, matrix: SparseRows) -> tuple[mx.nd.NDArray]:
        """The scores ``(M, I)`` of users' clicks ``(M, I)``."""
        return (mx.nd.sparse.dot(matrix, self.weight),)
