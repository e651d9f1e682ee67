"""iALS (Hu et al. 2008): factors of users and items by alternating least squares, every click weighed alike."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from utils.models.base import ModelOptions, Statistics
from utils.randomness import LARGEST_SEED, Purpose, stream
from utils.system.command_line import integer, option, real

_MODEL = "model"
_INITIAL_WIDTH = 0.01  # factors start uniform between 0 and this, as in the package that fits them


@dataclass(frozen=True)
class IALSOptions(ModelOptions):
    """The options of iALS: ``sum_ui c_ui (x_ui - u'v)^2 + lambda (|U|^2 + |V|^2)``, c1 at a click and 1 elsewhere."""

    name: ClassVar[str] = "ials"
    terms: ClassVar[tuple[str, ...]] = ()
    training: ClassVar[Mapping[str, Any] | None] = None
    l2_normalised: ClassVar[bool] = False

    factors: int = option(100, _MODEL, "factors of a user and of an item", integer(1))
    l2: float = option(50.0, _MODEL, "lambda: the L2 penalty on the factors", real(above=0, below=1e31))
    confidence: float = option(
        10.0, _MODEL, "the weight c1 of a click's squared error, 1 for all else", real(above=0, below=1e31), later=True
    )
    iterations: int = option(
        10, _MODEL, "times that the factors of all users, then of all items are solved", integer(1)
    )
    seed: int = option(1, _MODEL, "seed of the factors it starts from", integer(0, LARGEST_SEED))

    @property
    def code_width(self) -> int:
        """The factors."""
        return self.factors

    def dimensions(self) -> dict[str, tuple[int, ...]]:
        """The factors."""
        return {"factors": (self.factors,)}

    def shapes(self, n_items: int, n_users: int = 0) -> dict[str, tuple[int, ...]]:
        """``item.weight`` ``(I, K)``: the items' factors; those of a user are solved from the clicks when asked."""
        return {"item.weight": (n_items, self.factors)}

    def initial_weights(
        self, n_items: int, seed: int, statistics: Statistics | None, n_users: int = 0
    ) -> dict[str, np.ndarray]:
        """The factors it starts from, float64: ``user.weight`` ``(n_users, K)`` and ``item.weight`` ``(I, K)``."""
        shapes = {"user.weight": (n_users, self.factors), "item.weight": (n_items, self.factors)}
        return {
            name: _INITIAL_WIDTH * stream(seed, Purpose.WEIGHTS, step=place).random(shape)
            for place, (name, shape) in enumerate(shapes.items())
        }
