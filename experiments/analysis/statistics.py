"""Statistics over users and seeds: paired differences, their tests and intervals, equivalence, Holm's correction."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy import stats

#: The paper's stars (its Figure 3).
STARS = ((0.001, "***"), (0.01, "**"), (0.05, "*"))
#: Of the tests of equivalence.
LEVEL = 0.05


@dataclass(frozen=True)
class TTest:
    """A t-test of ``n`` paired differences against 0: mean, its standard error, p; NaN where nothing can be said."""

    n: int
    mean: float
    error: float
    p: float


def t_test(differences: np.ndarray) -> TTest:
    """The paired t-test of ``differences`` ``(n,)``: no error of fewer than two, no p where all are alike."""
    n = len(differences)
    mean = float(np.mean(differences)) if n else np.nan
    if n < 2:
        return TTest(n, mean, np.nan, np.nan)
    error = float(stats.sem(differences))
    return TTest(n, mean, error, float(stats.ttest_1samp(differences, 0.0).pvalue) if error else np.nan)


def signed_rank_p(differences: np.ndarray) -> float:
    """The p of Wilcoxon's signed-rank test of ``differences`` ``(n,)``, zeros left out; NaN if none is left."""
    return float(stats.wilcoxon(differences).pvalue) if len(differences) > 1 and np.any(differences) else np.nan


def confidence_interval(values: np.ndarray, confidence: float) -> tuple[float, float] | None:
    """The interval of the mean of ``values`` ``(n,)`` (Student's t); None for fewer than two."""
    if len(values) < 2:
        return None
    low, high = stats.ttest_1samp(values, 0.0).confidence_interval(confidence)
    return float(low), float(high)


def prediction_interval(values: Sequence[float], confidence: float) -> tuple[float, float] | None:
    """Where one more value of the same normal distribution lies (Student's t); None for fewer than two."""
    n = len(values)
    if n < 2:
        return None
    half = stats.t.ppf((1 + confidence) / 2, n - 1) * deviation(values) * np.sqrt(1 + 1 / n)
    return float(np.mean(values) - half), float(np.mean(values) + half)


def deviation(values: Sequence[float] | np.ndarray) -> float:
    """The sample standard deviation of ``values``; NaN for fewer than two."""
    return float(np.std(values, ddof=1)) if len(values) > 1 else np.nan


@dataclass(frozen=True)
class Equivalence:
    """Two one-sided t-tests of a mean difference against ``margin``; ``n`` differences.

    ``low`` and ``high`` bound the mean at twice the level (a 90 % interval): inside the margin when ``p`` is below
    ``LEVEL``. NaN where fewer than two differences say nothing of their spread.
    """

    margin: float
    n: int
    mean: float
    error: float
    low: float
    high: float
    p: float

    @property
    def shown(self) -> bool:
        """Whether a difference as large as the margin is ruled out."""
        return bool(self.p < LEVEL)

    @property
    def apart(self) -> bool:
        """Whether the whole interval lies beyond the margin."""
        return self.low > self.margin or self.high < -self.margin


def equivalence_test(differences: np.ndarray, margin: float) -> Equivalence:
    """Test whether the mean of paired ``differences`` ``(n,)`` lies within ``(-margin, margin)``.

    p is the larger of the two one-sided tests' (Schuirmann 1987). Differences that are all alike have no error, and a
    p of 0 or 1 as their value lies inside the margin or not.
    """
    test = t_test(differences)
    if test.n < 2:
        return Equivalence(margin, test.n, test.mean, np.nan, np.nan, np.nan, np.nan)
    if test.error == 0:
        p = 0.0 if abs(test.mean) < margin else 1.0
        return Equivalence(margin, test.n, test.mean, 0.0, test.mean, test.mean, p)
    above = stats.ttest_1samp(differences, -margin, alternative="greater").pvalue
    below = stats.ttest_1samp(differences, margin, alternative="less").pvalue
    low, high = stats.t.interval(1 - 2 * LEVEL, test.n - 1, loc=test.mean, scale=test.error)
    return Equivalence(margin, test.n, test.mean, test.error, float(low), float(high), float(max(above, below)))


@dataclass(frozen=True)
class Difference:
    """What the first side of a comparison has more than the second, in one figure.

    Attributes:
        first, second: each seed's figure, float64 ``(seeds,)``.
        per_user: each user's difference, averaged over the seeds, float64 ``(users,)``; None where not known.
    """

    first: np.ndarray
    second: np.ndarray
    per_user: np.ndarray | None

    @property
    def mean(self) -> float:
        """The difference of the means over the seeds."""
        return float(np.mean(self.first) - np.mean(self.second))

    @property
    def per_seed(self) -> np.ndarray:
        """Each seed's difference, float64 ``(seeds,)``."""
        return self.first - self.second

    @cached_property
    def test(self) -> TTest:
        """The paired t-test over users; its error is that of the difference."""
        return t_test(self._known_users)

    def equivalence(self, margin: float) -> dict[str, Equivalence]:
        """The tests of equivalence over ``users`` (given these trainings) and over ``seeds``."""
        return {
            "users": equivalence_test(self._known_users, margin),
            "seeds": equivalence_test(self.per_seed, margin),
        }

    @property
    def _known_users(self) -> np.ndarray:
        return np.empty(0) if self.per_user is None else self.per_user


def holm(p: Sequence[float]) -> np.ndarray:
    """Holm's step-down correction of several tests' ``p`` (Holm 1979), float64; NaN takes no part and stays.

    The i-th smallest of m is multiplied by m - i + 1; none falls below a smaller one's, none rises above 1.
    """
    values = np.asarray(p, dtype=np.float64)
    corrected = np.full(len(values), np.nan)
    known = np.flatnonzero(~np.isnan(values))
    order = known[np.argsort(values[known], kind="stable")]
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
