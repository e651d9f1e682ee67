"""The side of a contestant that asks: a process that trains one library's model when told to."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.peers.exchange import read_ranked
from utils.system.errors import UserError

ROOT = Path(__file__).resolve().parents[2]


class Contestant:
    """``python -m MODULE FOLDER ...`` in some environment, answering as ``benchmarks.peers.serving`` does.

    A context manager. ``about`` is what it said of itself: versions, layers, items. Its stderr goes to ``log``. Raises
    ``UserError``, naming the log, when the process stops.
    """

    def __init__(self, title: str, command: Sequence[str | Path], folder: Path, log: Path, threads: int) -> None:
        self.title, self.folder, self.log = title, folder, log
        log.parent.mkdir(parents=True, exist_ok=True)
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": str(threads)}
        with open(log, "w") as stream:
            self.process = subprocess.Popen(
                [str(word) for word in command], cwd=folder, env=environment, text=True, stdin=subprocess.PIPE,
                stdout=subprocess.PIPE, stderr=stream,
            )  # fmt: skip
        try:
            self.about = self._answer()
        except BaseException:
            self.__exit__()
            raise

    def __enter__(self) -> Contestant:
        return self

    def __exit__(self, *exc: object) -> None:
        with contextlib.suppress(BrokenPipeError):  # it has stopped already
            self.process.stdin.close()
        self.process.stdout.close()
        try:
            self.process.wait(timeout=30)
        except subprocess.TimeoutExpired:  # in the middle of an epoch that nobody waits for
            self.process.kill()
            self.process.wait()

    def epoch(self) -> float:
        """Train one epoch; its seconds, as the process measured them."""
        return self._ask(do="epoch")["seconds"]

    def floor(self) -> float:
        """Seconds of the output layer's three matrix products over an epoch, in its framework."""
        return self._ask(do="floor")["seconds"]

    def rank(self, part: str) -> np.ndarray:
        """The ranked lists of the fold-in called ``part``, int32 ``(users, k)``."""
        return read_ranked(self.folder / self._ask(do="rank", part=part)["file"])

    def _ask(self, **request: Any) -> dict[str, Any]:
        try:
            print(json.dumps(request), file=self.process.stdin, flush=True)
        except BrokenPipeError:
            raise self._stopped() from None
        return self._answer()

    def _answer(self) -> dict[str, Any]:
        line = self.process.stdout.readline()
        if not line:
            raise self._stopped()
        return json.loads(line)

    def _stopped(self) -> UserError:
        said = [line for line in self.log.read_text(errors="replace").splitlines() if line.strip()]
        return UserError(f"{self.title} stopped ({said[-1] if said else 'without a word'}); see {self.log}")
