"""The options of one run, composed: which data, which model, how trained, where computed.

Names and defaults are those of the dual-framework study of 2020 where it had them; ``None`` means "derived": see
:meth:`RunOptions.resolved`.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from utils.models import MODELS
from utils.models.base import ModelOptions
from utils.options.data import DataSelection
from utils.options.settings import RunSettings
from utils.options.training import TrainingOptions
from utils.system.command_line import as_argv, option
from utils.system.errors import UserError
from utils.system.files import sha256_of, short_hash

DEFAULT_MODEL = "vae"


@dataclass(frozen=True)
class ModelChoice:
    """The flag that says which model's flags there are."""

    model: str = option(DEFAULT_MODEL, "model", "the model, whose own options are below", choices=MODELS)


@dataclass(frozen=True, init=False)
class RunOptions:
    """The options of one run: ``RunOptions(dataset="movielens-100k", model="dae", n_epochs=50)``.

    Made of options by the names of their flags; those not given have the model's defaults. Raises ``TypeError`` when a
    name is no option of the model.

    Attributes:
        data: which prepared data.
        model: the options of the model itself; ``model.name`` is what ``--model`` takes.
        training: how it is trained; None for a model that is fitted once.
        settings: where it computes and where its results go.
    """

    data: DataSelection
    model: ModelOptions
    training: TrainingOptions | None
    settings: RunSettings

    def __init__(self, model: str = DEFAULT_MODEL, **given: Any) -> None:
        values = defaults_of(model, given.get("preset")) | given
        if unknown := sorted(set(values) - set(fields_of(model))):
            raise TypeError(f"{unknown[0]} is no option of the model {model}")
        object.__setattr__(self, "training", None)
        for part, kind in parts_of(model).items():
            own = {field.name: values[field.name] for field in dataclasses.fields(kind)}
            object.__setattr__(self, part, kind(**own))

    @classmethod
    def from_flat(cls, record: Mapping[str, Any]) -> RunOptions:
        """The options of a :meth:`flat` record; what it lacks has its default, what is no option is passed over.

        Raises ``UserError`` when its model is unknown.
        """
        model = record.get("model", DEFAULT_MODEL)
        if model not in MODELS:
            raise UserError(f"the model {model!r} is unknown; expected one of {', '.join(MODELS)}")
        known = {name: record[name] for name in fields_of(model) if name in record}
        return cls(model, **{name: tuple(value) if isinstance(value, list) else value for name, value in known.items()})

    @property
    def seed(self) -> int | None:
        """The seed of all that is drawn; None of a model that draws nothing."""
        return getattr(self.training or self.model, "seed", None)  # a model fitted once may have one of its own

    def values(self) -> dict[str, Any]:
        """Every option by the name of its flag."""
        values: dict[str, Any] = {}
        for name in parts_of(self.model.name):
            part = getattr(self, name)
            values |= {"model": self.model.name} if part is self.model else {}
            values |= {field.name: getattr(part, field.name) for field in dataclasses.fields(part)}
        return values

    def replace(self, **changes: Any) -> RunOptions:
        """These options with others in some places.

        Where the model or its preset changes, what stood at a default takes that of the other, and what it lacks is
        left out.
        """
        values = self.values()
        before = values["model"], values.get("preset")
        if before != (changes.get("model", before[0]), changes.get("preset", before[1])):
            defaults = defaults_of(*before)
            values = {name: value for name, value in values.items() if name == "model" or value != defaults[name]}
        values |= changes
        return RunOptions(**{name: values[name] for name in ("model", *fields_of(values["model"])) if name in values})

    def resolved(self) -> RunOptions:
        """These options checked against each other, every derived one filled in.

        Raises ``UserError`` when two options contradict each other.
        """
        self._check_scenario()
        if self.settings.validation == "none" and self.training is not None and self.training.lr_scheduler:
            raise UserError("--lr_scheduler watches the validation part, which --validation none trains on: give one")
        return self.replace(**self.model.resolved().flags(), **self._prefetch())

    def _check_scenario(self) -> None:
        model, scenario = self.model.name, self.data.scenario
        served = MODELS[model].scenarios
        if scenario not in served:
            raise UserError(
                f"--scenario {scenario}: {model} cannot be trained under it; give --scenario {' or '.join(served)}"
            )
        self.model.check_scenario(scenario)

    def _prefetch(self) -> dict[str, int]:
        if self.training is None or self.training.prefetch is not None:
            return {}
        return {"prefetch": 0 if self.settings.device == "cpu" else 4}  # a CPU has no time to spare while it trains

    def flat(self) -> dict[str, Any]:
        """The record of these options, one name for each as on the command line, as JSON can hold it.

        An option added since records are made (``later``) is in it only where it differs from its default.
        """
        fields, defaults = fields_of(self.model.name), defaults_of(self.model.name)
        later = {name for name, field in fields.items() if field.metadata.get("later")}
        values = {name: value for name, value in self.values().items() if name not in later or value != defaults[name]}
        return {name: list(value) if isinstance(value, tuple) else value for name, value in values.items()}

    def as_argv(self) -> list[str]:
        """The shortest command line that gives these options back: what differs from the model's defaults.

        A preset is spelled out, as it is no more than others' defaults.
        """
        defaults = {"model": DEFAULT_MODEL} | defaults_of(self.model.name)
        values = self.values()
        return as_argv(values | {"preset": None} if "preset" in values else values, defaults)

    def run_id(self, engine: str, fingerprint: str) -> str:
        """The name of the run: data, model, engine, seed, and a hash of all that changes the result.

        ``engine`` is ``pytorch`` or ``mxnet``; ``fingerprint`` names the prepared data
        (``PreparedData.fingerprint``). Paths, threads and the clock have no part in the name: the weights in
        ``init_from`` count by their checksum. Raises ``OSError`` when that file cannot be read.
        """
        options = self.resolved()
        values, record, defaults = options.values(), options.flat(), defaults_of(self.model.name)
        of_data = {field.name for field in dataclasses.fields(DataSelection)}  # the fingerprint stands for these
        decisive = {  # defaults are left out, so that an option added later changes no older run's name
            name: record[name]
            for name in decisive_of(self.model.name)
            if name not in of_data and name not in self.model.unused and values[name] != defaults[name]
        }
        if self.model.name != DEFAULT_MODEL:
            decisive["model"] = self.model.name
        if decisive.get("init_from") is not None:
            decisive["init_from"] = sha256_of(options.training.init_from)
        dataset = options.data.dataset
        digest = short_hash({"options": decisive, "engine": engine, "data": fingerprint, "dataset": dataset})
        seed = [] if options.seed is None else [f"s{options.seed}"]
        return "-".join([dataset, self.model.name, *map(str, options.model.widths), engine, *seed, digest])


#: The field of ``--model`` itself.
(MODEL_FIELD,) = dataclasses.fields(ModelChoice)


def parts_of(model: str) -> dict[str, type]:
    """The classes of a model's options, by their place in :class:`RunOptions`, in the order of the command line."""
    own = MODELS[model].options
    training = {} if own.training is None else {"training": TrainingOptions}
    return {"data": DataSelection, "model": own, **training, "settings": RunSettings}


def fields_of(model: str) -> dict[str, dataclasses.Field]:
    """The options of a model by name, ``model`` itself left out, in the order of the command line."""
    return {field.name: field for part in parts_of(model).values() for field in dataclasses.fields(part)}


def decisive_of(model: str) -> dict[str, dataclasses.Field]:
    """Those options of a model that change its result or say what data it had, by name."""
    return {name: field for name, field in fields_of(model).items() if field.metadata.get("affects_result", True)}


def defaults_of(model: str, preset: str | None = None) -> dict[str, Any]:
    """The default of each option of a model, by name; where a ``preset`` of the model is named, as it has them.

    Raises ``UserError`` when the model has no such preset.
    """
    entry, common = MODELS[model], {name: field.default for name, field in fields_of(model).items()}
    common |= {"scenario": entry.scenarios[0]} | dict(entry.options.training or {})
    if preset is None:
        return common
    presets = entry.options.presets
    if preset not in presets:
        raise UserError(f"--preset {preset!r}: {model} has {' and '.join(presets) or 'none'}")
    return common | dict(presets[preset])
