"""The folder of one run: what it writes, what it finds of its own earlier work."""

from __future__ import annotations

import csv
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from utils.errors import UserError
from utils.files import write_json, written_whole
from utils.weights import load_arrays, save_arrays

BEST_WEIGHTS = "best.safetensors"  # kept with --save_results


class RunFolder:
    """``results/runs/<run id>/``. ``metrics.json``, written last, is what makes a run finished.

    ``options.json``, ``history.csv`` (a row per epoch), ``log.txt``, ``per_user.npz``, ``lists.npz``, ``run.json``
    (times, memory, versions), ``metrics.json`` (only what options, data and code determine), ``best.safetensors`` when
    asked for, and ``state.safetensors`` while the run is not over. Used as a context manager.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._log = None

    def __enter__(self) -> RunFolder:
        self.path.mkdir(parents=True, exist_ok=True)
        self._log = open(self.path / "log.txt", "a", encoding="utf-8")
        return self

    def __exit__(self, *exc: object) -> None:
        self._log.close()

    def log(self, line: str) -> None:
        """Print a line above any progress bar, and keep it in ``log.txt``."""
        tqdm.write(line)
        print(line, file=self._log, flush=True)

    def is_finished(self, with_weights: bool) -> bool:
        """Whether the run is over; ``with_weights`` asks for its best weights too."""
        wanted = ["metrics.json", "per_user.npz", *([BEST_WEIGHTS] if with_weights else [])]
        return all((self.path / name).exists() for name in wanted)

    def begin(self, options: Mapping[str, Any]) -> None:
        """Note the options of a run that starts or goes on."""
        write_json(self.path / "options.json", options)

    def write_history(self, rows: list[dict[str, Any]]) -> None:
        """Replace ``history.csv``; an empty cell is an epoch without evaluation, or a dae's beta."""
        with written_whole(self.path / "history.csv") as temporary, open(temporary, "w", newline="") as stream:
            table = csv.DictWriter(stream, fieldnames=list(rows[0]), lineterminator="\n")
            table.writeheader()
            table.writerows(rows)

    def write_state(self, arrays: Mapping[str, np.ndarray], record: Mapping[str, Any]) -> None:
        """Replace ``state.safetensors``, from which an interrupted run goes on."""
        save_arrays(self.path / "state.safetensors", arrays, record)

    def read_state(self) -> tuple[dict[str, np.ndarray], dict[str, Any]] | None:
        """The saved state; None where there is none, or a damaged one, which is then set aside and named."""
        path = self.path / "state.safetensors"
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
        """Write the results, ``metrics.json`` last, and remove the state."""
        for name, arrays in (("per_user.npz", per_user), ("lists.npz", lists)):
            with written_whole(self.path / name) as temporary, open(temporary, "wb") as stream:
                np.savez_compressed(stream, **arrays)
        write_json(self.path / "run.json", _without_nan(about))
        write_json(self.path / "metrics.json", _without_nan(metrics))
        (self.path / "state.safetensors").unlink(missing_ok=True)


def _without_nan(value: Any) -> Any:
    """``value`` with None for every NaN (JSON has none): a standard error over one user, say."""
    if isinstance(value, Mapping):
        return {key: _without_nan(inner) for key, inner in value.items()}
    return None if isinstance(value, float) and math.isnan(value) else value
