"""Mult-DAE (Liang et al. 2018, sec. 2.3): no prior, so no KL term and no beta."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from utils.models.mult import MultOptions


@dataclass(frozen=True)
class MultDAEOptions(MultOptions):
    """The options of Mult-DAE; those of annealing are legal, as on the study's command line, and change nothing."""

    name: ClassVar[str] = "dae"
    has_code_noise: ClassVar[bool] = False
    unused: ClassVar[Mapping[str, str]] = dict.fromkeys(
        ("anneal_cap", "annealing", "constant_anneal", "anneal_share", "anneal_total"), "a dae has no beta to anneal"
    )
