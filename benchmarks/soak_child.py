"""Children to kill, forked from a process that has its framework loaded: a start costs milliseconds, not seconds.

A child is sent a signal after a while (SIGKILL, or one that asks it to end), or kills itself at its n-th operation on a
file, where a random moment would seldom fall.
"""

from __future__ import annotations

import mmap
import os
import resource
import signal
import sys
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from utils.system.errors import guarded

ASKING = (signal.SIGINT, signal.SIGTERM)
_FILE_EVENTS = {"open", "os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.truncate", "os.listdir", "shutil.rmtree"}


@dataclass(frozen=True)
class Disturbance:
    """What befalls a child unless it ends before: ``signal`` after ``seconds``, SIGKILL at its ``operation``-th
    operation on a file, files longer than ``largest_file`` bytes refused. None: nothing of the kind.
    """

    signal: signal.Signals = signal.SIGKILL
    seconds: float | None = None
    operation: int | None = None
    largest_file: int | None = None


@dataclass(frozen=True)
class End:
    """How a child ended: its exit code (minus the signal that killed it), what it said on stderr, its seconds and
    operations on files.
    """

    code: int
    said: str
    seconds: float
    operations: int


def run_child(work: Callable[[], int | None], errors: Path, by: Disturbance = Disturbance()) -> End:
    """Do ``work`` in a child, as a command would, its stderr in ``errors``, disturbed ``by`` something or nothing."""
    operations = mmap.mmap(-1, 8)  # shared with the child
    begun = time.perf_counter()
    before = signal.pthread_sigmask(signal.SIG_BLOCK, ASKING)  # whatever comes before it listens waits until it does
    child = os.fork()
    if child == 0:
        _be_the_child(work, errors, by, operations)
    signal.pthread_sigmask(signal.SIG_SETMASK, before)
    code = _ended_within(child, by.seconds)
    if code is None:
        os.kill(child, by.signal)
        code = _ended_within(child, None)
    seconds, done = time.perf_counter() - begun, int.from_bytes(operations[:], "little")
    return End(code, errors.read_text(errors="replace"), seconds, done)


def _ended_within(child: int, seconds: float | None) -> int | None:
    """The exit code of ``child``; None when it has not ended after ``seconds`` (None: however long it takes)."""
    if seconds is None:
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    deadline = time.perf_counter() + seconds
    while time.perf_counter() < deadline:
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.0005)
    return None


def _be_the_child(work: Callable[[], int | None], errors: Path, by: Disturbance, operations: mmap.mmap) -> None:
    def counted(event: str, _: tuple) -> None:
        if event in _FILE_EVENTS:
            done = int.from_bytes(operations[:], "little") + 1
            operations[:] = done.to_bytes(8, "little")
            if done == by.operation:
                os.kill(os.getpid(), signal.SIGKILL)

    def listening(argv: object) -> int | None:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, ASKING)
        return work()

    code = 70
    try:
        for stream, name in ((sys.stdout, os.devnull), (sys.stderr, errors)):
            os.dup2(os.open(name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), stream.fileno())
        if by.largest_file is not None:
            resource.setrlimit(resource.RLIMIT_FSIZE, (by.largest_file, resource.RLIM_INFINITY))
        sys.addaudithook(counted)
        code = guarded(listening)
        signal.pthread_sigmask(signal.SIG_BLOCK, ASKING)  # too late to be heeded
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(code)  # never back into the parent's code
