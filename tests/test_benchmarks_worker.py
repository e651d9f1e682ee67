"""Work in processes of their own: what is answered, what is measured, and how a process that stops is told."""

from __future__ import annotations

import pytest

from benchmarks.worker import ROOT, Worker, measure
from utils.system.errors import UserError

WORKS = """
import json, sys, time
import numpy as np

held = []

def noisy(*given):
    print("not an answer")
    return list(given)

def works(*words):
    return {
        "words": lambda: words, "noisy": noisy, "sleep": time.sleep, "end": lambda: sys.exit(7),
        "hold": lambda: held.append(np.ones(1 << 30, np.uint8)),
    }
"""


@pytest.fixture(autouse=True)
def offered(tmp_path, monkeypatch):
    (tmp_path / "offered.py").write_text(WORKS)
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path}:{ROOT}")
    return tmp_path


def test_a_worker_does_what_its_module_offers_again_and_again(offered):
    with Worker("offered", "a", 1) as worker:
        assert worker.do("words").result == ["a", "1"]
        assert worker.do("noisy", 2, offered).result == [2, str(offered)]
        assert 0.2 <= worker.do("sleep", 0.2).seconds < 2
        assert worker.do("noisy").result == []
    assert worker.process.returncode == 0


def test_memory_that_is_held_is_counted():
    with Worker("offered") as worker:
        assert worker.do("words").peak < 0.5
        assert 1 < worker.do("hold").peak < 1.6
        assert worker.do("words").peak > 1, "the process's peak, not the work's"


def test_a_worker_that_stops_is_one_line():
    with pytest.raises(UserError, match=r"^offered \(end\) ended with exit code 7; what it said stands above$"):
        measure("offered", "end")
    with pytest.raises(UserError, match=r"^no_such_module \(loading\) ended with exit code 1"):
        measure("no_such_module", "words")
    with Worker("offered") as worker:
        for _ in range(2):  # also when it has stopped already
            with pytest.raises(UserError, match="exit code 7"):
                worker.do("end")


def test_a_block_that_fails_does_not_wait_for_the_work():
    worker = Worker("offered")
    worker.ready()
    print('["sleep", 60]', file=worker.process.stdin, flush=True)
    worker.__exit__(ZeroDivisionError, None, None)
    assert worker.process.returncode == -9
