"""The comparison of the frameworks as plain text, at most 120 columns wide."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from experiments.analysis.number_text import counted, figure_text, p_text, seconds, small_text
from experiments.analysis.pairs import COMPARED
from experiments.analysis.published import beside
from experiments.analysis.runs import (
    OPTIONS,
    Run,
    data_of,
    framework_title,
    is_blank,
    is_known,
    number,
    option_value,
    seed_of,
)
from experiments.analysis.settings_text import option_text, setting_parts, shared_and_varying
from experiments.analysis.statistics import deviation
from experiments.analysis.table import RULE, WIDTH, Table, text_columns
from utils.engine import ENGINES
from utils.figures import FIGURES, MAIN_FIGURES, PRIMARY
from utils.metrics.sampled import SAMPLED_METRICS
from utils.results_table import NOT_APPLICABLE

_SAMPLED = f"{SAMPLED_METRICS[0]}_{next(iter(ENGINES))}"  # the column that is known where candidates are sampled
_OTHER_FIGURES = ("n10", "r10", "hr10", "p100", "r100", "rmse")  # that papers print beside them
_SETTING_WIDTH = 22
_DETERMINISTIC = "deterministic"
_FEWER = 1  # decimals, of published figures

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


def pairs_text(comparison: pd.DataFrame, unpaired: Sequence[Run], figures: pd.DataFrame | None) -> str:
    """A table per data set of a comparison (``experiments.analysis.compare``), then the legend.

    Args:
        comparison: one row per setting.
        unpaired: the runs without a partner; an option in which they differ from the others is said of all. Those that
            have no framework stand in the table of their data set, whatever seeds the others ran.
        figures: published figures (``experiments.analysis.published``) to set beside ours; None for none.
    """
    parts, any_published = [], False
    rows = comparison.to_dict("records")
    for dataset in dict.fromkeys(map(data_of, rows)):
        settings = [row for row in rows if data_of(row) == dataset]
        others = [run for run in unpaired if data_of(run) == dataset]
        shared, varying = shared_and_varying([*settings, *others])
        is_sampled = any(is_known(row[_SAMPLED]) for row in settings)
        names = (PRIMARY, *SAMPLED_METRICS, "loss") if is_sampled else (*MAIN_FIGURES, "loss")
        lines: list[Any] = []
        for row in settings:
            published = _published_lines(row, figures, names)
            any_published |= bool(published)
            lines += [RULE, *_setting_lines(row, varying, names), *published]
        for runs in _by_setting(filter(has_no_framework, others)):
            lines += [RULE, *_unframed_lines(runs, varying, names)]
        header = ["setting", "framework", *_titles(names), "best/run", "s/epoch"]
        columns = text_columns(header, "ll" + "r" * (len(header) - 2))
        parts.append(Table("", _title(dataset, settings, shared), columns, lines[1:]).dense_text())
    legend = _LEGEND.format(difference=" - ".join(entry.title for entry in ENGINES.values()))
    return "\n\n".join([*parts, textwrap.fill(legend + _LEGEND_PUBLISHED * any_published, WIDTH)])


def has_no_framework(run: Run) -> bool:
    """Whether a run is of a model without an engine, which has no framework to be compared in."""
    return run["dl_frame"] == NOT_APPLICABLE


def unpaired_text(runs: Sequence[Run]) -> str:
    """The runs without a partner, one a row."""
    lines = []
    for dataset in dict.fromkeys(map(data_of, runs)):
        of_dataset = [run for run in runs if data_of(run) == dataset]
        _, varying = shared_and_varying(of_dataset)
        for run in of_dataset:
            values = [figure_text(run.get(name, ""), name, _fewer(run)) for name in COMPARED]
            words = _wrapped(setting_parts(run, varying), 42)
            lines.append(
                [textwrap.fill(dataset, 18), words, framework_title(run), option_text(run.get("seed")), *values]
            )
    title = "Without a partner (no finished run of the other framework with the same options and seed)"
    header = ["data set", "setting", "framework", "seed", *_titles(COMPARED)]
    columns = text_columns(header, "lll" + "r" * (len(header) - 3))
    return Table("", title, columns, lines).dense_text()


def published_text(figures: pd.DataFrame, datasets: Iterable[str]) -> str:
    """All published figures of some data sets, a table per data set and protocol; "" where there are none."""
    chosen = figures[figures["dataset"].isin(list(datasets))]
    names = (*MAIN_FIGURES, "loss", *_OTHER_FIGURES)
    parts = []
    for (dataset, protocol, comparable), rows in chosen.groupby(["dataset", "protocol", "comparable"], sort=False):
        runs = rows.to_dict("records")
        _, varying = shared_and_varying(runs)
        lines = [
            [_wrapped(setting_parts(run, varying), 38), framework_title(run), run["source"],
             *(figure_text(run[name], name, _FEWER) for name in names)]
            for run in runs
        ]  # fmt: skip
        note = "" if comparable else "; not comparable with a correct implementation"
        header = ["setting", "framework", "source", *(FIGURES[name].title for name in names)]
        columns = text_columns(header, "lll" + "r" * len(names))
        parts.append(Table("", f"Published for {dataset} ({protocol}{note})", columns, lines).dense_text())
    return "\n\n".join(parts)


def _titles(names: Iterable[str]) -> list[str]:
    return [FIGURES[name].title for name in names]


def _wrapped(parts: Sequence[str], width: int) -> str:
    """``parts`` in lines of ``width``, broken between parts where that is possible."""
    return textwrap.fill(", ".join(part.replace(" ", "\xa0") for part in parts), width).replace("\xa0", " ")


def _narrow(parts: Sequence[str]) -> list[str]:
    """The lines of the first column: each part begins one."""
    return [line for part in parts for line in textwrap.wrap(part, _SETTING_WIDTH, subsequent_indent="  ")]


def _title(dataset: str, settings: Sequence[Mapping[str, Any]], shared: Sequence[str]) -> str:
    users = {f"{row['test_users']:.0f}" for row in settings if not is_blank(row["test_users"])}
    about = [*([f"{' or '.join(sorted(users))} test users"] if users else []), *shared]
    return textwrap.fill(dataset + (f" ({', '.join(about)})" if about else ""), WIDTH)


def _setting_lines(row: Mapping[str, Any], varying: Sequence[str], names: Sequence[str]) -> list[list[str]]:
    """The lines of one setting: each framework, the difference, its p; the setting in words beside them."""
    lines = []
    for name, entry in ENGINES.items():
        epochs = _epochs(row[f"best_epoch_{name}"], row[f"epochs_{name}"])
        means = [_mean(row, figure, name) for figure in names]
        lines.append([entry.title, *means, epochs, seconds(row[f"epoch_seconds_{name}"])])
    lines.append(["difference", *(_difference(row, figure) for figure in names), "", ""])
    if not all(math.isnan(row[f"{figure}_p"]) for figure in names):
        lines.append(["p", *(p_text(row[f"{figure}_p"]) for figure in names), "", ""])
    words = _narrow([*setting_parts(row, varying), _seeds(row)])
    height = max(len(words), len(lines))
    words += [""] * (height - len(words))
    lines += [[""] * len(lines[0])] * (height - len(lines))
    return [[text, *line] for text, line in zip(words, lines, strict=True)]


def _by_setting(runs: Iterable[Run]) -> list[list[Run]]:
    """Runs that differ in the seed alone, together."""
    groups: dict[tuple, list[Run]] = {}
    for run in runs:
        groups.setdefault(tuple(option_value(run, name) for name in OPTIONS), []).append(run)
    return list(groups.values())


def _unframed_lines(runs: Sequence[Run], varying: Sequence[str], names: Sequence[str]) -> list[list[str]]:
    """The lines of a setting without a framework: its figures over the seeds, the setting in words beside them."""
    found = {name: [number(run.get(name)) for run in runs] for name in (*names, "epoch_seconds")}
    means = {name: float(np.mean(values)) for name, values in found.items()}
    values = [_spread(means[name], deviation(found[name]), name, _fewer(runs[0])) for name in names]
    line = ["none", *values, "-", seconds(means["epoch_seconds"])]
    seeds = [_DETERMINISTIC if seed == NOT_APPLICABLE else str(seed) for seed in map(seed_of, runs)]
    about = _seeds({"seeds": len(seeds), "seed_list": ", ".join(dict.fromkeys(seeds))})
    words = _narrow([*setting_parts(runs[0], varying), about])
    return [[word, *(line if place == 0 else [""] * len(line))] for place, word in enumerate(words)]


def _published_lines(row: Mapping[str, Any], figures: pd.DataFrame | None, names: Sequence[str]) -> list[list[str]]:
    if figures is None or is_blank(row["data"]):  # the published layout itself: they would stand beside themselves
        return []
    lines = []
    for run in beside(row, figures).to_dict("records"):
        name = " ".join(["published", framework_title(run)]).strip()
        values = [figure_text(run.get(figure, ""), figure, _FEWER) for figure in names]
        lines.append([name, run["source"], *values, _epochs(run["best_epoch"], math.nan), "-"])
    return lines


def _seeds(row: Mapping[str, Any]) -> str:
    seeds = row["seed_list"]
    if not seeds[:1].isdigit():
        return seeds or "seed: -"
    return f"{counted(row['seeds'], 'seed')}: {seeds}"


def _fewer(run: Mapping[str, Any]) -> int:
    return _FEWER if is_blank(run.get("data")) else 0


def _mean(row: Mapping[str, Any], figure: str, engine: str) -> str:
    return _spread(row[f"{figure}_{engine}"], row[f"{figure}_{engine}_sd"], figure, _fewer(row))


def _spread(mean: float, sd: float, figure: str, fewer: int) -> str:
    texts = [figure_text(value, figure, fewer) for value in (mean, sd)]
    return texts[0] if texts[1] == "-" else " ± ".join(texts)


def _difference(row: Mapping[str, Any], figure: str) -> str:
    value, error = row[f"{figure}_diff"], row[f"{figure}_diff_se"]
    return f"{small_text(value, figure, _fewer(row), '+')} ({small_text(error, figure, _fewer(row))})"


def _epochs(best: float, run: float) -> str:
    texts = ["-" if is_blank(value) else f"{value:.0f}" for value in (best, run)]
    return "-" if texts == ["-", "-"] else "/".join(texts)
