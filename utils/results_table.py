"""The option columns of the results, and values to the text of a csv cell and back: numbers, flags, lists, ``NA``."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pandas as pd

from utils.models import MODELS
from utils.models.base import ModelOptions
from utils.options import DataSelection, decisive_of
from utils.system.errors import UserError

#: What stands where a column does not apply, such as the annealing of a dae; a blank is a value not known.
NOT_APPLICABLE = "NA"

# Of all models, in the order in which settings are told; those of later models stand last in the table.
EARLIER_OPTIONS = (
    "dataset", "model", "p_dims", "q_dims", "dropout_enc", "dropout_dec", "n_epochs", "batch_size", "lr", "optimizer",
    "weight_decay", "decay", "lr_scheduler", "lr_patience", "anneal_cap", "annealing", "constant_anneal",
    "anneal_share", "anneal_total", "eval_every", "early_stop_patience", "early_stop_score_fn", "profile", "deviations",
    "init_from", "precision", "seed", "device",
)  # fmt: skip
PREPARATION_OPTIONS = tuple(
    field.name
    for field in dataclasses.fields(DataSelection)
    if field.name != "dataset" and not field.metadata.get("later")
)
LATER_OPTIONS = tuple(
    name
    for name in dict.fromkeys(name for model in MODELS for name in decisive_of(model))
    if name not in (*EARLIER_OPTIONS, *PREPARATION_OPTIONS)
)
#: The options that change a run's result, beyond those that only name its data (``data`` stands for them).
DECISIVE_OPTIONS = (*EARLIER_OPTIONS, *LATER_OPTIONS)

_OPTIONS = {name: str(field.type) for model in MODELS for name, field in decisive_of(model).items()}
_LISTS: dict[str, Callable[[str], Any]] = {
    name: next(part for word, part in (("int", int), ("float", float), ("str", str.strip)) if word in kind)
    for name, kind in _OPTIONS.items()
    if "tuple" in kind
}
_FLAGS = {name for name, kind in _OPTIONS.items() if kind == "bool"} | {"git_dirty", "comparable"}
_NUMBERS = {name for name, kind in _OPTIONS.items() if kind in ("int", "float")} | {
    "loss", "r20", "best_epoch", "n100", "r50"
}  # fmt: skip
# Texts that may look like numbers: a hash of digits only, a version such as 3.10.
_TEXTS = {name for name, kind in _OPTIONS.items() if kind in ("str", "str | None")} | {
    "model", "dl_frame", "machine", "run_id", "data", "status", "framework", "numpy", "python", "git_commit",
    "finished", "source", "protocol", "note",
}  # fmt: skip


def not_applicable(model: type[ModelOptions], values: Mapping[str, Any]) -> dict[str, str]:
    """``NA`` in the columns of what a model has none of: terms of an objective, epochs, a beta."""
    names = [name for name in ("nll", "kl") if name not in model.terms]
    names += [] if model.terms else ["loss", "val_loss"]
    names += ["best_epoch", "epochs", "updates"] if model.training is None else []
    names += ["beta"] if values["beta"] is None else []
    return dict.fromkeys(names, NOT_APPLICABLE)


def as_text(value: Any) -> str:
    """The cell of ``value``: blank for None, lists as ``[200, 600]``, floats in full (``repr``)."""
    if value is None:
        return ""
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(as_text(part) for part in value)}]"
    return repr(value) if isinstance(value, float) else str(value)


def fits(name: str, value: Any) -> bool:
    """Whether ``value``, as JSON has it, is what the column ``name`` holds: None and ``NA`` are everywhere."""
    if value is None or value == NOT_APPLICABLE:
        return True
    if name in _LISTS:
        kinds = {int: int, float: (int, float)}.get(_LISTS[name], str)
        is_list = isinstance(value, (list, tuple)) and (len(value) > 0 or kinds is str)  # there may be no names
        return is_list and all(_is_a(part, kinds) for part in value)
    if name in _FLAGS:
        return isinstance(value, bool)
    if name in _TEXTS:
        return isinstance(value, str)
    return _is_a(value, (int, float)) if name in _NUMBERS else isinstance(value, (bool, int, float, str))


def _is_a(value: Any, kinds: type | tuple[type, ...]) -> bool:
    return isinstance(value, kinds) and not isinstance(value, bool)


def parse_table(header: Sequence[str], rows: Sequence[Sequence[str]], where: str) -> pd.DataFrame:
    """A frame of typed columns from the cells of a table of results; see ``utils.results.load``.

    Args:
        header: the names of the columns, each once.
        rows: the cells, a list per row, as long as ``header``.
        where: the table's name in errors.

    Raises:
        UserError: a name twice, a row of another length, a cell that is not what its column holds.
    """
    twice = sorted({name for name in header if header.count(name) > 1})
    if twice:
        raise UserError(f"{where}: the column {twice[0]} stands there twice; expected each name once")
    for number, row in enumerate(rows, start=1):
        if len(row) != len(header):
            raise UserError(f"{where}, row {number}: {len(row)} fields, but the header names {len(header)} columns")
    columns = zip(*rows, strict=True) if rows else [()] * len(header)
    return pd.DataFrame(
        {
            name: _column(name, [cell.strip() for cell in cells], where)
            for name, cells in zip(header, columns, strict=True)
        }
    )


def _column(name: str, cells: list[str], where: str) -> pd.Series:
    if name in _LISTS:
        part = _LISTS[name]
        return pd.Series(
            _each(cells, lambda cell: _list(cell, part), "", "a list such as [200, 600]", name, where), dtype=object
        )
    if name in _FLAGS:
        flags = _each(cells, _flag, pd.NA, "True or False", name, where)
        if NOT_APPLICABLE in cells:
            return pd.Series(flags, dtype=object)
        return pd.Series(flags, dtype="boolean" if "" in cells else bool)
    if name in _NUMBERS:
        return _numbers(_each(cells, _number, float("nan"), "a number", name, where))
    if name not in _TEXTS:
        try:
            return _numbers([_number(cell) if cell else float("nan") for cell in cells])
        except ValueError:
            pass  # a text column this module does not know
    return pd.Series(cells, dtype=object)


def _each(cells: list[str], parse: Callable[[str], Any], blank: Any, wanted: str, name: str, where: str) -> list[Any]:
    values = []
    for number, cell in enumerate(cells, start=1):
        try:
            values.append(parse(cell) if cell else blank)
        except ValueError:
            raise UserError(f"{where}, row {number}, {name}: {cell!r} was given, expected {wanted}") from None
    return values


def _numbers(values: list[Any]) -> pd.Series:
    if NOT_APPLICABLE in values:
        return pd.Series(values, dtype=object)
    if values and all(isinstance(value, int) and abs(value) < 2**63 for value in values):
        return pd.Series(values, dtype="int64")
    return pd.Series(values, dtype="float64")


def _number(cell: str) -> int | float | str:
    if cell == NOT_APPLICABLE:
        return cell
    try:
        return int(cell)
    except ValueError:
        return float(cell)


def _flag(cell: str) -> bool | str:
    if cell not in ("True", "False", NOT_APPLICABLE):
        raise ValueError(cell)
    return cell if cell == NOT_APPLICABLE else cell == "True"


def _list(cell: str, part: Callable[[str], Any]) -> str:
    if cell == NOT_APPLICABLE:
        return cell
    if not (cell.startswith("[") and cell.endswith("]")):
        raise ValueError(cell)
    return as_text([part(text) for text in cell[1:-1].split(",")])
