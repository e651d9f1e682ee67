"""Fresh processes that measure themselves: seconds of one piece of work, and the peak of their resident memory."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from utils.system.errors import UserError
from utils.system.memory import peak_memory

_ROOT = Path(__file__).resolve().parent.parent


def told_by(module: str, *words: object, environment: Mapping[str, str] | None = None) -> dict[str, Any]:
    """What ``python -m module words...`` reports of itself with :func:`report`.

    ``UserError`` when the process fails; what it said on stderr is passed on.
    """
    command = [sys.executable, "-m", module, *map(str, words)]
    done = subprocess.run(
        command, cwd=_ROOT, stdout=subprocess.PIPE, text=True, env={**os.environ, **(environment or {})}
    )
    if done.returncode:
        what = " ".join(map(str, [module, *words[:1]]))
        raise UserError(f"{what} ended with exit code {done.returncode}; what it said stands above")
    return json.loads(done.stdout.splitlines()[-1])


def report(**facts: Any) -> None:
    """Print ``facts`` and this process's peak so far (``peak``, in GiB) as the last line of its output."""
    print(json.dumps({**facts, "peak": peak()}), flush=True)


def peak() -> float:
    """The peak of this process's resident memory, in GiB."""
    return peak_memory() / 2**30
