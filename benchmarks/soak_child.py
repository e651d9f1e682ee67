"""Children to kill, forked from a process that has its framework loaded: a start costs milliseconds, not seconds.

A child is sent a signal after a while (SIGKILL, or one that asks it to end), or kills itself at its n-th operation on a
file, where a random moment would seldom fall. What it was doing then is read from a byte it shares with its parent.
"""

from __future__ import annotations

import contextlib
import functools
import mmap
import os
import resource
import signal
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import data_prep.pipeline
import experiments.report.command
import experiments.runs.run
from experiments.runs.folder import RunFolder
from experiments.runs.loop import Training
from utils.system.errors import guarded

#: What a child can be doing, in the order of the byte that says so.
DOINGS = ("starting", "training", "evaluating", "saving the state", "writing results", "rebuilding the csv",
          "preparing data", "writing the report")  # fmt: skip
_MARKED = (  # whose function, its name, what it does
    (Training, "_epoch", "training"),
    (Training, "_evaluate_epoch", "evaluating"),
    (RunFolder, "write_history", "writing results"),
    (Training, "save", "saving the state"),
    (experiments.runs.run, "save_weights", "writing results"),
    (RunFolder, "finish", "writing results"),
    (experiments.runs.run, "rebuild", "rebuilding the csv"),
    (data_prep.pipeline, "exclusive_access", "preparing data"),
    (experiments.report.command, "write_page", "writing the report"),
)
ASKING = (signal.SIGINT, signal.SIGTERM)
_FILE_EVENTS = {"open", "os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.truncate", "os.listdir", "shutil.rmtree"}


@dataclass(frozen=True)
class End:
    """How a child ended: killed (and doing what) or by itself, with its exit code, and what it said on stderr.

    ``asked``: a signal was sent before it ended; ``operations`` is how many operations on files it had done.
    """

    killed: bool
    asked: bool
    doing: str
    code: int
    said: str
    seconds: float
    operations: int


class Doing:
    """What the newest child is doing, in memory that it shares with its parent.

    One byte is set by the functions of ``_MARKED``; four count its operations on files.
    """

    def __init__(self) -> None:
        self._shared = mmap.mmap(-1, 5)

    @property
    def name(self) -> str:
        """One of ``DOINGS``."""
        return DOINGS[self._shared[0]]

    @contextlib.contextmanager
    def now(self, name: str) -> Iterator[None]:
        """Doing ``name`` in the block."""
        before, self._shared[0] = self._shared[0], DOINGS.index(name)
        yield
        self._shared[0] = before  # not when killed, nor when the block raises: then it is what was being done

    def reset(self) -> None:
        """Before a child starts."""
        self._shared[:] = bytes(5)

    @property
    def operations(self) -> int:
        """Operations on files so far."""
        return int.from_bytes(self._shared[1:5], "little")

    def count(self, deadly: int | None) -> None:
        """Count operations on files from now on, in this process, and kill it at the ``deadly``-th."""

        def counted(event: str, _: tuple) -> None:
            if event in _FILE_EVENTS:
                self._shared[1:5] = (self.operations + 1).to_bytes(4, "little")
                if self.operations == deadly:
                    os.kill(os.getpid(), signal.SIGKILL)

        sys.addaudithook(counted)

    def mark(self) -> None:
        """Have the functions of ``_MARKED`` say what they do, in this process."""
        for owner, function, name in _MARKED:
            setattr(owner, function, self._marked(getattr(owner, function), name))

    def _marked(self, function: Callable[..., Any], name: str) -> Callable[..., Any]:
        @functools.wraps(function)
        def doing(*given: Any, **named: Any) -> Any:
            with self.now(name):
                result = function(*given, **named)
            if name == "preparing data":  # a context manager: what follows is its block
                self._shared[0] = DOINGS.index(name)
            return result

        return doing


def run_child(
    work: Callable[[], int | None], doing: Doing, errors: Path, *,
    after: float | None = None, number: signal.Signals = signal.SIGKILL, at_operation: int | None = None,
    largest_file: int | None = None,
) -> End:  # fmt: skip
    """Do ``work`` in a child, as a command would, its stderr in ``errors``.

    ``after`` seconds it is sent the signal ``number``, or at its ``at_operation``-th operation on a file killed, unless
    it has ended by then;
    ``largest_file``: the system refuses to write files longer than that (bytes).
    """
    doing.reset()
    begun = time.perf_counter()
    before = signal.pthread_sigmask(signal.SIG_BLOCK, ASKING)  # whatever comes before it listens waits until it does
    child = os.fork()
    if child != 0:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
    else:
        _be_the_child(work, doing, errors, at_operation, largest_file)
    code = _ended_within(child, after)
    asked = code is None
    if asked:
        doing_then = doing.name
        os.kill(child, number)
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    said = errors.read_text(errors="replace")
    what = doing_then if asked else doing.name
    return End(code == -signal.SIGKILL, asked, what, code, said, time.perf_counter() - begun, doing.operations)


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


def _listening(work: Callable[[], int | None]) -> int | None:
    signal.pthread_sigmask(signal.SIG_UNBLOCK, ASKING)
    return work()


def _be_the_child(
    work: Callable[[], int | None], doing: Doing, errors: Path, at_operation: int | None, largest_file: int | None
) -> None:
    code = 70
    try:
        for stream, name in ((sys.stdout, os.devnull), (sys.stderr, errors)):
            os.dup2(os.open(name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), stream.fileno())
        doing.mark()
        if largest_file is not None:
            resource.setrlimit(resource.RLIMIT_FSIZE, (largest_file, resource.RLIM_INFINITY))
        doing.count(at_operation)
        code = guarded(lambda argv: _listening(work))
        signal.pthread_sigmask(signal.SIG_BLOCK, ASKING)  # too late to be heeded
        sys.stderr.flush()
    except BaseException:
        traceback.print_exc()
        sys.stderr.flush()
    finally:
        os._exit(code)  # never back into the parent's code
