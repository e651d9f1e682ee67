"""One look for every figure: colours that the colour-blind tell apart, names beside the lines, the same bytes again.

Matplotlib is imported when the first figure is drawn; whoever draws must do without figures where it is not installed.
"""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
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
#: By the places of the engines in their registry: a broad solid line, dashes over it where they agree; a ring around a
#: point.
_ENGINE_COLOURS = ("blue", "vermilion", "orange", "purple")
_ENGINE_LINES: tuple[dict[str, Any], ...] = (
    {"linestyle": "-", "linewidth": 2.0, "alpha": 0.6},
    {"linestyle": (0, (4, 2)), "linewidth": 1.1},
    {"linestyle": (0, (1, 1)), "linewidth": 1.1},
)
_ENGINE_SIZES = (8.0, 4.5)
#: By the places of the models in theirs: marks that do not repeat with the colours; upon others every other is hollow.
_MODEL_COLOURS = ("green", "purple", "orange", "sky", "blue", "vermilion")
_MODEL_MARKERS = ("o", "s", "^", "D", "v", "P", "X")
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


@dataclass(frozen=True)
class EngineStyle:
    """How a framework is drawn, the same in every figure: ``line`` is a line but for its colour."""

    colour: str
    line: dict[str, Any]
    marker_size: float


def engine_style(engine: str) -> EngineStyle:
    """The style of a framework."""
    place = _place_of(engine, list(ENGINES))
    return EngineStyle(
        COLOURS[_cycled(_ENGINE_COLOURS, place)], _cycled(_ENGINE_LINES, place), _cycled(_ENGINE_SIZES, place)
    )


@dataclass(frozen=True)
class ModelStyle:
    """How a model is drawn, the same in every figure; ``is_hollow`` where its marks may lie upon others."""

    colour: str
    marker: str
    is_hollow: bool


def model_style(model: str) -> ModelStyle:
    """The style of a model."""
    place = _place_of(model, list(MODELS))
    return ModelStyle(COLOURS[_cycled(_MODEL_COLOURS, place)], _cycled(_MODEL_MARKERS, place), place % 2 == 1)


def spread_out(n: int, step: float, room: float = 0.8) -> np.ndarray:
    """Where ``n`` marks stand side by side around 0, ``step`` apart or as near as the ``room`` for all demands."""
    return min(step, room / n) * (np.arange(n) - (n - 1) / 2)


def legend(figure: Figure, engines: Collection[str], models: Collection[str], columns: int) -> None:
    """Name the frameworks and models of a figure above its panels, in rows of ``columns`` names."""
    from matplotlib.lines import Line2D

    handles = []
    for engine in (name for name in ENGINES if name in engines):
        of_engine = engine_style(engine)
        handles.append(Line2D([], [], color=of_engine.colour, label=ENGINES[engine].title, **of_engine.line))
    for model in sorted(models, key=model_order):
        of_model = model_style(model)
        about: dict[str, Any] = {"color": of_model.colour}
        if engines:  # the colours are theirs
            about = {"color": INK, "markerfacecolor": "none" if of_model.is_hollow else INK}
        handles.append(Line2D([], [], linestyle="none", marker=of_model.marker, label=model, **about))
    figure.legend(
        handles=handles, loc="outside upper right", ncols=min(columns, len(handles)), frameon=False, fontsize=8
    )


def model_order(model: str) -> tuple[int, str]:
    """The order of models: that of their registry, then by name those of others."""
    return (list(MODELS).index(model) if model in MODELS else len(MODELS), model)


def _place_of(name: str, names: Sequence[str]) -> int:
    """The place of ``name`` in a registry; one that is not in it has a place that its letters give."""
    return names.index(name) if name in names else len(names) + sum(name.encode())


def _cycled(values: Sequence[Any], place: int) -> Any:
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
