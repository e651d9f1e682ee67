"""The folder of one run: what it writes, what it finds of its own earlier work."""

from __future__ import annotations

import contextlib
import csv
import hashlib
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TextIO

import numpy as np
from tqdm import tqdm

from utils.results import DIVERGED
from utils.system.errors import UserError, one_line
from utils.system.files import (
    OF_SAFETENSORS,
    json_text,
    leftovers,
    read_json,
    remove_leftovers,
    sha256_of,
    write_json,
    write_text,
    written_whole,
)
from utils.system.locks import held, process_holding
from utils.system.npz import save_npz
from utils.weights import load_arrays, peek_record, save_arrays

BEST_WEIGHTS = "best.safetensors"  # kept with --save_results
STATE = "state.safetensors"
# The checksums of these stand in run.json; a safetensors file has its own inside.
CHECKED = ("metrics.json", "per_user.npz", "lists.npz")


class RunFolder:
    """``results/runs/<run id>/``. ``metrics.json``, written last, is what makes a run finished.

    ``options.json``, ``history.csv`` (a row per epoch), ``log.txt``, ``per_user.npz``, ``lists.npz``, ``run.json``
    (times, memory, versions), ``metrics.json`` (only what options, data and code determine), ``best.safetensors`` when
    asked for, and ``state.safetensors`` while the run is not over.

    To write to it, enter it: a context manager that makes the folder and holds its lock, the file
    ``.<run id>.lock`` beside it. Whoever finds it held waits.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = path.parent / f".{path.name}.lock"
        self._open = contextlib.ExitStack()
        self._log: TextIO | None = None

    def __enter__(self) -> RunFolder:
        with contextlib.ExitStack() as opened:
            is_alone = opened.enter_context(held(self._lock, self._say_who))
            self.path.mkdir(parents=True, exist_ok=True)
            if is_alone:
                remove_leftovers(self.path, also=OF_SAFETENSORS)
            self._log = opened.enter_context(open(self.path / "log.txt", "a", encoding="utf-8"))
            self._open = opened.pop_all()
        return self

    def __exit__(self, *exc: object) -> None:
        self._open.close()

    def process_at_work(self) -> str | None:
        """Who is at work on the run (``process 123 on host``); None when nobody is."""
        return process_holding(self._lock)

    def _say_who(self, who: str) -> None:
        tqdm.write(f"{self.path.name} is under way in {who}; waiting for it")

    def log(self, line: str) -> None:
        """Print a line above any progress bar, and keep it in ``log.txt``."""
        tqdm.write(line)
        print(line, file=self._log, flush=True)

    def is_finished(self, with_weights: bool) -> bool:
        """Whether the run is over and its results are as they were written; ``with_weights`` asks for its best too.

        A run that diverged is over, even before it had any weights to keep.
        """
        if not (self.path / "metrics.json").exists() or self._fault() is not None:
            return False
        if not with_weights or (self.path / BEST_WEIGHTS).exists():
            return True
        metrics = self.metrics()
        return metrics.get("status") == DIVERGED and metrics["best_epoch"] is None

    def tidy(self) -> None:
        """Remove what a process left that was killed when all but the tidying was done; for a run that is over."""
        untidy = [self._lock, self.path / STATE, *leftovers(self.path, also=OF_SAFETENSORS)]
        if any(path.exists() for path in untidy) and self.process_at_work() is None:
            with self:
                (self.path / STATE).unlink(missing_ok=True)

    def metrics(self) -> dict[str, Any]:
        """The ``metrics.json`` of a finished run."""
        return read_json(self.path / "metrics.json")

    def _fault(self) -> str | None:
        """What is wrong with the results of a finished run, by the checksums in ``run.json``; None when nothing is."""
        if not (self.path / "per_user.npz").exists():
            return "per_user.npz is missing"
        try:
            self.metrics()["best_epoch"]
        except (OSError, ValueError, KeyError, TypeError) as error:
            return f"metrics.json is damaged ({one_line(error)})"
        try:
            checksums = dict(read_json(self.path / "run.json").get("sha256", {}))
        except (OSError, ValueError, AttributeError, TypeError):
            return None  # times and versions only: the results stand without it
        checked = [name for name in CHECKED if name in checksums]
        if missing := [name for name in checked if not (self.path / name).exists()]:
            return f"{missing[0]} is missing"
        wrong = [name for name in checked if sha256_of(self.path / name) != checksums[name]]
        return f"{wrong[0]} is damaged (its checksum differs)" if wrong else None

    def begin(self, options: Mapping[str, Any]) -> None:
        """Note the options of a run that starts or goes on, and say so where damaged results make it start again."""
        if (self.path / "metrics.json").exists() and (fault := self._fault()):
            self.log(f"{self.path.name}: {fault}; the run is run again")
        write_json(self.path / "options.json", options)

    def write_history(self, rows: list[dict[str, Any]]) -> None:
        """Replace ``history.csv``; an empty cell is an epoch without evaluation, or a dae's beta."""
        with written_whole(self.path / "history.csv") as temporary, open(temporary, "w", newline="") as stream:
            table = csv.DictWriter(stream, fieldnames=list(rows[0]), lineterminator="\n")
            table.writeheader()
            table.writerows(rows)

    def write_state(self, arrays: Mapping[str, np.ndarray], record: Mapping[str, Any]) -> None:
        """Replace ``state.safetensors``, from which an interrupted run goes on."""
        save_arrays(self.path / STATE, arrays, record)

    def threads_before(self) -> int | None:
        """The CPU threads that the interrupted run had, which it keeps: with others it would end otherwise, in the last
        digits. None where there is no state, or one that cannot be read.
        """
        try:
            threads = peek_record(self.path / STATE).get("threads")
        except (OSError, UserError):
            return None
        return threads if isinstance(threads, int) else None

    def read_state(self) -> tuple[dict[str, np.ndarray], dict[str, Any]] | None:
        """The saved state; None where there is none, or a damaged one, which is then set aside and named."""
        path = self.path / STATE
        if not path.exists():
            return None
        try:
            return load_arrays(path)
        except UserError as error:
            aside = path.replace(path.with_name("state.damaged"))
            self.log(f"{error}; set aside as {aside}, starting from the first epoch")
            return None

    def finish(
        self, metrics: Mapping[str, Any], per_user: Mapping[str, np.ndarray], lists: Mapping[str, np.ndarray],
        about: Mapping[str, Any],
    ) -> None:  # fmt: skip
        """Write the results, ``metrics.json`` last, and remove the state. Their checksums stand in ``run.json``."""
        checksums = {}
        for name, arrays in (("per_user.npz", per_user), ("lists.npz", lists)):
            with written_whole(self.path / name) as temporary:
                save_npz(temporary, arrays)
            checksums[name] = sha256_of(self.path / name)
        text = json_text(_finite(metrics))
        checksums["metrics.json"] = hashlib.sha256(text.encode("utf-8")).hexdigest()
        write_json(self.path / "run.json", _finite({**about, "sha256": checksums}))
        write_text(self.path / "metrics.json", text)
        (self.path / STATE).unlink(missing_ok=True)


def _finite(value: Any) -> Any:
    """``value`` with None for what is no finite number (JSON has none): a standard error over one user, say."""
    if isinstance(value, Mapping):
        return {key: _finite(inner) for key, inner in value.items()}
    return None if isinstance(value, float) and not math.isfinite(value) else value
