"""Every choice that decides a preparation, and its name in eight hexadecimal digits."""

from __future__ import annotations

import math
import numbers
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from data_prep.catalogue import DATASETS
from utils.options import DataSelection
from utils.options.data import SCENARIOS
from utils.system.errors import UserError
from utils.system.files import short_hash

#: ``min_rating`` that keeps every event ("none" on the command line, null in a manifest).
KEEP_ALL = float("-inf")
#: What the columns of a ratings table can be.
ROLES = ("user", "item", "rating", "timestamp")
#: The options by which a preparation is found again, in the order they are shown.
FOUND_BY = (
    "min_rating", "min_user_click", "min_item_click", "test_users_size", "test_size", "catalogue_items", "seed",
)  # fmt: skip
#: The options by which events are chosen, before any split.
FILTERS = ("min_rating", "min_user_click", "min_item_click")
#: The options of each scenario's split beside the seed; the others have no part in it.
SPLIT_OPTIONS = {
    "strong": ("test_users_size", "test_size"),
    "weak": ("test_size",),
    "leave_one_out": ("catalogue_items",),
}
#: Raised whenever the same options would give other files, so that old ones are not taken for new ones.
FORMAT_VERSION = 1

#: Filters of a data set that no catalogue lists: no rating filter, the published click filters, 10 % held out twice.
_OWN_DEFAULTS = {
    "min_rating": KEEP_ALL, "min_user_click": 5, "min_item_click": 0, "test_users_size": 0.1, "test_size": 0.2,
    "catalogue_items": 0, "split_seed": 98765,
}  # fmt: skip


@dataclass(frozen=True)
class DataOptions(DataSelection):
    """Every option that decides a preparation: those of ``utils.options.DataSelection``, and how a file is read.

    Parameters
    ----------
    dataset : str
        A name of the catalogue (``DATASETS``), or a name of one's own: letters, digits, ``.``, ``_``, ``-``.
    scenario : str, default "strong"
        The split (``data_prep.scenarios``): "strong", "weak" or "leave_one_out". The filters' defaults are the same in
        each; options that have no part in it are refused.
    min_rating : float or None
        Events rated strictly above it are kept; ``KEEP_ALL`` (also "none") keeps all.
    min_user_click, min_item_click : int or None
        Users and items with fewer events are dropped, items first, one pass each.
    test_users_size : float, int or None
        Strong: below 1 the fraction of the users that is held out, ``int(fraction * n_users)``; from 1 their number.
        The validation and the test set are each this large.
    test_size : float, default 0.2
        Strong: the part of a held-out user's events that is held out of the fold-in part. Weak: the part of every
        user's events that is test.
    catalogue_items : int, default 0
        Leave-one-out: how many items candidates are drawn from, those beyond the items that have events being items
        without any; 0: the items that have events.
    split_seed : int, default 98765
        Seed of the split (0 to 2**32 - 1), as ``numpy.random.seed`` takes it.
    columns : mapping or None
        The columns of one's own file: ``{"user": ..., "item": ..., "rating": ..., "timestamp": ...}``, the last two
        optional; None guesses them from the header.
    separator : str or None
        What parts the fields of one's own text file; None finds it in the first lines. A space is any number of them.

    None means the catalogue's value; for one's own data: no rating filter, at least 5 clicks a user, any item, 10 % of
    the users. ``resolved`` puts the values in.
    """

    columns: Mapping[str, str] | None = None
    separator: str | None = None

    def resolved(self) -> DataOptions:
        """The same options with every None of the selection that has a part in the scenario replaced, checked.

        Raises ``UserError`` when a value is out of its range, or stated where it has no part.
        """
        known = DATASETS.get(self.dataset)
        names = [*FILTERS, *_split_options(self), "split_seed"]
        values = {
            name: getattr(known or self, name, None) if getattr(self, name) is None else getattr(self, name)
            for name in names
        }
        values = {name: _OWN_DEFAULTS[name] if value is None else value for name, value in values.items()}
        if values["min_rating"] == "none":
            values["min_rating"] = KEEP_ALL
        options = replace(self, **values)
        _check(options)
        return options

    def record(self) -> dict[str, Any]:
        """The resolved options as JSON holds them; equal choices give equal records (5 and 5.0, for example)."""
        options = self.resolved()
        record = {
            "dataset": options.dataset,
            "min_rating": None if options.min_rating == KEEP_ALL else float(options.min_rating),
            "min_user_click": int(options.min_user_click),
            "min_item_click": int(options.min_item_click),
            **{name: _KINDS[name](getattr(options, name)) for name in SPLIT_OPTIONS[options.scenario]},
            "seed": int(options.split_seed),
            "columns": dict(sorted(options.columns.items())) if options.columns else None,
        }
        # Only where it is given: preparations made before there was such an option keep their names.
        return record if options.separator is None else record | {"separator": options.separator}

    def fingerprint(self, source_sha256: str) -> str:
        """Eight hexadecimal digits for these options applied to the source with that checksum."""
        return short_hash(
            {
                "options": self.record(),
                "source": source_sha256,
                "protocol": self.scenario,
                "format_version": FORMAT_VERSION,
            }
        )


#: How a record holds the options of a split.
_KINDS = {
    "test_users_size": lambda size: int(size) if size >= 1 else float(size), "test_size": float, "catalogue_items": int,
}  # fmt: skip


def _split_options(options: DataOptions) -> tuple[str, ...]:
    """The options of the scenario's split; ``UserError`` for an unknown one, or an option of another that is stated."""
    if options.scenario not in SPLIT_OPTIONS:
        raise UserError(f"--scenario {options.scenario!r}: expected one of {', '.join(SCENARIOS)}")
    own = SPLIT_OPTIONS[options.scenario]
    for other, names in SPLIT_OPTIONS.items():
        for name in names:
            if name not in own and getattr(options, name) is not None:
                given = f"--{name} {format_value(getattr(options, name))}"
                raise UserError(f"{given} has no part in --scenario {options.scenario}, only in {other}: leave it out")
    return own


def _check(options: DataOptions) -> None:
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", options.dataset):
        raise UserError(
            f"--dataset {options.dataset!r} is no name: use letters, digits, '.', '_' and '-' (it names a folder)"
        )
    if options.min_rating != KEEP_ALL and not _finite(options.min_rating):
        raise UserError(f"--min_rating {options.min_rating!r}: expected a number, or none to keep every rating")
    for name in ("min_user_click", "min_item_click"):
        value = getattr(options, name)
        if not _whole(value) or value < 0:
            raise UserError(f"--{name} {value!r}: expected a whole number of clicks, 0 or more")
    for name in SPLIT_OPTIONS[options.scenario]:
        _CHECKS[name](getattr(options, name))
    if not _whole(options.split_seed) or not 0 <= options.split_seed < 2**32:
        raise UserError(f"--seed {options.split_seed!r}: expected a whole number from 0 to 4294967295")
    if options.columns is not None:
        _check_columns(options.columns)


def _check_test_users_size(size: Any) -> None:
    if not _finite(size) or size <= 0 or (size >= 1 and not _whole(size)) or 0.5 <= size < 1:
        raise UserError(
            f"--test_users_size {size!r}: expected a fraction of the users between 0 and 0.5 (validation and test take "
            "one each), or their whole number"
        )


def _check_test_size(size: Any) -> None:
    if not _finite(size) or not 0 < size < 1:
        raise UserError(f"--test_size {size!r}: expected a fraction between 0 and 1, such as 0.2")


def _check_catalogue_items(number: Any) -> None:
    if not _whole(number) or not 0 <= number < 2**31:
        raise UserError(
            f"--catalogue_items {number!r}: expected a number of items below 2147483648, 0 for those that have events"
        )


_CHECKS = {
    "test_users_size": _check_test_users_size, "test_size": _check_test_size, "catalogue_items": _check_catalogue_items,
}  # fmt: skip


def _check_columns(columns: Mapping[str, str]) -> None:
    if unknown := sorted(set(columns) - set(ROLES)):
        raise UserError(f"--columns: {unknown[0]!r} is not one of {', '.join(ROLES)}; write user=NAME,item=NAME")
    if missing := [role for role in ("user", "item") if role not in columns]:
        raise UserError(f"--columns says no {missing[0]}: write user=NAME,item=NAME[,rating=NAME][,timestamp=NAME]")
    if len(set(columns.values())) < len(columns):
        raise UserError(f"--columns {format_columns(columns)}: one column cannot play two parts")


def _finite(value: Any) -> bool:
    return isinstance(value, numbers.Real) and not isinstance(value, bool) and math.isfinite(value)


def _whole(value: Any) -> bool:
    return _finite(value) and value == int(value)


def parse_min_rating(text: str) -> float:
    """``--min_rating`` as typed: a number, or ``none`` for ``KEEP_ALL``; ``ValueError`` says what is expected."""
    if text.strip().lower() == "none":
        return KEEP_ALL
    try:
        return float(text)
    except ValueError:
        raise ValueError("a number, or none to keep every rating") from None


def parse_size(text: str) -> float | int:
    """``--test_users_size`` as typed: a whole number or a fraction; ``ValueError`` says what is expected."""
    try:
        return int(text) if re.fullmatch(r"[0-9]+", text.strip()) else float(text)
    except ValueError:
        raise ValueError("a fraction of the users, or their whole number") from None


def parse_columns(text: str) -> dict[str, str]:
    """``user=NAME,item=NAME[,rating=NAME][,timestamp=NAME]`` as a dictionary; raises ``UserError``."""
    columns: dict[str, str] = {}
    for pair in text.split(","):
        role, sign, name = (piece.strip() for piece in pair.partition("="))
        if not sign or not name:
            raise UserError(f"--columns {text!r}: {pair.strip()!r} is not ROLE=NAME; write user=NAME,item=NAME")
        if role in columns:
            raise UserError(f"--columns {text!r}: {role} is given twice")
        columns[role] = name
    _check_columns(columns)
    return columns


def format_value(value: Any) -> str:
    """The value of an option as the command line takes it."""
    if value is None or value == KEEP_ALL:
        return "none"
    if isinstance(value, Mapping):
        return format_columns(value)
    return f"{value:g}" if isinstance(value, float) else str(value)


def format_columns(columns: Mapping[str, str]) -> str:
    """The columns as the command line takes them: ``user=...,item=...``."""
    return ",".join(f"{role}={columns[role]}" for role in ROLES if role in columns)
