"""What mypy finds, held against the errors known in each file (``known_type_errors.txt``): no more, and no fewer."""

import importlib.metadata
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
KNOWN = ROOT / "tests" / "known_type_errors.txt"


def test_mypy_finds_the_errors_that_are_known_and_no_others():
    pytest.importorskip("mypy")
    for name in ("mypy", "numpy"):  # NumPy's types differ with its version, too
        if f"\n{name}=={importlib.metadata.version(name)}" not in (ROOT / "constraints.txt").read_text():
            pytest.skip(f"the errors known are those with the {name} of constraints.txt")
    done = subprocess.run([sys.executable, "-m", "mypy"], cwd=ROOT, capture_output=True, text=True, timeout=600)
    assert done.returncode in (0, 1), done.stdout + done.stderr
    known = Counter({path: int(count) for path, count in map(str.split, KNOWN.read_text().splitlines())})
    found = Counter(re.findall(r"^([^:\n]+):\d+: error: ", done.stdout, re.MULTILINE))
    new = [line for line in done.stdout.splitlines() if found[line.split(":")[0]] > known[line.split(":")[0]]]
    assert not new, "more errors than are known in\n" + "\n".join(new)
    fewer = {path: found[path] for path in sorted(known - found)}
    assert not fewer, f"fewer errors than are known: {KNOWN.name} is to say so (a file with none is left out)"
