"""Paired tests over users, and the correction for how many there are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

from experiments.analysis.pairs import error_and_p

#: The paper's stars (its Figure 3).
STARS = ((0.001, "***"), (0.01, "**"), (0.05, "*"))


@dataclass(frozen=True)
class PairedTests:
    """Of paired differences over users: their number, mean, standard error, and the p of the two tests.

    ``t``: paired t-test; ``wilcoxon``: signed-rank test, users without a difference left out. NaN where there are too
    few users, or no user differs.
    """

    n: int
    mean: float
    error: float
    t: float
    wilcoxon: float


def paired_tests(differences: np.ndarray) -> PairedTests:
    """Test the mean and the median of paired ``differences`` ``(users,)`` against 0."""
    n = len(differences)
    error, t = error_and_p(differences)
    signed = float(stats.wilcoxon(differences).pvalue) if n > 1 and np.any(differences) else np.nan
    return PairedTests(n, float(np.mean(differences)) if n else np.nan, error, t, signed)


def holm(p: Sequence[float]) -> np.ndarray:
    """Holm's step-down correction of several tests' ``p`` (Holm 1979), float64; NaN takes no part and stays.

    The i-th smallest of m is multiplied by m - i + 1; none falls below a smaller one's, none rises above 1.
    """
    values = np.asarray(p, dtype=np.float64)
    corrected = np.full(len(values), np.nan)
    told = np.flatnonzero(~np.isnan(values))
    order = told[np.argsort(values[told], kind="stable")]
    factors = np.arange(len(order), 0, -1)
    corrected[order] = np.minimum(1.0, np.maximum.accumulate(values[order] * factors))
    return corrected


def stars(p: float) -> str:
    """``*`` below .05, ``**`` below .01, ``***`` below .001, else ""."""
    return next((text for bound, text in STARS if p < bound), "")


def quintiles(activity: np.ndarray) -> list[np.ndarray]:
    """The users by activity ``(users,)`` in five groups as equal as can be, int places each, the least active first.

    Users of equal activity are parted by their order; with fewer than five users some groups are empty.
    """
    return np.array_split(np.argsort(activity, kind="stable"), 5)
