"""Learning curves of a pair of runs, side by side: where they start to part, and how far they end apart."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from utils.system.errors import UserError

PARTED = 1e-4  # NDCG@100: half a unit of the third decimal of a published figure is five times this


@dataclass(frozen=True)
class Curves:
    """Two runs' validation NDCG@100 over the epochs both evaluated.

    Attributes:
        epochs: int ``(n,)``.
        scores: float ``(2, n)``, in the order of the runs given.
        train_loss_apart: float, the largest relative difference of the mean training loss of an epoch.
    """

    epochs: np.ndarray
    scores: np.ndarray
    train_loss_apart: float

    @property
    def apart(self) -> np.ndarray:
        """The absolute difference at each epoch, ``(n,)``."""
        return np.abs(self.scores[0] - self.scores[1])

    @property
    def parting(self) -> int | None:
        """The first epoch at which they differ by more than ``PARTED``; None when they never do."""
        parted = np.flatnonzero(self.apart > PARTED)
        return int(self.epochs[parted[0]]) if len(parted) else None


def read_curves(folders: Sequence[str | Path]) -> Curves:
    """The curves of two runs from their ``history.csv``. Raises ``UserError`` when one is missing or damaged."""
    histories = []
    for folder in folders:
        path = Path(folder) / "history.csv"
        try:
            histories.append(pd.read_csv(path).set_index("epoch")[["val_n100", "loss"]])
        except (OSError, KeyError, ValueError) as error:
            raise UserError(f"{path}: no history of a run ({error}); run the run again") from error
    both = histories[0].index.intersection(histories[1].index)
    one, other = (history.loc[both] for history in histories)
    loss_apart = float((np.abs(one["loss"] - other["loss"]) / np.abs(other["loss"])).max())
    evaluated = one["val_n100"].notna() & other["val_n100"].notna()
    scores = np.stack([one["val_n100"][evaluated], other["val_n100"][evaluated]])
    return Curves(both[evaluated].to_numpy(), scores, loss_apart)
