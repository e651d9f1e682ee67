"""Figures as files and as text: every drawing in the one style, wide for a page and a file, narrow for a phone."""

from __future__ import annotations

import io
from pathlib import Path

from experiments.plot_style import save, style
from experiments.report.drawings import DRAWINGS
from experiments.report.parts import ReportFigure


def write(figure: ReportFigure, folder: Path) -> list[Path]:
    """Write ``<name>.svg`` and ``<name>.png`` into ``folder`` and return them."""
    with style():
        return save(DRAWINGS[figure.drawing](figure.content, False), folder / figure.name)


def texts(figure: ReportFigure) -> tuple[str, str]:
    """The SVG of the figure, wide and narrow."""
    found = []
    for narrow in (False, True):
        with style():
            stream = io.StringIO()
            DRAWINGS[figure.drawing](figure.content, narrow).savefig(stream, format="svg", metadata={"Date": None})
            found.append(stream.getvalue())
    return found[0], found[1]
