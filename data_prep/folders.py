"""Folders written whole or not at all."""

from __future__ import annotations

import contextlib
import errno
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from utils.system.files import TEMPORARY, sync
from utils.system.locks import held, process_holding

_REPLACED, _LOCK = ".old", ".lock"


@contextlib.contextmanager
def exclusive_access(parent: Path, say: Callable[[str], None]) -> Iterator[None]:
    """Be the only process that writes folders to ``parent``; ``say`` takes one line about who is waited for.

    What killed processes left there is put right first: half-written folders go, one that was out of the way to be
    replaced comes back unless its successor is there.
    """

    def wait(who: str) -> None:
        say(f"{who} is writing to {parent}; waiting for it")

    with held(parent / _LOCK, wait) as is_alone:
        if is_alone:
            for aside in parent.glob(f".*{_REPLACED}"):
                for replaced in aside.iterdir():
                    if not (parent / replaced.name).exists():
                        replaced.rename(parent / replaced.name)
                shutil.rmtree(aside, ignore_errors=True)
            for leftover in parent.glob(f".*{TEMPORARY}"):
                shutil.rmtree(leftover, ignore_errors=True)
        yield


def remove_leftovers(parent: Path) -> None:
    """Put right what processes that were killed left in ``parent``, if nobody is at work there and one may write."""
    if any(parent.glob(".*")) and process_holding(parent / _LOCK) is None:
        with contextlib.suppress(OSError), exclusive_access(parent, lambda who: None):
            pass


@contextlib.contextmanager
def folder_written_whole(folder: Path, replace: bool = False) -> Iterator[Path]:
    """Yield a temporary folder beside ``folder``; on success it becomes ``folder`` in one rename.

    When the block raises, ``folder`` is as it was and the temporary one is gone. Where ``folder`` exists by then, it
    stays (another process has finished the same work first), unless ``replace`` is set. What a killed process leaves
    behind, :func:`exclusive_access` removes.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", suffix=TEMPORARY, dir=folder.parent))
    try:
        try:
            yield temporary
        except OSError as error:
            error.filename = error.filename or str(folder)  # a full disk seldom says where
            raise
        for path in [*temporary.iterdir(), temporary]:
            sync(path)
        temporary.chmod(folder.parent.stat().st_mode & 0o777)  # mkdtemp makes it private; a result is not
        if replace:
            _delete_at_once(folder)
        try:
            temporary.rename(folder)
        except OSError as error:
            if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
                raise
        sync(folder.parent)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _delete_at_once(folder: Path) -> None:
    """Rename ``folder`` out of the way first, so that nobody reads half of it."""
    aside = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", suffix=_REPLACED, dir=folder.parent))
    with contextlib.suppress(FileNotFoundError):
        folder.rename(aside / folder.name)
    shutil.rmtree(aside, ignore_errors=True)
