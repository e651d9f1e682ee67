"""A report to disk: the page, the figures as SVG and PNG, the tables as CSV and LaTeX."""

from __future__ import annotations

import io
import sys
from collections.abc import Iterable, Sequence
from importlib import resources
from pathlib import Path
from typing import Any

from experiments.analysis.plot_style import INSTALL, can_draw, save, style
from experiments.analysis.runs import Run, framework_title
from experiments.analysis.settings_text import setting_parts
from experiments.analysis.table import Table
from experiments.report.build import ReportInput
from experiments.report.inline import inlined
from experiments.report.parts import ReportFigure, Section
from utils.system.errors import UserError
from utils.system.files import write_text

PAGE, FIGURES, TABLES = "index.html", "figures", "tables"
NO_MATPLOTLIB = f"matplotlib is not installed: {INSTALL}"


def write_page(sections: Sequence[Section], given: ReportInput, out: Path) -> Path:
    """Write ``index.html`` and every figure and table into the folder ``out``; returns the page.

    Without matplotlib the page has a note in the place of each figure. Raises ``UserError`` without Jinja2.
    """
    try:
        from jinja2 import Environment, StrictUndefined
    except ModuleNotFoundError:
        raise UserError(f"the report's page takes Jinja2, which is not installed: {INSTALL}") from None
    if not (drawable := can_draw()):
        print(f"no figures in the report: {NO_MATPLOTLIB}", file=sys.stderr)
    written = [_section(section, given, drawable, out) for section in sections]
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    page = environment.from_string(_file("page.html")).render(
        sections=written, style=_file("page.css"), script=_file("page.js"), results=" ".join(given.results)
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
    if isinstance(part, Table):
        written = _write_table(part, out)
    elif not can_draw():
        raise UserError(NO_MATPLOTLIB)
    else:
        written = _write_figure(part, out) if part.content else []
    if not written:
        raise UserError(f"{only} has nothing to show: {' '.join(part.notes)}")
    return written


def _section(section: Section, given: ReportInput, drawable: bool, out: Path) -> dict[str, Any]:
    parts = [
        {
            "name": part.name, "title": part.title, "caption": part.caption, "notes": list(part.notes),
            "lacking": "", "command": given.command(part.name), "runs": [_label(run) for run in _distinct(part.runs)],
            **(_table(part, out) if isinstance(part, Table) else _figure(part, drawable, out)),
        }
        for part in section.parts
    ]  # fmt: skip
    return {"name": section.name, "title": section.title, "findings": list(section.findings), "parts": parts}


def _table(table: Table, out: Path) -> dict[str, Any]:
    files = _write_table(table, out)
    table = table.without_empty_columns()
    rows = table.rows
    choices = [
        {"place": place, "title": column.title, "values": list(dict.fromkeys(row[place] for row in rows))}
        for place, column in enumerate(table.columns)
        if column.align == "l" and table.filtered
    ]
    return {
        "kind": "table", "columns": table.columns, "rows": rows, "files": _links(files, out),
        "filtered": table.filtered, "choices": [choice for choice in choices if len(choice["values"]) > 1],
    }  # fmt: skip


def _figure(figure: ReportFigure, drawable: bool, out: Path) -> dict[str, Any]:
    empty = {"kind": "figure", "wide": "", "narrow": "", "files": []}
    if not figure.content:
        return empty
    if not drawable:
        return empty | {"lacking": NO_MATPLOTLIB}
    files = _write_figure(figure, out)
    (wide,) = (path for path in files if path.suffix == ".svg")
    return empty | {
        "wide": inlined(wide.read_text(encoding="utf-8"), f"{figure.name}-wide", figure.caption),
        "narrow": inlined(_narrow_svg(figure), f"{figure.name}-narrow", figure.caption),
        "files": _links(files, out),
    }


def _write_table(table: Table, out: Path) -> list[Path]:
    written = []
    for suffix, text in ((".csv", table.csv()), (".tex", table.latex())):
        if text:
            path = out / TABLES / f"{table.name}{suffix}"
            write_text(path, text)
            written.append(path)
    return written


def _write_figure(figure: ReportFigure, out: Path) -> list[Path]:
    with style():
        return save(figure.draw(figure.content, False), out / FIGURES / figure.name)


def _narrow_svg(figure: ReportFigure) -> str:
    """The SVG of the figure as a phone shows it."""
    with style():
        stream = io.StringIO()
        figure.draw(figure.content, True).savefig(stream, format="svg", metadata={"Date": None})
    return stream.getvalue()


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
    return run.get("run_id") or " ".join([run["dataset"], *setting_parts(run, []), framework_title(run)]).strip()


def _file(name: str) -> str:
    return (resources.files("experiments.report") / name).read_text(encoding="utf-8")
