"""Figures as files and as text: every drawing in the one style, wide for a page and a file, narrow for a phone."""

from __future__ import annotations

import io
from pathlib import Path

from experiments.analysis.plot_style import save, style
from experiments.report.drawings import DRAWINGS
from experiments.report.parts import ReportFigure


def write(figure: ReportFigure, folder: Path) -> list[Path]:
    """Write ``<name>.svg`` and ``<name>.png`` into ``folder`` and return them."""
    with style():
        return save(DRAWINGS[figure.drawing](figure.content, False), folder / figure.name)


def narrow(figure: ReportFigure) -> str:
    """The SVG of the figure as a phone shows it."""
    with style():
        stream = io.StringIO()
        DRAWINGS[figure.drawing](figure.content, True).savefig(stream, format="svg", metadata={"Date": None})
    return stream.getvalue()
