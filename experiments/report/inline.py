"""An SVG file as part of a page: no ids of others, the page's colours, as wide as the page allows."""

from __future__ import annotations

import re

from markupsafe import Markup, escape

from experiments.analysis.plot_style import COLOURS, FAINT, GRID, INK

#: The colours of figures by the names of the page's style sheet, which has others for them in the dark.
_COLOURS = {
    INK.lower(): "ink", FAINT.lower(): "faint", GRID.lower(): "grid", "#ffffff": "paper",
    **{colour.lower(): name for name, colour in COLOURS.items()},
}  # fmt: skip
_COLOUR = re.compile("|".join(_COLOURS), re.IGNORECASE)
_ROOT = re.compile(r'<svg\b[^>]*?viewBox="0 0 ([\d.]+) ([\d.]+)"[^>]*>')


def inlined(svg: str, prefix: str, caption: str) -> Markup:
    """The ``svg`` (a file's text, of matplotlib) to stand in a page; ``caption`` is for those who do not see it.

    Every id gets ``prefix``, so that several figures stand in one page.
    """
    begin = _ROOT.search(svg)
    body = svg[begin.end() :]
    body = re.sub(r"<metadata>.*?</metadata>", "", body, flags=re.DOTALL)
    body = re.sub(r'\bid="([^"]+)"', rf'id="{prefix}-\1"', body)
    body = re.sub(r'(xlink:href="#|url\(#)', rf"\g<1>{prefix}-", body)
    body = _COLOUR.sub(lambda found: f"var(--{_COLOURS[found[0].lower()]})", body)
    width, height = begin[1], begin[2]
    root = (
        f'<svg role="img" aria-label="{escape(caption)}" viewBox="0 0 {width} {height}" style="max-width:{width}pt" '
        'xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink">'
    )
    return Markup(root + body)
