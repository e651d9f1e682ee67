"""The lines of a text file: how many there are, which of them are blank, and whether its quotes are in order."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

from data_prep.readers.sources import Member
from utils.system.errors import UserError

_BLOCK = 1 << 20


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


class CollapsedSpaces(io.RawIOBase):
    """A stream of text in which any run of spaces and tabs is one space, and none stands at the end of a line."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._rest = b""

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        while block := self._stream.read(size):
            whole, newline, rest = (self._rest + block).rpartition(b"\n")
            self._rest = rest
            if newline:
                return _collapse_spaces(whole + newline)
        last, self._rest = self._rest, b""
        return _collapse_spaces(last)


def _collapse_spaces(text: bytes) -> bytes:
    text = re.sub(rb"[ \t]+", b" ", text)
    return re.sub(rb"^ | (?=\r?$)", b"", text, flags=re.MULTILINE)


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
    with member.opened() as stream:
        lines = _RecordedLines(_text_lines(stream))
        for _ in range(skipped):
            next(lines, None)
        lines.taken.clear()
        return _strictly(csv.reader(lines, delimiter=delimiter, strict=True), lines, member, delimiter, skipped, width)


def _strictly(reader, lines: _RecordedLines, member: Member, delimiter: str, skipped: int, width: int) -> Quotes:
    ends = blank = 0
    while True:
        first = skipped + reader.line_num + 1
        try:
            next(reader)
        except StopIteration:
            return Quotes(ends, blank)
        except csv.Error as error:
            raise UserError(
                f"{member.label}, line {first}: a quote is not closed there, or text follows its end ({error}); "
                'write a quote inside a value twice ("") and the value in quotes, or remove it'
            ) from None
        if len(lines.taken) > 1:
            if all(line.count(delimiter) == width - 1 for line in lines.taken):
                raise UserError(
                    f"{member.label}, line {first}: a quote there makes one row of {len(lines.taken)} lines, each of "
                    'which would be one; write a quote inside a value twice ("") and the value in quotes, or remove it'
                )
            ends += len(lines.taken) - 1
            blank += sum(not line.strip("\r\n") for line in lines.taken)
        lines.taken.clear()


class _RecordedLines:
    """Lines that are kept in ``taken`` when they have been asked for."""

    def __init__(self, lines: Iterator[str]) -> None:
        self._lines = lines
        self.taken: list[str] = []

    def __iter__(self) -> _RecordedLines:
        return self

    def __next__(self) -> str:
        self.taken.append(next(self._lines))
        return self.taken[-1]


def _any_quote(member: Member) -> bool:
    with member.opened() as stream:
        while block := stream.read(_BLOCK):
            if b'"' in block:
                return True
    return False


def _text_lines(stream: BinaryIO) -> Iterator[str]:
    """Lines with their ends (as Unix, Windows or an old Mac writes them), whatever bytes they hold."""
    return iter(io.TextIOWrapper(stream, encoding="utf-8", errors="surrogateescape", newline=""))
