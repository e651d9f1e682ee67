"""Splits of the filtered events into parts: a file each, whose ``split(events, options)`` makes a ``Split``."""

from __future__ import annotations

from data_prep.filtering import Events
from data_prep.options import DataOptions
from data_prep.scenarios import leave_one_out, strong, weak
from data_prep.scenarios.parts import Split

_SPLITS = {"strong": strong.split, "weak": weak.split, "leave_one_out": leave_one_out.split}


def split(events: Events, options: DataOptions) -> Split:
    """The split that the scenario of ``options`` names; ``UserError`` where the data do not do for it."""
    return _SPLITS[options.scenario](events, options)
