"""A batch on the device: sparse, as the first layer and the loss read it."""

from __future__ import annotations

from typing import NamedTuple, TypeAlias

import numpy as np
from scipy.sparse import csr_matrix

from mxnet_impl.runtime import mx
from utils.batches import Batch

SparseRows: TypeAlias = mx.nd.sparse.CSRNDArray  # compressed sparse rows: the input of the network, (M, I)


class DeviceBatch(NamedTuple):
    """A batch of M users and n clicks on the device.

    ``matrix`` is the network's sparse input ``(M, I)``; ``positions`` int32 ``(2, n)``, user and item of each click;
    ``noise`` the arrays of ``Batch.noise``, ``users`` int32 ``(M,)`` and ``negatives`` int32 ``(2, m)`` those of its;
    ``clean`` is the input without dropout, ``(M, I)``.
    Where n or m is 0, no operator takes ``positions`` or ``negatives``: to MXNet a length of 0 is one not yet known.
    """

    matrix: SparseRows
    positions: mx.nd.NDArray
    noise: tuple[mx.nd.NDArray, ...]
    users: mx.nd.NDArray | None
    negatives: mx.nd.NDArray | None
    clean: SparseRows | None

    @property
    def inputs(self) -> tuple[SparseRows | mx.nd.NDArray, ...]:
        """What the network is given beside noise: the clicks; whose they are, where it has a node for each user; and
        the clicks without dropout, where a training step wants them.
        """
        return (self.matrix, *(each for each in (self.users, self.clean) if each is not None))


def to_device(batch: Batch, device: mx.Context, dtype: str) -> DeviceBatch:
    """``batch`` copied to ``device``, its floating-point arrays as ``dtype``."""

    def sent(array: np.ndarray) -> mx.nd.NDArray:
        return mx.nd.array(array, ctx=device, dtype=dtype if array.dtype.kind == "f" else array.dtype)

    def rows(matrix: csr_matrix) -> SparseRows:
        parts = (matrix.data, matrix.indices, matrix.indptr)
        return mx.nd.sparse.csr_matrix(parts, shape=matrix.shape, ctx=device, dtype=dtype)

    matrix, clean = rows(batch.network_input), batch.clean_input
    positions = sent(np.stack([batch.rows, batch.indices]).astype(np.int32))
    users, negatives = (
        None if array is None else sent(array.astype(np.int32)) for array in (batch.users, batch.negatives)
    )
    noise = tuple(sent(array) for array in batch.noise)
    return DeviceBatch(matrix, positions, noise, users, negatives, None if clean is None else rows(clean))
