"""docs/new_model.md: its blocks, put into a copy of the code, make a model that keeps every contract."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PAGE = (ROOT / "docs" / "new_model.md").read_text(encoding="utf-8")
BLOCK = r":\n\n```(?:python|markdown|text)\n(.*?)^```$"
NEW_FILES = re.findall(r"^`(\S+)`, new" + BLOCK, PAGE, re.MULTILINE | re.DOTALL)
INSERTIONS = re.findall(r"^In `(\S+)`, before `([^\n]+)`" + BLOCK, PAGE, re.MULTILINE | re.DOTALL)
#: Of the tests that are of no model in particular, those that a new one may break.
ASKED = "gated or every_model or twins_have or no_room_imports"
LONGEST_NETWORK = 45  # lines, imports and docstrings among them


def copied(to):
    """A copy of the code, of the tests and of the files they read."""
    to.mkdir()
    for path in ROOT.iterdir():
        if path.is_file():
            shutil.copy2(path, to)
        elif path.name in ("docs", "results"):
            (to / path.name).mkdir()
            for file in path.glob("*.*"):
                shutil.copy2(file, to / path.name)
        elif path.name == "tests" or (path / "__init__.py").exists():
            shutil.copytree(path, to / path.name, ignore=shutil.ignore_patterns("__pycache__"))
    return to


def as_the_page_says(to):
    """Do to the copy what the page says."""
    for name, text in NEW_FILES:
        assert not (to / name).exists(), f"{name} is not new"
        (to / name).write_text(text, encoding="utf-8")
    for name, anchor, text in INSERTIONS:
        lines = (to / name).read_text(encoding="utf-8").splitlines(keepends=True)
        (place,) = (number for number, line in enumerate(lines) if line.strip().startswith(anchor))
        (to / name).write_text("".join([*lines[:place], text, *lines[place:]]), encoding="utf-8")


def test_every_block_is_built_and_a_network_fits_a_screen():
    assert len(NEW_FILES) + len(INSERTIONS) == len(re.findall(r"^```(?:python|markdown|text)$", PAGE, re.MULTILINE))
    networks = [text.splitlines() for name, text in NEW_FILES if "_impl/models/" in name]
    assert [len(lines) <= LONGEST_NETWORK for lines in networks] == [True, True]


def test_the_model_of_the_page_keeps_every_contract(tmp_path):
    copy = copied(tmp_path / "copy")
    as_the_page_says(copy)
    tests = ["tests/test_house.py", *sorted(str(path.relative_to(copy)) for path in copy.glob("tests/test_contract_*"))]
    options = ["-q", "-k", ASKED, "-p", "no:cacheprovider", "-p", "no:xdist", "--color=no"]
    unmeasured = {name: value for name, value in os.environ.items() if not name.startswith("COV")}  # a copy's lines
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *options, *tests], cwd=copy, capture_output=True, text=True, timeout=500,
        env={**unmeasured, "PYTHONPATH": str(copy)},
    )  # fmt: skip
    assert done.returncode == 0, done.stdout
    (n_passed,) = re.findall(r"(\d+) passed", done.stdout)
    assert int(n_passed) >= 60, done.stdout
