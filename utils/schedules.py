"""What evaluations decide over a run: the learning rate, and whether to go on. No framework has a part in it."""

from __future__ import annotations

import math
from dataclasses import dataclass, field


@dataclass
class Progress:
    """The best score so far and how long it has stood: early stopping, and the plateau scheduler's memory.

    ``score`` is to grow (NDCG@100, or minus the loss); patience is counted in evaluations.
    """

    best: float = -math.inf
    best_epoch: int = 0
    stalled: int = 0

    def update(self, score: float, epoch: int) -> bool:
        """Note the score of an evaluation; True when it is the best yet (the first always is)."""
        if self.best_epoch == 0 or score > self.best:
            self.best, self.best_epoch, self.stalled = score, epoch, 0
            return True
        self.stalled += 1
        return False

    def exhausted(self, patience: int) -> bool:
        """Whether ``patience`` evaluations in a row brought nothing better; patience 0 is never exhausted."""
        return 0 < patience <= self.stalled


_SMALLEST_FALL = 1e-8  # of the learning rate; a smaller one is left out


@dataclass
class PlateauSchedule:
    """The learning rate, divided by ten after more than ``patience`` evaluations without a better score.

    PyTorch's ReduceLROnPlateau with its defaults (factor 0.1, relative threshold 1e-4, eps 1e-8), watching a score
    that is to *grow*: the 2020 study watched for it to fall.
    """

    lr: float
    patience: int
    factor: float = 0.1
    threshold: float = 1e-4
    best: float = field(default=-math.inf)
    stalled: int = 0

    def update(self, score: float) -> None:
        """Note the score of an evaluation and lower ``lr`` when it has stalled for too long."""
        if not math.isfinite(self.best) or self._is_better(score):
            self.best, self.stalled = score, 0
        else:
            self.stalled += 1
        if self.stalled > self.patience:
            if self.lr - self.lr * self.factor > _SMALLEST_FALL:  # for ever, it would leave what float32 can hold
                self.lr *= self.factor
            self.stalled = 0

    def _is_better(self, score: float) -> bool:
        return score > self.best + self.threshold * abs(self.best)
