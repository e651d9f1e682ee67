"""Popularity: the baseline that knows nothing of a user."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from utils.models.base import ModelOptions


@dataclass(frozen=True)
class PopularityOptions(ModelOptions):
    """Popularity has no options."""

    name: ClassVar[str] = "popularity"
    terms: ClassVar[tuple[str, ...]] = ()
    training: ClassVar[Mapping[str, Any] | None] = None

    def shapes(self, n_items: int, n_users: int = 0) -> dict[str, tuple[int, ...]]:
        """``clicks`` ``(I,)``: the training clicks of each item."""
        return {"clicks": (n_items,)}
