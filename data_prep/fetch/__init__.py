"""Where the source of a preparation comes from when no path is given."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from data_prep.catalogue import DATASETS
from data_prep.fetch.download import fetch
from data_prep.fetch.movielens_100k import TABLE, fetch_movielens_100k, is_cached
from data_prep.find import preparing_command
from utils.system.command_line import did_you_mean
from utils.system.errors import UserError


def locate_source(dataset: str, data_dir: Path, download: bool, say: Callable[[str], None] = print) -> Path:
    """The source of ``dataset`` in ``<data_dir>/downloads/<dataset>/``; with ``download``, fetched there if need be.

    Raises ``UserError`` when it is neither there nor to be fetched, saying what to do.
    """
    known = DATASETS.get(dataset)
    if known is None:
        own = f"{f'{hint} For' if (hint := did_you_mean(dataset, DATASETS)) else 'for'} data of your own"
        raise UserError(f"--dataset {dataset!r} is none of {', '.join(DATASETS)}; {own} say --raw FILE as well")
    cache = data_dir / "downloads" / dataset
    if dataset == "movielens-100k":
        if download:
            return fetch_movielens_100k(cache, say)
        if is_cached(cache):
            return cache / TABLE
    elif known.downloads:
        paths = [cache / each.filename for each in known.downloads]
        if download:
            paths = [fetch(each, cache, say) for each in known.downloads]
        if all(path.exists() for path in paths):
            return paths[0] if len(paths) == 1 else cache
    if download:
        raise UserError(f"{known.title} is not freely downloadable: {known.by_hand}; then say --raw PATH")
    raise UserError(f"no source for {dataset!r}: give --raw PATH, or run: {preparing_command(dataset, data_dir)}")
