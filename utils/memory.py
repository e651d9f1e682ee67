"""Keep freed memory in the process, where the next training step finds it."""

from __future__ import annotations

import ctypes
import sys

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
