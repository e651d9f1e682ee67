"""Whether this machine and this Python can have MXNet.

Standard library only: the two commands ask before anything is installed, and the doors and the grid
ask again so as to say in one line why the engine is missing. Nothing here loads a library into the
asking process: OpenMP reads its thread count when it is loaded, which is the engine's to decide.
"""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sys

#: The last release of MXNet, and the only one this project runs.
MXNET_VERSION = "1.9.1"

# MXNet's wheel takes these from the system instead of bringing them (slim images lack both).
_SYSTEM_LIBRARIES = {"libgomp.so.1": "libgomp1", "libquadmath.so.0": "libquadmath0"}  # library -> Debian package
_LAST_PYTHON = (3, 12)  # the newest Python that NumPy 1.26, MXNet's last, has wheels for


def mxnet_obstacle() -> str | None:
    """Why MXNet cannot run on this machine with this Python, as one line, or None where it can.

    It needs Linux on x86-64 with glibc (its wheel), Python 3.12 or older (NumPy 1.26, the last that it
    works with) and two system libraries. Whether it is installed is another question.
    Takes milliseconds (system libraries are looked up in a child process).
    """
    if sys.platform != "linux" or platform.machine().lower() not in ("x86_64", "amd64"):
        return f"MXNet {MXNET_VERSION} runs on Linux x86-64 only; this is {platform.system()} {platform.machine()}"
    if not _has_glibc():
        return f"MXNet {MXNET_VERSION} needs a Linux with glibc, which this one lacks"
    if sys.version_info[:2] > _LAST_PYTHON:
        return (
            f"MXNet {MXNET_VERSION} needs NumPy 1.26 and so Python 3.10 to 3.12; "
            f"this is Python {platform.python_version()} ({_other_python()})"
        )
    missing = _missing_libraries()
    if missing:
        packages = " ".join(_SYSTEM_LIBRARIES[name] for name in missing)
        return f"MXNet needs the system's {' and '.join(missing)}; run: apt-get install {packages}"
    return None


def _has_glibc() -> bool:
    try:
        return (os.confstr("CS_GNU_LIBC_VERSION") or "").startswith("glibc")
    except (ValueError, OSError):  # other C libraries do not know the name
        return False


def _other_python() -> str:
    if shutil.which("uv"):
        return "uv supplies one: rm -rf .venv && uv venv --seed --python 3.12 .venv"
    return "install Python 3.12, or uv, which can supply it"


def _missing_libraries() -> list[str]:
    """Those of the system libraries that the dynamic loader of this very Python does not find."""
    probe = (
        "import ctypes, sys\n"
        "for name in sys.argv[1:]:\n"
        "    try:\n"
        "        ctypes.CDLL(name)\n"
        "    except OSError:\n"
        "        print(name)\n"
    )
    found = subprocess.run(
        [sys.executable, "-I", "-S", "-c", probe, *_SYSTEM_LIBRARIES], capture_output=True, text=True, check=False
    )
    return found.stdout.split()


if __name__ == "__main__":  # run_tests.sh says it once
    if (why := mxnet_obstacle()) is not None:
        print(f"MXNet is left out: {why}", file=sys.stderr)
