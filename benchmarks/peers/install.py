"""The peers' environments: made once under ``.cache/peers/``, beside the project's own."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from utils.system.errors import UserError
from utils.system.files import short_hash, write_text
from utils.system.locks import held

_STAMP = "installed.txt"  # in the environment, written when all of it is there


@dataclass(frozen=True)
class Peer:
    """A library to compare with: its worker's module, and what pip is given, call by call."""

    title: str
    module: str
    pip: tuple[tuple[str, ...], ...]


#: Exact where a newer version breaks the peer; otherwise the versions of ``constraints.txt``.
PEERS = {
    "recbole": Peer(
        "RecBole",
        "benchmarks.peers.recbole_worker",
        (
            ("setuptools<81", "torch==2.13.0", "numpy==1.26.4", "scipy==1.15.3", "pandas==2.3.3", "tqdm",
             "colorlog==4.7.2", "colorama==0.4.4", "scikit-learn", "pyyaml", "tensorboard", "thop", "tabulate",
             "plotly", "texttable", "psutil"),
            # by itself: it also asks for an old ray, which only its search for hyperparameters uses and which
            # has nothing for Python 3.12
            ("--no-deps", "recbole==1.2.1"),
        ),
    ),
    "cornac": Peer(
        "Cornac",
        "benchmarks.peers.cornac_worker",
        (("cornac==2.6.0", "torch==2.13.0", "numpy==2.2.6", "scipy==1.13.1"),),
    ),
}  # fmt: skip


def python_of(name: str, cache: Path) -> Path:
    """The Python of the environment of the peer ``name``, whether it is there or not."""
    return cache / name / "bin" / "python"


def is_installed(name: str, cache: Path) -> bool:
    """Whether the environment of the peer ``name`` is there, complete, and as this file and this Python want it."""
    stamp = cache / name / _STAMP
    return python_of(name, cache).exists() and stamp.is_file() and stamp.read_text().strip() == _digest(name, cache)


def install(name: str, cache: Path, say: Callable[[str], None] = print) -> Path:
    """Make the environment of the peer ``name`` in ``cache``, unless it is there; its Python.

    Of two processes one installs, the other waits. Raises ``UserError`` when pip or venv fails, naming the log.
    """
    cache.mkdir(parents=True, exist_ok=True)
    with held(cache / f".{name}.lock", lambda who: say(f"{who} is installing {PEERS[name].title}; waiting for it")):
        if not is_installed(name, cache):
            say(f"installing {PEERS[name].title} into {cache / name}; this takes a minute or more")
            log = cache / f"{name}-install.log"
            log.write_text("")
            _run([sys.executable, "-m", "venv", "--clear", str(cache / name)], name, log)
            for arguments in PEERS[name].pip:
                pip = [str(python_of(name, cache)), "-m", "pip", "install", "--no-input", "--disable-pip-version-check"]
                _run([*pip, *arguments], name, log)
            write_text(cache / name / _STAMP, _digest(name, cache) + "\n")
    return python_of(name, cache)


def _digest(name: str, cache: Path) -> str:
    return short_hash([PEERS[name].pip, platform.python_version(), str(cache.resolve())])


def _run(command: list[str], name: str, log: Path) -> None:
    environment = {**os.environ, "PIP_USER": "0"}
    with open(log, "a") as stream:
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, stdout=stream, stderr=subprocess.STDOUT, env=environment, check=False
        )
    if done.returncode:
        errors = [line for line in log.read_text(errors="replace").splitlines() if line.startswith(("ERROR", "Error"))]
        why = f" ({errors[0]})" if errors else ""
        raise UserError(f"{PEERS[name].title} could not be installed{why}; see {log}")
