"""SLIM (Ning & Karypis 2011): of each item a sparse regression on the others, of positive coefficients."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from utils.models.base import ModelOptions
from utils.system.command_line import option, real

_MODEL = "model"


@dataclass(frozen=True)
class SLIMOptions(ModelOptions):
    """The options of SLIM, as scikit-learn's elastic net has them.

    Of each item j, over the n training users, ``w >= 0`` and ``w_j = 0``:
    ``|x_j - X w|^2 / 2n + alpha (l1_ratio |w|_1 + (1 - l1_ratio) |w|^2 / 2)``.
    """

    name: ClassVar[str] = "slim"
    terms: ClassVar[tuple[str, ...]] = ()
    training: ClassVar[Mapping[str, Any] | None] = None
    l2_normalised: ClassVar[bool] = False
    fit_arrays: ClassVar[Mapping[str, float]] = {"numpy": 3.0}  # in float64, then in the run's precision

    slim_alpha: float = option(1e-3, _MODEL, "alpha: weight of both penalties", real(above=0, below=1e31))
    l1_ratio: float = option(0.1, _MODEL, "share of the L1 penalty; the rest is L2", real(minimum=0, maximum=1))
    tol: float = option(
        1e-4, _MODEL, "how near its optimum each item's regression is taken: the duality gap over the item's clicks",
        real(above=0, below=1),
    )  # fmt: skip

    def shapes(self, n_items: int, n_users: int = 0) -> dict[str, tuple[int, ...]]:
        """``weight`` ``(I, I)``: a row per clicked item, mostly zeros."""
        return {"weight": (n_items, n_items)}
