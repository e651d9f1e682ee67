"""How the program says no: one line on stderr, exit code 2, no traceback."""

from __future__ import annotations

import errno
import sys
from collections.abc import Callable, Sequence

from utils.system.interruption import Interruption
from utils.system.streams import flushed, silence, speakable

EXIT_BAD_INPUT = 2
EXIT_INTERRUPTED = 130  # 128 + SIGINT, as a shell reports it
EXIT_BROKEN_PIPE = 141  # 128 + SIGPIPE

#: Failures of the file system that are the user's to mend, with what to do about each.
_FILE_SYSTEM_ADVICE = {
    errno.EACCES: "no permission; choose a folder you may write to or change its permissions",
    errno.EPERM: "not permitted; choose a folder you may write to or change its permissions",
    errno.EROFS: "the file system is read-only; choose another folder",
    errno.ENOSPC: "the disk is full; free some space or choose another folder",
    errno.EDQUOT: "the disk quota is used up; free some space or choose another folder",
    errno.ENOENT: "no such file or folder; check the path",
    errno.EISDIR: "is a folder; a file was expected",
    errno.ENOTDIR: "part of the path is a file; a folder was expected",
    errno.EEXIST: "exists already; choose another name",
    errno.ENAMETOOLONG: "the name is too long; choose a shorter one",
    errno.ELOOP: "the links lead in a circle; check the path",
    errno.EFBIG: "the file would be larger than is allowed here; choose another folder or raise the limit",
    errno.EIO: "the disk reports an error; check it, or choose another one",
    errno.ESTALE: "the network folder was lost; mount it again",
    errno.EMFILE: "too many files are open; raise the limit (ulimit -n)",
    errno.ENXIO: "no file that can be read; check the path",
}


class UserError(Exception):
    """A wrong option, file or value: what was given, what was expected, what to do.

    The message is one line. Whatever raises it has left no half-written file behind.
    """


def one_line(error: BaseException) -> str:
    """The message of ``error`` as one line, with advice where the file system said no."""
    if isinstance(error, OSError) and error.errno in _FILE_SYSTEM_ADVICE:
        where = f"{error.filename}: " if error.filename else ""
        text = f"{where}{_FILE_SYSTEM_ADVICE[error.errno]}"
    else:
        text = str(error)
    return " ".join(text.split())


def is_users_to_mend(error: BaseException) -> bool:
    """Whether ``error`` deserves one line and no traceback."""
    if isinstance(error, UserError):
        return True
    return isinstance(error, OSError) and error.errno in _FILE_SYSTEM_ADVICE


def guarded(main: Callable[[Sequence[str] | None], int | None], argv: Sequence[str] | None = None) -> int:
    """Run ``main(argv)`` as a command: its exit code, with errors told as this project tells them.

    Returns 0 when ``main`` returns None, ``EXIT_BAD_INPUT`` (2) on a :class:`UserError` or a file system's refusal,
    ``EXIT_INTERRUPTED`` (130) on Ctrl-C, SIGTERM or SIGHUP and ``EXIT_BROKEN_PIPE`` (141) when nobody reads the output
    any more. Any other exception is a defect of ours and keeps its traceback.
    """
    speakable()
    with Interruption(at_once=True):
        try:
            return flushed(main(argv) or 0)
        except KeyboardInterrupt as stop:
            _tell(f"interrupted{': ' + str(stop) if str(stop) else ''}")
            return EXIT_INTERRUPTED
        except BrokenPipeError:  # the reader of a pipe has seen enough (``... | head``)
            silence(sys.stdout)
            return EXIT_BROKEN_PIPE
        except (UserError, OSError) as error:
            if not is_users_to_mend(error):
                raise
            _tell(f"error: {one_line(error)}")
            return EXIT_BAD_INPUT


def _tell(line: str) -> None:
    try:
        print(line, file=sys.stderr, flush=True)
    except OSError:  # the terminal is gone, or the disk of its log full: the exit code tells
        silence(sys.stderr)
