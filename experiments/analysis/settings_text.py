"""The options of runs in words: short, and only what the reader cannot know."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from experiments.analysis.runs import OPTIONS, WIDTHS, Run, is_blank, is_known, widths_of
from utils.models import MODELS
from utils.options import defaults_of

#: What any model has; a model's own come first.
_DEFAULTS = {name: value for model in reversed(MODELS) for name, value in defaults_of(model).items()}
_OWN_DEFAULTS = {model: defaults_of(model) for model in MODELS}
#: Options that :func:`setting_parts` always names, that stand beside the data set
#: (``experiments.analysis.runs.data_of``), or that another one says already (``annealing``: ``constant_anneal``).
_ELSEWHERE = ("dataset", "scenario", "model", *WIDTHS.values(), "anneal_cap", "constant_anneal")
#: Options that have a part in a run only when another has a certain value.
_NEEDED = {
    "lr_patience": ("lr_scheduler", True),
    "anneal_share": ("annealing", "relative"),
    "anneal_total": ("annealing", "absolute"),
}


def shared_and_varying(runs: Sequence[Run]) -> tuple[list[str], list[str]]:
    """What ``runs`` have in common beside the defaults, as texts; the options they differ in.

    Model, widths and cap are in neither: :func:`setting_parts` always names them.
    """
    texts = {name: {_option_words(run, name) for run in runs} for name in OPTIONS if name not in _ELSEWHERE}
    shared = [text for values in texts.values() if len(values) == 1 for text in values if text]
    return shared, [name for name, values in texts.items() if len(values) > 1]


def setting_parts(run: Run, varying: Sequence[str]) -> list[str]:
    """A run in words, a part each: model and widths, cap, and of the options ``varying`` those not at their default."""
    parts = [f"{run['model']} {','.join(map(str, widths_of(run)))}".strip()]
    if is_known(run.get("anneal_cap")):
        parts.append(f"cap {option_text(run['anneal_cap'])}")
    return parts + [text for name in varying if (text := _option_words(run, name))]


def setting(run: Run, varying: Sequence[str]) -> str:
    """:func:`setting_parts` in one line."""
    return ", ".join(setting_parts(run, varying))


def option_text(value: Any) -> str:
    """The value of an option as the command line takes it: ``200,600``, ``0.001``; "" where it is not known."""
    if is_blank(value):
        return ""
    if isinstance(value, str) and value.startswith("["):
        return ",".join(_plain(part.strip()) for part in value.strip("[]").split(","))
    return f"{value:g}" if isinstance(value, (int, float)) else str(value)


def _plain(text: str) -> str:
    try:
        return f"{float(text):g}"
    except ValueError:  # a name
        return text


def _option_words(run: Run, name: str) -> str:
    """Option and value; "" where it is not known, is the default, or has no part in the run."""
    value = run.get(name, "")
    if not is_known(value) or _is_default(run, name) or _is_idle(run, name):
        return ""
    if name == "data":
        return f"preparation {value}"
    return name if value is True else f"{name} {option_text(value)}"


def _is_default(run: Run, name: str) -> bool:
    if name == "deviations":
        return option_text(run[name]) == ""
    if name not in ("q_dims", "dropout_enc", "dropout_dec"):
        return run[name] == (_DEFAULTS | _OWN_DEFAULTS.get(run["model"], {})).get(name)
    values = option_text(run[name]).split(",")
    if name == "q_dims":
        return values == option_text(run["p_dims"]).split(",")[::-1]
    return values == ["0.5" if name == "dropout_enc" else "0"] + ["0"] * (len(values) - 1)


def _is_idle(run: Run, name: str) -> bool:
    needed, value = _NEEDED.get(name, (name, run.get(name)))
    return run.get(needed) != value
