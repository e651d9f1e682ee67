"""What a model says of itself, framework-free: its flags, its objective, its weights, its noise."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol, TypeVar

import numpy as np

from utils.batches import Batch
from utils.randomness import draw_weights

Value = TypeVar("Value")  # a float, an array, or a tensor of either engine


class Statistics(Protocol):
    """What initial weights may know of the training data."""

    @property
    def item_popularity(self) -> np.ndarray:
        """The share of the training users that clicked each item, float64 ``(I,)``."""


@dataclass(frozen=True)
class Pass:
    """One of the passes over the training users that make an epoch.

    Attributes:
        name: what travels with each batch (``Batch.part``). Each name has an optimiser of its own; passes of one name
            share it and train the same weights.
        input_dropout: whether the input is dropped out.
        trains: what the canonical names of the weights that it trains begin with; "" is all of them.
        takes_snapshot: whether, before its first step, the network's snapshot of weights is taken anew.
    """

    name: str = "all"
    input_dropout: bool = True
    trains: str = ""
    takes_snapshot: bool = False


@dataclass(frozen=True)
class ModelOptions:
    """The base of each model's options: a frozen dataclass of flags (``utils.system.command_line.option``).

    Class attributes, which a model replaces:
        name: what ``--model`` takes.
        terms: the terms of the objective, means over users; ``nll`` first, the others as the network gives them.
        knobs: what a schedule changes from step to step, beside the learning rate.
        training: the model's own defaults of ``utils.options.TrainingOptions``; None for a model fitted once.
        passes: the passes of an epoch; steps are numbered through all of them.
        l2_normalised: whether a user's clicks are scaled to length 1 before the model sees them, as Liang et al. do.
        summed: whether a step's gradient is the sum over its users; else, as most have it, the mean.
        presets: settings published for the model, by what its flag ``--preset`` calls them: defaults of other flags.
        fit_arrays: of a model fitted once, the arrays of its weights' size that a fit takes at its peak, by engine.
        own_deviations: what published code of the model did otherwise, by the names of its flag ``--deviations``.
        unused: flags that are legal and change nothing, each with the reason.
    """

    name: ClassVar[str]
    terms: ClassVar[tuple[str, ...]] = ("nll",)
    knobs: ClassVar[tuple[str, ...]] = ()
    training: ClassVar[Mapping[str, Any] | None] = {}
    passes: ClassVar[tuple[Pass, ...]] = (Pass(),)
    l2_normalised: ClassVar[bool] = True
    summed: ClassVar[bool] = False
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {}
    fit_arrays: ClassVar[Mapping[str, float]] = {}
    own_deviations: ClassVar[Mapping[str, str]] = {}
    unused: ClassVar[Mapping[str, str]] = {}
    # Not annotated, as a model may have options of these names: how it computes, what it does otherwise, and the
    # likelihood of its clicks (``<engine>.losses``), looked at everywhere or at draws of what was not clicked.
    profile = "paper"
    deviations = tuple[str, ...]()
    likelihood = "multinomial"
    confidence = 1.0
    negatives = 0

    def resolved(self) -> ModelOptions:
        """These options checked against each other, derived ones filled in; ``UserError`` on a contradiction."""
        return self

    def objective(self, terms: Mapping[str, Value], knobs: Mapping[str, float]) -> Value:
        """The loss that the ``terms`` make under the ``knobs``: the one formula, for floats, arrays and tensors."""
        return terms.get("nll", math.nan)  # a model without terms has no loss

    def knobs_at(self, step: int, steps_per_epoch: int, n_epochs: int) -> dict[str, float]:
        """The knobs of the update after ``step`` others, of a run planned for ``n_epochs``."""
        return {}

    def final_knobs(self) -> dict[str, float]:
        """The knobs a run ends with, under which early stopping on the loss compares epochs."""
        return {}

    def dimensions(self) -> dict[str, tuple[int, ...]]:
        """The options that decide the weights' shapes, by name; the first one is part of a run's name."""
        return {}

    @property
    def widths(self) -> tuple[int, ...]:
        """What a run's name and its lines tell of the dimensions: the first of them; empty where there are none."""
        return next(iter(self.dimensions().values()), ())

    @property
    def has_user_node(self) -> bool:
        """Whether there is a weight vector for each training user."""
        return False

    @property
    def touched_l2(self) -> float:
        """lambda of an L2 penalty on what the users of a step touch."""
        return 0.0

    @property
    def code_width(self) -> int:
        """The width of a user's code; ``ValueError`` where there is none."""
        raise self.no_code()

    def check_scenario(self, scenario: str) -> None:
        """Raise ``UserError`` where these options cannot be trained under ``scenario``, which the model serves."""

    def shapes(self, n_items: int, n_users: int = 0) -> dict[str, tuple[int, ...]]:
        """The canonical shape of each weight, by canonical name; of resolved options.

        ``n_users`` are the training users, for a model with a node for each.
        """
        raise NotImplementedError

    def initial_weights(
        self, n_items: int, seed: int, statistics: Statistics | None, n_users: int = 0
    ) -> dict[str, np.ndarray]:
        """The weights training starts from, by canonical name; ``statistics`` are None where no data are at hand."""
        return draw_weights(self.shapes(n_items, n_users), seed)

    def initial_snapshot(self, n_items: int, seed: int) -> dict[str, np.ndarray]:
        """What the network's snapshot holds before one is taken, by the names of the weights it is of.

        A snapshot is a copy of some weights as they were when a pass began that takes one (``Pass.takes_snapshot``):
        training reads it and does not change it, and nothing else has a part for it.
        """
        return {}

    def with_noise(self, batch: Batch, seed: int, epoch: int, step: int, part: Pass) -> Batch:
        """``batch`` as a training step takes it: the input dropped out, all noise drawn; of resolved options."""
        return batch

    def no_code(self) -> ValueError:
        """What to raise where the code of a user is asked of a model that has none."""
        return ValueError(f"{self.name} gives users scores but no code; ask rank or scores")

    def flags(self) -> dict[str, Any]:
        """The model's own options by name."""
        return {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}


def n_parameters(shapes: Mapping[str, tuple[int, ...]]) -> int:
    """How many numbers weights of the given ``shapes`` hold."""
    return sum(int(np.prod(shape, dtype=np.int64)) for shape in shapes.values())
