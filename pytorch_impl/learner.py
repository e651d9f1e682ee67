"""A model in PyTorch: trained, asked, written down (``utils.engine.StepLearner``)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

import numpy as np
from numpy.typing import ArrayLike
from scipy.sparse import csr_matrix
from torch.nn import Parameter

from pytorch_impl.device_batch import DeviceBatch, to_device
from pytorch_impl.losses import losses_of_clicks, losses_of_users, negative_log_likelihood
from pytorch_impl.models import network_class
from pytorch_impl.optimizers import build_optimizer
from pytorch_impl.runtime import device_of, torch
from utils.batches import Batch, ClickMatrix, binary_clicks, checked_users, evaluation_batches
from utils.engine import Evaluation
from utils.models.base import Statistics
from utils.options import RunOptions
from utils.ranking import known_candidates, list_length, resolve_ties
from utils.weights import check_shapes, under


class Learner:
    """A network and the device it lives on: how it is asked. Methods: ``utils.engine.Learner``."""

    network_class = staticmethod(network_class)  # what a deviation may replace

    def __init__(self, options: RunOptions, n_items: int, n_users: int = 0) -> None:
        self.device = device_of(options.settings.device)
        self.options, self.model, self.n_items, self.n_users = options, options.model, n_items, n_users
        self.mixed = options.settings.precision == "mixed"
        self.floats = "float32" if self.mixed else options.settings.precision
        self.dtype = getattr(torch, self.floats)

    def evaluate(
        self, fold_in: ClickMatrix, k: int, epoch: int = 0, heed: Callable[[], None] = lambda: None,
        users: ArrayLike | None = None, candidates: np.ndarray | None = None,
    ) -> Evaluation:  # fmt: skip
        """Rankings and losses of users given by their clicks."""
        k = list_length(k)
        ranked, terms = [np.empty((0, k), np.int32)], {name: [np.empty(0)] for name in self.model.terms}
        asked, done = [] if candidates is None else [np.empty((0, candidates.shape[1]))], 0
        for batch, clicks in self._evaluation(fold_in, epoch, users):
            heed()
            with torch.no_grad():
                outputs = self._outputs(clicks)
                values = self._terms_of_users(batch, clicks, outputs)
            for name, each in zip(self.model.terms, values, strict=True):
                terms[name].append(each)
            if candidates is not None:
                asked.append(_at(outputs[0], candidates[done : done + batch.n_users]))
                done += batch.n_users
            ranked.append(_top(outputs[0], clicks, k))
        of_candidates = None if candidates is None else np.concatenate(asked)
        of_users = {name: np.concatenate(each) for name, each in terms.items()}
        return Evaluation(np.concatenate(ranked), of_users, of_candidates)

    def rank(self, fold_in: ClickMatrix, k: int, users: ArrayLike | None = None) -> np.ndarray:
        """The ``k`` best items of each user."""
        k = list_length(k)
        lists = [np.empty((0, k), np.int32)]
        for _, clicks in self._evaluation(fold_in, users=users):
            with torch.no_grad():
                logits = self.noiseless(*clicks.inputs)[0]
            lists.append(_top(logits, clicks, k))
        return np.concatenate(lists)

    def scores(self, fold_in: ClickMatrix, users: ArrayLike | None = None) -> np.ndarray:
        """The score of every item for each user."""
        rows = [np.empty((0, self.n_items), self.floats)]
        for _, clicks in self._evaluation(fold_in, users=users):
            with torch.no_grad():
                rows.append(self.noiseless(*clicks.inputs)[0].cpu().numpy())
        return np.concatenate(rows)

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """The canonical shape of each weight, by canonical name."""
        return self.model.shapes(self.n_items, self.n_users)

    def _outputs(self, clicks: DeviceBatch) -> tuple[torch.Tensor, ...]:
        return self.noiseless(*clicks.inputs)

    def _terms_of_users(self, batch: Batch, clicks: DeviceBatch, outputs: tuple[torch.Tensor, ...]) -> list[np.ndarray]:
        return []  # of a model without a likelihood

    def _evaluation(
        self, fold_in: ClickMatrix, epoch: int | None = None, users: ArrayLike | None = None
    ) -> Iterator[tuple[Batch, DeviceBatch]]:
        clicks, size = binary_clicks(fold_in, self.n_items), self.options.settings.eval_batch_size
        rows = checked_users(users, clicks.shape[0], self.n_users) if self.model.has_user_node else None
        for batch in evaluation_batches(clicks, size, self.model.l2_normalised, rows):
            yield batch, to_device(batch, self.device, self.dtype)


class StepLearner(Learner):
    """A network that is trained step by step, and its optimiser. Methods: ``utils.engine.StepLearner``."""

    build_optimizer = staticmethod(build_optimizer)  # what a deviation may replace

    def __init__(
        self, options: RunOptions, n_items: int, statistics: Statistics | None = None, n_users: int = 0
    ) -> None:
        super().__init__(options, n_items, n_users)
        assert options.training is not None  # a model fitted once has a FittedLearner
        sizes = (n_items, n_users) if self.model.has_user_node else (n_items,)
        self.network = self.network_class(self.model.name)(self.model, *sizes).to(self.device, self.dtype)
        self.noiseless = self.network  # given no noise, it has none
        self.load_weights(self.initial_weights(statistics))
        self._fill(self._snapshot(), self.model.initial_snapshot(n_items, options.training.seed))
        for _, parameter, _ in self._snapshot():
            parameter.requires_grad_(False)
        self.trained = {
            part.name: {name: p for name, p, _ in self.network.named() if name.startswith(part.trains)}
            for part in self.model.passes
        }
        self.optimizers = {
            part: self.build_optimizer(parameters, options.training) for part, parameters in self.trained.items()
        }
        self.part = ""  # of the last step

    def initial_weights(self, statistics: Statistics | None) -> dict[str, np.ndarray]:
        """The weights training starts from, by canonical name."""
        return self.model.initial_weights(self.n_items, self.options.training.seed, statistics, self.n_users)

    def train_step(self, batch: Batch, knobs: Mapping[str, float]) -> torch.Tensor:
        """One update; a handle for :meth:`read_terms`."""
        self._turn_to(batch.part)
        if batch.takes_snapshot:
            self._fill(self._snapshot(), self.weights())
        clicks = to_device(batch, self.device, self.dtype)
        for _, parameter, _ in self.network.named():
            parameter.grad = None
        terms = self._terms(clicks, batch.n_users)
        self._loss(terms, clicks, batch.n_users, knobs).backward()
        self.optimizers[self.part].step(knobs["lr"])
        return torch.stack([term.detach() for term in terms.values()])

    def read_terms(self, handle: torch.Tensor) -> dict[str, float]:
        """The terms of a step's objective, means over its users."""
        return dict(zip(self.model.terms, handle.tolist(), strict=True))

    def embed(self, fold_in: ClickMatrix, users: ArrayLike | None = None) -> np.ndarray:
        """The code of each user."""
        codes = [np.empty((0, self.model.code_width), self.floats)]
        for _, clicks in self._evaluation(fold_in, users=users):
            with torch.no_grad():
                codes.append(self.network.encode(*clicks.inputs).cpu().numpy())
        return np.concatenate(codes)

    def weights(self) -> dict[str, np.ndarray]:
        """A copy of the weights by canonical name."""
        return {name: _canonical(p.detach(), turned) for name, p, turned in self.network.named()}

    def gradients(self) -> dict[str, np.ndarray]:
        """A copy of the gradients of the last step by canonical name."""
        gradients = {}
        for name, p, turned in self.network.named():
            trained = name in self.trained[self.part]
            gradients[name] = _canonical(p.grad if trained else torch.zeros_like(p.detach()), turned)
        return gradients

    def load_weights(self, weights: Mapping[str, np.ndarray]) -> None:
        """Take weights by canonical name."""
        check_shapes(weights, self.shapes())
        self._fill(self.network.named(), weights)

    def snapshot(self) -> dict[str, np.ndarray]:
        """A copy of the network's snapshot, by the names of the weights it is of."""
        return {name: _canonical(p.detach(), turned) for name, p, turned in self._snapshot()}

    def memory(self) -> dict[str, np.ndarray]:
        """A copy of all that training remembers beside the weights."""
        kept = {f"snapshot/{name}": array for name, array in self.snapshot().items()}
        for part, optimizer in self.optimizers.items():
            kept |= {f"{self._place_of(part)}{name}": array for name, array in optimizer.state().items()}
        return kept

    def load_memory(self, memory: Mapping[str, np.ndarray]) -> None:
        """Take what :meth:`memory` gave."""
        self._fill(self._snapshot(), under("snapshot/", memory))
        for part, optimizer in self.optimizers.items():
            optimizer.load_state(under(self._place_of(part), memory))

    def _turn_to(self, part: str) -> None:
        """Let gradients reach what the pass trains, and nothing else, which would cost as much."""
        if part != self.part:
            for name, parameter, _ in self.network.named():
                parameter.requires_grad_(name in self.trained[part])
        self.part = part

    def _place_of(self, part: str) -> str:
        """What stands before the names of an optimiser's memory: nothing where there is one only."""
        return f"{part}/" if len(self.optimizers) > 1 else ""

    def _snapshot(self) -> Iterator[tuple[str, Parameter, bool]]:
        """The parameters of the network's snapshot, as its ``named`` has the weights'; none where it has none."""
        has_one = any(part.takes_snapshot for part in self.model.passes)
        return self.network.snapshot() if has_one else iter(())

    def _fill(self, parameters: Iterator[tuple[str, Parameter, bool]], arrays: Mapping[str, np.ndarray]) -> None:
        with torch.no_grad():
            for name, parameter, turned in parameters:
                array = arrays[name].T if turned else arrays[name]
                parameter.copy_(torch.from_numpy(np.array(array, order="C")))

    def _terms(self, clicks: DeviceBatch, n_users: int) -> dict[str, torch.Tensor]:
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.mixed):
            logits, *others = self.network(*clicks.inputs, *clicks.noise)
        nll = negative_log_likelihood(logits, clicks.positions, self.model, clicks.negatives) / n_users
        return dict(zip(self.model.terms, [nll, *(other.mean() for other in others)], strict=True))

    def _loss(
        self, terms: Mapping[str, torch.Tensor], clicks: DeviceBatch, n_users: int, knobs: Mapping[str, float]
    ) -> torch.Tensor:
        """What a step descends: the objective and the penalty, which is of the gradient alone, as weight decay is."""
        loss = self.model.objective(terms, knobs)
        if self.model.touched_l2:
            loss = loss + self.model.touched_l2 * self.network.half_square_of_touched(clicks) / n_users
        return loss * n_users if self.model.summed else loss

    def _terms_of_users(self, batch: Batch, clicks: DeviceBatch, outputs: tuple[torch.Tensor, ...]) -> list[np.ndarray]:
        logits, *others = outputs
        of_clicks = losses_of_clicks(logits, clicks.positions, self.model)
        of_users = losses_of_users(logits, self.model)
        nll = np.bincount(batch.rows, weights=of_clicks.cpu().numpy(), minlength=batch.n_users)
        nll = nll if of_users is None else nll + of_users.cpu().numpy()
        return [nll, *(other.cpu().numpy().astype(np.float64) for other in others)]


class FittedLearner(Learner):
    """A network that is fitted once, in closed form. Methods: ``utils.engine.FittedLearner``."""

    def __init__(self, options: RunOptions, n_items: int) -> None:
        super().__init__(options, n_items)
        self.network = self.noiseless = self.network_class(self.model.name)(self.model, n_items)

    def fit(self, clicks: csr_matrix, heed: Callable[[], None] = lambda: None) -> None:
        """Take the weights that binary ``clicks`` of the training users give."""
        self.network.fit(clicks, self.device, self.floats)

    def embed(self, fold_in: ClickMatrix, users: ArrayLike | None = None) -> np.ndarray:
        """Raises ``ValueError``: a user of such a model has no code."""
        raise self.model.no_code()

    def weights(self) -> dict[str, np.ndarray]:
        """A copy of the weights by canonical name."""
        return self.network.arrays()

    def load_weights(self, weights: Mapping[str, np.ndarray]) -> None:
        """Take weights by canonical name."""
        check_shapes(weights, self.shapes())
        self.network.take(weights, self.device, self.dtype)


def _canonical(array: torch.Tensor, turned: bool) -> np.ndarray:
    array = array.cpu().numpy()
    return np.array(array.T if turned else array, order="C")


def _at(scores: torch.Tensor, candidates: np.ndarray) -> np.ndarray:
    """The ``scores`` of items ``(M, C)``, -inf of those that the model does not know; only these leave the device."""
    items, known = known_candidates(candidates, scores.shape[1])
    return np.where(known, scores.gather(1, torch.from_numpy(items).to(scores.device)).cpu().numpy(), -np.inf)


def _top(scores: torch.Tensor, clicks: DeviceBatch, k: int) -> np.ndarray:
    """The ``k`` best items of each row of ``scores``, which loses its clicked items; only ``(M, k + 1)`` leave it."""
    scores[clicks.positions[0], clicks.positions[1]] = -torch.inf
    best, items = torch.topk(scores, min(k + 1, scores.shape[1]), dim=1)
    return resolve_ties(best.cpu().numpy(), items.cpu().numpy(), k, lambda rows: scores[rows].cpu().numpy())
