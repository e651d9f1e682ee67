"""Locks between processes, kept by the operating system: a process that dies, however it dies, lets go of them."""

from __future__ import annotations

import contextlib
import errno
import os
import socket
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

try:
    import fcntl
except ImportError:  # no Unix: nothing is locked there, and ``held`` says so
    fcntl = None

_NOT_HERE = (errno.ENOLCK, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS)  # a file system without locks
_PATIENCE = 0.1  # seconds before a lock that is held is worth a word


@contextlib.contextmanager
def held(path: str | os.PathLike, on_wait: Callable[[str], None] = lambda who: None) -> Iterator[bool]:
    """Hold the lock file ``path`` (made, and removed at the end), waiting while another process holds it.

    ``on_wait`` is called once with who holds it (``process 123 on host``) when that takes longer than a moment.
    Yields whether the lock is real: False, with a warning on stderr, on a system or a file system without ``flock``,
    where nothing keeps two processes apart. Raises ``OSError`` when the file cannot be made.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    handle = _taken(path, on_wait)
    try:
        yield handle is not None
    finally:
        if handle is not None:
            path.unlink(missing_ok=True)  # still ours: who waits for it looks whether it is there, and makes a new one
            os.close(handle)


def process_holding(path: str | os.PathLike) -> str | None:
    """Who holds the lock file ``path`` (``process 123 on host``); None when nobody does, or nobody can tell."""
    if fcntl is None:
        return None
    try:
        with open(path, "rb") as stream:
            try:
                fcntl.flock(stream, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                return _name_in(stream.fileno())
    except OSError:
        pass
    return None


def _taken(path: Path, on_wait: Callable[[str], None]) -> int | None:
    """The open file that holds the lock; None where there are no locks."""
    while True:
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
        try:
            if not _locked(handle, on_wait):
                os.close(handle)
                path.unlink(missing_ok=True)
                print(f"warning: {path.parent} has no locks: let no two commands work there at once", file=sys.stderr)
                return None
            if _is_still(path, handle):
                os.truncate(handle, 0)
                os.pwrite(handle, f"process {os.getpid()} on {socket.gethostname()}".encode(), 0)
                return handle
        except BaseException:
            os.close(handle)
            raise
        os.close(handle)  # its holder has removed it meanwhile: it keeps nobody out any more


def _locked(handle: int, on_wait: Callable[[str], None]) -> bool:
    if fcntl is None:
        return False
    try:
        for pause in (_PATIENCE, 0.0):
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return True
            except BlockingIOError:
                time.sleep(pause)
        on_wait(_name_in(handle))
        fcntl.flock(handle, fcntl.LOCK_EX)
    except OSError as error:
        if error.errno not in _NOT_HERE:
            raise
        return False
    return True


def _is_still(path: Path, handle: int) -> bool:
    try:
        there, ours = os.stat(path), os.fstat(handle)
    except FileNotFoundError:
        return False
    return (there.st_dev, there.st_ino) == (ours.st_dev, ours.st_ino)


def _name_in(handle: int) -> str:
    return os.pread(handle, 200, 0).decode("utf-8", "replace") or "another process"
