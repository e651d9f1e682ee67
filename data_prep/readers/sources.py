"""Where bytes come from: a plain file, a gzipped one, a member of a zip, or those of a folder."""

from __future__ import annotations

import contextlib
import errno
import fnmatch
import gzip
import lzma
import re
import struct
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from utils.system.errors import UserError

LONGEST_LINE = 1 << 24  # bytes
_GZIP = b"\x1f\x8b"
#: What unpacks to more than this is not read (the largest known set has 3 GB)...
_LARGEST = 16 << 30
#: ... nor what unpacks to more than this and to more than so many times its size: ratings pack 3 to 30 times.
_LARGE, _MOST_PACKED = 1 << 30, 200


def largest_unpacked(path: Path) -> int:
    """The bytes that what is packed at ``path`` may unpack to."""
    return min(_LARGEST, max(_LARGE, _MOST_PACKED * path.stat().st_size))


@dataclass(frozen=True)
class Member:
    """One readable file: ``path`` itself, or ``inside`` the zip at ``path``; gzip is undone while reading."""

    path: Path
    inside: str | None = None

    @property
    def label(self) -> str:
        """What errors call it."""
        return f"{self.path} ({self.inside})" if self.inside else str(self.path)

    @property
    def name(self) -> str:
        """The file's own name."""
        return Path(self.inside).name if self.inside else self.path.name

    @property
    def suffixes(self) -> set[str]:
        """The ends of the file's name, in small letters."""
        return {suffix.lower() for suffix in Path(self.name).suffixes}

    @property
    def packed(self) -> bool:
        """Whether the bytes must be unpacked from the start: no seeking to what one wants."""
        with open(self.path, "rb") as stream:
            return self.inside is not None or stream.read(len(_GZIP)) == _GZIP

    @contextlib.contextmanager
    def opened(self) -> Iterator[BinaryIO]:
        """The unpacked bytes as a stream; ``UserError`` when they end early or are damaged."""
        with open(self.path, "rb") as packed, contextlib.ExitStack() as stack:
            try:
                stream = self._unpacked(packed, stack)
            except (*_NO_ARCHIVE, *DAMAGED) as error:
                raise self._cut_off(error) from error
            try:
                yield stream
            except DAMAGED as error:
                raise self._cut_off(error) from error

    def _unpacked(self, stream: BinaryIO, stack: contextlib.ExitStack) -> BinaryIO:
        largest = largest_unpacked(self.path)
        if self.inside:
            archive = stack.enter_context(zipfile.ZipFile(stream))
            if archive.getinfo(self.inside).file_size > largest:
                raise _TooLargeError
            stream = stack.enter_context(archive.open(self.inside))
        start = stream.read(len(_GZIP))
        stream.seek(0)
        if start == _GZIP:
            stream = stack.enter_context(_Unpacked(stream, largest))
        return stream

    def _cut_off(self, error: Exception) -> Exception:
        if isinstance(error, _TooLargeError):
            return UserError(f"{self.label} unpacks to too much; if you trust it, unpack it and name it")
        if _is_of_the_file_system(error):
            return error
        return UserError(f"{self.label} is cut off or damaged ({error}); fetch it again")

    def first_line(self) -> bytes:
        """The first line, without its end; ``UserError`` when it is blank or the file is empty."""
        with self.opened() as stream:
            line = stream.readline(LONGEST_LINE)
        if not line.strip():
            raise UserError(f"{self.label} is empty, or begins with an empty line; a ratings table was expected")
        return line.rstrip(b"\r\n")


class _TooLargeError(Exception):
    """A packed file unpacks to more than is read."""


class _Unpacked(gzip.GzipFile):
    """A gzipped stream that ends with an error where it has given ``largest`` bytes."""

    def __init__(self, stream: BinaryIO, largest: int) -> None:
        super().__init__(fileobj=stream, mode="rb")
        self._largest = largest

    def read(self, size: int | None = -1) -> bytes:
        return self._within(super().read(self._largest + 1 if size is None or size < 0 else size))

    def readline(self, size: int | None = -1) -> bytes:
        return self._within(super().readline(LONGEST_LINE if size is None or size < 0 else size))

    def _within(self, block: bytes) -> bytes:
        if self.tell() > self._largest:
            raise _TooLargeError
        return block


#: What reading packed bytes that are damaged raises (an ``OSError`` without a number is bz2's and gzip's)...
DAMAGED = (EOFError, zipfile.BadZipFile, zlib.error, lzma.LZMAError, NotImplementedError, OSError, _TooLargeError)
#: ... and what else opening a zip does: one that is encrypted, or whose table of contents is nonsense.
_NO_ARCHIVE = (RuntimeError, ValueError, LookupError, struct.error)


def _is_of_the_file_system(error: Exception) -> bool:
    return isinstance(error, OSError) and error.errno not in (None, errno.EINVAL)


def locate(raw: Path, patterns: Sequence[str]) -> list[Member]:
    """The files of a source.

    Parameters
    ----------
    raw : Path
        A file (taken as it is), a zip, ``a.zip/NAME`` for a file in it, or a folder.
    patterns : sequence of str
        Names looked for in a zip or a folder (one level of sub-folders included), as ``fnmatch`` reads them, a ``.gz``
        behind them allowed. The result is in the order of the patterns, then of the numbers and letters in the names.

    Raises
    ------
    UserError
        When there is no such file, or nothing in it has such a name.
    """
    if (named := _named_inside(raw)) is not None:
        return [named]
    if raw.is_dir():
        found = [Member(path) for path in [*raw.glob("*"), *raw.glob("*/*")] if path.is_file()]
    elif not raw.exists():
        raise UserError(f"--raw {raw}: no such file or folder; check the path, or see --download")
    elif not raw.is_file():  # a pipe, which would be waited for without end, and can be read once only
        raise UserError(f"--raw {raw} is no file on disk but a pipe or a device; write it to a file and name that")
    elif zipfile.is_zipfile(raw):
        found = [Member(raw, name) for name in _names_in(raw)]
    else:
        return [Member(raw)]
    chosen = [
        member
        for pattern in patterns
        for member in sorted(found, key=lambda member: _natural(member.name))
        if fnmatch.fnmatchcase(member.name, pattern) or fnmatch.fnmatchcase(member.name, f"{pattern}.gz")
    ]
    if not chosen:
        kind = "folder" if raw.is_dir() else "zip"
        raise UserError(f"--raw {raw}: the {kind} holds none of {', '.join(patterns)}; name the ratings file itself")
    return _without_copies(chosen)


def _named_inside(raw: Path) -> Member | None:
    """The member of a zip that ``archive.zip/NAME`` names; None where ``raw`` names nothing of the kind."""
    if raw.exists():
        return None
    for archive in raw.parents:
        if archive.is_file() and zipfile.is_zipfile(archive):
            inside = raw.relative_to(archive).as_posix()
            names = _names_in(archive)
            chosen = [name for name in names if name == inside] or [name for name in names if Path(name).name == inside]
            if len(chosen) != 1:
                held = ", ".join(names[:10]) + (", ..." if len(names) > 10 else "")
                raise UserError(f"--raw {raw}: the zip holds {len(chosen)} files {inside}; it has: {held}")
            return Member(archive, chosen[0])
    return None


def _without_copies(members: Sequence[Member]) -> list[Member]:
    """Of a file and its gzipped copy, the file."""
    names = [member.inside or str(member.path) for member in members]
    return [
        member
        for member, name in zip(members, names, strict=True)
        if not (name.endswith(".gz") and name.removesuffix(".gz") in names)
    ]


def _names_in(raw: Path) -> list[str]:
    """The files of the zip ``raw``."""
    try:
        with zipfile.ZipFile(raw) as archive:
            return [name for name in archive.namelist() if name and not name.endswith("/")]
    except (*DAMAGED, *_NO_ARCHIVE) as error:
        if _is_of_the_file_system(error):
            raise
        raise UserError(f"{raw} is a damaged zip ({error}); fetch it again") from error


def _natural(name: str) -> str:
    """``combined_data_10`` after ``combined_data_9``."""
    return re.sub(r"[0-9]+", lambda number: number[0].zfill(20), name)
