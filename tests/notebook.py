"""Runs a Jupyter notebook's cells in this process, without a kernel: ``python tests/notebook.py docs/tour.ipynb``.

The command stores the outputs in the file, as Jupyter would; from the tests: ``run_notebook``.
"""

from __future__ import annotations

import ast
import contextlib
import copy
import io
import json
import sys
from pathlib import Path
from typing import Any

_FORMS = {"text/html": "_repr_html_", "image/svg+xml": "_repr_svg_"}


def run_notebook(notebook: dict[str, Any], parameters: str = "") -> dict[str, Any]:
    """A copy of ``notebook`` with the outputs of its code cells, run from top to bottom in one namespace.

    ``parameters`` is run after the cell tagged so. What a cell prints, and what its last expression is, become its
    outputs; an exception is the caller's.
    """
    done, names, count = copy.deepcopy(notebook), {"__name__": "__main__"}, 0
    for cell in done["cells"]:
        if cell["cell_type"] != "code":
            continue
        count += 1
        cell["execution_count"] = count
        cell["outputs"] = _run_cell("".join(cell["source"]), names, count)
        if "parameters" in cell["metadata"].get("tags", []):
            exec(compile(parameters, "parameters", "exec"), names)
    return done


def _run_cell(source: str, names: dict[str, Any], count: int) -> list[dict[str, Any]]:
    tree, value = ast.parse(source), None
    last = tree.body.pop() if tree.body and isinstance(tree.body[-1], ast.Expr) else None
    where = f"cell {count}"
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        exec(compile(tree, where, "exec"), names)
        if last is not None:
            value = eval(compile(ast.Expression(last.value), where, "eval"), names)
    outputs = []
    if text := printed.getvalue():
        outputs.append({"output_type": "stream", "name": "stdout", "text": text.splitlines(keepends=True)})
    if value is not None:
        data = {"text/plain": repr(value).splitlines(keepends=True)}
        for form, method in _FORMS.items():
            if shown := getattr(value, method, lambda: None)():
                data[form] = shown.splitlines(keepends=True)
        outputs.append({"output_type": "execute_result", "execution_count": count, "metadata": {}, "data": data})
    return outputs


def main(path: Path) -> None:
    """Run the notebook at ``path`` and store it with its outputs."""
    done = run_notebook(json.loads(path.read_text(encoding="utf-8")))
    path.write_text(json.dumps(done, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]).resolve())
