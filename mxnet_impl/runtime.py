"""MXNet itself: its threads, its devices, its version. Everything here imports ``mx`` from this module.

MXNet 1.9.1 is the last release, and three things are mended before it is imported, here and nowhere else:

- it still reads ``numpy.bool``, an alias of ``bool`` that NumPy dropped in 1.24;
- its operators use one thread unless ``OMP_NUM_THREADS``, which it reads once, says otherwise;
- it ends the process at anything but a number there, though OpenMP allows a list (``4,2``).
"""

from __future__ import annotations

import os
import warnings

import numpy as np

from utils.engine import thread_count
from utils.system.errors import UserError

THREADS = thread_count()
os.environ["OMP_NUM_THREADS"] = str(THREADS)
# Threads that sleep while they wait: spinning ones take the cores from whatever else runs, another run above all.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
# A sparse input falls back to a dense one, with pages of warnings, in one place only: the gradient with respect to
# the clicks themselves, which nothing asks for.
os.environ.setdefault("MXNET_STORAGE_FALLBACK_LOG_VERBOSE", "0")
# A graph without noise has no part for what only training reads; MXNet asks of each whether that is intended.
warnings.filterwarnings("ignore", message="Parameter .* not used by any computation", module="mxnet.gluon.block")
if "bool" not in vars(np):
    np.bool = bool

import mxnet as mx  # noqa: E402


def device_of(name: str) -> mx.Context:
    """The device called ``name`` (``cpu``, ``cuda``, ``cuda:N``); ``UserError`` when this machine lacks it."""
    kind, _, index = name.partition(":")
    if kind == "cuda" and int(index or 0) >= mx.context.num_gpus():
        raise UserError(f"--device {name}: MXNet {mx.__version__} sees no such GPU here; use --device cpu")
    return mx.gpu(int(index or 0)) if kind == "cuda" else mx.cpu()


def describe() -> dict[str, str]:
    """The versions that decide what this engine computes, by name."""
    return {"mxnet": mx.__version__}
