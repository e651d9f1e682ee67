"""Runs what is not finished of a grid, tells how each run ends, and gathers the results."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tqdm import tqdm

from experiments.grids.plan import Grid, RunIndex
from experiments.grids.planned import Planned, describe
from experiments.grids.processes import ROOT, Job, JobState, Outcome, run_jobs
from experiments.runs.divergence import in_words
from utils.engine import ENGINES
from utils.results import DIVERGED, rebuild


def command_of(planned: Planned) -> tuple[str, ...]:
    """The command that makes a run, in a process of its own: frameworks never share one."""
    script = [str(ROOT / f"main_{planned.engine}.py")] if planned.engine in ENGINES else ["-m", "experiments.run"]
    return (sys.executable, *script, *arguments_of(planned))


def arguments_of(planned: Planned) -> list[str]:
    """The command line of a run: what differs from the defaults, and the data set even where it is the default."""
    given = planned.options.as_argv()
    return given if "--dataset" in given else ["--dataset", planned.options.data.dataset, *given]


def run(grid: Grid) -> int:
    """Run what is not finished and rebuild the table of results; 1 when any run failed, else 0.

    How each run ends is printed as it does; the failed ones once more at the end, with their logs, and those that
    diverged, which are results and not run again. Runs that another process is at work on are come back to. Raises
    ``UserError`` before anything starts when data are missing, and ``KeyboardInterrupt`` when the user stopped
    it: the same command then goes on where it was.
    """
    index = RunIndex()
    origins = {f"{run.options.data.dataset}: {index.facts(run.options).origin}": None for run in grid.runs}
    print("\n".join(origins), flush=True)
    with _Progress(len(grid.runs)) as progress:
        try:
            _run_stage([planned for planned in grid.runs if planned.first is None], grid, index, progress)
            later = [index.learned(planned) for planned in grid.runs if planned.first is not None]
            for planned in later:
                if planned.learned:
                    progress.failed(planned, "the run it starts from failed or diverged")
            _run_stage([planned for planned in later if not planned.learned], grid, index, progress)
        except KeyboardInterrupt:
            raise KeyboardInterrupt("finished runs are kept, the same command goes on with the others") from None
    table = rebuild(grid.options.log_dir)
    failures = progress.failures
    print(f"{len(grid.runs) - len(failures)} of {len(grid.runs)} runs are finished; all results: {table}", flush=True)
    for line in failures:
        print(f"failed: {line}", file=sys.stderr)
    for planned in progress.over:
        index.tidy(planned)
        metrics = index.metrics(planned)
        if metrics.get("status") == DIVERGED:
            print(
                f"diverged: {describe(planned)}: {in_words(metrics['diverged'], metrics['best_epoch'])}",
                file=sys.stderr,
            )
    return 1 if failures else 0


class _Progress:
    """A bar over the runs where someone is watching, and a line for each run that ends."""

    def __init__(self, total: int) -> None:
        self.failures: list[str] = []
        self.over: list[Planned] = []
        self._bar = tqdm(total=total, unit="run", disable=None)
        self._total, self._done = total, 0

    def __enter__(self) -> _Progress:
        return self

    def __exit__(self, *exc: object) -> None:
        self._bar.close()

    def finished_before(self, runs: Sequence[Planned], number: int) -> None:
        self.over += runs
        self._done += number
        self._bar.update(number)
        self._say(f"{number} finished before, not run again")

    def held(self, planned: Planned, who: str) -> None:
        self._say(f"{describe(planned)}: under way in {who}; going on with the others")

    def finished(self, planned: Planned, result: str) -> None:
        self.over.append(planned)
        self._step(f"{describe(planned)}: {result}")

    def failed(self, planned: Planned, why: str) -> None:
        self.failures.append(f"{describe(planned)}: {why}")
        self._step(f"{describe(planned)}: FAILED")

    def _step(self, line: str) -> None:
        self._done += 1
        self._bar.update()
        self._say(line)

    def _say(self, line: str) -> None:
        tqdm.write(f"[{self._done}/{self._total}] {line}")
        sys.stdout.flush()  # a log being followed should show it now


def _run_stage(runs: Sequence[Planned], grid: Grid, index: RunIndex, progress: _Progress) -> None:
    """Run those of ``runs`` that are not finished; two that come to the same run are run once."""
    by_folder = {index.folder(planned): planned for planned in runs}
    unfinished = {folder: planned for folder, planned in by_folder.items() if not index.is_finished(planned)}
    if len(unfinished) < len(runs):
        before = [planned for folder, planned in by_folder.items() if folder not in unfinished]
        progress.finished_before(before, len(runs) - len(unfinished))
    said: set[Path] = set()

    def state_of(job: Job) -> JobState:
        planned = unfinished[job.folder]
        if (who := index.process_at_work(planned)) is None:
            return JobState.DONE if index.is_finished(planned) else JobState.FREE
        if job.folder not in said:
            said.add(job.folder)
            progress.held(planned, who)
        return JobState.HELD

    def ended(outcome: Outcome) -> None:
        planned = unfinished[outcome.job.folder]
        if index.is_finished(planned):
            progress.finished(planned, _result(outcome, index.metrics(planned)))
        else:
            progress.failed(planned, f"{outcome.last_words()}; its log is {outcome.job.console}")

    jobs = [Job(command_of(planned), folder) for folder, planned in unfinished.items()]
    run_jobs(jobs, grid.options.jobs, ended, state_of)


def _result(outcome: Outcome, metrics: Mapping[str, Any]) -> str:
    took = "by another process" if outcome.elsewhere else f"{outcome.seconds:.0f} s"
    if metrics.get("status") == DIVERGED:
        return f"DIVERGED in epoch {metrics['diverged']['epoch']}, {took}"
    best = f"best epoch {metrics['best_epoch']} of {metrics['epochs']}, " if metrics["epochs"] is not None else ""
    return f"NDCG@100 {metrics['test']['n100']:.4f}, {best}{took}"
