"""A training whose loss became no number: where it was, and how that is told."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class Divergence:
    """Where a loss became no finite number.

    ``batch`` counts from 1 within the epoch; None is the evaluation after it. ``loss`` is "nan" or "inf" (JSON has
    neither); ``lr`` and ``beta`` are those of the step.
    """

    epoch: int
    batch: int | None
    lr: float
    beta: float
    loss: str

    def record(self) -> dict[str, Any]:
        """As ``metrics.json`` holds it."""
        return asdict(self)


class DivergedError(Exception):
    """Raised at the step whose loss is no finite number."""

    def __init__(self, where: Divergence) -> None:
        super().__init__(where.loss)
        self.where = where


def check_loss(loss: float, epoch: int, batch: int | None, knobs: Mapping[str, float]) -> None:
    """Raise :class:`DivergedError` unless ``loss`` is a finite number; ``knobs`` are those of the step."""
    if not math.isfinite(loss):
        what = "nan" if math.isnan(loss) else "inf"
        raise DivergedError(Divergence(epoch, batch, knobs["lr"], knobs.get("beta", 0.0), what))


def in_words(record: Mapping[str, Any], best_epoch: int | None) -> str:
    """A divergence, as recorded, in one line: where, what is kept, what to do."""
    place = f"batch {record['batch']}" if record["batch"] is not None else "its evaluation"
    kept = "no epoch was evaluated before, so there is nothing to test"
    if best_epoch is not None:
        kept = f"the best weights before, of epoch {best_epoch}, are the ones tested"
    return (
        f"the loss became {record['loss']} in epoch {record['epoch']}, {place} (learning rate {record['lr']:g}, beta "
        f"{record['beta']:g}); {kept}: lower --lr or --anneal_cap"
    )
