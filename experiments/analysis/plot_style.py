"""One look for every figure: colours that the colour-blind tell apart, names beside the lines, the same bytes again.

Matplotlib is imported when the first figure is drawn; whoever draws must do without figures where it is not installed.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from utils.engine import ENGINES
from utils.models import MODELS
from utils.system.files import written_whole

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

#: The command that installs what figures and page take.
INSTALL = "pip install -c constraints.txt -e '.[report]'"

#: Okabe & Ito's colours by the names that a page gives them, which has others in the dark.
COLOURS = {
    "blue": "#0072B2", "vermilion": "#D55E00", "green": "#009E73", "purple": "#CC79A7", "orange": "#E69F00",
    "sky": "#56B4E9",
}  # fmt: skip
#: The engines in the order of their registry: a broad solid line, and dashes over it where they agree; likewise a ring
#: around a point.
_ENGINE_COLOURS = ("blue", "vermilion", "orange", "purple")
_ENGINE_LINES: tuple[dict[str, Any], ...] = (
    {"linestyle": "-", "linewidth": 2.0, "alpha": 0.6},
    {"linestyle": (0, (4, 2)), "linewidth": 1.1},
    {"linestyle": (0, (1, 1)), "linewidth": 1.1},
)
_ENGINE_MARKER_SIZES = (8.0, 4.5)
#: The models in the order of their registry; as many marks as do not repeat with the colours, every other one hollow.
_MODEL_COLOURS = ("green", "purple", "orange", "sky", "blue", "vermilion")
_MARKERS = ("o", "s", "^", "D", "v", "P", "X")
INK, FAINT, GRID = "#333333", "#BBBBBB", "#E6E6E6"
_PNG_DPI = 160
_STYLE = {
    "font.family": "sans-serif", "font.sans-serif": ["DejaVu Sans", "Arial", "Helvetica"], "font.size": 9,
    "axes.titlesize": 10, "axes.titlelocation": "left", "axes.labelsize": 9, "axes.edgecolor": FAINT,
    "axes.linewidth": 0.8, "axes.spines.right": False, "axes.spines.top": False, "axes.labelcolor": INK,
    "text.color": INK, "xtick.color": FAINT, "ytick.color": FAINT, "xtick.labelcolor": INK, "ytick.labelcolor": INK,
    "xtick.labelsize": 8, "ytick.labelsize": 8, "axes.grid": True, "axes.grid.axis": "y", "grid.color": GRID,
    "grid.linewidth": 0.6, "axes.axisbelow": True, "figure.facecolor": "white", "savefig.facecolor": "white",
    "svg.fonttype": "none", "svg.hashsalt": "vae-cf",
}  # fmt: skip


def can_draw() -> bool:
    """Whether matplotlib is installed."""
    try:
        import matplotlib  # noqa: F401
    except ModuleNotFoundError as error:
        if (error.name or "").split(".")[0] != "matplotlib":
            raise
        return False
    return True


@contextlib.contextmanager
def style() -> Iterator[None]:
    """Within it, figures made and saved look alike; matplotlib is as it was afterwards."""
    import matplotlib

    with matplotlib.rc_context():
        matplotlib.rcdefaults()  # whatever the reader's own matplotlibrc says
        matplotlib.rcParams.update(_STYLE)
        yield


def new_figure(width: float, height: float) -> Figure:
    """An empty figure of ``width`` x ``height`` inches, whose parts make room for each other."""
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout="constrained")


def engine_colour(engine: str) -> str:
    """The colour of a framework, the same in every figure."""
    return COLOURS[_by_place(_ENGINE_COLOURS, list(ENGINES), engine)]


def engine_line(engine: str) -> dict[str, Any]:
    """How the line of a framework is drawn, but for its colour."""
    return _by_place(_ENGINE_LINES, list(ENGINES), engine)


def engine_marker_size(engine: str) -> float:
    """How large the mark of a framework is."""
    return _by_place(_ENGINE_MARKER_SIZES, list(ENGINES), engine)


def model_colour(model: str) -> str:
    """The colour of a model, the same in every figure."""
    return COLOURS[_by_place(_MODEL_COLOURS, list(MODELS), model)]


def model_marker(model: str) -> str:
    """The mark of a model, the same in every figure."""
    return _by_place(_MARKERS, list(MODELS), model)


def is_hollow(model: str) -> bool:
    """Whether the marks of a model are hollow where they lie upon others."""
    return _by_place((False, True), list(MODELS), model)


def spread_out(n: int, step: float, room: float = 0.8) -> np.ndarray:
    """Where ``n`` marks stand side by side around 0, ``step`` apart or as near as the ``room`` for all demands."""
    return min(step, room / n) * (np.arange(n) - (n - 1) / 2)


def legend(figure: Figure, *, engines: Sequence[str] = (), models: Sequence[str] = (), columns: int = 4) -> None:
    """Name the frameworks and models of a figure above its panels."""
    from matplotlib.lines import Line2D

    of_engines = [
        Line2D([], [], color=engine_colour(name), label=ENGINES[name].title, **engine_line(name))
        for name in ENGINES
        if name in engines
    ]
    neutral = bool(engines)  # the colours are the frameworks'
    of_models = [
        Line2D([], [], linestyle="none", marker=model_marker(name), label=name,
               color=INK if neutral else model_colour(name),
               markerfacecolor="none" if neutral and is_hollow(name) else None)
        for name in sorted(models, key=model_order)
    ]  # fmt: skip
    handles = [*of_engines, *of_models]
    figure.legend(
        handles=handles, loc="outside upper right", ncols=min(columns, len(handles)), frameon=False, fontsize=8
    )


def model_order(model: str) -> tuple[int, str]:
    """The order of models: that of their registry, then by name those of others."""
    return (list(MODELS).index(model) if model in MODELS else len(MODELS), model)


def _by_place(values: Sequence[Any], names: Sequence[str], name: str) -> Any:
    """Of ``values`` that of the place of ``name`` among ``names``, from the start again where they end.

    One that is not among them has a place that its letters give.
    """
    place = names.index(name) if name in names else len(names) + sum(name.encode())
    return values[place % len(values)]


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
