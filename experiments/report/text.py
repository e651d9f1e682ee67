"""Numbers as the report prints them."""

from __future__ import annotations

import math
from collections.abc import Sequence

from experiments.analysis.comparison_text import p_text, short_number, small_number

__all__ = [
    "counted",
    "decimals",
    "interval",
    "listed",
    "metric",
    "p_text",
    "seconds",
    "share",
    "short_number",
    "signed",
]


def decimals(value: float, places: int) -> str:
    """``value`` with ``places`` decimals as the papers print it; ``-`` where it is not known."""
    return "-" if math.isnan(value) else short_number(f"{value:.{places}f}")


def counted(n: int, what: str) -> str:
    """``1 run``, ``12 runs``."""
    return f"{n} {what}{'' if n == 1 else 's'}"


def listed(names: Sequence[str], what: str, most: int = 4) -> str:
    """``a; b; c``, and of many only how many more there are."""
    more = len(names) - most
    return "; ".join(names[:most]) + (f" and {counted(more, f'more {what}')}" if more > 0 else "")


def metric(value: float, error: float = math.nan) -> str:
    """A ranking metric, in brackets its standard error: ``.4683 (.0198)``."""
    return decimals(value, 4) if math.isnan(error) else f"{decimals(value, 4)} ({decimals(error, 4)})"


def signed(value: float, error: float = math.nan) -> str:
    """A difference of metrics with its sign, in brackets its standard error; what is tiny keeps its magnitude."""
    text = small_number(value, "n100", 4, "+")
    return text if math.isnan(error) else f"{text} ({small_number(error, 'n100', 4)})"


def interval(low: float, high: float) -> str:
    """``-.0012 to +.0031``; ``-`` where it is not known."""
    return "-" if math.isnan(low) else f"{signed(low)} to {signed(high)}"


def share(value: float) -> str:
    """A share in per cent: ``38.2 %``."""
    return "-" if math.isnan(value) else f"{100 * value:.3g} %"


def seconds(value: float) -> str:
    """Seconds with three digits."""
    return "-" if math.isnan(value) else f"{value:,.0f}" if value >= 1000 else f"{value:.3g}"
