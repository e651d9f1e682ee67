"""Cornac's VAECF as a contestant, in its own environment.

Everything is Cornac's default (beta 1 throughout, no dropout, no normalisation of the input, users in their order, Adam
at 0.001) but widths and batch. Its ``fit`` runs untouched, in a thread: between two epochs it asks its data for the
users anew, and there it waits until another epoch is wanted. Other users are scored by its network from their fold-in,
as its ``score`` does.
"""

from __future__ import annotations

import importlib.metadata
from collections import OrderedDict
from collections.abc import Callable, Iterator
from pathlib import Path
from queue import SimpleQueue
from threading import Thread

import numpy as np
import torch
from cornac.data import Dataset
from cornac.models import VAECF
from scipy.sparse import csr_matrix

from benchmarks.dense_pytorch import output_products
from benchmarks.peers.exchange import TRAIN, Contestant, best_items, read_clicks, read_settings

_NO_END = 1_000_000  # epochs: the end of the process ends the training


class PausingDataset(Dataset):
    """Clicks that wait whenever a pass over the users begins: ``ended`` gets a None, and so must ``wanted``."""

    wanted: SimpleQueue
    ended: SimpleQueue

    def user_iter(self, batch_size: int = 1, shuffle: bool = False) -> Iterator[np.ndarray]:
        """A pass over the users."""
        self.ended.put(None)
        self.wanted.get()
        return super().user_iter(batch_size, shuffle)


def as_dataset(clicks: csr_matrix) -> PausingDataset:
    """``clicks`` as Cornac keeps them, users and items in our order, items nobody clicked among them."""
    users, items = clicks.nonzero()
    names = [OrderedDict((number, number) for number in range(size)) for size in clicks.shape]
    data = PausingDataset(*clicks.shape, *names, (users, items, np.ones(len(users), dtype=np.float32)))
    data.wanted, data.ended = SimpleQueue(), SimpleQueue()
    return data


def works(path: str) -> dict[str, Callable]:
    """What the worker does; the exchange is in the folder ``path``."""
    folder = Path(path)
    settings, clicks = read_settings(folder), read_clicks(folder, TRAIN)
    torch.set_num_threads(settings.threads)
    *hidden, latent = settings.widths
    model = VAECF(
        k=latent, autoencoder_structure=hidden, batch_size=settings.batch_size, n_epochs=_NO_END, seed=settings.seed
    )
    data = as_dataset(clicks)

    def fit() -> None:
        try:
            model.fit(data)
        except Exception as error:  # the thread that waits raises it
            data.ended.put(error)

    def until_ended() -> None:
        if (error := data.ended.get()) is not None:
            raise error

    def epoch() -> None:
        data.wanted.put(None)
        until_ended()

    def rank(fold_in: csr_matrix) -> np.ndarray:
        with torch.no_grad():
            code, _ = model.vae.encode(torch.from_numpy(fold_in.toarray()))
            return best_items(model.vae.decode(code).numpy(), fold_in, settings.k)

    Thread(target=fit, daemon=True).start()
    until_ended()  # all is ready for the first epoch
    versions = {name: importlib.metadata.version(name) for name in ("cornac", "torch")}
    return Contestant(
        about={"versions": versions, "layers": settings.layers(clicks.shape[1])},
        epoch=epoch,
        products=output_products(settings.batch_size, settings.widths[0], clicks.shape[1]),
        rank=rank,
    ).works(folder)
