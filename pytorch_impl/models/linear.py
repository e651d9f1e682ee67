"""The linear family (``utils.models.linear``): EASE, EDLAE, DLAE (Steck 2019, 2020), by a Cholesky factorisation."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from scipy.sparse import csr_matrix

from pytorch_impl.device_batch import SparseRows
from pytorch_impl.layers import gathered
from pytorch_impl.runtime import torch
from utils.models.linear import LinearOptions, gram


class LinearAutoencoder:
    """``f = x B`` with ``B`` ``(I, I)`` in closed form; two arrays of that size at the most."""

    def __init__(self, options: LinearOptions, n_items: int) -> None:
        self.options, self.n_items = options, n_items
        self.weight: torch.Tensor | None = None

    def fit(self, clicks: csr_matrix, device: torch.device, dtype: str) -> None:
        """Take ``B`` from binary ``clicks`` ``(users, I)``; ``UserError`` where they have no such solution."""
        array = gram(clicks, dtype)  # overwritten, step by step
        penalties = self.options.penalties(array.diagonal().astype(np.float64))
        np.fill_diagonal(array, array.diagonal() + penalties)
        matrix = torch.from_numpy(array).to(device).mT  # symmetric, and by columns as LAPACK wants it: no copies
        factor = torch.empty_like(matrix)
        try:
            torch.linalg.cholesky(matrix, out=factor)
        except torch.linalg.LinAlgError:
            raise self.options.too_small("the matrix is not positive definite") from None
        torch.cholesky_inverse(factor, out=matrix)
        del factor
        matrix = matrix.mT  # as symmetric, and by rows, as scores are gathered
        scale, diagonal = self.options.columns(matrix.diagonal().cpu().numpy().astype(np.float64), penalties)
        if not np.isfinite(scale).all():
            raise self.options.too_small("the solution is no finite number")
        matrix.mul_(torch.from_numpy(scale).to(matrix))
        matrix.diagonal().copy_(torch.from_numpy(diagonal))
        self.weight = matrix

    def take(self, weights: Mapping[str, np.ndarray], device: torch.device, dtype: torch.dtype) -> None:
        """Take ``B`` as :meth:`arrays` gave it."""
        self.weight = torch.from_numpy(np.array(weights["weight"])).to(device, dtype)

    def arrays(self) -> dict[str, np.ndarray]:
        """A copy of ``B``, by canonical name."""
        return {"weight": self.weight.cpu().numpy().copy()}

    def __call__(self, matrix: SparseRows) -> tuple[torch.Tensor]:
        """The scores ``(M, I)`` of users' clicks ``(M, I)``."""
        by_user, _ = matrix
        return (gathered(self.weight, *by_user),)
