"""Where a result came from: versions, code, machine, memory."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from utils.engine import thread_count
from utils.system.memory import peak_memory

_ROOT = Path(__file__).resolve().parents[2]


def provenance(engine_versions: Mapping[str, str], device: str) -> dict[str, Any]:
    """Versions, device, threads, git commit, machine and peak resident memory (MiB) of this process."""
    versions = {
        name: importlib.metadata.version(name) for name in ("numpy", "scipy", "pandas", "pyarrow", "safetensors")
    }
    commit = _git("rev-parse", "HEAD")
    return {
        "versions": {"python": platform.python_version(), **versions, **engine_versions},
        "device": device,
        "threads": thread_count(),
        "machine": f"{platform.system()} {platform.machine()}, {_processor()}, {os.cpu_count()} CPUs",
        "git_commit": commit,
        "git_dirty": bool(_git("status", "--porcelain", "--untracked-files=no")) if commit else None,
        "peak_memory_mib": round(peak_memory() / 2**20, 1),
    }


def _git(*arguments: str) -> str | None:
    """What git prints in the project's own checkout; None outside one."""
    command = ["git", "-C", str(_ROOT), *arguments]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=20).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return None


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or "unknown processor"
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else "unknown processor"
