"""Public files fetched once: resumed, shown, verified before anything opens them."""

from __future__ import annotations

import hashlib
import http.client
import os
import re
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path

from tqdm import tqdm

from data_prep.catalogue import Download
from utils.system.errors import UserError
from utils.system.locks import held

_BLOCK = 1 << 18
_TIMEOUT = 60  # seconds without a byte
_ATTEMPTS = 4
_BY_HAND = "fetch it by other means and give it as --raw PATH"


def fetch(download: Download, cache: Path, say: Callable[[str], None] = print) -> Path:
    """The file of ``download`` in the folder ``cache``, fetched unless it is there.

    What arrives is kept in ``NAME.part`` until it is whole and verified, and resumed from there, also by a later call.
    Where neither size nor checksum is known, the length the server states is checked, and the SHA-256 is said.

    Raises
    ------
    UserError
        When the server refuses or cannot be reached, the connection keeps breaking, or size or checksum differ.
    """
    target = cache / download.filename
    cache.mkdir(parents=True, exist_ok=True)
    # Of two processes that want the same file one fetches it, the other waits and finds it.
    with held(cache / f".{download.filename}.lock", lambda who: say(f"{who} is fetching {target}; waiting for it")):
        if target.exists():
            verify(target, download)
            return target
        say(f"downloading {download.url}")
        say(f"licence: {download.licence}")
        part = cache / f"{download.filename}.part"
        _complete(part, download)
        verify(part, download)
        if download.sha256 is None and download.md5 is None:
            say(f"no checksum is published; the SHA-256 of what arrived is {_digest(part, 'sha256')}")
        os.replace(part, target)
        _validator(part).unlink(missing_ok=True)
    return target


def verify(path: Path, download: Download) -> None:
    """Compare ``path`` with what is known of ``download``; a file that differs is removed, and ``UserError`` raised."""
    checks = [("size", download.size, lambda: path.stat().st_size)]
    checks += [
        (name.upper(), getattr(download, name), lambda name=name: _digest(path, name)) for name in ("sha256", "md5")
    ]
    for name, expected, measure in checks:
        if expected is not None and (found := measure()) != expected:
            path.unlink()
            _validator(path).unlink(missing_ok=True)
            raise UserError(
                f"{download.filename} from {download.url} has the wrong {name} ({found}, expected {expected}); it was "
                f"removed: run again, or {_BY_HAND}"
            )


def _complete(part: Path, download: Download) -> None:
    """Go on until ``part`` is whole, a few broken connections included."""
    for _ in range(_ATTEMPTS):
        before = _size(part)
        try:
            if _receive(part, download.url):
                return
        except urllib.error.HTTPError as error:
            raise UserError(f"{download.url} answered {error.code} {error.reason}; {_BY_HAND}") from error
        except urllib.error.URLError as error:
            raise UserError(f"{download.url} cannot be reached ({error.reason}); {_BY_HAND}") from error
        if _size(part) <= before:
            break
    raise UserError(
        f"the connection to {download.url} broke after {_size(part):,} bytes; run the same command again to go on"
    )


def _receive(part: Path, url: str) -> bool:
    """One request: append what arrives to ``part``; whether the file is whole now."""
    have = _size(part)
    mark = _validator(part).read_text(encoding="utf-8") if have and _validator(part).exists() else ""
    headers = {"User-Agent": "data_prep", "Accept-Encoding": "identity"}
    if mark:  # without a mark of the version begun, the rest may be another version's
        headers |= {"Range": f"bytes={have}-", "If-Range": mark}
    try:
        response = urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=_TIMEOUT)
    except urllib.error.HTTPError as error:
        if error.code != http.client.REQUESTED_RANGE_NOT_SATISFIABLE:
            raise
        whole = re.fullmatch(r"bytes \*/([0-9]+)", error.headers.get("Content-Range", ""))
        if whole and int(whole[1]) == have:
            return True
        part.unlink()
        return False
    except (http.client.HTTPException, TimeoutError, ConnectionError) as error:
        raise urllib.error.URLError(repr(error)) from error
    with response:
        start = re.match(rf"bytes {have}-", response.headers.get("Content-Range", ""))
        resumed = response.status == http.client.PARTIAL_CONTENT and start is not None
        if not resumed:
            have = 0
            _validator(part).write_text(_mark(response.headers), encoding="utf-8")
        length = response.headers.get("Content-Length")
        total = have + int(length) if length is not None else None
        with open(part, "ab" if resumed else "wb") as stream:
            broken = _copy(response, stream, have, total, part.stem)
    return not broken and total in (None, _size(part))


def _copy(response: http.client.HTTPResponse, stream, have: int, total: int | None, name: str) -> bool:
    """Copy the answer to ``stream`` under a progress bar; whether the connection broke."""
    with tqdm(total=total, initial=have, unit="B", unit_scale=True, desc=name, disable=None) as bar:
        while True:
            try:
                block = response.read(_BLOCK)
            except (OSError, http.client.HTTPException):
                return True
            if not block:
                return False
            stream.write(block)
            bar.update(len(block))


def _mark(headers: http.client.HTTPMessage) -> str:
    """What names the version of the file for If-Range (RFC 9110, 13.1.5): a strong ETag, else its date."""
    etag = headers.get("ETag", "")
    return etag if etag.startswith('"') else headers.get("Last-Modified", "")


def _validator(part: Path) -> Path:
    return part.with_name(f".{part.name.removesuffix('.part')}.version")


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _digest(path: Path, algorithm: str) -> str:
    digest = hashlib.new(algorithm, usedforsecurity=False)
    with open(path, "rb") as stream:
        while block := stream.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()
