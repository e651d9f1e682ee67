"""The side of a contestant that answers: requests on stdin, answers on stdout, a JSON object a line.

``{"do": "epoch"}`` trains one epoch and answers its seconds; ``{"do": "floor"}`` answers the seconds that the output
layer's three matrix products alone need for an epoch; ``{"do": "rank", "part": NAME}`` writes the ranked lists of that
fold-in to ``NAME-ranked.npz``. The first line out says what the contestant is. Both environments import this.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from scipy.sparse import csr_matrix

from benchmarks.peers.exchange import read_clicks, write_ranked


class Server:
    """Answers about one model in ``folder``: ``rank`` gives the ranked lists of a fold-in, ``floor`` its seconds."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.answers = os.fdopen(os.dup(sys.stdout.fileno()), "w")
        os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # what a library prints must not be taken for an answer

    def answer(self, **values: Any) -> None:
        """One line out."""
        print(json.dumps(values), file=self.answers, flush=True)

    def until_epoch(self, rank: Callable[[csr_matrix], np.ndarray], floor: Callable[[], float]) -> bool:
        """Serve until an epoch is asked for (True) or stdin ends (False)."""
        for line in iter(sys.stdin.readline, ""):
            request = json.loads(line)
            if request["do"] == "epoch":
                return True
            if request["do"] == "floor":
                self.answer(seconds=floor())
            else:
                name = f"{request['part']}-ranked.npz"
                write_ranked(self.folder / name, rank(read_clicks(self.folder, request["part"])))
                self.answer(file=name)
        return False

    def serve(
        self, epoch: Callable[[], None], rank: Callable[[csr_matrix], np.ndarray], floor: Callable[[], float]
    ) -> None:
        """Serve until stdin ends; ``epoch`` trains one and returns when it is done."""
        while self.until_epoch(rank, floor):
            begun = time.perf_counter()
            epoch()
            self.answer(seconds=time.perf_counter() - begun)


def timed_floor(products: Callable[[], None], n_users: int, batch_size: int) -> Callable[[], float]:
    """A function that times ``products`` (of a whole batch) over an epoch of ``n_users``."""
    steps = max(n_users // batch_size, 1)

    def floor() -> float:
        begun = time.perf_counter()
        for _ in range(steps):
            products()
        return (time.perf_counter() - begun) / steps * n_users / batch_size

    return floor
