"""Files written whole or not at all, and their checksums."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

TEMPORARY = ".tmp"  # the end of the name of a file, or folder, that is not whole yet
#: What safetensors 0.8 calls its own file under way. Earlier versions of this project let it write among their results.
OF_SAFETENSORS = ".tmp??????"


@contextlib.contextmanager
def written_whole(path: str | os.PathLike) -> Iterator[Path]:
    """Yield a temporary path for ``path``, in a folder of its own beside it; on success it replaces ``path`` in one
    rename.

    When the block raises, ``path`` is as it was and the temporary folder is gone. The content reaches
    the disk (``fsync``) before the rename, and the rename before this returns, so that a power cut leaves
    the old file or the new one, and files written one after the other appear in that order.
    The parent folder is made if it is missing. What a killed process leaves is for :func:`remove_leftovers`: one
    folder, which also holds whatever a library puts beside the file it is given to write.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix=f".{path.name}.", suffix=TEMPORARY, dir=path.parent))
    temporary = folder / path.name
    try:
        try:
            yield temporary
        except OSError as error:
            error.filename = error.filename or str(path)  # a full disk seldom says where
            raise
        sync(temporary)
        os.chmod(temporary, 0o666 & ~_umask())  # whatever wrote it may have made it private; a result is not
        os.replace(temporary, path)
        sync(path.parent)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def sync(path: str | os.PathLike) -> None:
    """Wait until the file or folder ``path`` is on the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def remove_leftovers(folder: str | os.PathLike, pattern: str = "*", also: str | None = None) -> None:
    """Remove what killed processes left half-written in ``folder``, as :func:`leftovers` finds it.

    Only for who holds the folder's lock: another's file under way looks the same.
    """
    for leftover in leftovers(folder, pattern, also):
        if leftover.is_dir():
            shutil.rmtree(leftover, ignore_errors=True)
        else:  # of an earlier version, which made no folders
            leftover.unlink(missing_ok=True)


def leftovers(folder: str | os.PathLike, pattern: str = "*", also: str | None = None) -> list[Path]:
    """What is half-written in ``folder``, under way or left so: for files of names like ``pattern``, and all that is
    itself named like ``also``, for a folder in which nobody else's files are.
    """
    found = [*Path(folder).glob(f".{pattern}{TEMPORARY}"), *(Path(folder).glob(also) if also else ())]
    return sorted(found)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def write_text(path: str | os.PathLike, text: str) -> None:
    """Write ``text`` (UTF-8) to ``path``, whole or not at all."""
    with written_whole(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def json_text(value: Any) -> str:
    """``value`` as indented JSON with sorted keys (equal values give equal text)."""
    return json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False, allow_nan=False) + "\n"


def write_json(path: str | os.PathLike, value: Any) -> None:
    """Write ``value`` as :func:`json_text`, whole or not at all."""
    write_text(path, json_text(value))


def read_json(path: str | os.PathLike) -> Any:
    """The value in the JSON file ``path``; ``ValueError`` names the file when it is not JSON."""
    try:
        return json.loads(Path(path).read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:  # not JSON, not UTF-8, a number or a nesting beyond all measure
        raise ValueError(f"{path} is not valid JSON ({error})") from error


def sha256_of(path: str | os.PathLike) -> str:
    """The SHA-256 of the file ``path``, in hexadecimal."""
    digest = hashlib.sha256()
    with open(path, "rb") as stream:
        while block := stream.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def short_hash(value: Any) -> str:
    """Eight hexadecimal digits that stand for ``value`` (anything JSON can hold)."""
    canonical = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(canonical.encode("utf-8")).hexdigest()[:8]
