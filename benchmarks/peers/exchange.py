"""What goes between the project and a peer's process: clicks and ranked lists as ``.npz``, settings as JSON.

NumPy and SciPy only: both sides import it.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from scipy.sparse import csr_matrix

from utils.system.files import read_json, write_json, written_whole

TRAIN, VALIDATION, TEST = "train", "validation", "test"  # clicks to learn from; fold-ins to rank
_SETTINGS = "settings.json"


@dataclass(frozen=True)
class Settings:
    """What every contestant is told: widths as ``p_dims`` (latent first), users in a batch, epochs planned, the seed,
    CPU threads, items in a ranked list.
    """

    p_dims: tuple[int, ...]
    batch_size: int
    epochs: int
    seed: int
    threads: int
    k: int


def write_settings(folder: Path, settings: Settings) -> None:
    """Write ``settings`` to ``folder``."""
    write_json(folder / _SETTINGS, asdict(settings))


def read_settings(folder: Path) -> Settings:
    """The settings in ``folder``."""
    record = read_json(folder / _SETTINGS)
    return Settings(**{**record, "p_dims": tuple(record["p_dims"])})


def write_clicks(folder: Path, name: str, clicks: csr_matrix) -> None:
    """Write binary ``clicks`` ``(users, items)`` as ``name``; stored values are not kept."""
    _save(folder / f"{name}.npz", indptr=clicks.indptr, indices=clicks.indices, shape=np.array(clicks.shape))


def read_clicks(folder: Path, name: str) -> csr_matrix:
    """The clicks called ``name``: float32 ones ``(users, items)``, sorted."""
    arrays = _load(folder / f"{name}.npz")
    ones = np.ones(len(arrays["indices"]), dtype=np.float32)
    shape = tuple(int(size) for size in arrays["shape"])
    clicks = csr_matrix((ones, arrays["indices"], arrays["indptr"]), shape=shape)
    clicks.sort_indices()
    return clicks


def write_ranked(path: Path, ranked: np.ndarray) -> None:
    """Write ranked lists, int32 ``(users, k)``, best first, padded with -1."""
    _save(path, ranked=ranked.astype(np.int32))


def read_ranked(path: Path) -> np.ndarray:
    """The ranked lists in ``path``, int32 ``(users, k)``."""
    return _load(path)["ranked"]


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


def _save(path: Path, **arrays: np.ndarray) -> None:
    with written_whole(path) as temporary, open(temporary, "wb") as stream:
        np.savez(stream, **arrays)


def _load(path: Path) -> dict[str, np.ndarray]:
    with np.load(path, allow_pickle=False) as archive:
        return {name: archive[name] for name in archive.files}
