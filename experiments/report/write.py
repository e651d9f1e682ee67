"""A report to disk: the page, the figures as SVG and PNG, the tables as CSV and LaTeX."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from importlib import resources
from pathlib import Path
from typing import Any

from experiments.analysis.comparison_text import framework_title
from experiments.analysis.pairs import Run
from experiments.analysis.settings_text import setting
from experiments.report.build import Source
from experiments.report.inline import inlined
from experiments.report.parts import ReportFigure, ReportTable, Section
from utils.system.errors import UserError
from utils.system.files import write_text

PAGE, FIGURES, TABLES = "index.html", "figures", "tables"
_INSTALL = "pip install -c constraints.txt -e '.[report]'"
NO_MATPLOTLIB = f"matplotlib is not installed: {_INSTALL}"


def write_page(sections: Sequence[Section], source: Source, out: Path) -> Path:
    """Write ``index.html`` and every figure and table into the folder ``out``; returns the page.

    Without matplotlib the page has a note in the place of each figure. Raises ``UserError`` without Jinja2.
    """
    try:
        from jinja2 import Environment, StrictUndefined
    except ModuleNotFoundError:
        raise UserError(f"the report's page takes Jinja2, which is not installed: {_INSTALL}") from None
    drawings = _drawings()
    if drawings is None:
        print(f"no figures in the report: {NO_MATPLOTLIB}", file=sys.stderr)
    told = [_section(section, source, drawings, out) for section in sections]
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    page = environment.from_string(_file("page.html")).render(
        sections=told, style=_file("page.css"), script=_file("page.js"), results=" ".join(source.results)
    )
    write_text(out / PAGE, page)
    return out / PAGE


def write_parts(sections: Iterable[Section], out: Path, only: str) -> list[Path]:
    """Write the files of the figure or table ``only``; returns them.

    Raises ``UserError`` when there is none of that name, nothing to write, or no matplotlib for a figure.
    """
    parts = {part.name: part for section in sections for part in section.parts}
    if only not in parts:
        raise UserError(f"--only {only} is no figure or table of this report; expected one of {', '.join(parts)}")
    part = parts[only]
    if isinstance(part, ReportTable):
        written = _write_table(part, out)
    else:
        drawings = _drawings()
        if drawings is None:
            raise UserError(NO_MATPLOTLIB)
        written = drawings.write(part, out / FIGURES) if part.content else []
    if not written:
        raise UserError(f"{only} has nothing to show: {' '.join(part.notes)}")
    return written


def _section(section: Section, source: Source, drawings: Any, out: Path) -> dict[str, Any]:
    parts = [
        {
            "name": part.name, "title": part.title, "caption": part.caption, "notes": list(part.notes),
            "lacking": "", "command": source.command(part.name), "runs": [_label(run) for run in _distinct(part.runs)],
            **(_table(part, out) if isinstance(part, ReportTable) else _figure(part, drawings, out)),
        }
        for part in section.parts
    ]  # fmt: skip
    return {"name": section.name, "title": section.title, "findings": list(section.findings), "parts": parts}


def _table(table: ReportTable, out: Path) -> dict[str, Any]:
    files = _write_table(table, out)
    columns = table.shown
    rows = [[column.show(record) for column in columns] for record in table.records]
    kept = [
        (place, column.title, list(dict.fromkeys(row[place] for row in rows)))
        for place, column in enumerate(columns)
        if column.align == "l"
    ]
    choices = [{"place": place, "title": title, "values": values} for place, title, values in kept if len(values) > 1]
    return {
        "kind": "table", "columns": columns, "rows": rows, "files": _links(files, out), "filtered": table.filtered,
        "choices": choices if table.filtered else [],
    }  # fmt: skip


def _figure(figure: ReportFigure, drawings: Any, out: Path) -> dict[str, Any]:
    empty = {"kind": "figure", "wide": "", "narrow": "", "files": []}
    if not figure.content:
        return empty
    if drawings is None:
        return empty | {"lacking": NO_MATPLOTLIB}
    files = drawings.write(figure, out / FIGURES)
    (wide,) = (path for path in files if path.suffix == ".svg")
    return empty | {
        "wide": inlined(wide.read_text(encoding="utf-8"), f"{figure.name}-wide", figure.caption),
        "narrow": inlined(drawings.narrow(figure), f"{figure.name}-narrow", figure.caption),
        "files": _links(files, out),
    }


def _write_table(table: ReportTable, out: Path) -> list[Path]:
    written = []
    for suffix, text in ((".csv", table.csv()), (".tex", table.latex())):
        if text:
            path = out / TABLES / f"{table.name}{suffix}"
            write_text(path, text)
            written.append(path)
    return written


def _drawings() -> Any:
    """The module that draws; None where matplotlib is not installed."""
    try:
        from experiments.report import drawn
    except ModuleNotFoundError as error:
        if (error.name or "").split(".")[0] != "matplotlib":
            raise
        return None
    return drawn


def _links(files: Iterable[Path], out: Path) -> list[dict[str, str]]:
    named = {".tex": "LaTeX"}
    return [
        {"href": path.relative_to(out).as_posix(), "text": named.get(path.suffix, path.suffix[1:].upper())}
        for path in files
    ]


def _distinct(runs: Iterable[Run]) -> list[Run]:
    found: dict[Any, Run] = {}
    for run in runs:
        found.setdefault(run.get("run_id") or id(run), run)
    return list(found.values())


def _label(run: Run) -> str:
    if run.get("run_id"):
        return run["run_id"]
    return " ".join([run["dataset"], *setting(run, []), framework_title(run)]).strip()


def _file(name: str) -> str:
    return (resources.files("experiments.report") / name).read_text(encoding="utf-8")
