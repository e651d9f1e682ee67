"""The peak that a process reports is its own."""

import subprocess
import sys
from pathlib import Path

import numpy as np

from utils.system.memory import peak_memory

ROOT = Path(__file__).resolve().parent.parent
CODE = "from utils.system.memory import peak_memory; import numpy as np; {}; print(peak_memory())"


def told(code):
    done = subprocess.run(
        [sys.executable, "-c", CODE.format(code)], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return int(done.stdout)


def test_it_counts_what_was_held_and_not_what_the_parent_held():
    held = np.ones(500 << 20, dtype=np.uint8)
    assert peak_memory() > held.nbytes
    assert told("pass") < 300 << 20
    assert told("np.ones(400 << 20, dtype=np.uint8)") > 400 << 20
