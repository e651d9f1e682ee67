"""The comparison of the frameworks as plain text, at most 120 columns wide."""

from __future__ import annotations

import math
import re
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pandas as pd
from tabulate import SEPARATING_LINE, tabulate

from experiments.analysis.pairs import FIGURES, Run
from experiments.analysis.published import beside, is_blank
from experiments.analysis.settings_text import option_text, setting, shared_and_varying
from utils.engine import ENGINES

_TITLE_OF = {entry.dl_frame: entry.title for entry in ENGINES.values()}
_HEADERS = ("NDCG@100", "Recall@20", "Recall@50", "loss")  # of FIGURES
_WIDTH, _SETTING_WIDTH = 120, 22
_ROUNDING = 1e-9  # of float64 means; a difference below is none
_PUBLISHED_DECIMALS = 3  # of a metric; two fewer of a loss
_OTHER_FIGURES = {
    "n10": "NDCG@10", "r10": "Recall@10", "hr10": "HR@10", "p100": "P@100", "r100": "Recall@100", "rmse": "RMSE",
}  # fmt: skip

_LEGEND = (
    "Each framework: mean over the common seeds ± standard deviation over them; best epoch/epochs run; seconds of "
    "training an epoch. difference: {difference}, in brackets its standard error, paired (per-user differences, "
    "averaged over the seeds, over users); p: paired t-test over users. -: not known. An option not told has its "
    "default."
)
_LEGEND_PUBLISHED = (
    " published: the same data set and protocol, model, widths, cap, dropout, weight decay, learning rate and its "
    "scheduler; batch size, epochs and stopping rule may differ."
)


def pairs_text(table: pd.DataFrame, unpaired: Sequence[Run], figures: pd.DataFrame | None) -> str:
    """A table per data set of a comparison (``experiments.analysis.pairs.compare``), then the legend.

    Args:
        table: one row per setting.
        unpaired: the runs without a partner; an option in which they differ from the others is told of all.
        figures: published figures (``experiments.analysis.published``) to set beside ours; None for none.
    """
    parts, any_published = [], False
    for dataset, rows in table.groupby("dataset", sort=False):
        pairs = rows.to_dict("records")
        shared, varying = shared_and_varying([*pairs, *(run for run in unpaired if run["dataset"] == dataset)])
        lines: list[Any] = []
        for pair in pairs:
            found = _published_lines(pair, figures)
            any_published |= bool(found)
            lines += [SEPARATING_LINE, *_block(pair, varying), *found]
        header = ["setting", "framework", *_HEADERS, "best/run", "s/epoch"]
        parts.append(f"{_title(dataset, pairs, shared)}\n\n{_tabulated(lines[1:], header, 'llrrrrrr')}")
    legend = _LEGEND.format(difference=" - ".join(entry.title for entry in ENGINES.values()))
    return "\n\n".join([*parts, textwrap.fill(legend + _LEGEND_PUBLISHED * any_published, _WIDTH)])


def unpaired_text(runs: Sequence[Run]) -> str:
    """The runs without a partner, one a row."""
    rows = []
    for dataset in dict.fromkeys(run["dataset"] for run in runs):
        of_dataset = [run for run in runs if run["dataset"] == dataset]
        _, varying = shared_and_varying(of_dataset)
        for run in of_dataset:
            words = _filled(setting(run, varying), 42)
            values = [_value(run.get(name), name, _decimals(run)) for name in FIGURES]
            rows.append(
                [textwrap.fill(dataset, 18), words, framework_title(run), option_text(run.get("seed")), *values]
            )
    header = ["data set", "setting", "framework", "seed", *_HEADERS]
    title = "Without a partner (no finished run of the other framework with the same options and seed)"
    return f"{title}\n\n{_tabulated(rows, header, 'lllrrrrr')}"


def published_text(figures: pd.DataFrame, datasets: Iterable[str]) -> str:
    """All published figures of some data sets, a table per data set and protocol; "" where there are none."""
    chosen = figures[figures["dataset"].isin(list(datasets))]
    parts = []
    for (dataset, protocol, comparable), rows in chosen.groupby(["dataset", "protocol", "comparable"], sort=False):
        runs = rows.to_dict("records")
        _, varying = shared_and_varying(runs)
        lines = []
        for run in runs:
            values = [_value(run[name], name, _PUBLISHED_DECIMALS) for name in (*FIGURES, *_OTHER_FIGURES)]
            lines.append([_filled(setting(run, varying), 38), framework_title(run), run["source"], *values])
        note = "" if comparable else "; not comparable with a correct implementation"
        header = ["setting", "framework", "source", *_HEADERS, *_OTHER_FIGURES.values()]
        parts.append(f"Published for {dataset} ({protocol}{note})\n\n{_tabulated(lines, header, 'lllrrrrrrrrrr')}")
    return "\n\n".join(parts)


def _tabulated(rows: Sequence[Any], header: Sequence[str], align: str) -> str:
    """A table between rules, without the columns that say nothing; ``align`` has l or r for each column."""
    data = [row for row in rows if row is not SEPARATING_LINE]
    kept = [place for place in range(len(header)) if any(row[place] not in ("", "-") for row in data)]
    lines = [row if row is SEPARATING_LINE else [row[place] for place in kept] for row in rows]
    text = tabulate(  # the header as a row: as a header it would be padded
        [[header[place] for place in kept], SEPARATING_LINE, *lines], tablefmt="simple", disable_numparse=True,
        colalign=["left" if align[place] == "l" else "right" for place in kept],
    )  # fmt: skip
    return "\n".join(line.rstrip() for line in text.splitlines())


def _filled(parts: Sequence[str], width: int) -> str:
    """``parts`` in lines of ``width``, broken between parts where that is possible."""
    return textwrap.fill(", ".join(part.replace(" ", "\xa0") for part in parts), width).replace("\xa0", " ")


def _title(dataset: str, pairs: Sequence[Mapping[str, Any]], shared: Sequence[str]) -> str:
    users = {f"{pair['test_users']:.0f}" for pair in pairs if not is_blank(pair["test_users"])}
    about = [*([f"{' or '.join(sorted(users))} test users"] if users else []), *shared]
    return textwrap.fill(dataset + (f" ({', '.join(about)})" if about else ""), _WIDTH)


def _block(pair: Mapping[str, Any], varying: Sequence[str]) -> list[list[str]]:
    """The lines of one setting: each framework, the difference, its p; the setting in words beside them."""
    lines = []
    for name, entry in ENGINES.items():
        means = [_mean(pair, figure, name) for figure in FIGURES]
        lines.append(
            [
                entry.title,
                *means,
                _epochs(pair[f"best_epoch_{name}"], pair[f"epochs_{name}"]),
                _seconds(pair[f"epoch_seconds_{name}"]),
            ]
        )
    lines.append(["difference", *(_difference(pair, figure) for figure in FIGURES), "", ""])
    if not all(math.isnan(pair[f"{figure}_p"]) for figure in FIGURES):
        lines.append(["p", *(p_text(pair[f"{figure}_p"]) for figure in FIGURES), "", ""])
    words = [*setting(pair, varying), _seeds(pair)]
    words = [line for part in words for line in textwrap.wrap(part, _SETTING_WIDTH, subsequent_indent="  ")]
    height = max(len(words), len(lines))
    words += [""] * (height - len(words))
    lines += [[""] * len(lines[0])] * (height - len(lines))
    return [[text, *line] for text, line in zip(words, lines, strict=True)]


def _published_lines(pair: Mapping[str, Any], figures: pd.DataFrame | None) -> list[list[str]]:
    if figures is None or is_blank(pair["data"]):  # the published layout itself: they would stand beside themselves
        return []
    lines = []
    for run in beside(pair, figures).to_dict("records"):
        name = " ".join(["published", framework_title(run)]).strip()
        values = [_value(run[figure], figure, _PUBLISHED_DECIMALS) for figure in FIGURES]
        lines.append([name, run["source"], *values, _epochs(run["best_epoch"], math.nan), "-"])
    return lines


def _seeds(pair: Mapping[str, Any]) -> str:
    if not pair["seed_list"]:
        return "seed: -"
    return f"{pair['seeds']} seed{'s' if pair['seeds'] > 1 else ''}: {pair['seed_list']}"


def framework_title(run: Run) -> str:
    """The framework of a run as people write it."""
    return _TITLE_OF.get(run["dl_frame"], run["dl_frame"])


def _decimals(run: Mapping[str, Any]) -> int:
    return _PUBLISHED_DECIMALS if is_blank(run.get("data")) else 4


def _value(value: Any, name: str, decimals: int, sign: str = "") -> str:
    if is_blank(value):
        return "-"
    if name == "loss":
        decimals -= 2 + (abs(value) >= 1000)
    return short_number(f"{value:{sign}.{decimals}f}")


def short_number(number: str) -> str:
    """Without the zero before the point, as the papers print it."""
    return number.replace("0.", ".", 1) if number.lstrip("+-").startswith("0.") else number


def _mean(pair: Mapping[str, Any], figure: str, engine: str) -> str:
    mean = _value(pair[f"{figure}_{engine}"], figure, _decimals(pair))
    spread = pair[f"{figure}_{engine}_sd"]
    return mean if math.isnan(spread) else f"{mean} ± {_value(spread, figure, _decimals(pair))}"


def _difference(pair: Mapping[str, Any], figure: str) -> str:
    decimals = _decimals(pair)
    value, error = pair[f"{figure}_diff"], pair[f"{figure}_diff_se"]
    return f"{small_number(value, figure, decimals, '+')} ({small_number(error, figure, decimals)})"


def small_number(value: float, name: str, decimals: int, sign: str = "") -> str:
    """A figure as these tables print it; what would be rounded to nothing keeps its order of magnitude: ``+2e-6``."""
    text = _value(value, name, decimals, sign)
    if text == "-" or any(digit in text for digit in "123456789"):
        return text
    return re.sub(r"e-0?", "e-", f"{value:{sign}.0e}") if abs(value) > _ROUNDING else "0"


def apart_text(value: float, sign: str = "") -> str:
    """How far two figures are apart, of whatever magnitude: ``1.9e-07``; ``0`` where not at all, ``-`` not known."""
    return "-" if math.isnan(value) else f"{value:{sign}.1e}" if value else "0"


def p_text(value: float) -> str:
    """A p as the papers print it: ``<.001``, ``.023``; ``-`` where there is none."""
    if math.isnan(value):
        return "-"
    return "<.001" if value < 0.001 else short_number(f"{value:.3f}")


def _epochs(best: float, run: float) -> str:
    shown = ["-" if is_blank(value) else f"{value:.0f}" for value in (best, run)]
    return "-" if shown == ["-", "-"] else "/".join(shown)


def _seconds(value: float) -> str:
    if math.isnan(value):
        return "-"
    return f"{value:.0f}" if value >= 1000 else f"{value:.3g}"
