"""What models without an engine share: how scores become lists (``utils.engine.Learner``)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

import numpy as np
from numpy.typing import ArrayLike
from scipy.sparse import csr_matrix

from utils.batches import ClickMatrix, binary_clicks
from utils.engine import Evaluation
from utils.options import RunOptions
from utils.ranking import known_candidates, list_length, resolve_ties
from utils.weights import check_shapes


class BaselineLearner:
    """A model whose scores NumPy can give; a subclass says how it is fitted and what it scores."""

    def __init__(self, options: RunOptions, n_items: int) -> None:
        self.options, self.model, self.n_items = options, options.model, n_items
        self._weights: dict[str, np.ndarray] = {}

    @property
    def dtype(self) -> str:
        """Of what is computed in the precision of the run: ``float64`` or ``float32``."""
        return "float64" if self.options.settings.precision == "float64" else "float32"

    def fit(self, clicks: csr_matrix, heed: Callable[[], None] = lambda: None) -> None:
        """Take the weights that the binary clicks of the training users ``(users, items)`` give."""
        raise NotImplementedError

    def score(self, clicks: csr_matrix) -> np.ndarray:
        """The scores ``(M, I)`` of users by their binary clicks; an array of its own, which is written to."""
        raise NotImplementedError

    def evaluate(
        self, fold_in: ClickMatrix, k: int, epoch: int = 0, heed: Callable[[], None] = lambda: None,
        users: ArrayLike | None = None, candidates: np.ndarray | None = None,
    ) -> Evaluation:  # fmt: skip
        """Rankings of users given by their clicks; such a model has no losses."""
        k = list_length(k)
        lists = [np.empty((0, k), np.int32)]
        asked, done = [] if candidates is None else [np.empty((0, candidates.shape[1]))], 0
        for clicks in self._batches(fold_in):
            heed()
            scores = self.score(clicks)
            if candidates is not None:
                items, known = known_candidates(candidates[done : done + len(scores)], self.n_items)
                asked.append(np.where(known, np.take_along_axis(scores, items, axis=1), -np.inf))
                done += len(scores)
            scores[clicks.nonzero()] = -np.inf
            lists.append(best_items(scores, k))
        return Evaluation(np.concatenate(lists), {}, None if candidates is None else np.concatenate(asked))

    def rank(self, fold_in: ClickMatrix, k: int, users: ArrayLike | None = None) -> np.ndarray:
        """The ``k`` best items of each user."""
        return self.evaluate(fold_in, k).ranked

    def scores(self, fold_in: ClickMatrix, users: ArrayLike | None = None) -> np.ndarray:
        """The score of every item for each user."""
        rows = [np.empty((0, self.n_items), self.dtype), *(self.score(clicks) for clicks in self._batches(fold_in))]
        return np.concatenate(rows).astype(self.dtype)

    def embed(self, fold_in: ClickMatrix, users: ArrayLike | None = None) -> np.ndarray:
        """Raises ``ValueError``: a user of such a model has no code."""
        raise self.model.no_code()

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """The canonical shape of each weight, by canonical name."""
        return self.model.shapes(self.n_items)

    def weights(self) -> dict[str, np.ndarray]:
        """A copy of the weights by canonical name."""
        return {name: array.copy() for name, array in self._weights.items()}

    def load_weights(self, weights: Mapping[str, np.ndarray]) -> None:
        """Take weights by canonical name."""
        check_shapes(weights, self.shapes())
        self._weights = {name: np.array(array) for name, array in weights.items()}

    def _batches(self, fold_in: ClickMatrix) -> Iterator[csr_matrix]:
        clicks, size = binary_clicks(fold_in, self.n_items), self.options.settings.eval_batch_size
        for begin in range(0, clicks.shape[0], size):
            yield clicks[begin : begin + size]


def best_items(scores: np.ndarray, k: int) -> np.ndarray:
    """The ``k`` best items of each row of ``scores``, int32, -1 where none is left: ``-inf`` is no candidate."""
    found = min(k + 1, scores.shape[1])
    items = np.argpartition(-scores, found - 1, axis=1)[:, :found]
    return resolve_ties(np.take_along_axis(scores, items, axis=1), items, k, lambda rows: scores[rows])
