"""A model in MXNet Gluon: trained, asked, written down (``utils.engine.Trainer``)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

import numpy as np

from mxnet_impl.clicks import Clicks, to_device
from mxnet_impl.losses import click_log_likelihood, negative_log_likelihood
from mxnet_impl.models import network_class
from mxnet_impl.optimizers import build_optimizer
from mxnet_impl.runtime import device_of, mx
from utils.batches import Batch, ClickMatrix, binary_clicks, evaluation_batches
from utils.engine import Evaluation
from utils.options import RunOptions
from utils.randomness import draw_weights
from utils.ranking import list_length, resolve_ties
from utils.weights import check_shapes


class Trainer:
    """A network, its optimiser, and the device they live on. Methods: ``utils.engine.Trainer``."""

    network_class = staticmethod(network_class)  # these three are what a deviation may replace
    draw_weights = staticmethod(draw_weights)
    build_optimizer = staticmethod(build_optimizer)

    def __init__(self, options: RunOptions, n_items: int) -> None:
        self.device = device_of(options.device)
        self.eval_batch_size = options.eval_batch_size
        self.n_items, self.latent = n_items, options.p_dims[0]
        self.network = self.network_class(options.model)(options, n_items)
        self.network.initialize(mx.init.Zero(), ctx=self.device)
        self.network.hybridize(static_alloc=True)
        # A hybridised graph is traced once and freezes what Python decided then. So evaluation, which has no noise,
        # is a graph of its own, over the same parameters: there is no mode to be frozen in the wrong position.
        self.noiseless = self.network_class(options.model)(
            options, n_items, prefix=self.network.prefix, params=self.network.collect_params()
        )
        self.noiseless.hybridize()
        self.dtype = options.precision
        self.network.cast(self.dtype)
        self.load_weights(self.draw_weights(self.shapes(), options.seed))
        self.optimizer = self.build_optimizer({name: p for name, p, _ in self.network.named()}, options)

    def train_step(self, batch: Batch, beta: float, lr: float) -> mx.nd.NDArray:
        """One update; a handle for :meth:`read_losses`."""
        clicks = to_device(batch, self.device, self.dtype)
        with mx.autograd.record():
            nll, kl = self._losses(clicks, batch.n_users)
            loss = nll + beta * kl
        loss.backward()
        self.optimizer.step(lr)
        return mx.nd.concat(nll, kl, dim=0)

    def read_losses(self, handle: mx.nd.NDArray) -> tuple[float, float]:
        """The (nll, kl) of a step, means over its users."""
        nll, kl = handle.asnumpy().tolist()
        return nll, kl

    def evaluate(
        self, fold_in: ClickMatrix, k: int, epoch: int = 0, heed: Callable[[], None] = lambda: None
    ) -> Evaluation:
        """Rankings and losses of users given by their clicks."""
        k = list_length(k)
        ranked, nll, kl = [np.empty((0, k), np.int32)], [np.empty(0)], [np.empty(0)]
        for batch, clicks in self._evaluation(fold_in, epoch):
            heed()
            logits, divergence = self._outputs(clicks)
            log_likelihood = click_log_likelihood(logits, clicks.positions)
            nll.append(np.bincount(batch.rows, weights=-log_likelihood.asnumpy(), minlength=batch.n_users))
            kl.append(divergence.asnumpy().astype(np.float64))
            ranked.append(_top(logits, clicks, k))
        return Evaluation(np.concatenate(ranked), np.concatenate(nll), np.concatenate(kl))

    def rank(self, fold_in: ClickMatrix, k: int) -> np.ndarray:
        """The ``k`` best items of each user."""
        k = list_length(k)
        lists = [np.empty((0, k), np.int32)]
        for _, clicks in self._evaluation(fold_in):
            logits, _ = self.noiseless(clicks.matrix)
            lists.append(_top(logits, clicks, k))
        return np.concatenate(lists)

    def scores(self, fold_in: ClickMatrix) -> np.ndarray:
        """The score of every item for each user."""
        rows = [np.empty((0, self.n_items), self.dtype)]
        for _, clicks in self._evaluation(fold_in):
            rows.append(self.noiseless(clicks.matrix)[0].asnumpy())
        return np.concatenate(rows)

    def embed(self, fold_in: ClickMatrix) -> np.ndarray:
        """The code of each user."""
        codes = [np.empty((0, self.latent), self.dtype)]
        for _, clicks in self._evaluation(fold_in):
            codes.append(self.noiseless.encode(clicks.matrix).asnumpy())
        return np.concatenate(codes)

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """The canonical shape of each weight, by canonical name."""
        return {name: tuple(p.shape[::-1] if turned else p.shape) for name, p, turned in self.network.named()}

    def weights(self) -> dict[str, np.ndarray]:
        """A copy of the weights by canonical name."""
        return {name: _canonical(p.data(), turned) for name, p, turned in self.network.named()}

    def gradients(self) -> dict[str, np.ndarray]:
        """A copy of the gradients of the last step by canonical name."""
        return {name: _canonical(p.grad().tostype("default"), turned) for name, p, turned in self.network.named()}

    def load_weights(self, weights: Mapping[str, np.ndarray]) -> None:
        """Take weights by canonical name."""
        check_shapes(weights, self.shapes())
        for name, parameter, turned in self.network.named():
            array = weights[name].T if turned else weights[name]
            parameter.set_data(mx.nd.array(np.array(array, order="C"), ctx=self.device, dtype=self.dtype))

    def optimizer_state(self) -> dict[str, np.ndarray]:
        """A copy of the optimiser's memory."""
        return self.optimizer.state()

    def load_optimizer_state(self, state: Mapping[str, np.ndarray]) -> None:
        """Take what :meth:`optimizer_state` gave."""
        self.optimizer.load_state(state)

    def _losses(self, clicks: Clicks, n_users: int) -> tuple[mx.nd.NDArray, mx.nd.NDArray]:
        logits, kl = self.network(clicks.matrix, *clicks.noise)
        return negative_log_likelihood(logits, clicks.positions) / n_users, kl.mean()

    def _outputs(self, clicks: Clicks) -> tuple[mx.nd.NDArray, mx.nd.NDArray]:
        return self.noiseless(clicks.matrix)

    def _evaluation(self, fold_in: ClickMatrix, epoch: int | None = None) -> Iterator[tuple[Batch, Clicks]]:
        for batch in evaluation_batches(binary_clicks(fold_in, self.n_items), self.eval_batch_size):
            yield batch, to_device(batch, self.device, self.dtype)


def _canonical(array: mx.nd.NDArray, turned: bool) -> np.ndarray:
    array = array.asnumpy()
    return np.array(array.T if turned else array, order="C")


def _top(scores: mx.nd.NDArray, clicks: Clicks, k: int) -> np.ndarray:
    """The ``k`` best items of each row of ``scores``, which loses its clicked items; only ``(M, k + 1)`` leave it."""
    if clicks.positions.shape[1] > 0:
        scores[clicks.positions[0], clicks.positions[1]] = -np.inf
    best, items = mx.nd.topk(scores, k=min(k + 1, scores.shape[1]), axis=1, ret_typ="both", dtype="int32")
    return resolve_ties(best.asnumpy(), items.asnumpy(), k, lambda rows: scores[rows].asnumpy())
