"""The report of whatever runs exist: one page, its figures as SVG and PNG, its tables as CSV and LaTeX.

python -m experiments.report                                          # results -> results/report/index.html
python -m experiments.report --results DIR published.csv --dataset movielens --out DIR/report --open
python -m experiments.report --only movielens-100k-time --out docs    # that figure's or table's files alone
"""

from __future__ import annotations

import sys
import webbrowser
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from experiments.analysis.equivalence import MARGIN
from experiments.analysis.runs import add_results, read_all
from experiments.report.build import ReportInput, sections
from experiments.report.write import FIGURES, TABLES, write_page, write_parts
from utils.system.command_line import option, parser_for, real
from utils.system.errors import UserError
from utils.system.files import remove_leftovers
from utils.system.locks import held

_WHAT, _HOW = "what is reported", "what comes out"


@dataclass(frozen=True)
class ReportOptions:
    """The options of the command, but for ``--results``, which takes several values."""

    dataset: str | None = option(None, _WHAT, "this data set only (default: all)")
    data_dir: str = option("data", _WHAT, "folder of the prepared data")
    margin: float = option(MARGIN, _WHAT, "difference in NDCG@100 that would matter", real(above=0))
    out: str | None = option(None, _HOW, "folder of the report (default: report beside the first of the results)")
    only: str | None = option(None, _HOW, "write the files of this figure or table alone")
    open: bool = option(False, _HOW, "show the page in a browser")


def main(argv: Sequence[str] | None = None) -> int:
    """The command; see the module. Raises ``UserError`` on a wrong option or file."""
    parser = parser_for(ReportOptions, "python -m experiments.report", __doc__.split("\n\n")[0])
    given = add_results(parser, default="results").parse_args(argv)
    out = Path(given.out) if given.out else beside(given.results[0])
    if out.exists() and not out.is_dir():
        raise UserError(f"--out {out} is a file; expected a folder")
    report_input = ReportInput(tuple(given.results), given.data_dir, given.margin, given.dataset)
    found = sections(read_all(given.results, given.dataset), report_input)
    with _alone_in(out):
        if given.only:
            print("written: " + ", ".join(map(str, write_parts(found, out, given.only))))
            return 0
        page = write_page(found, report_input, out)
    print(f"the report: {page}")
    if given.open:
        webbrowser.open(page.resolve().as_uri())
    return 0


@contextmanager
def _alone_in(out: Path) -> Iterator[None]:
    """One process at a time writes to ``out``; what a killed one left half-written is removed first."""
    waiting = "waiting for {}, which writes to {}".format
    with held(out / ".report.lock", lambda who: print(waiting(who, out), file=sys.stderr)) as locked:
        if locked:
            for folder in (out, out / FIGURES, out / TABLES):
                remove_leftovers(folder)
        yield


def beside(results: str) -> Path:
    """Where the report of ``results`` goes without ``--out``: ``report`` in their folder."""
    place = Path(results)
    return (place if place.is_dir() else place.parent) / "report"
