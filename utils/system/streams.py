"""What is printed arrives: where a stream has no sign for a letter, where nobody listens, where the disk is full."""

from __future__ import annotations

import codecs
import os
import sys
from typing import TextIO

#: How to write, on a stream that cannot, what this project prints. A plus-minus takes the space after it along, so
#: that the columns of a table stay below each other.
_PLAIN = {
    "± ": "+-", "±": "+-", "β": "beta", "µ": "u", "–": "-", "→": "->", "×": "x", "≥": ">=", "\xa0": " ",
}  # fmt: skip
_HANDLER = "vae_cf.plain"


def speakable() -> None:
    r"""Make the three standard streams ones that can be written to, whatever is printed.

    What standard output or standard error cannot encode is written plainly (``+-`` for the plus-minus sign) or else as
    an escape (``\xe9``); a way of replacing that the user has chosen (``PYTHONIOENCODING=ascii:replace``) stays.
    A closed one becomes the null device: else the next file opened would get its number, and what a library prints.
    """
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):  # a file gets the lowest number free
        if getattr(sys, name) is None:
            stream = os.fdopen(os.open(os.devnull, os.O_RDWR), mode, encoding="utf-8")
            os.set_inheritable(stream.fileno(), True)
            setattr(sys, name, stream)
    for stream in (sys.stdout, sys.stderr):
        if getattr(stream, "errors", None) in ("strict", "surrogateescape", "backslashreplace"):
            getattr(stream, "reconfigure", lambda **_: None)(errors=_HANDLER)


def flushed(code: int) -> int:
    """``code``, once all that was printed has left this process.

    Raises ``OSError`` where it cannot; what is left of it is then dropped.
    """
    try:
        sys.stdout.flush()
    except OSError:
        silence(sys.stdout)
        raise
    return code


def silence(stream: TextIO) -> None:
    """Drop what ``stream`` still holds and all that is printed on it, or Python would complain of it as it exits."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def _plainly(error: UnicodeError) -> tuple[str, int]:
    """The error handler: what to write in place of the first letter that cannot be encoded, and where to go on."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    for width in (2, 1):
        letters = error.object[error.start : error.start + width]
        if letters in _PLAIN:
            return _PLAIN[letters], error.start + len(letters)  # fewer than width at the end
    return error.object[error.start].encode("ascii", "backslashreplace").decode("ascii"), error.start + 1


codecs.register_error(_HANDLER, _plainly)
