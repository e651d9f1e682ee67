"""The linear family: item-item models with a closed form, fitted once, without random draws.

With ``G = X'X`` of the training users' clicks, ``gamma_i = lambda + G_ii p / (1 - p)`` and
``C = (G + diag gamma)^-1``: EASE (Steck 2019, p = 0) and EDLAE (Steck 2020) are ``B_ij = -C_ij / C_jj`` with a zero
diagonal, DLAE (Steck 2020) is ``B = I - C diag(gamma)``. A user's scores are ``x B``. Which arrays it takes is the
engines' business (``<engine>_impl/models/linear.py``), what each column is multiplied by stands here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from scipy.sparse import csr_matrix

from utils.models.base import ModelOptions
from utils.system.command_line import option, real
from utils.system.errors import UserError

_MODEL = "model"
_l2 = real(above=0, below=1e31)
_ITEMS_AT_ONCE = 128  # of the Gram matrix, so that a sparse product never stands whole beside the dense one


@dataclass(frozen=True)
class LinearOptions(ModelOptions):
    """The base of the family's options."""

    terms: ClassVar[tuple[str, ...]] = ()
    training: ClassVar[Mapping[str, Any] | None] = None
    l2_normalised: ClassVar[bool] = False
    fit_arrays: ClassVar[Mapping[str, float]] = {"pytorch": 2.3, "mxnet": 1.2}

    l2: float = option(500.0, _MODEL, "lambda: the L2 penalty, as many clicks as it weighs", _l2)

    def shapes(self, n_items: int, n_users: int = 0) -> dict[str, tuple[int, ...]]:
        """``weight`` ``(I, I)``: B, a row per clicked item."""
        return {"weight": (n_items, n_items)}

    def too_small(self, why: str) -> UserError:
        """What to raise where the closed form has no solution under this penalty."""
        return UserError(f"--l2 {self.l2:g}: {why}; give a larger one")

    def penalties(self, counts: np.ndarray) -> np.ndarray:
        """gamma, ``(I,)``, from the diagonal of G: the clicks of each item."""
        return np.full_like(counts, self.l2)

    def columns(self, inverse_diagonal: np.ndarray, penalties: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """What column j of C is multiplied by to give B off the diagonal, and B's diagonal, both ``(I,)``."""
        with np.errstate(divide="ignore"):  # told by who asks
            return -1.0 / inverse_diagonal, np.zeros_like(inverse_diagonal)


@dataclass(frozen=True)
class EASEOptions(LinearOptions):
    """The options of EASE."""

    name: ClassVar[str] = "ease"


@dataclass(frozen=True)
class EDLAEOptions(LinearOptions):
    """The options of EDLAE: the penalty grows with an item's clicks, as dropout on the input in expectation does."""

    name: ClassVar[str] = "edlae"

    l2: float = option(200.0, _MODEL, "lambda: the L2 penalty, as many clicks as it weighs", _l2)
    dropout_p: float = option(0.5, _MODEL, "p: dropout on the input, in expectation", real(minimum=0, below=1))

    def penalties(self, counts: np.ndarray) -> np.ndarray:
        """gamma, ``(I,)``: ``lambda + G_ii p / (1 - p)``."""
        return self.l2 + counts * (self.dropout_p / (1.0 - self.dropout_p))


@dataclass(frozen=True)
class DLAEOptions(EDLAEOptions):
    """The options of DLAE: as EDLAE's, but B's diagonal is free."""

    name: ClassVar[str] = "dlae"

    l2: float = option(400.0, _MODEL, "lambda: the L2 penalty, as many clicks as it weighs", _l2)
    dropout_p: float = option(0.4, _MODEL, "p: dropout on the input, in expectation", real(minimum=0, below=1))

    def columns(self, inverse_diagonal: np.ndarray, penalties: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """As :meth:`LinearOptions.columns`."""
        return -penalties, 1.0 - inverse_diagonal * penalties


def gram(clicks: csr_matrix, dtype: str) -> np.ndarray:
    """``X'X`` of binary clicks ``(users, I)``, dense ``(I, I)``: how many users clicked both items."""
    n_items = clicks.shape[1]
    matrix = np.empty((n_items, n_items), dtype=dtype)
    by_item = clicks.T.tocsr()
    for begin in range(0, n_items, _ITEMS_AT_ONCE):
        matrix[begin : begin + _ITEMS_AT_ONCE] = (by_item[begin : begin + _ITEMS_AT_ONCE] @ clicks).toarray()
    return matrix
