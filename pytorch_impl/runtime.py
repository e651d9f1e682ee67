"""PyTorch itself: its threads, its devices, its version. Everything here imports ``torch`` from this module."""

from __future__ import annotations

import os

from utils.engine import thread_count
from utils.system.errors import UserError

THREADS = thread_count()
os.environ["OMP_NUM_THREADS"] = str(THREADS)
# Threads that sleep while they wait: spinning ones take the cores from whatever else runs, another run above all. They
# spin for some tens of microseconds first, as long as PyTorch takes from one operation to the next.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
os.environ.setdefault("GOMP_SPINCOUNT", "10000")

import torch  # noqa: E402

torch.set_num_threads(THREADS)


def device_of(name: str) -> torch.device:
    """The device called ``name`` (``cpu``, ``cuda``, ``cuda:N``); ``UserError`` when this machine lacks it."""
    device = torch.device(name)
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise UserError(f"--device {name}: PyTorch {torch.__version__} sees no such GPU here; use --device cpu")
    return device


def describe() -> dict[str, str]:
    """The versions that decide what this engine computes, by name."""
    return {"torch": torch.__version__}
