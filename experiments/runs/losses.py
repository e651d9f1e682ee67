"""The loss of an evaluation, whoever evaluates: a run as it goes, its test, its verification."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from utils.engine import Evaluation
from utils.models.base import ModelOptions

#: ``loss`` of an evaluation under the knobs given, and each of its terms.
Losses = Callable[[Evaluation, Mapping[str, float]], dict[str, float]]


def losses(model: ModelOptions, evaluation: Evaluation, knobs: Mapping[str, float]) -> dict[str, float]:
    """The loss of an evaluation under ``knobs``, and its terms: means over all its users."""
    means = evaluation.means()
    return {"loss": model.objective(means, knobs), **means}
