"""Makes the Python that runs it ready for this project: ``python -m utils.system.installation [--check]``.

``utils/environment.sh`` calls it for the two commands. Installing takes the standard library only, for nothing is
there yet; who checks an environment needs two packages that a ready one has, and else has the answer: it lacks them.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from utils.system.errors import UserError, guarded
from utils.system.files import write_text
from utils.system.platform import mxnet_obstacle

ROOT = Path(__file__).resolve().parents[2]

_STAMP = "vae-cf-installed.txt"  # in the environment: what a finished installation was made from
_RANGES = "pyproject.toml"
_TOOLS = {"mypy", "pytest-cov", "ruff"}  # of the extra dev: what the tests can do without
_CPU_INDEX = "https://download.pytorch.org/whl/cpu"


def extras() -> list[str]:
    """The extras of ``pyproject.toml`` installed here: not ``baselines``, nor ``mxnet`` where it cannot run."""
    return [name for name in ("pytorch", "mxnet", "report", "dev") if name != "mxnet" or mxnet_obstacle() is None]


def lacking(root: Path = ROOT) -> list[str]:
    """What this Python lacks to run the project and its tests: one text per requirement, empty when it is ready.

    Installed versions are held against the ranges of ``pyproject.toml``; nothing is imported. Of ``dev`` only
    what the tests need counts.
    """
    try:
        from packaging.requirements import Requirement
    except ModuleNotFoundError:
        return ["pytest"]  # which depends on packaging
    try:
        project = _project(root)
    except ModuleNotFoundError:
        return ["tomli"]  # Python 3.10 has no reader of TOML, and the project needs one anyway
    texts = [*project["dependencies"]]
    texts += [text for extra in extras() for text in project["optional-dependencies"][extra]]
    found = []
    for needed in map(Requirement, texts):
        if needed.name in _TOOLS or (needed.marker and not needed.marker.evaluate()):
            continue
        try:
            version = importlib.metadata.version(needed.name)
        except importlib.metadata.PackageNotFoundError:
            found.append(needed.name)
            continue
        if not needed.specifier.contains(version, prereleases=True):
            found.append(f"{needed.name}{needed.specifier} (has {version})")
    return list(dict.fromkeys(found))


def _project(root: Path) -> dict[str, Any]:
    try:
        import tomllib
    except ModuleNotFoundError:
        import tomli as tomllib
    return tomllib.loads((root / _RANGES).read_text(encoding="utf-8"))["project"]


def install(root: Path = ROOT) -> bool:
    """Install the project and all it needs into the environment of this Python; False when that is done already.

    Done is what a finished installation has stamped: the same ``pyproject.toml``, ``constraints.txt``, extras,
    Python and folder. The stamp goes before pip starts and comes back after it ends well, so that an
    interrupted installation is taken up again. Raises ``UserError`` when pip fails, naming its log.
    """
    wanted = extras()
    digest = _digest(root, wanted)
    stamp = Path(sys.prefix) / _STAMP
    if stamp.is_file() and stamp.read_text(encoding="utf-8").strip() == digest:
        return False
    stamp.unlink(missing_ok=True)
    log = root / ".cache" / "install.log"
    log.parent.mkdir(exist_ok=True)
    _announce(wanted, log)
    _pip_install(root, ["-c", str(root / "constraints.txt"), "-e", f"{root}[{','.join(wanted)}]"], log)
    write_text(stamp, digest + "\n")
    return True


def _digest(root: Path, wanted: Sequence[str]) -> str:
    digest = hashlib.sha256("\n".join([*wanted, platform.python_version(), str(root)]).encode())
    for name in (_RANGES, "constraints.txt"):
        digest.update((root / name).read_bytes())
    return digest.hexdigest()


def _announce(wanted: Sequence[str], log: Path) -> None:
    engines = "PyTorch and MXNet" if "mxnet" in wanted else "PyTorch, without MXNet"
    _say(
        f"installing into {_short_path(Path(sys.prefix))} (Python {platform.python_version()}, {engines}); "
        f"this takes minutes, pip's log is {_short_path(log)}"
    )
    cuda_likely = sys.platform == "linux" and not os.environ.get("PIP_EXTRA_INDEX_URL")
    if cuda_likely and not _installed("torch") and shutil.which("nvidia-smi") is None:
        _say(
            "PyPI's PyTorch for Linux brings CUDA, gigabytes that this machine has no card for; for the CPU build: "
            f"stop this with Ctrl-C and set PIP_EXTRA_INDEX_URL={_CPU_INDEX}"
        )


def _pip_install(root: Path, arguments: Sequence[str], log: Path) -> None:
    command = [sys.executable, "-m", "pip", "install", "--no-input", "--disable-pip-version-check", *arguments]
    environment = {**os.environ, "PIP_USER": "0", "PYTHONUNBUFFERED": "1"}
    complaint = ""
    with open(log, "w", encoding="utf-8") as copy:
        process = subprocess.Popen(
            command, cwd=root, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, text=True, encoding="utf-8", errors="replace",
        )  # fmt: skip
        with process:
            for line in process.stdout or ():
                copy.write(line)
                copy.flush()
                _show_progress(line)
                if line.strip().startswith("ERROR:") and not complaint:
                    complaint = f" ({line.strip().removeprefix('ERROR:').strip()})"
    _show_progress("")
    if process.returncode:
        raise UserError(
            f"pip could not install what is needed{complaint}; its log is {_short_path(log)}; "
            "run the same command again when the cause is gone"
        )


def _show_progress(line: str) -> None:
    """Show ``line`` of pip's output in place of the one before, where someone is watching."""
    if sys.stderr.isatty():
        width = shutil.get_terminal_size().columns - 1
        sys.stderr.write("\r\033[K" + line.strip()[:width])
        sys.stderr.flush()


def _installed(package: str) -> bool:
    try:
        importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return False
    return True


def _short_path(path: Path) -> str:
    try:
        return str(path.relative_to(ROOT))
    except ValueError:
        return str(path)


def _say(text: str) -> None:
    print(text, file=sys.stderr)


def main(argv: Sequence[str] | None = None) -> int:
    """Install what is missing; with ``--check``, print what this Python lacks instead, and exit 1 if anything."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    if arguments not in ([], ["--check"]):
        raise UserError(f"{' '.join(arguments)!r} was given, expected nothing or --check")
    if not arguments:
        install()
        return 0
    lacks = lacking()
    if lacks:
        print(", ".join(lacks))
    return 1 if lacks else 0


if __name__ == "__main__":
    sys.exit(guarded(main))
