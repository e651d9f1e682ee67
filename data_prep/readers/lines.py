"""The lines of a text file: how many there are, which of them are blank, and whether its quotes are in order."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import islice
from typing import BinaryIO

from data_prep.readers.sources import Member
from utils.system.errors import UserError

_BLOCK = 8 << 20  # bytes taken from a file at a time


class LineCounter(io.RawIOBase):
    """A stream whose lines are counted while it is read: ``lines``, once it has been read to its end."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._ends, self._last = 0, b"\n"

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        block = self._stream.read(size)
        if block:
            self._ends += block.count(b"\n")
            self._last = block[-1:]
        return block

    @property
    def lines(self) -> int:
        """The lines so far; the last one need not be ended."""
        return self._ends + (self._last != b"\n")


class RewrittenLines(io.RawIOBase):
    """A stream of text after ``rewrite``, a function of whole lines, many at a time."""

    def __init__(self, stream: BinaryIO | LineCounter, rewrite: Callable[[bytes], bytes]) -> None:
        self._stream, self._rewrite = stream, rewrite
        self._ready = self._rest = b""

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        while size < 0 or len(self._ready) < size:
            block = self._stream.read(_BLOCK)
            text = self._rest + block
            end = text.rfind(b"\n") + 1 if block else len(text)  # the last line may lack its end
            self._rest = text[end:]
            self._ready += self._rewrite(text[:end])
            if not block:
                break
        taken = self._ready if size < 0 else self._ready[:size]
        self._ready = self._ready[len(taken) :]
        return taken


@dataclass(frozen=True)
class Quotes:
    """What quoted fields make of lines: ``line_ends`` inside of them, of which ``blank`` end an empty line."""

    line_ends: int = 0
    blank: int = 0


def blank_lines(member: Member, ignored: str = "") -> tuple[int, int]:
    """All lines of a file, however they end, and how many of them hold nothing (but ``ignored`` characters)."""
    lines = blank = 0
    with member.opened() as stream:
        for line in _text_lines(stream):
            lines += 1
            blank += not line.strip("\r\n" + ignored)
    return lines, blank


def not_utf8(member: Member) -> str | None:
    """One line about the first bytes of a file that are no UTF-8, with the remedy; None when all are."""
    with member.opened() as stream:
        for number, line in enumerate(stream, start=1):
            try:
                line.decode("utf-8")
            except UnicodeDecodeError as error:
                odd = line[error.start : error.end]
                return (
                    f"{member.label}: wrong format, line {number} is not UTF-8 (byte 0x{odd.hex()}); convert the file, "
                    "for example: iconv -f latin1 -t utf-8 FILE > NEW, and prepare NEW"
                )
    return None


def quotes_of(member: Member, delimiter: str, skipped: int, width: int) -> Quotes:
    """Read the quotes of a file strictly (RFC 4180): a field in quotes ends with a quote, an inner one is doubled.

    Parameters
    ----------
    member : Member
    delimiter : str
    skipped : int
        Lines at the beginning that are none of the table.
    width : int
        The columns of the table.

    Raises
    ------
    UserError
        Naming the row, for a quote that nothing closes or that text follows, and for quotes around several lines each
        of which would be a row of its own without them.
    """
    if not _any_quote(member):
        return Quotes()
    line_ends = blank = 0
    of_row: list[str] = []  # the lines of the row that is read

    def recorded(lines: Iterable[str]) -> Iterator[str]:
        for line in lines:
            of_row.append(line)
            yield line

    def refused(why: str) -> UserError:
        first = skipped + reader.line_num - len(of_row) + 1
        remedy = 'write a quote inside a value twice ("") and the value in quotes, or remove it'
        return UserError(f"{member.label}, line {first}: {why}; {remedy}")

    with member.opened() as stream:
        reader = csv.reader(recorded(islice(_text_lines(stream), skipped, None)), delimiter=delimiter, strict=True)
        try:
            for _ in reader:
                if len(of_row) > 1:
                    if all(line.count(delimiter) == width - 1 for line in of_row):
                        raise refused(f"a quote there makes one row of {len(of_row)} lines, each of which would be one")
                    line_ends += len(of_row) - 1
                    blank += sum(not line.strip("\r\n") for line in of_row)
                of_row.clear()
        except csv.Error as error:
            raise refused(f"a quote is not closed there, or text follows its end ({error})") from None
    return Quotes(line_ends, blank)


def _any_quote(member: Member) -> bool:
    with member.opened() as stream:
        return any(b'"' in block for block in iter(partial(stream.read, _BLOCK), b""))


def _text_lines(stream: BinaryIO) -> Iterator[str]:
    """Lines with their ends (as Unix, Windows or an old Mac writes them), whatever bytes they hold."""
    return iter(io.TextIOWrapper(stream, encoding="utf-8", errors="surrogateescape", newline=""))
