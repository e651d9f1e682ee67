"""The memory of this process: keeping it between training steps, and its peak."""

from __future__ import annotations

import ctypes
import resource
import sys
from pathlib import Path

_M_TRIM_THRESHOLD, _M_MMAP_MAX = -1, -4  # malloc.h of glibc


def keep_freed_memory() -> None:
    """Ask glibc not to hand large freed blocks back to the kernel; elsewhere nothing happens.

    A training step frees and takes again arrays of tens of megabytes (logits, gradients). By default glibc maps each
    anew, and the kernel clears and maps it page by page as it is first written. ``docs/performance.md`` has what that
    costs. The process keeps its peak memory until it ends.
    """
    if sys.platform != "linux":
        return
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:  # musl has none
        mallopt(_M_MMAP_MAX, 0)  # large blocks come from the heap
        mallopt(_M_TRIM_THRESHOLD, 2**31 - 1)  # and the heap does not shrink


def peak_memory() -> int:
    """The peak of this process's resident memory so far, in bytes.

    On Linux the process's own high-water mark: ``ru_maxrss`` there begins with the peak of whatever started it.
    """
    try:
        lines = Path("/proc/self/status").read_text(encoding="ascii", errors="replace").splitlines()
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM:"))
    except (OSError, StopIteration):
        unit = 1 if sys.platform == "darwin" else 1024  # bytes there, KiB elsewhere
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def available_memory() -> int | None:
    """The memory, in bytes, that a process can still take without pushing others out; None where nobody says."""
    try:
        lines = Path("/proc/meminfo").read_text(encoding="ascii", errors="replace").splitlines()
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:"))
    except (OSError, StopIteration):
        return None
