"""The linear family (``utils.models.linear``): EASE, EDLAE, DLAE (Steck 2019, 2020), by a Cholesky factorisation."""

from __future__ import annotations

import numpy as np

from pytorch_impl.device_batch import SparseRows
from pytorch_impl.layers import gathered
from pytorch_impl.runtime import torch
from utils.models.linear import LinearOptions


class LinearAutoencoder:
    """``f = x B`` with ``B`` ``(I, I)`` in closed form; two arrays of that size at the most."""

    def __init__(self, options: LinearOptions, n_items: int) -> None:
        self.options, self.n_items = options, n_items
        self.weight: torch.Tensor | None = None

    def fit(self, gram: np.ndarray, device: torch.device) -> None:
        """Take ``B`` from ``gram`` ``(I, I)``, which is overwritten; ``UserError`` where it has no such solution."""
        penalties = self.options.penalties(gram.diagonal().astype(np.float64))
        np.fill_diagonal(gram, gram.diagonal() + penalties)
        matrix = torch.from_numpy(gram).to(device).mT  # symmetric, and by columns as LAPACK wants it: no copies
        factor = torch.empty_like(matrix)
        try:
            torch.linalg.cholesky(matrix, out=factor)
        except torch.linalg.LinAlgError:
            raise self.options.too_small("the matrix is not positive definite") from None
        torch.cholesky_inverse(factor, out=matrix)
        del factor
        scale, diagonal = self.options.columns(matrix.diagonal().cpu().numpy().astype(np.float64), penalties)
        if not np.isfinite(scale).all():
            raise self.options.too_small("the solution is no finite number")
        matrix.mul_(torch.from_numpy(scale).to(matrix))
        matrix.diagonal().copy_(torch.from_numpy(diagonal))
        self.weight = matrix

    def take(self, weight: np.ndarray, device: torch.device, dtype: torch.dtype) -> None:
        """Take ``B`` as it was written down."""
        self.weight = torch.from_numpy(np.array(weight)).to(device, dtype)

    def __call__(self, matrix: SparseRows) -> tuple[torch.Tensor]:
        """The scores ``(M, I)`` of users' clicks ``(M, I)``."""
        by_user, _ = matrix
        return (gathered(self.weight, *by_user),)
