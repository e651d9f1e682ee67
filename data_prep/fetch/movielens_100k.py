"""MovieLens 100K from wherever it is reachable: a package on PyPI that carries it, or GroupLens.

Either way the result is the same two files, ``u.data`` (checked against its SHA-256) and ``item_titles.tsv``. The
package (RecBole 1.2.1, MIT) is read as a zip: it is never installed or imported.
"""

from __future__ import annotations

import importlib.util
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

from data_prep.catalogue import DATASETS
from data_prep.fetch.download import fetch
from data_prep.titles import titles_table
from utils.system.errors import UserError, is_users_to_mend, one_line
from utils.system.files import sha256_of, write_text, written_whole
from utils.system.locks import held

TABLE = "u.data"
TITLES = "item_titles.tsv"
TABLE_SHA256 = "06416e597f82b7342361e41163890c81036900f418ad91315590814211dca490"

#: The package, 2.1 MB with the ratings among them, which pip finds on whatever index the machine is set up for.
REQUIREMENT = "recbole==1.2.1"
WHEEL = "recbole-1.2.1-py3-none-any.whl"
WHEEL_SHA256 = "9c9948202011f37eb0a7c6768129313f00d6403ad221ec940d5e2d5d5f33a407"
_IN_WHEEL = "recbole/dataset_example/ml-100k/ml-100k"
_IN_ZIP = "ml-100k/u"
_LARGEST = 16 << 20
_PIP_TIMEOUT = 600  # seconds

Say = Callable[[str], None]


def is_cached(cache: Path) -> bool:
    """Whether ``cache`` holds the checked table and the titles."""
    table = cache / TABLE
    return table.is_file() and (cache / TITLES).is_file() and sha256_of(table) == TABLE_SHA256


def fetch_movielens_100k(cache: Path, say: Say = print) -> Path:
    """The path of ``u.data`` in ``cache``, fetched unless it is there, with ``item_titles.tsv`` beside it.

    Raises ``UserError`` with both reasons when neither source gives the table.
    """
    if is_cached(cache):
        return cache / TABLE
    cache.mkdir(parents=True, exist_ok=True)
    with held(cache / ".movielens-100k.lock", lambda who: say(f"{who} is fetching MovieLens 100K; waiting for it")):
        return cache / TABLE if is_cached(cache) else _fetch_from_any(cache, say)


def _fetch_from_any(cache: Path, say: Say) -> Path:
    reasons: list[str] = []
    for source, route in (("PyPI", _from_pypi), ("GroupLens", _from_grouplens)):
        if reasons:
            say(f"{reasons[-1]}; trying {source}")
        try:
            ratings, titles = route(cache, say)
            _keep(cache, ratings, titles)
            return cache / TABLE
        except (UserError, OSError) as error:
            if not is_users_to_mend(error):
                raise
            reasons.append(f"{source}: {one_line(error)}")
    raise UserError(f"MovieLens 100K cannot be fetched; {'; '.join(reasons)}")


def _from_pypi(cache: Path, say: Say) -> tuple[bytes, str]:
    wheel = cache / WHEEL
    if not wheel.exists():
        _download_wheel(wheel, say)
    if (found := sha256_of(wheel)) != WHEEL_SHA256:
        wheel.unlink()
        raise UserError(f"{WHEEL} has the wrong SHA-256 ({found}, expected {WHEEL_SHA256}); it was removed")
    lines = _member(wheel, f"{_IN_WHEEL}.inter")
    ratings = lines[lines.index(b"\n") + 1 :]  # without RecBole's header it is u.data, byte for byte
    return ratings, titles_table("ml-100k.item", _member(wheel, f"{_IN_WHEEL}.item"))


def _download_wheel(wheel: Path, say: Say) -> None:
    """Have pip, and nothing else, fetch the package: which server it asks is the machine's own setting."""
    if importlib.util.find_spec("pip") is None:
        raise UserError(f"this Python has no pip to fetch {REQUIREMENT} with (get it: {sys.executable} -m ensurepip)")
    say(f"downloading MovieLens 100K (2.1 MB) from PyPI, inside {REQUIREMENT.replace('==', ' ')}")
    say(f"licence: {DATASETS['movielens-100k'].downloads[0].licence}")
    # Only a wheel: building a source package would run its code.
    words = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary=:all:", "--quiet"]
    words += ["--disable-pip-version-check", "--dest", str(wheel.parent), REQUIREMENT]
    try:
        done = subprocess.run(
            words, capture_output=True, encoding="utf-8", errors="replace", timeout=_PIP_TIMEOUT, check=False
        )
    except subprocess.TimeoutExpired as error:
        raise UserError(f"pip download gave no answer in {_PIP_TIMEOUT} s") from error
    if done.returncode or not wheel.exists():
        said = [line for line in done.stderr.splitlines() if line.strip()]
        raise UserError(f"pip download failed ({said[-1] if said else f'exit code {done.returncode}'})")


def _from_grouplens(cache: Path, say: Say) -> tuple[bytes, str]:
    archive = fetch(DATASETS["movielens-100k"].downloads[0], cache, say)
    return _member(archive, f"{_IN_ZIP}.data"), titles_table("u.item", _member(archive, f"{_IN_ZIP}.item"))


def _member(path: Path, name: str) -> bytes:
    try:
        with zipfile.ZipFile(path) as archive:
            if archive.getinfo(name).file_size > _LARGEST:
                raise UserError(f"{path}: {name} is larger than {_LARGEST:,} bytes; that is not MovieLens 100K")
            return archive.read(name)
    except (KeyError, zipfile.BadZipFile) as error:
        raise UserError(f"{path} does not hold {name} ({error})") from error


def _keep(cache: Path, ratings: bytes, titles: str) -> None:
    with written_whole(cache / TABLE) as temporary:
        temporary.write_bytes(ratings)
        if (found := sha256_of(temporary)) != TABLE_SHA256:
            raise UserError(f"the table has the wrong SHA-256 ({found}, expected {TABLE_SHA256})")
    write_text(cache / TITLES, titles)
