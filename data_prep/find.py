"""A preparation found again by the options it was made with."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from data_prep.catalogue import DATASETS
from data_prep.options import FOUND_BY, DataOptions, format_value
from data_prep.prepared import PreparedData, last_request, load_prepared, read_manifest
from utils.options.data import SCENARIOS
from utils.system.command_line import did_you_mean
from utils.system.errors import UserError
from utils.system.files import short_hash

_ATTRIBUTE = {"seed": "split_seed"}  # where an option is called otherwise than in a manifest


def dataset_folder(data_dir: str | os.PathLike, dataset: str) -> Path:
    """Where the preparations of ``dataset`` lie."""
    return Path(data_dir) / f"{dataset}_processed"


def find_prepared(
    data_dir: str | os.PathLike, dataset: str, scenario: str = SCENARIOS[0], **given: Any
) -> PreparedData:
    """Load the preparation of ``dataset`` that has the ``given`` options.

    Parameters
    ----------
    data_dir : path
        The folder of all prepared data ("data" on the command lines).
    dataset : str
    scenario : str, default "strong"
        The split: "strong", "weak" or "leave_one_out".
    **given
        Any of ``min_rating`` (``KEEP_ALL`` or "none": all ratings were kept), ``min_user_click``,
        ``min_item_click``, ``test_users_size``, ``test_size``, ``catalogue_items``, ``seed``; None means not stated.
        Of a catalogued data set an unstated option has its published value; of one's own any preparation will do,
        provided only one fits.

    Raises
    ------
    UserError
        When none fits (with the command that prepares it), several of one's own do (with what tells them apart), or an
        option is given that has no part in the scenario.

    Notes
    -----
    Of preparations with equal options from different sources the one prepared, or asked for again, last is taken.
    """
    if unknown := set(given) - set(FOUND_BY):
        raise TypeError(f"find_prepared takes no {sorted(unknown)}")
    stated = {name: value for name, value in given.items() if value is not None}
    options = DataOptions(
        dataset, scenario, **{_ATTRIBUTE.get(name, name): value for name, value in stated.items()}
    ).record()
    asked = options if dataset in DATASETS else {name: options[name] for name in stated}
    existing, fault = _manifests(data_dir, dataset, scenario)
    fitting = _matching(existing, asked)
    if not fitting:
        raise fault or UserError(_nothing_fits(data_dir, dataset, scenario, stated))
    if dataset not in DATASETS and len({short_hash(manifest["options"]) for manifest in fitting.values()}) > 1:
        raise UserError(_several_fit(dataset, fitting))
    return load_prepared(_latest(fitting))


def find_latest(data_dir: str | os.PathLike, options: DataOptions) -> PreparedData | None:
    """The preparation last asked for with ``options``, or None (also where several of one's own differ in columns)."""
    existing, _ = _manifests(data_dir, options.dataset, options.scenario)
    fitting = _matching(existing, options.record())
    if options.columns:
        fitting = {folder: each for folder, each in fitting.items() if each["options"]["columns"] == options.columns}
    variants = {short_hash(each["options"]) for each in fitting.values()}
    if not fitting or (options.dataset not in DATASETS and len(variants) > 1):
        return None
    return load_prepared(_latest(fitting))


def last_request_of(data_dir: str | os.PathLike, dataset: str) -> str | None:
    """When a preparation of ``dataset`` was last asked for, as its manifest has it; None where there is none."""
    existing, _ = _manifests(data_dir, dataset)
    return max(map(last_request, existing.values()), default=None)


def is_latest(data_dir: str | os.PathLike, prepared: PreparedData) -> bool:
    """Whether of all preparations with the same options ``prepared`` is the one that a run would take."""
    existing, _ = _manifests(data_dir, prepared.name, prepared.scenario)
    like = {folder: each for folder, each in existing.items() if each["options"] == prepared.manifest["options"]}
    return _latest(like) == prepared.folder


def _matching(existing: Mapping[Path, dict[str, Any]], asked: Mapping[str, Any]) -> dict[Path, dict[str, Any]]:
    names = [name for name in FOUND_BY if name in asked]
    return {
        folder: manifest
        for folder, manifest in existing.items()
        if all(manifest["options"][name] == asked[name] for name in names)
    }


def _latest(manifests: Mapping[Path, dict[str, Any]]) -> Path:
    return max(manifests, key=lambda folder: (last_request(manifests[folder]), folder.name))


def preparing_command(dataset: str, data_dir: str | os.PathLike, stated: Mapping[str, Any] | None = None) -> str:
    """The command that prepares ``dataset`` with the ``stated`` options, fetching it where that is possible."""
    words = ["python -m data_prep --dataset", dataset]
    if dataset not in DATASETS:
        words.append("--raw FILE")
    else:
        words.append("--download" if DATASETS[dataset].downloads else "--raw PATH")
    words += [f"--{name} {format_value(value)}" for name, value in (stated or {}).items()]
    if Path(data_dir) != Path("data"):
        words.append(f"--data_dir {data_dir}")
    return " ".join(words)


def _manifests(
    data_dir: str | os.PathLike, dataset: str, scenario: str = "*"
) -> tuple[dict[Path, dict[str, Any]], UserError | None]:
    """Every readable manifest of ``dataset``, and what was wrong with one that is not."""
    manifests, fault = {}, None
    parent = dataset_folder(data_dir, dataset)
    for folder in sorted(parent.glob(f"{scenario}-*")):
        if not re.fullmatch(rf"({'|'.join(SCENARIOS)})-[0-9a-f]{{8}}", folder.name):
            continue
        try:
            manifests[folder] = read_manifest(folder)
        except UserError as error:
            fault = error
    return manifests, fault


def _nothing_fits(data_dir: str | os.PathLike, dataset: str, scenario: str, stated: Mapping[str, Any]) -> str:
    named = {} if scenario == "strong" else {"scenario": scenario}
    remedy = preparing_command(dataset, data_dir, {**named, **stated})
    existing, _ = _manifests(data_dir, dataset)
    if dataset in DATASETS and DATASETS[dataset].by_hand:
        remedy += f" ({DATASETS[dataset].by_hand})"
    if not existing:
        known = [*DATASETS, *(folder.name.removesuffix("_processed") for folder in Path(data_dir).glob("*_processed"))]
        hint = "" if dataset in DATASETS else did_you_mean(dataset, known)
        return f"no prepared data for {dataset!r} in {data_dir}; {f'{hint} Else ' if hint else ''}run: {remedy}"
    others = "; ".join(sorted({_describe_whole(manifest) for manifest in existing.values()}))
    return f"no prepared data for {dataset!r} in {data_dir} has these options; run: {remedy} (prepared are: {others})"


def _several_fit(dataset: str, fitting: Mapping[Path, dict[str, Any]]) -> str:
    records = [manifest["options"] for manifest in fitting.values()]
    names = dict.fromkeys(name for record in records for name in record)
    apart = [name for name in names if any(record.get(name) != records[0].get(name) for record in records)]
    listed = "; ".join(
        f"{folder.name}: {_describe(manifest['options'], apart)}" for folder, manifest in fitting.items()
    )
    remedy = "say which" if set(apart) & set(FOUND_BY) else "delete those you do not want"
    return f"{len(fitting)} preparations of {dataset!r} fit: {listed}; {remedy}"


def _describe(options: Mapping[str, Any], names: Iterable[str]) -> str:
    return " ".join(f"--{name} {format_value(options.get(name))}" for name in names)


def _describe_whole(manifest: Mapping[str, Any]) -> str:
    scenario, options = manifest["protocol"], manifest["options"]
    named = "" if scenario == "strong" else f"--scenario {scenario} "
    return named + _describe(options, [name for name in FOUND_BY if name in options])
