"""RecBole's MultiVAE as a contestant, in its own environment.

Everything is RecBole's default (input dropout 0.5, beta = update / 200,000 up to 0.2, Adam at 0.001) but widths and
batch. Its trainer is used as its ``fit`` uses it, an epoch at a time. The training users are all it learns from; others
are scored by its network from their fold-in, as its ``full_sort_predict`` does for users it knows.
"""

from __future__ import annotations

import importlib.metadata
import itertools
import os
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from recbole.config import Config
from recbole.data import create_dataset
from recbole.data.utils import get_dataloader
from recbole.model.general_recommender.multivae import MultiVAE
from recbole.trainer import Trainer
from recbole.utils import init_seed
from scipy.sparse import csr_matrix

from benchmarks.dense_pytorch import output_products
from benchmarks.peers.exchange import TRAIN, Contestant, Settings, best_items, read_clicks, read_settings

_NAME = "clicks"


def configured(folder: Path, settings: Settings) -> Config:
    """RecBole's configuration of this run; its files are in ``folder/clicks``."""
    *hidden, latent = settings.widths
    return Config(
        model="MultiVAE",
        dataset=_NAME,
        config_dict={
            "mlp_hidden_size": hidden, "latent_dimension": 2 * latent,  # it counts mean and variance
            "train_batch_size": settings.batch_size, "epochs": settings.epochs, "seed": settings.seed,
            "train_neg_sample_args": None, "use_gpu": False, "show_progress": False, "state": "ERROR",
            "data_path": str(folder), "checkpoint_dir": str(folder / "saved"),
            "load_col": {"inter": ["user_id", "item_id"], "item": ["item_id"]},
            "eval_args": {"split": {"RS": [1.0, 0.0, 0.0]}, "group_by": None, "order": "RO", "mode": "full"},
        },
    )  # fmt: skip


def write_atomic_files(folder: Path, clicks: csr_matrix) -> None:
    """The clicks in RecBole's format, and every item, clicked or not."""
    place = folder / _NAME
    place.mkdir(exist_ok=True)
    users, items = clicks.nonzero()
    lines = [f"u{user}\ti{item}\n" for user, item in zip(users, items, strict=True)]
    (place / f"{_NAME}.inter").write_text("user_id:token\titem_id:token\n" + "".join(lines))
    lines = [f"i{item}\n" for item in range(clicks.shape[1])]
    (place / f"{_NAME}.item").write_text("item_id:token\n" + "".join(lines))


def works(path: str) -> dict[str, Callable]:
    """What the worker does; the exchange is in the folder ``path``."""
    folder = Path(path)
    os.chdir(folder)  # where it leaves its logs
    settings, clicks = read_settings(folder), read_clicks(folder, TRAIN)
    torch.set_num_threads(settings.threads)
    write_atomic_files(folder, clicks)
    sys.argv = sys.argv[:1]  # its Config reads the command line too
    config = configured(folder, settings)
    init_seed(config["seed"], config["reproducibility"])
    dataset = create_dataset(config)
    columns = dataset.token2id(dataset.iid_field, [f"i{item}" for item in range(clicks.shape[1])])  # its items, as ours
    training = dataset.build()[0]
    loader = get_dataloader(config, "train")(config, training, None, shuffle=True)
    init_seed(config["seed"], config["reproducibility"])
    model = MultiVAE(config, training)
    trainer, epochs = Trainer(config, model), itertools.count()

    def rank(fold_in: csr_matrix) -> np.ndarray:
        x = np.zeros((fold_in.shape[0], model.n_items), dtype=np.float32)
        x[:, columns] = fold_in.toarray()
        model.eval()
        with torch.no_grad():
            scores, _, _ = model.forward(torch.from_numpy(x))
        return best_items(scores.numpy()[:, columns], fold_in, settings.k)

    def epoch() -> None:
        trainer._train_epoch(loader, next(epochs))

    versions = {name: importlib.metadata.version(name) for name in ("recbole", "torch")}
    return Contestant(
        about={"versions": versions, "layers": settings.layers(model.n_items)},
        epoch=epoch,
        products=output_products(settings.batch_size, settings.widths[0], model.n_items),
        rank=rank,
    ).works(folder)
