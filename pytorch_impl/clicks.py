"""A batch on the device: sparse, as the first layer and the loss read it."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from pytorch_impl.runtime import torch
from utils.batches import Batch

# Compressed sparse rows, the input of the network, (M, I): where each row begins, columns, values.
SparseRows = tuple[torch.Tensor, torch.Tensor, torch.Tensor]


class Clicks(NamedTuple):
    """A batch of M users and n clicks on the device.

    ``matrix`` is the network's sparse input ``(M, I)``; ``positions`` int64 ``(2, n)``, user and item of each click;
    ``noise`` the arrays of ``Batch.noise``.
    """

    matrix: SparseRows
    positions: torch.Tensor
    noise: tuple[torch.Tensor, ...]


def to_device(batch: Batch, device: torch.device, dtype: torch.dtype) -> Clicks:
    """``batch`` copied to ``device``, its floating-point arrays as ``dtype``."""

    def sent(array: np.ndarray) -> torch.Tensor:
        return torch.from_numpy(array).to(device, dtype if array.dtype.kind == "f" else None)

    matrix = (sent(batch.indptr), sent(batch.indices), sent(batch.values))
    positions = sent(np.stack([batch.rows, batch.indices]))
    return Clicks(matrix, positions, tuple(sent(array) for array in batch.noise))
