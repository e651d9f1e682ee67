"""Grids of experiments, as small TOML files (``experiments/grids/*.toml``, a study's ``grids``, or one's own), and the
runs they spell.

A grid file::

    description = "what it is for"
    datasets = ["movielens-100k"]    # when --dataset names none
    seeds = [1, 2, 3]                # when --seeds names none
    other_datasets_as = "movielens"  # optional: --dataset X takes the blocks of this one, if no block names X

    [every_run]                      # options of every run, by their command-line names
    n_epochs = 50

    [[runs]]                         # any number of blocks
    model = ["vae", "dae"]           # a list is an axis: one run per value (widths are text: "200,600")
    cases = [                        # optional: settings that go together, one run (per value of each axis) a line
        { p_dims = "200,600", anneal_cap = 0.2 },
        { p_dims = "100,300", anneal_cap = 0.6 },
    ]
    engines = ["pytorch"]            # optional: these frameworks only
    datasets = ["movielens"]         # optional: these data sets only

Each run is made once per data set, seed and engine. A block with ``after = "NAME"`` takes each run of the block
with ``name = "NAME"`` once more when that has finished, with the options it changes; there ``anneal_cap = "best
beta"`` is the beta of the earlier run's best epoch, and ``anneal_share = "kept slope"`` lets beta rise as it did
in the earlier run and stop at the new cap.
"""

from __future__ import annotations

import dataclasses
import itertools
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from experiments.grids.planned import Planned
from utils.engine import ENGINES
from utils.models import MODELS
from utils.options import DEFAULT_MODEL, MODEL_FIELD, RunOptions, fields_of
from utils.randomness import LARGEST_SEED
from utils.system.command_line import did_you_mean
from utils.system.errors import UserError

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

#: Where the project's own grids lie: the product's, and those of each study.
GRIDS = (Path(__file__).parent, *sorted(Path(__file__).parents[2].glob("studies/*/grids")))

BEST_BETA, KEPT_SLOPE = "best beta", "kept slope"
_MOST_RUNS = 10_000  # of one grid file; the largest published one has 70
_LEARNED = {"anneal_cap": BEST_BETA, "anneal_share": KEPT_SLOPE}

_ON_THE_COMMAND_LINE = {  # options of a run that a grid leaves to others
    "dataset": "datasets = [...]", "seed": "seeds = [...]", "data_dir": "--data_dir", "log_dir": "--log_dir",
    "save_results": "--save_results", "threads": "--jobs",
}  # fmt: skip
_TOP = ("description", "datasets", "seeds", "other_datasets_as", "every_run", "runs")
_IN_BLOCK = ("name", "after", "engines", "datasets", "cases")


@dataclass(frozen=True)
class GridFile:
    """A grid as read: see the module's text. ``every_run`` and ``blocks`` are checked when they are spelled out."""

    path: Path
    description: str
    datasets: tuple[str, ...]
    seeds: tuple[int, ...]
    other_datasets_as: str | None
    every_run: Mapping[str, Any]
    blocks: tuple[Mapping[str, Any], ...]

    def runs(self, datasets: Sequence[str], engines: Sequence[str], seeds: Sequence[int]) -> list[Planned]:
        """Every run for ``datasets``, ``engines`` and ``seeds``, each once, in the file's order.

        Runs that differ in the engine only stand side by side. Raises ``UserError``, naming the file and the
        block, when an option is unknown, its value is bad, or two contradict each other.
        """
        found: dict[Planned, None] = {}
        for dataset in datasets:
            by_name: dict[str, list[Planned]] = {}
            for number, block in enumerate(self.blocks, start=1):
                if not self._applies(block, dataset):
                    continue
                spelled = self._spelled(number, block, dataset, engines, seeds, by_name)
                planned = list(itertools.islice(spelled, _MOST_RUNS + 1))
                if "name" in block:
                    by_name.setdefault(block["name"], []).extend(planned)
                found |= dict.fromkeys(planned)
                if len(found) > _MOST_RUNS:
                    raise UserError(f"{self.path} spells more than {_MOST_RUNS:,} runs; make several grids of it")
        return list(found)

    def _applies(self, block: Mapping[str, Any], dataset: str) -> bool:
        named = {name for other in self.blocks for name in other.get("datasets", ())}
        taken_as = dataset if dataset in named else self.other_datasets_as or dataset
        return taken_as in block.get("datasets", (taken_as,))

    def _spelled(
        self,
        number: int,
        block: Mapping[str, Any],
        dataset: str,
        engines: Sequence[str],
        seeds: Sequence[int],
        by_name: Mapping[str, Sequence[Planned]],
    ) -> Iterator[Planned]:
        where = f"{self.path}, block {number} of runs"
        wanted = [engine for engine in block.get("engines", engines) if engine in engines]
        for settings in _combinations(block, where):
            if "after" not in block:
                model = settings.get("model", self.every_run.get("model", DEFAULT_MODEL))
                common = {name: value for name, value in self.every_run.items() if not _is_of_another(name, model)}
                options = _options(RunOptions(dataset=dataset), {**common, **settings}, where)
                has = MODELS[options.model.name].engines
                able = [engine for engine in wanted if engine in has] if set(has) & ENGINES.keys() else has
                for seed, engine in itertools.product([None] if options.seed is None else seeds, able):
                    yield Planned(engine, options if seed is None else options.replace(seed=seed))
                continue
            if block["after"] not in by_name:
                raise UserError(f"{where}: no block before it has name = {block['after']!r}, which its after names")
            learned = tuple(name for name, word in _LEARNED.items() if settings.get(name) == word)
            given = {name: value for name, value in settings.items() if name not in learned}
            for first in by_name[block["after"]]:
                if first.engine in wanted:
                    yield Planned(first.engine, _options(first.options, given, where), first, learned)


def grid_names() -> list[str]:
    """The names of the project's own grids."""
    return sorted(_own_grids())


def _own_grids() -> dict[str, Path]:
    return {path.stem: path for folder in GRIDS for path in folder.glob("*.toml")}


def read_grid(name: str) -> GridFile:
    """The project's own grid ``name``, or the file ``name`` where it ends in ``.toml``.

    Raises ``UserError`` when there is none, it is not TOML, or its layout is not that of a grid.
    """
    path = Path(name) if name.endswith(".toml") else _own_grids().get(name)
    if path is None or not path.is_file():
        hint = "" if name.endswith(".toml") else did_you_mean(name, grid_names())
        there = f"{f'{hint} There' if hint else 'there'} are {', '.join(grid_names())}"
        raise UserError(f"--grid {name}: no such grid; {there}, or give the path of a .toml file")
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise UserError(f"{path} is not TOML ({error})") from None
    _check_names(content, _TOP, f"{path}")
    blocks = content.get("runs")
    if not (isinstance(blocks, list) and blocks and all(isinstance(block, dict) for block in blocks)):
        raise UserError(f"{path} has no [[runs]]: expected at least one block of them")
    for number, block in enumerate(blocks, start=1):
        _check_block(block, f"{path}, block {number} of runs")
    every_run = content.get("every_run", {})
    if not isinstance(every_run, dict):
        raise UserError(f"{path}: every_run = {every_run!r} was given, expected a table [every_run]")
    grid = GridFile(
        path=path,
        description=_checked(content, "description", str, f"{path}"),
        datasets=tuple(_list(content, "datasets", str, f"{path}")),
        seeds=tuple(_list(content, "seeds", int, f"{path}")),
        other_datasets_as=_checked(content, "other_datasets_as", str, f"{path}", needed=False),
        every_run=every_run,
        blocks=tuple(blocks),
    )
    if bad := [seed for seed in grid.seeds if not 0 <= seed <= LARGEST_SEED]:
        raise UserError(f"{path}: seeds = {bad[0]} was given, expected a whole number from 0 to {LARGEST_SEED}")
    grid.runs(grid.datasets, tuple(ENGINES), grid.seeds)  # so that a mistake in any block is told before anything runs
    return grid


def _combinations(block: Mapping[str, Any], where: str) -> Iterator[dict[str, Any]]:
    """The settings of a block, one dictionary per run: its cases times its axes."""
    plain = {name: value for name, value in block.items() if name not in _IN_BLOCK}
    axes = [(name, value if isinstance(value, list) else [value]) for name, value in plain.items()]
    for case in block.get("cases", [{}]):
        if repeated := sorted(set(case) & set(plain)):
            raise UserError(f"{where}: {repeated[0]} stands in a case and beside the cases; keep one of them")
        for values in itertools.product(*(values for _, values in axes)):
            yield {**dict(zip((name for name, _ in axes), values, strict=True)), **case}


def _options(base: RunOptions, given: Mapping[str, Any], where: str) -> RunOptions:
    """``base`` with the settings ``given`` as a grid file writes them; checked against each other."""
    model = given.get("model", base.model.name)
    fields = fields_of(model if model in MODELS else base.model.name)
    values = {name: _value(name, value, {"model": MODEL_FIELD, **fields}, where) for name, value in given.items()}
    options = base.replace(**values)
    try:
        options.resolved()
    except UserError as error:
        raise UserError(f"{where}: {error}") from None
    return options


def _is_of_another(name: str, model: str) -> bool:
    """Whether an option of ``every_run`` is one that ``model`` lacks and another model has."""
    return model in MODELS and name not in fields_of(model) and any(name in fields_of(other) for other in MODELS)


def _value(name: str, value: Any, fields: Mapping[str, dataclasses.Field], where: str) -> Any:
    """A setting as the command line would have read it."""
    if name in _ON_THE_COMMAND_LINE:
        raise UserError(f"{where}: {name} is not set in a run's options; use {_ON_THE_COMMAND_LINE[name]}")
    _check_names([name], tuple(fields), where)
    field = fields[name]
    if field.default is False:
        if not isinstance(value, bool):
            raise UserError(f"{where}: {name} = {value!r} was given, expected true or false")
        return value
    if isinstance(value, bool) or not isinstance(value, (str, int, float)):
        raise UserError(f"{where}: {name} = {value!r} was given, expected a number or text")
    try:
        parsed = field.metadata["parse"](str(value))
    except ValueError as error:
        raise UserError(f"{where}: {name} = {value!r} was given, expected {error}") from None
    choices = field.metadata.get("choices")
    if choices and parsed not in choices:
        raise UserError(f"{where}: {name} = {value!r} was given, expected one of {', '.join(choices)}")
    return parsed


def _check_block(block: Mapping[str, Any], where: str) -> None:
    for name in ("name", "after"):
        _checked(block, name, str, where, needed=False)
    for name in ("engines", "datasets"):
        if name in block:
            _list(block, name, str, where)
    for engine in block.get("engines", ()):
        if engine not in ENGINES:
            raise UserError(f"{where}: engines = {engine!r} was given, expected {' or '.join(ENGINES)}")
    if "cases" in block:
        _list(block, "cases", dict, where)
    for name, value in block.items():
        if isinstance(value, list) and not value:
            raise UserError(f"{where}: {name} = [] leaves nothing to run; give it a value")


def _check_names(given: Sequence[str] | Mapping[str, Any], known: Sequence[str], where: str) -> None:
    for name in given:
        if name not in known:
            hint = "expected one of " + ", ".join(known) if known == _TOP else "see python main_pytorch.py --help"
            hint = did_you_mean(name, known) or hint
            raise UserError(f"{where}: {name} is not known here; {hint}")


def _checked(table: Mapping[str, Any], name: str, kind: type, where: str, needed: bool = True) -> Any:
    value = table.get(name)
    if value is None and not needed:
        return None
    if not isinstance(value, kind) or isinstance(value, bool):
        wanted = {str: "text", int: "a whole number", dict: "a { ... } table"}[kind]
        raise UserError(f"{where}: {name} = {value!r} was given, expected {wanted}")
    return value


def _list(table: Mapping[str, Any], name: str, kind: type, where: str) -> list[Any]:
    values = table.get(name)
    if not isinstance(values, list) or not values:
        raise UserError(f"{where}: {name} = {values!r} was given, expected a list [...] with at least one value")
    return [_checked({name: value}, name, kind, where) for value in values]
