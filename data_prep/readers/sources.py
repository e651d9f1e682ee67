"""Where bytes come from: a plain file, a gzipped one, a member of a zip, or those of a folder."""

from __future__ import annotations

import contextlib
import fnmatch
import gzip
import re
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from utils.errors import UserError

_GZIP = b"\x1f\x8b"
#: A member that says it is larger than this once unpacked is not read (the largest known set has 3 GB).
_LARGEST_MEMBER = 16 << 30


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
    def packed(self) -> bool:
        """Whether the bytes must be unpacked from the start: no seeking to what one wants."""
        with open(self.path, "rb") as stream:
            return self.inside is not None or stream.read(len(_GZIP)) == _GZIP

    @contextlib.contextmanager
    def opened(self) -> Iterator[BinaryIO]:
        """The unpacked bytes as a stream; ``UserError`` when they end early or are damaged."""
        with contextlib.ExitStack() as stack:
            stream: BinaryIO = stack.enter_context(open(self.path, "rb"))
            try:
                if self.inside:
                    archive = stack.enter_context(zipfile.ZipFile(stream))
                    if archive.getinfo(self.inside).file_size > _LARGEST_MEMBER:
                        raise UserError(
                            f"{self.label} is larger than {_LARGEST_MEMBER >> 30} GiB; unpack it and name it"
                        )
                    stream = stack.enter_context(archive.open(self.inside))
                if _starts_with(stream, _GZIP):
                    stream = stack.enter_context(gzip.open(stream, "rb"))
                yield stream
            except (EOFError, gzip.BadGzipFile, zipfile.BadZipFile, zlib.error, NotImplementedError) as error:
                raise UserError(f"{self.label} is cut off or damaged ({error}); fetch it again") from error

    def first_line(self, limit: int = 1 << 24) -> bytes:
        """The first line, without its end; ``UserError`` when it is blank or the file is empty."""
        with self.opened() as stream:
            line = stream.readline(limit)
        if not line.strip():
            raise UserError(f"{self.label} is empty, or begins with an empty line; a ratings table was expected")
        return line.rstrip(b"\r\n")

    def starts_with(self, magic: bytes) -> bool:
        """Whether the unpacked bytes begin with ``magic``."""
        with self.opened() as stream:
            return stream.read(len(magic)) == magic


def _starts_with(stream: BinaryIO, magic: bytes) -> bool:
    start = stream.read(len(magic))
    stream.seek(0)
    return start == magic


def locate(raw: Path, patterns: Sequence[str]) -> list[Member]:
    """The files of a source.

    Parameters
    ----------
    raw : Path
        A file (taken as it is), a zip, or a folder.
    patterns : sequence of str
        Names looked for in a zip or a folder (one level of sub-folders included), as ``fnmatch`` reads them, a ``.gz``
        behind them allowed. The result is in the order of the patterns, then of the numbers and letters in the names.

    Raises
    ------
    UserError
        When there is no such file, or nothing in it has such a name.
    """
    if raw.is_dir():
        found = [Member(path) for path in [*raw.glob("*"), *raw.glob("*/*")] if path.is_file()]
    elif not raw.exists():
        raise UserError(f"--raw {raw}: no such file or folder; check the path, or see --download")
    elif zipfile.is_zipfile(raw):
        found = [Member(raw, info.filename) for info in _infos(raw) if not info.is_dir()]
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


def _without_copies(members: Sequence[Member]) -> list[Member]:
    """Of a file and its gzipped copy, the file."""
    there = {(member.path, member.inside) for member in members}

    def is_copy(member: Member) -> bool:
        if member.inside:
            return (member.path, member.inside.removesuffix(".gz")) in there - {(member.path, member.inside)}
        return member.path.suffix == ".gz" and (member.path.with_suffix(""), None) in there

    return [member for member in members if not is_copy(member)]


def _infos(raw: Path) -> list[zipfile.ZipInfo]:
    try:
        with zipfile.ZipFile(raw) as archive:
            return archive.infolist()
    except zipfile.BadZipFile as error:
        raise UserError(f"{raw} is a damaged zip ({error}); fetch it again") from error


def _natural(name: str) -> list[tuple[int, int | str]]:
    """``combined_data_10`` after ``combined_data_9``."""
    return [(0, int(part)) if part.isdigit() else (1, part) for part in re.split(r"([0-9]+)", name)]
