"""Why the frameworks of the study of 2020 differed: tables, figure and results, from whatever runs exist.

    python -m experiments.discrepancy                                     # results/all_results.csv, movielens-1m
    python -m experiments.discrepancy --results DIR --dataset movielens-100k --out DIR/discrepancy

Prints the tables, and writes to the folder ``--out``: ``discrepancy.md``, where only what stands between the markers
of each table and figure is replaced; ``discrepancy.csv``, the results of every run used; the figures
``figures/costs`` and ``figures/annealing``, each as ``.svg`` and ``.png``.
"""

from __future__ import annotations

import csv
import sys
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from experiments.analysis.annealing_panel import annealing_curves
from experiments.analysis.equivalence import MARGIN
from experiments.analysis.history import LearningCurve
from experiments.analysis.plot_style import INSTALL, can_draw
from experiments.analysis.runs import Run, add_results, distinct_runs, read_all, reading_order
from experiments.analysis.table import Table
from studies.recotour2020.annealing import annealing_in_words, annealing_table, draw_annealing
from studies.recotour2020.costs import costs_in_words, draw_costs
from studies.recotour2020.document import fill_places, skeleton
from studies.recotour2020.runs import Effect, annealed_to_one, core, effects, usable
from studies.recotour2020.tables import core_table, effects_table, gap_table, original_table
from utils.results import COLUMNS, cells
from utils.system.command_line import option, parser_for, real
from utils.system.errors import UserError
from utils.system.files import write_text, written_whole

DOCUMENT, RESULTS = "discrepancy.md", "discrepancy.csv"
COSTS, ANNEALING = "figures/costs", "figures/annealing"  # without their endings
NO_MATPLOTLIB = f"matplotlib is not installed, so no figure: {INSTALL}"
NOTHING_TO_DRAW = {
    COSTS: "no figure of costs: no finished run with a single deviation and its partner without",
    ANNEALING: "no figure of annealing: no finished run annealed to 1 (grid annealing_to_one)",
}
NO_FIGURE = "No figure: nothing to draw, or matplotlib not installed."
_WHAT, _HOW = "what is told", "what comes out"


@dataclass(frozen=True)
class DiscrepancyOptions:
    """The options of the command, but for ``--results``, which takes several values."""

    dataset: str = option("movielens-1m", _WHAT, "the data set")
    margin: float = option(MARGIN, _WHAT, "difference in NDCG@100 that would matter", real(above=0))
    out: str = option("docs", _HOW, f"folder of {DOCUMENT}, {RESULTS} and the figures")


@dataclass(frozen=True)
class Findings:
    """What the runs say: the tables, what the figures show, and every run that has a part in one of them."""

    tables: list[Table]
    effects: list[Effect]
    curves: list[LearningCurve]
    used: list[Run]


def main(argv: Sequence[str] | None = None) -> int:
    """The command; see the module. Raises ``UserError`` on a wrong option or file."""
    parser = parser_for(DiscrepancyOptions, "python -m experiments.discrepancy", __doc__.split("\n\n")[0])
    given = add_results(parser).parse_args(argv)
    out = Path(given.out)
    if out.exists() and not out.is_dir():
        raise UserError(f"--out {given.out} is a file; expected a folder")
    runs = usable(distinct_runs(read_all(given.results, given.dataset)))
    found = findings(runs, given.dataset, given.margin)
    print("\n\n".join(table.text() for table in found.tables), end="\n\n")
    written = [_write_results(given.results, found.used, out / RESULTS)]
    figures = _draw(found, out)
    written += [path for paths in figures.values() for path in paths]
    written.append(_write_document(found, figures, out / DOCUMENT))
    print("written: " + ", ".join(map(str, written)))
    return 0


def findings(runs: Sequence[Run], dataset: str, margin: float = MARGIN) -> Findings:
    """What ``runs`` (of one data set, see ``studies.recotour2020.runs.usable``) say of the discrepancy."""
    places, annealed = core(runs), annealed_to_one(runs)
    single, without_partner = effects(runs)
    curves, without_history = annealing_curves(annealed)
    tables = [
        core_table(places), effects_table(single, without_partner), gap_table(places, margin),
        original_table(places, dataset), annealing_table(curves, without_history),
    ]  # fmt: skip
    used = [run for cell in places for run in cell.all_runs]
    used += [run for effect in single for run in effect.pair.used]
    return Findings(tables, single, curves, [*used, *annealed])


def _draw(found: Findings, out: Path) -> dict[str, list[Path]]:
    """The files of each figure, by its stem; those with nothing to draw or to draw with leave a line on stderr."""
    shown = {COSTS: found.effects, ANNEALING: found.curves}
    for stem in (stem for stem, what in shown.items() if not what):
        print(NOTHING_TO_DRAW[stem], file=sys.stderr)
    if not any(shown.values()):
        return {}
    if not can_draw():
        print(NO_MATPLOTLIB, file=sys.stderr)
        return {}
    draw = {COSTS: draw_costs, ANNEALING: draw_annealing}
    return {stem: draw[stem](what, out / stem) for stem, what in shown.items() if what}


def _write_results(places: Iterable[str], used: Sequence[Run], path: Path) -> Path:
    """Write the rows of ``used`` as they stand in their tables: data set, model, widths, cap, then all else."""
    ordered = sorted(used, key=lambda run: (reading_order(run), run["run_id"]))
    order = {run["run_id"]: place for place, run in enumerate(ordered)}
    rows: dict[str, dict[str, str]] = {}
    for row in (row for place in places for row in cells(place) if row.get("run_id") in order):
        rows.setdefault(row["run_id"], row)  # of a run that stands in two tables the first counts, as in the tables
    with written_whole(path) as temporary, open(temporary, "w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, COLUMNS, restval="", extrasaction="ignore", lineterminator="\n")
        writer.writeheader()
        writer.writerows(sorted(rows.values(), key=lambda row: order[row["run_id"]]))
    return path


def _write_document(found: Findings, figures: Collection[str], path: Path) -> Path:
    """Put tables and ``figures`` into the document, or into a new one that holds nothing else."""
    words = {COSTS: costs_in_words(found.effects), ANNEALING: annealing_in_words(found.curves)}
    parts = {f"table: {table.name}": table.markdown() for table in found.tables}
    headings = {f"table: {table.name}": table.title for table in found.tables}
    for stem, text in words.items():
        place = f"figure: {Path(stem).name}"
        parts[place] = f"![{text}]({stem}.svg)" if stem in figures else NO_FIGURE
        headings[place] = f"Figure: {Path(stem).name}"
    document = path.read_text(encoding="utf-8") if path.exists() else skeleton("The discrepancy", headings)
    text, homeless = fill_places(document, parts, str(path))
    for place in homeless:
        print(f"warning: {path} has no place for it; expected a line <!-- {place} -->", file=sys.stderr)
    write_text(path, text)
    return path
