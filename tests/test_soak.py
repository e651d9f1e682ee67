"""The soak in short, in both engines and without grids. ``python -m benchmarks.soak`` is the long one."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

from utils.engine import ENGINES, engine_obstacle

ROOT = Path(__file__).resolve().parent.parent


def test_work_that_is_killed_at_random_ends_as_if_it_were_not(tmp_path):
    command = [sys.executable, "-m", "benchmarks.soak", "--kills", "12", "--grid_kills", "0", "--seed", "3"]
    command += ["--interrupts", "6", "--grid_interrupts", "0"]
    done = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, timeout=170, env={**os.environ, "TMPDIR": str(tmp_path)}
    )
    assert done.returncode == 0, done.stdout + done.stderr
    engines = [name for name in ENGINES if engine_obstacle(name) is None]
    assert all(f"{ENGINES[name].title}, " in done.stdout for name in engines)
    kills, interrupts, wrong = re.search(
        r"in all: ([0-9]+) kills, ([0-9]+) interrupts, .*; ([0-9]+) ends", done.stdout
    ).groups()
    assert int(kills) >= 12
    assert int(interrupts) >= 6
    assert int(wrong) == 0
    assert not list(tmp_path.glob("soak*"))
