"""Work in processes of their own, measured there: how every benchmark starts one and talks to it.

``python -m benchmarks.worker MODULE WORDS...`` does what ``MODULE.works(*WORDS)`` offers, functions by name, whenever
it is asked to: a request is a line of JSON on stdin, ``[name, arguments...]``, an answer one on stdout. The interpreter
may be another than the project's, so nothing but Python's own library is imported here.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from utils.system.errors import UserError, guarded
from utils.system.memory import peak_memory

ROOT = Path(__file__).resolve().parent.parent


class Answer(NamedTuple):
    """What a piece of work returned, the seconds it took, and the process's peak of resident memory so far, in GiB."""

    result: Any
    seconds: float
    peak: float


class Worker:
    """A process that serves the works of a module; a context manager. Processes made one after the other start at once.

    Raises ``UserError`` from :meth:`ready` and :meth:`do` when the process stops; what it said on stderr was passed on.
    """

    def __init__(
        self, module: str, *words: object, python: str | Path = sys.executable,
        environment: Mapping[str, str] | None = None,
    ) -> None:  # fmt: skip
        self.module, self.is_ready = module, False
        self.process = subprocess.Popen(
            [str(python), "-m", "benchmarks.worker", module, *map(str, words)], cwd=ROOT, text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, env={**os.environ, **(environment or {})},
        )  # fmt: skip

    def __enter__(self) -> Worker:
        return self

    def __exit__(self, *exc: object) -> None:
        if exc[0] is not None:
            self.process.kill()  # it may be in the middle of work that nobody waits for
        self.process.communicate()

    def ready(self) -> None:
        """Wait until the process has loaded its module."""
        if not self.is_ready:
            self._line("loading")
            self.is_ready = True

    def do(self, work: str, *given: object) -> Answer:
        """Have ``work`` done; ``given`` is what JSON can hold, or a path."""
        self.ready()
        with contextlib.suppress(BrokenPipeError):  # it has stopped, as the missing answer tells
            print(json.dumps([work, *given], default=str), file=self.process.stdin, flush=True)
        return Answer(*json.loads(self._line(work)))

    def _line(self, what: str) -> str:
        line = self.process.stdout.readline()
        if not line:
            code = self.process.wait()
            raise UserError(f"{self.module} ({what}) ended with exit code {code}; what it said stands above")
        return line


def measure(module: str, work: str, *given: object, environment: Mapping[str, str] | None = None) -> Answer:
    """Have ``work`` of ``module`` done by a fresh process."""
    with Worker(module, environment=environment) as worker:
        return worker.do(work, *given)


def serve(argv: Sequence[str] | None) -> None:
    """The process's side: serve until stdin ends."""
    module, *words = argv or sys.argv[1:]
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "w")
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # what a library prints is no answer
    works = importlib.import_module(module).works(*words)
    print("ready", file=answers, flush=True)
    for line in iter(sys.stdin.readline, ""):
        work, *given = json.loads(line)
        begun = time.perf_counter()
        result = works[work](*given)
        seconds = time.perf_counter() - begun
        print(json.dumps([result, seconds, peak_memory() / 2**30]), file=answers, flush=True)


if __name__ == "__main__":
    sys.exit(guarded(serve))
