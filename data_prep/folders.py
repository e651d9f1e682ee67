"""Folders written whole or not at all."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path


@contextlib.contextmanager
def folder_written_whole(folder: Path, replace: bool = False) -> Iterator[Path]:
    """Yield a temporary folder beside ``folder``; on success it becomes ``folder`` in one rename.

    When the block raises, ``folder`` is as it was and the temporary one is gone. Where ``folder`` exists by then, it
    stays (another process has finished the same work first), unless ``replace`` is set.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", suffix=".tmp", dir=folder.parent))
    try:
        try:
            yield temporary
        except OSError as error:
            error.filename = error.filename or str(folder)  # a full disk seldom says where
            raise
        for path in temporary.iterdir():
            with open(path, "rb") as stream:
                os.fsync(stream.fileno())
        temporary.chmod(folder.parent.stat().st_mode & 0o777)  # mkdtemp makes it private; a result is not
        if replace:
            _delete_at_once(folder)
        try:
            temporary.rename(folder)
        except OSError as error:
            if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
                raise
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _delete_at_once(folder: Path) -> None:
    """Rename ``folder`` out of the way first, so that nobody reads half of it."""
    grave = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", suffix=".old", dir=folder.parent))
    with contextlib.suppress(FileNotFoundError):
        folder.rename(grave / folder.name)
    shutil.rmtree(grave, ignore_errors=True)
