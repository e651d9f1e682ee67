"""Which data, filtered and split how: of a run as of a preparation."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

from utils.system.command_line import integer, option, real

_DATA = "data"
#: How a data set can be split (``data_prep.scenarios``): by users held out whole, or by events held out of everybody.
SCENARIOS = ("strong", "weak", "leave_one_out")


def _rating(text: str) -> float | str:
    return "none" if text.lower() == "none" else real()(text)


def _fraction_or_number(text: str) -> float | int:
    value = real(above=0)(text)
    if value >= 1 and value != int(value):
        raise ValueError("a fraction of the users below 1, or a whole number of users")
    return int(value) if value >= 1 else value


@dataclass(frozen=True)
class DataSelection:
    """A data set and how it is prepared; None: as the data set's published setting has it, or as one's own default.

    ``min_rating`` "none" keeps every event.
    """

    dataset: str = option(
        "amazon", _DATA, "a data set prepared by python -m data_prep (movielens-100k, movielens, ...)"
    )
    scenario: str = option(
        SCENARIOS[0], _DATA, "as prepared: strong, users held out whole; weak, a share of every user's clicks; "
        "leave_one_out, every user's last click (default: the model's)", choices=SCENARIOS, later=True,
    )  # fmt: skip
    min_rating: float | str | None = option(
        None, _DATA, "as prepared: ratings above this are clicks, none keeps all (default: the data set's)", _rating
    )
    min_user_click: int | None = option(
        None, _DATA, "as prepared: clicks a user must have (default: the data set's)", integer(0)
    )
    min_item_click: int | None = option(
        None, _DATA, "as prepared: clicks an item must have (default: the data set's)", integer(0)
    )
    test_users_size: float | int | None = option(
        None, _DATA, "as prepared: held-out users, fraction or number (default: the data set's)", _fraction_or_number
    )
    test_size: float | None = option(
        None, _DATA, "as prepared: share of a user's clicks to predict (default: 0.2)", real(above=0, below=1)
    )
    catalogue_items: int | None = option(
        None, _DATA, "as prepared: items that leave_one_out draws candidates from (default: 0, those with clicks)",
        integer(0), later=True,
    )  # fmt: skip
    split_seed: int | None = option(None, _DATA, "as prepared: seed of the split (default: 98765)", integer(0))

    def stated(self) -> dict[str, Any]:
        """What is stated beside the data set, by the names that a preparation keeps (``split_seed`` is ``seed``)."""
        names = [field.name for field in dataclasses.fields(DataSelection) if field.name != "dataset"]
        values = {name.removeprefix("split_"): getattr(self, name) for name in names}
        return {name: value for name, value in values.items() if value is not None}
