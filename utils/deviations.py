"""What published code computed otherwise than its model does by itself here, as switches with names.

Those of Mult-VAE and Mult-DAE are of the dual-framework study of 2020: a profile is a set of them per engine;
``--deviations`` adds to it and, with ``no_`` before a name, takes from it. Another model has a list of its own
(``own_deviations`` of its options), which it honours itself, in both engines. Deviations say how a model computes,
never its hyper-parameters.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from utils.system.errors import UserError


class Chosen(Protocol):
    """Options with a profile and single deviations, as ``utils.models.base.ModelOptions`` has them."""

    @property
    def profile(self) -> str:
        """A name of ``PROFILES``."""

    @property
    def deviations(self) -> tuple[str, ...]:
        """Names of ``own_deviations``; where there are none, of ``DEVIATIONS``, with ``no_`` before them or without."""

    @property
    def own_deviations(self) -> Mapping[str, str]:
        """The deviations that a model honours itself, with their meanings."""


@dataclass(frozen=True)
class Deviation:
    """One deviation: its meaning in a line, and whether it is ``shared``.

    A shared one acts in the training that both engines share (``experiments.runs.deviations``), any other in the engine
    (``<engine>.deviations``).
    """

    meaning: str
    shared: bool = False


DEVIATIONS = {
    "baked_sampling": Deviation("z is sampled at evaluation too (vae): MXNet's graph keeps the mode it was traced in"),
    "double_rescale": Deviation("the gradient of the mean loss is divided by the users of the batch once more"),
    "coupled_decay": Deviation("lambda * W in the gradient, in place of decoupled decay (as --decay l2)"),
    "tanh_everywhere": Deviation("tanh after dropout layers too: on the input, twice on hidden layers, on the code"),
    "plateau_min": Deviation("the plateau scheduler (--lr_scheduler) watches for the score to fall", shared=True),
    "batch_mean_loss": Deviation(
        "evaluation losses are means of batch means, the test loss is at the last epoch's beta", shared=True
    ),
    "stock_init": Deviation("biases start as the framework's stock: PyTorch normal, not truncated; MXNet 0"),
    "stale_best": Deviation(
        "epochs not evaluated (--eval_every) are kept as the best while the last evaluation was", shared=True
    ),
    "stock_epsilon": Deviation("Adam's epsilon stands beside the uncorrected sqrt(v), as in MXNet's own Adam"),
}

_OF_BOTH = {"tanh_everywhere", "plateau_min", "batch_mean_loss", "stock_init", "stale_best"}
PROFILES = {
    "paper": {"pytorch": frozenset(), "mxnet": frozenset()},
    "recotour2020": {
        "pytorch": frozenset(_OF_BOTH),
        "mxnet": frozenset(_OF_BOTH | {"baked_sampling", "double_rescale", "coupled_decay", "stock_epsilon"}),
    },
}

_NOT = "no_"
#: All that ``--deviations`` takes.
KNOWN = (*DEVIATIONS, *(_NOT + name for name in DEVIATIONS))
_WANTED = f"{', '.join(DEVIATIONS)}, or one of them with {_NOT} before it"


def deviation(text: str) -> str:
    """A parser of one name as ``--deviations`` takes it; ``ValueError`` says what was expected."""
    if text not in KNOWN:
        raise ValueError(_WANTED)
    return text


def in_order(names: Sequence[str]) -> tuple[str, ...]:
    """The names given, each once, in one order however they were written.

    Raises ``UserError`` when one is unknown, or given both with and without ``no_``.
    """
    for name in names:
        if name not in KNOWN:
            raise UserError(f"--deviations: {name!r} was given, expected {_WANTED}")
        if _NOT + name in names:
            raise UserError(f"--deviations {name} and {_NOT + name} contradict each other: give one of them")
    return tuple(name for name in KNOWN if name in names)


def deviations_of(options: Chosen, engine: str) -> frozenset[str]:
    """The deviations in force in ``engine`` (``pytorch`` or ``mxnet``): the profile's, and what was added or taken out.

    One that cannot act with this model or these settings is in force all the same, and idle.
    """
    if options.own_deviations:
        return frozenset(options.deviations)
    given = in_order(options.deviations)
    taken = {name.removeprefix(_NOT) for name in given if name.startswith(_NOT)}
    added = {name for name in given if not name.startswith(_NOT)}
    return (PROFILES[options.profile].get(engine, frozenset()) | added) - taken


def engine_deviations(options: Chosen, engine: str) -> frozenset[str]:
    """Those of :func:`deviations_of` that act in the engine itself."""
    return _of_the_study(options, engine, shared=False)


def shared_deviations(options: Chosen, engine: str) -> frozenset[str]:
    """Those of :func:`deviations_of` that act in the training that both engines share."""
    return _of_the_study(options, engine, shared=True)


def _of_the_study(options: Chosen, engine: str, shared: bool) -> frozenset[str]:
    names = deviations_of(options, engine)
    return frozenset(name for name, about in DEVIATIONS.items() if name in names and about.shared == shared)
