"""The runs of a grid as processes: several at once, failures kept apart, Ctrl-C passed on politely."""

from __future__ import annotations

import contextlib
import enum
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from utils.system.interruption import Interruption

ROOT = Path(__file__).resolve().parents[2]
CONSOLE = "console.txt"  # in the run's folder: what its process printed
_POLL_SECONDS = 0.05
_POLITE_SECONDS = 60.0  # for a run to finish its batch and save its state


@dataclass(frozen=True)
class Job:
    """A command to run, and the folder of the run it makes (its console output goes there)."""

    command: tuple[str, ...]
    folder: Path

    @property
    def console(self) -> Path:
        """The file with what the process prints."""
        return self.folder / CONSOLE


class JobState(enum.Enum):
    """What other processes make of a job: nothing, they are at work on it, or it is done."""

    FREE, HELD, DONE = range(3)


@dataclass(frozen=True)
class Outcome:
    """How a job ended: its exit code (0 is well) and its wall-clock seconds; ``elsewhere``: another process did it."""

    job: Job
    code: int
    seconds: float
    elsewhere: bool = False

    def last_words(self) -> str:
        """The last line its process printed, or what its exit code says."""
        with contextlib.suppress(OSError):
            lines = [line.strip() for line in self.job.console.read_text(errors="replace").splitlines()]
            lines = [line for line in lines if line]
            if lines and self.code > 0:
                return lines[-1]
        if self.code < 0:
            name = signal.Signals(-self.code).name
            return f"ended by {name}" + (" (out of memory?)" if name == "SIGKILL" else "")
        return f"exit code {self.code}"


def run_jobs(
    jobs: Sequence[Job],
    at_once: int,
    ended: Callable[[Outcome], None],
    state_of: Callable[[Job], JobState] = lambda job: JobState.FREE,
) -> list[Outcome]:
    """Run ``jobs``, ``at_once`` at a time and in order, and return how each ended, in the order they did.

    ``ended`` is called as each ends. Before a job starts, ``state_of`` is asked: one that another process holds lets
    the next ones go first and is come back to; one that another has done is not started. Ctrl-C (or SIGTERM, or the
    terminal going away) sends SIGTERM to the processes under way, waits until they have saved their state, and raises
    ``KeyboardInterrupt``; a second one ends them at once.
    """
    waiting, outcomes = list(jobs), []
    running: dict[subprocess.Popen, tuple[Job, float]] = {}
    with Interruption() as interruption:  # which waits, lest a process that was just started be forgotten
        try:
            while waiting or running:
                for job in list(waiting):
                    if len(running) == at_once or interruption.asked:
                        break
                    stands = state_of(job)
                    if stands is JobState.HELD:
                        continue
                    waiting.remove(job)
                    if stands is JobState.FREE:
                        running[_start(job)] = (job, time.perf_counter())
                    else:
                        outcomes.append(Outcome(job, 0, 0.0, elsewhere=True))
                        ended(outcomes[-1])
                time.sleep(_POLL_SECONDS)
                interruption.heed()
                for process in [process for process in running if process.poll() is not None]:
                    job, begun = running.pop(process)
                    outcomes.append(Outcome(job, process.returncode, time.perf_counter() - begun))
                    ended(outcomes[-1])
        finally:
            _stop(list(running))
    return outcomes


def _start(job: Job) -> subprocess.Popen:
    job.folder.mkdir(parents=True, exist_ok=True)
    job.console.unlink(missing_ok=True)  # not emptied: another grid may have started it in the same moment
    with open(job.console, "ab") as console:
        # In a session of its own, a terminal's Ctrl-C does not reach it beside ours.
        path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))  # for python -m, from anywhere
        return subprocess.Popen(
            job.command, stdin=subprocess.DEVNULL, stdout=console, stderr=subprocess.STDOUT, start_new_session=True,
            env={**os.environ, "PYTHONPATH": path},
        )  # fmt: skip


def _stop(processes: Sequence[subprocess.Popen]) -> None:
    try:
        for process in processes:  # SIGTERM, as SIGINT may be ignored until they have loaded the program
            process.send_signal(signal.SIGTERM)
        if processes:
            with contextlib.suppress(OSError):  # the terminal may be gone
                print(f"stopping {len(processes)} under way; again to end at once without saving", file=sys.stderr)
        deadline = time.monotonic() + _POLITE_SECONDS
        for process in processes:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(max(0.0, deadline - time.monotonic()))
    finally:  # those that did not heed it, or all when the user is out of patience
        for process in processes:
            if process.poll() is None:
                process.kill()
                process.wait()
