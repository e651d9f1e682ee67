"""Neighbourhood models: of each item the few items that are most like it, by what the training users clicked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from utils.models.base import ModelOptions
from utils.system.command_line import integer, option, real

_MODEL = "model"
_exponent = real(minimum=0, below=1e31)


@dataclass(frozen=True)
class NeighbourOptions(ModelOptions):
    """The base of the models' options."""

    terms: ClassVar[tuple[str, ...]] = ()
    training: ClassVar[Mapping[str, Any] | None] = None
    l2_normalised: ClassVar[bool] = False

    k: int = option(50, _MODEL, "neighbours of an item that are kept", integer(1))

    def dimensions(self) -> dict[str, tuple[int, ...]]:
        """The neighbours kept."""
        return {"k": (self.k,)}

    def shapes(self, n_items: int, n_users: int = 0) -> dict[str, tuple[int, ...]]:
        """``neighbour.item`` ``(I, K)``, int32, and ``neighbour.weight`` of each, ``K = min(k, I)``.

        By index; an item with fewer neighbours than K has itself at weight 0 in their place.
        """
        shape = n_items, min(self.k, n_items)
        return {"neighbour.item": shape, "neighbour.weight": shape}


@dataclass(frozen=True)
class ItemKNNOptions(NeighbourOptions):
    """The options of ItemKNN: cosine similarity, n users clicked i, n_ij both: ``n_ij / (sqrt(n_i n_j) + shrink)``."""

    name: ClassVar[str] = "itemknn"

    shrink: float = option(
        0.0, _MODEL, "added to the cosine's denominator: similarities that few users vouch for count less",
        real(minimum=0, below=1e31),
    )  # fmt: skip


@dataclass(frozen=True)
class RP3betaOptions(NeighbourOptions):
    """The options of RP3beta: a walk from an item to a user to an item, popular items at its end held back.

    With ``p = (1 / clicks)^alpha`` of an item or a user, that of a step from there: ``p_i sum_u p_u / clicks_j^beta``.
    """

    name: ClassVar[str] = "rp3beta"

    k: int = option(1000, _MODEL, "neighbours of an item that are kept", integer(1))
    rp3_alpha: float = option(1.0, _MODEL, "alpha: the exponent of a step's probability", _exponent)
    rp3_beta: float = option(
        0.6, _MODEL, "beta: the exponent of the clicks that an item's weight is divided by", _exponent
    )
