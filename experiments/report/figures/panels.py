"""What the figures share: their panels, the legend above them, and what is left out of a picture."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Callable, Collection, Sequence
from typing import TYPE_CHECKING, TypeVar

from experiments.analysis.number_text import decimals
from experiments.analysis.plot_style import legend, new_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

T = TypeVar("T")
_NARROW = 3.75  # inches: 360 px of a phone's 390
_WIDTHS = {1: 5.6, 2: 9.2}  # of a whole figure, by panels in a row; more have 10
_WIDE = 10.0
_ROW = 3  # panels at most side by side
_KEYS = {True: 3, False: 6}  # names at most side by side in a legend, by whether the figure is narrow
_FAR = 0.5  # of the best score: a run below it would press all others together


def panels(
    count: int, narrow: bool, height: float, *, share_y: bool = False, engines: Collection[str] = (),
    models: Collection[str] = (),
) -> tuple[Figure, list[Axes]]:  # fmt: skip
    """A figure of ``count`` panels, in rows of three, or below each other where it is to be ``narrow``.

    ``engines`` and ``models`` are those that a legend above them names.
    """
    columns = 1 if narrow else min(count, _ROW)
    rows = math.ceil(count / columns)
    width = _NARROW if narrow else _WIDTHS.get(columns, _WIDE)
    figure = new_figure(width, rows * height)
    axes = figure.subplots(rows, columns, squeeze=False, sharey=share_y).ravel()
    for unused in axes[count:]:
        unused.set_axis_off()
    if engines or models:
        legend(figure, engines, models, _KEYS[narrow])
    return figure, list(axes[:count])


def without_far(axes: Axes, drawn: Sequence[T], score: Callable[[T], float]) -> list[T]:
    """What is not far below the best; of the others the panel says how many there are, and at which scores."""
    bound = _FAR * max(map(score, drawn))
    far = sorted(score(each) for each in drawn if score(each) < bound)
    if far:
        ends = dict.fromkeys(decimals(value, 3) for value in (far[0], far[-1]))
        axes.text(0.02, 0.02, f"not shown: {len(far)} at {'–'.join(ends)}", transform=axes.transAxes, fontsize=8)
    return [each for each in drawn if score(each) >= bound]


def known(error: float) -> float | None:
    """An error as matplotlib takes it."""
    return None if math.isnan(error) else error


def wrapped(words: str) -> str:
    """In lines that a narrow panel has room for."""
    return textwrap.fill(words, 44)
