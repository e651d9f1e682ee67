"""One look for every figure: colours that the colour-blind tell apart, names beside the lines, the same bytes again.

The only modules that import matplotlib are this one and those that draw; whoever calls them must do without figures
where matplotlib is not installed.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from utils.system.files import written_whole

#: Okabe & Ito's colours: blue and vermilion; a framework has the same in every figure.
COLOURS = {"pytorch": "#0072B2", "mxnet": "#D55E00"}
#: Dashes over a broader solid line: where the frameworks agree, both are seen.
LINES: dict[str, dict[str, Any]] = {
    "pytorch": {"linestyle": "-", "linewidth": 2.0, "alpha": 0.6},
    "mxnet": {"linestyle": (0, (4, 2)), "linewidth": 1.1},
}
#: A ring around a point where they agree.
MARKERS: dict[str, dict[str, Any]] = {"pytorch": {"markersize": 8.0}, "mxnet": {"markersize": 4.5}}
#: The models' colours, for figures that set models side by side: bluish green, reddish purple, then what is left.
MODEL_COLOURS = {"vae": "#009E73", "dae": "#CC79A7"}
_MORE_COLOURS = ("#E69F00", "#56B4E9", "#000000")
INK, FAINT = "#333333", "#BBBBBB"
_PNG_DPI = 160
_STYLE = {
    "font.family": "sans-serif", "font.sans-serif": ["DejaVu Sans", "Arial", "Helvetica"], "font.size": 9,
    "axes.titlesize": 10, "axes.titlelocation": "left", "axes.labelsize": 9, "axes.edgecolor": FAINT,
    "axes.linewidth": 0.8, "axes.spines.right": False, "axes.spines.top": False, "axes.labelcolor": INK,
    "text.color": INK, "xtick.color": FAINT, "ytick.color": FAINT, "xtick.labelcolor": INK, "ytick.labelcolor": INK,
    "xtick.labelsize": 8, "ytick.labelsize": 8, "axes.grid": True, "axes.grid.axis": "y", "grid.color": "#E6E6E6",
    "grid.linewidth": 0.6, "axes.axisbelow": True, "figure.facecolor": "white", "savefig.facecolor": "white",
    "svg.fonttype": "none", "svg.hashsalt": "vae-cf",
}  # fmt: skip


@contextlib.contextmanager
def style() -> Iterator[None]:
    """Within it, figures made and saved look alike; matplotlib is as it was afterwards."""
    with matplotlib.rc_context():
        matplotlib.rcdefaults()  # whatever the reader's own matplotlibrc says
        matplotlib.rcParams.update(_STYLE)
        yield


def new_figure(width: float, height: float) -> Figure:
    """An empty figure of ``width`` x ``height`` inches, whose parts make room for each other."""
    return Figure(figsize=(width, height), layout="constrained")


def model_colour(model: str, others: Sequence[str]) -> str:
    """The colour of a model; of one without its own that of its place among ``others``."""
    return MODEL_COLOURS.get(model, _MORE_COLOURS[list(others).index(model) % len(_MORE_COLOURS)])


def save(figure: Figure, stem: Path) -> list[Path]:
    """Write ``figure`` as ``<stem>.svg`` and ``<stem>.png`` and return their paths; equal figures, equal bytes."""
    written = []
    for form, metadata in (("svg", {"Date": None}), ("png", {"Software": None})):
        path = stem.with_suffix(f".{form}")
        with written_whole(path) as temporary:
            figure.savefig(temporary, format=form, dpi=_PNG_DPI, metadata=metadata)
        written.append(path)
    return written


def note(axes: Axes, text: str) -> None:
    """Say in an empty panel why it is empty."""
    axes.text(0.5, 0.5, text, transform=axes.transAxes, ha="center", va="center", color=INK, wrap=True)
