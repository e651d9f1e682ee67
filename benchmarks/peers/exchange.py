"""What goes between the project and a contestant's process, whichever environment that has: NumPy and SciPy only."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from scipy.sparse import csr_matrix, load_npz, save_npz

TRAIN, VALIDATION, TEST = "train", "validation", "test"  # clicks to learn from; fold-ins to rank
_SETTINGS = "settings.json"


@dataclass(frozen=True)
class Settings:
    """What every contestant is told: the encoder's widths after the items (the code last), users in a batch, epochs
    planned, the seed, CPU threads, items in a ranked list.
    """

    widths: list[int]
    batch_size: int
    epochs: int
    seed: int
    threads: int
    k: int

    def layers(self, n_items: int) -> list[int]:
        """The widths of all layers, from the items to the items."""
        return [n_items, *self.widths, *self.widths[-2::-1], n_items]


def write_exchange(folder: Path, settings: Settings, clicks: Mapping[str, csr_matrix]) -> None:
    """Write to ``folder`` what contestants may see: ``settings``, and binary ``clicks`` by name, float32, sorted."""
    (folder / _SETTINGS).write_text(json.dumps(asdict(settings)))
    for name, matrix in clicks.items():
        save_npz(folder / f"{name}.npz", matrix, compressed=False)


def read_settings(folder: Path) -> Settings:
    """The settings in ``folder``."""
    return Settings(**json.loads((folder / _SETTINGS).read_text()))


def read_clicks(folder: Path, name: str) -> csr_matrix:
    """The clicks called ``name`` in ``folder``, ``(users, items)``."""
    return load_npz(folder / f"{name}.npz")


@dataclass(frozen=True)
class Contestant:
    """A contestant in its process.

    ``about`` says its ``versions`` and ``layers``, ``epoch`` trains one and returns when it is done, ``products``
    computes the output layer's three matrix products of a batch and nothing else, ``rank`` gives the lists of a
    fold-in, int ``(users, k)``, best first, padded with -1.
    """

    about: Mapping[str, Any]
    epoch: Callable[[], None]
    products: Callable[[], None]
    rank: Callable[[csr_matrix], np.ndarray]

    def works(self, folder: Path) -> dict[str, Callable]:
        """What its worker does; fold-ins to rank are asked for by name."""
        return {
            "about": lambda: self.about,
            "epoch": self.epoch,
            "products": self.products,
            "rank": lambda part: self.rank(read_clicks(folder, part)).tolist(),
        }


def best_items(scores: np.ndarray, seen: csr_matrix, k: int) -> np.ndarray:
    """The ``k`` best items of each row of ``scores`` ``(users, items)``, int32, best first, padded with -1.

    What a user has ``seen`` is no candidate; equal scores go to the lowest item (the order of ``utils.ranking``, here
    without a framework and in no hurry).
    """
    candidates = np.array(scores, dtype=np.float32)
    candidates[seen.nonzero()] = -np.inf
    ranked = np.full((len(candidates), k), -1, dtype=np.int32)
    order = np.argsort(-candidates, axis=1, kind="stable")[:, :k]
    found = np.take_along_axis(candidates, order, axis=1) > -np.inf
    ranked[:, : order.shape[1]] = np.where(found, order, -1)
    return ranked
