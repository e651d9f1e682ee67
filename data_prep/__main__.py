"""The command ``python -m data_prep --dataset NAME [--raw PATH | --download] ...``."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass

from data_prep.catalogue import DATASETS
from data_prep.export import export_csv
from data_prep.options import DataOptions, parse_columns, parse_min_rating, parse_size
from data_prep.pipeline import prepare
from data_prep.readers.sniff import SEPARATORS, parse_separator
from utils.options.data import SCENARIOS
from utils.system.command_line import integer, option, parsed, parser_for, real
from utils.system.errors import UserError, guarded

_DATA, _CHOICES = "the data", "filter and split (defaults: as published for the data set, its filters in each scenario)"
_OUTPUT = "output"
_DESCRIPTION = "Prepare a ratings file: filter it, split it, write it for the models."
_EXAMPLES = """examples:
  python -m data_prep --dataset movielens-100k --download
  python -m data_prep --dataset movielens-1m --raw ml-1m/ratings.dat
  python -m data_prep --dataset mine --raw clicks.csv.gz --columns user=customer,item=product
  python -m data_prep --dataset movielens-1m --raw ml-1m/ratings.dat --scenario leave_one_out --min_rating none
"""


@dataclass(frozen=True)
class Command:
    """The command line of ``python -m data_prep``; None is "as published"."""

    dataset: str | None = option(None, _DATA, f"{', '.join(DATASETS)}; or a name for data of your own")
    raw: str | None = option(None, _DATA, "the source: a file (maybe .gz), a zip, ZIP/NAME or a folder", metavar="PATH")
    download: bool = option(False, _DATA, "fetch the source, where it is freely available")
    data_dir: str = option("data", _DATA, "folder of downloads and prepared data", metavar="DIR")
    columns: str | None = option(
        None,
        _DATA,
        "columns of a file of your own, by name, or by position (1, 2, ...) where it has no header (default: guessed "
        "from the header)",
        metavar="user=NAME,item=NAME[,rating=NAME][,timestamp=NAME]",
    )
    separator: str | None = option(
        None,
        _DATA,
        "what parts the fields of a text file of your own (default: found in its first lines)",
        parse_separator,
        metavar="{" + ",".join(SEPARATORS) + "} or a character",
    )
    scenario: str = option(
        SCENARIOS[0],
        _CHOICES,
        "strong: users held out whole; weak: a share of every user's events held out; leave_one_out: every user's last "
        "event in time, with 99 items that it is ranked among",
        choices=SCENARIOS,
    )
    min_rating: float | None = option(
        None, _CHOICES, "keep ratings strictly above R; none keeps all (own data: none)", parse_min_rating, metavar="R"
    )
    min_user_click: int | None = option(
        None, _CHOICES, "drop users with fewer events (own data: 5)", integer(0), metavar="N"
    )
    min_item_click: int | None = option(
        None, _CHOICES, "drop items with fewer events (own data: 0)", integer(0), metavar="N"
    )
    test_users_size: float | int | None = option(
        None,
        _CHOICES,
        "strong: users held out for validation, and again for test: below 1 a fraction, else a number (own data: 0.1)",
        parse_size,
        metavar="S",
    )
    test_size: float | None = option(
        None,
        _CHOICES,
        "strong: fraction of a held-out user's events held out; weak: of every user's, for test (0.2)",
        real(above=0, below=1),
        metavar="F",
    )
    catalogue_items: int | None = option(
        None,
        _CHOICES,
        "leave_one_out: how many items the 99 are drawn from, where more than have events (0: those with events)",
        integer(0),
        metavar="N",
    )
    seed: int = option(98765, _CHOICES, "seed of the split", integer(0), metavar="S")
    export: str | None = option(None, _OUTPUT, "also write the csv layout other tools read", choices=("csv",))
    force: bool = option(False, _OUTPUT, "prepare again even if the same preparation is there")

    def options(self) -> DataOptions:
        """What decides the preparation; ``UserError`` when no data set is named."""
        if self.dataset is None:
            raise UserError(f"--dataset NAME is missing: {', '.join(DATASETS)}, or a name for data of your own")
        columns = parse_columns(self.columns) if self.columns is not None else None
        return DataOptions(
            self.dataset, self.scenario, min_rating=self.min_rating, min_user_click=self.min_user_click,
            min_item_click=self.min_item_click, test_users_size=self.test_users_size, test_size=self.test_size,
            catalogue_items=self.catalogue_items, split_seed=self.seed, columns=columns, separator=self.separator,
        )  # fmt: skip


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; raises ``UserError`` for anything the user can mend."""
    command = parsed(Command, parser_for(Command, "python -m data_prep", _DESCRIPTION, _EXAMPLES), argv)
    prepared = prepare(command.options(), command.raw, command.data_dir, download=command.download, force=command.force)
    if command.export:
        print(f"exported: {export_csv(prepared)}")
    return 0


if __name__ == "__main__":
    sys.exit(guarded(main))
