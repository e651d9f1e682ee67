"""Numbers as people read them: as the papers print them, without the zero before the point; ``-`` where not known."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence

from experiments.analysis.runs import is_known
from utils.figures import FIGURES, PRIMARY

_ROUNDING = 1e-9  # of float64 means; a difference below is none


def without_zero(number: str) -> str:
    """A number's text without the zero before the point."""
    return number.replace("0.", ".", 1) if number.lstrip("+-").startswith("0.") else number


def decimals(value: float, places: int, sign: str = "") -> str:
    """``value`` with ``places`` decimals, and always with its sign where ``sign`` is ``+``."""
    return without_zero(f"{value:{sign}.{places}f}") if is_known(value) else "-"


def figure_text(value: float, figure: str = PRIMARY, fewer: int = 0, sign: str = "") -> str:
    """A figure with its own decimals, or some ``fewer``; of a loss of 1000 and more one fewer again."""
    if not is_known(value):
        return "-"
    return decimals(value, FIGURES[figure].decimals - fewer - (abs(value) >= 1000), sign)


def small_text(value: float, figure: str = PRIMARY, fewer: int = 0, sign: str = "") -> str:
    """A figure; what would be rounded to nothing keeps its order of magnitude: ``+2e-6``."""
    text = figure_text(value, figure, fewer, sign)
    if text == "-" or any(digit in text for digit in "123456789"):
        return text
    return re.sub(r"e-0?", "e-", f"{value:{sign}.0e}") if abs(value) > _ROUNDING else "0"


def signed(value: float) -> str:
    """A difference of metrics with its sign, however small."""
    return small_text(value, sign="+")


def signed_with_error(value: float, error: float) -> str:
    """A difference of metrics with its sign, in brackets its standard error if known: ``-.0012 (.0003)``."""
    return signed(value) + ("" if math.isnan(error) else f" ({small_text(error)})")


def with_error(value: float, error: float) -> str:
    """A metric, in brackets its standard error if known: ``.4683 (.0198)``."""
    return figure_text(value) + ("" if math.isnan(error) else f" ({figure_text(error)})")


def spread(mean: float, deviation: float, places: int = FIGURES[PRIMARY].decimals) -> str:
    """A mean and, if known, the standard deviation: ``.4683 ± .0017``."""
    text = decimals(mean, places)
    return text if math.isnan(deviation) or text == "-" else f"{text} ± {decimals(deviation, places)}"


def range_text(low: float, high: float) -> str:
    """The ends of an interval of differences: ``-.0012 to +.0031``."""
    return "-" if math.isnan(low) else f"{signed(low)} to {signed(high)}"


def magnitude(value: float, sign: str = "") -> str:
    """How far two figures are apart, of whatever magnitude: ``1.9e-07``; ``0`` where not at all."""
    return "-" if math.isnan(value) else f"{value:{sign}.1e}" if value else "0"


def p_text(value: float) -> str:
    """A p as the papers print it: ``<.001``, ``.023``."""
    return "-" if math.isnan(value) else "<.001" if value < 0.001 else decimals(value, 3)


def percent(value: float) -> str:
    """A share in per cent: ``38.2 %``."""
    return "-" if math.isnan(value) else f"{100 * value:.3g} %"


def seconds(value: float) -> str:
    """Seconds with three digits."""
    return "-" if math.isnan(value) else f"{value:,.0f}" if value >= 1000 else f"{value:.3g}"


def counted(n: int, what: str) -> str:
    """``1 run``, ``12 runs``."""
    return f"{n} {what}{'' if n == 1 else 's'}"


def listed(names: Sequence[str], what: str, most: int = 4) -> str:
    """``a; b; c``, and of many only how many more there are."""
    more = len(names) - most
    return "; ".join(names[:most]) + (f" and {counted(more, f'more {what}')}" if more > 0 else "")
