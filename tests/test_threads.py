"""OMP_NUM_THREADS as OpenMP reads it: a number, a list of which the first counts, or nothing legal."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from utils.engine import ENGINES, thread_count

ROOT = Path(__file__).resolve().parent.parent
#: One run of a tiny model on the data of ``data_dir``.
GRID = """
description = "one run"
datasets = ["tastes"]
seeds = [1]

[every_run]
p_dims = "2,4"
n_epochs = 1

[[runs]]
model = ["dae"]
"""


def run(*command, threads):
    environment = {**os.environ, "OMP_NUM_THREADS": threads}
    return subprocess.run(
        [sys.executable, *command], cwd=ROOT, env=environment, capture_output=True, text=True, timeout=120
    )


@pytest.mark.parametrize(
    ("given", "threads"),
    [("3", 3), ("4,2", 4), ("3,2,1", 3), (" 5 , 2 ", 5), ("012", 12)]
    + [(illegal, None) for illegal in ("", " ", "abc", "0", "-1", "4,x", "4,", ",4", "4,0", "2.5", "4 2", "²", "0x4")],
)
def test_the_first_number_counts_and_what_is_illegal_does_not(monkeypatch, given, threads):
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    all_of_them = thread_count()
    monkeypatch.setenv("OMP_NUM_THREADS", given)
    assert thread_count() == (threads or all_of_them)


def test_a_list_is_obeyed_by_both_main_scripts_and_through_a_grid(both, data_dir, tmp_path):
    (tmp_path / "one.toml").write_text(GRID)
    command = ("-m", "experiments.grid", "--grid", str(tmp_path / "one.toml"))
    done = run(*command, "--data_dir", str(data_dir), "--log_dir", str(tmp_path / "results"), threads="3,2")
    assert done.returncode == 0, done.stdout + done.stderr
    records = [json.loads(path.read_text()) for path in (tmp_path / "results").glob("runs/*/run.json")]
    assert [record["threads"] for record in records] == [3] * len(ENGINES)


def test_an_illegal_value_is_told_in_a_line_and_ignored(engine):
    given = "4,x"
    code = f"from utils.engine import load_engine; print(load_engine({engine!r}).runtime.THREADS)"
    done = run("-c", code, threads=given)
    assert done.returncode == 0, done.stderr
    (line,) = done.stderr.splitlines()
    taken = int(done.stdout)
    assert line == (
        f"OMP_NUM_THREADS={given} is ignored: expected a number from 1, or a list of such (4,2); "
        f"{ENGINES[engine].title} takes {taken} threads"
    )
    assert taken == len(os.sched_getaffinity(0))
