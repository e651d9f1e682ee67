"""Cornac's VAECF as a contestant: ``python -m benchmarks.peers.cornac_worker FOLDER`` in its own environment.

Everything is Cornac's default (beta 1 throughout, no dropout, no normalisation of the input, users in their order, Adam
at 0.001) but widths and batch. Its ``fit`` runs untouched: between two epochs it asks its data for the users anew, and
there requests are answered. Other users are scored by its network from their fold-in, as its ``score`` does.
"""

from __future__ import annotations

import importlib.metadata
import sys
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import torch
from cornac.data import Dataset
from cornac.models import VAECF
from scipy.sparse import csr_matrix

from benchmarks.dense_pytorch import output_products
from benchmarks.peers.exchange import TRAIN, best_items, read_clicks, read_settings
from benchmarks.peers.serving import Server, timed_floor
from utils.options import RunOptions

_NO_END = 1_000_000  # epochs: stdin ends the training


class EndOfRequests(Exception):  # noqa: N818 - not an error
    """Nobody asks for another epoch."""


class PausingDataset(Dataset):
    """DeviceBatch that call ``before_epoch`` whenever a pass over the users begins."""

    before_epoch: Callable[[], None]

    def user_iter(self, batch_size: int = 1, shuffle: bool = False) -> Iterator[np.ndarray]:
        """A pass over the users."""
        self.before_epoch()
        return super().user_iter(batch_size, shuffle)


def as_dataset(clicks: csr_matrix) -> PausingDataset:
    """``clicks`` as Cornac keeps them, users and items in our order, items nobody clicked among them."""
    users, items = clicks.nonzero()
    names = [OrderedDict((number, number) for number in range(size)) for size in clicks.shape]
    return PausingDataset(*clicks.shape, *names, (users, items, np.ones(len(users), dtype=np.float32)))


def main(path: str) -> None:
    """Serve until stdin ends."""
    folder = Path(path)
    server = Server(folder)
    settings, clicks = read_settings(folder), read_clicks(folder, TRAIN)
    torch.set_num_threads(settings.threads)
    latent, *hidden = settings.p_dims
    model = VAECF(
        k=latent, autoencoder_structure=hidden[::-1], batch_size=settings.batch_size, n_epochs=_NO_END,
        seed=settings.seed,
    )  # fmt: skip
    options = RunOptions(p_dims=settings.p_dims, batch_size=settings.batch_size)
    floor = timed_floor(output_products(options, clicks.shape[1]), clicks.shape[0], settings.batch_size)
    begun = None

    def rank(fold_in: csr_matrix) -> np.ndarray:
        with torch.no_grad():
            code, _ = model.vae.encode(torch.from_numpy(fold_in.toarray()))
            return best_items(model.vae.decode(code).numpy(), fold_in, settings.k)

    def before_epoch() -> None:
        nonlocal begun
        if begun is not None:
            server.answer(seconds=time.perf_counter() - begun)
        if not server.until_epoch(rank, floor):
            raise EndOfRequests
        begun = time.perf_counter()

    data = as_dataset(clicks)
    data.before_epoch = before_epoch
    versions = {name: importlib.metadata.version(name) for name in ("cornac", "torch")}
    widths = [clicks.shape[1], *settings.p_dims[::-1], *settings.p_dims[1:], clicks.shape[1]]
    server.answer(versions=versions, layers=widths, items=clicks.shape[1])
    try:
        model.fit(data)
    except EndOfRequests:
        return


if __name__ == "__main__":
    main(*sys.argv[1:])
