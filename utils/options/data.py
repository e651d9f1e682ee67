"""Which prepared data a run is trained and tested on."""

from __future__ import annotations

from dataclasses import dataclass

from utils.system.command_line import integer, option, real

_DATA = "data"


def _rating(text: str) -> float | str:
    return "none" if text.lower() == "none" else real()(text)


def _fraction_or_number(text: str) -> float | int:
    value = real(above=0)(text)
    if value >= 1 and value != int(value):
        raise ValueError("a fraction of the users below 1, or a whole number of users")
    return int(value) if value >= 1 else value


@dataclass(frozen=True)
class DataSelection:
    """The prepared data of a run, by name and by how they were prepared; None: as the data set's default has it."""

    dataset: str = option(
        "amazon", _DATA, "a data set prepared by python -m data_prep (movielens-100k, movielens, ...)"
    )
    data_dir: str = option("data", _DATA, "folder of the prepared data", affects_result=False)
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
        None, _DATA, "as prepared: share of a held-out user's clicks to predict (default: 0.2)", real(above=0, below=1)
    )
    split_seed: int | None = option(None, _DATA, "as prepared: seed of the split (default: 98765)", integer(0))
