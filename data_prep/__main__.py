"""The door: ``python -m data_prep --dataset NAME [--raw PATH | --download] ...``."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from data_prep.catalogue import DATASETS
from data_prep.export import export_csv
from data_prep.options import PUBLISHED, DataOptions, parse_columns, parse_min_rating, parse_size
from data_prep.pipeline import prepare
from utils.errors import UserError, guarded

_EXAMPLES = """examples:
  python -m data_prep --dataset movielens-100k --download
  python -m data_prep --dataset movielens-1m --raw ml-1m/ratings.dat
  python -m data_prep --dataset mine --raw clicks.csv.gz --columns user=customer,item=product
"""


def build_parser() -> argparse.ArgumentParser:
    """The command line of ``python -m data_prep``."""
    parser = argparse.ArgumentParser(
        prog="python -m data_prep",
        description="Prepare a ratings file: filter it, split it as published, write it for the models.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    source = parser.add_argument_group("the data")
    source.add_argument(
        "--dataset", required=True, metavar="NAME", help=f"{', '.join(DATASETS)}; or a name for data of your own"
    )
    source.add_argument("--raw", metavar="PATH", help="the source: a file (maybe .gz), a zip or a folder")
    source.add_argument("--download", action="store_true", help="fetch the source, where it is freely available")
    source.add_argument("--data_dir", default="data", metavar="DIR", help="where data go (default: data)")
    source.add_argument(
        "--columns",
        metavar="user=NAME,item=NAME[,rating=NAME][,timestamp=NAME]",
        help="columns of a file of your own, by name, or by position (1, 2, ...) where it has no header; default: "
        "guessed from the header",
    )
    choices = parser.add_argument_group("filter and split (defaults: as published for the data set)")
    choices.add_argument(
        "--min_rating", metavar="R", help="keep ratings strictly above R; none keeps all (own data: none)"
    )
    choices.add_argument("--min_user_click", metavar="N", help="drop users with fewer events (own data: 5)")
    choices.add_argument("--min_item_click", metavar="N", help="drop items with fewer events (own data: 0)")
    choices.add_argument(
        "--test_users_size",
        metavar="S",
        help="users held out for validation, and again for test: below 1 a fraction, else a number (own data: 0.1)",
    )
    choices.add_argument(
        "--test_size", default="0.2", metavar="F", help="fraction of a held-out user's events held out (default: 0.2)"
    )
    choices.add_argument("--seed", default="98765", metavar="S", help="seed of the split (default: 98765)")
    output = parser.add_argument_group("output")
    output.add_argument("--export", choices=["csv"], help="also write the csv layout other tools read")
    output.add_argument("--force", action="store_true", help="prepare again even if the same preparation is there")
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; raises ``UserError`` for anything the user can mend."""
    arguments = build_parser().parse_args(argv)
    prepared = prepare(
        _options(arguments),
        raw=arguments.raw,
        data_dir=arguments.data_dir,
        download=arguments.download,
        force=arguments.force,
    )
    if arguments.export:
        print(f"exported: {export_csv(prepared)}")
    return 0


def _options(arguments: argparse.Namespace) -> DataOptions:
    """The options as given; what is not given stays as published."""

    def given(name: str, parse):
        text = getattr(arguments, name)
        if text is None:
            return PUBLISHED
        try:
            return parse(text)
        except ValueError:
            raise UserError(f"--{name} {text!r} is no number{' (or none)' if name == 'min_rating' else ''}") from None

    return DataOptions(
        dataset=arguments.dataset,
        min_rating=given("min_rating", parse_min_rating),
        min_user_click=given("min_user_click", int),
        min_item_click=given("min_item_click", int),
        test_users_size=given("test_users_size", parse_size),
        test_size=given("test_size", float),
        seed=given("seed", int),
        columns=parse_columns(arguments.columns) if arguments.columns else None,
    )


if __name__ == "__main__":
    sys.exit(guarded(main))
