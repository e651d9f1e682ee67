"""A batch on the device: sparse, as the first layer and the loss read it."""

from __future__ import annotations

from typing import NamedTuple, TypeAlias

import numpy as np
from scipy.sparse import csr_matrix

from pytorch_impl.runtime import torch
from utils.batches import Batch

# Compressed sparse rows: where each row begins, int64; the columns, int64, and values of the entries.
Rows = tuple[torch.Tensor, torch.Tensor, torch.Tensor]
# The input of the network, (M, I), by user; and its transpose, by item, which the gradient of its first layer reads.
SparseRows: TypeAlias = tuple[Rows, Rows]


class DeviceBatch(NamedTuple):
    """A batch of M users and n clicks on the device.

    ``matrix`` is the network's sparse input ``(M, I)``; ``positions`` int64 ``(2, n)``, user and item of each click;
    ``noise`` the arrays of ``Batch.noise``, ``users`` int64 ``(M,)`` and ``negatives`` int64 ``(2, m)`` those of its;
    ``clean`` is the input without dropout, ``(M, I)``.
    """

    matrix: SparseRows
    positions: torch.Tensor
    noise: tuple[torch.Tensor, ...]
    users: torch.Tensor | None
    negatives: torch.Tensor | None
    clean: SparseRows | None

    @property
    def inputs(self) -> tuple[SparseRows | torch.Tensor, ...]:
        """What the network is given beside noise: the clicks; whose they are, where it has a node for each user; and
        the clicks without dropout, where a training step wants them.
        """
        return (self.matrix, *(each for each in (self.users, self.clean) if each is not None))


def to_device(batch: Batch, device: torch.device, dtype: torch.dtype) -> DeviceBatch:
    """``batch`` copied to ``device``, its floating-point arrays as ``dtype``."""

    def sent(array: np.ndarray) -> torch.Tensor:
        return torch.from_numpy(array).to(device, dtype if array.dtype.kind == "f" else None)

    def rows(matrix: csr_matrix) -> Rows:
        return sent(matrix.indptr.astype(np.int64)), sent(matrix.indices.astype(np.int64)), sent(matrix.data)

    def both_ways(matrix: csr_matrix) -> SparseRows:
        return rows(matrix), rows(matrix.T.tocsr())

    matrix, clean = both_ways(batch.network_input), batch.clean_input
    positions = sent(np.stack([batch.rows, batch.indices]))
    users, negatives = (None if array is None else sent(array) for array in (batch.users, batch.negatives))
    noise = tuple(sent(array) for array in batch.noise)
    return DeviceBatch(matrix, positions, noise, users, negatives, None if clean is None else both_ways(clean))
