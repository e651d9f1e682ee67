"""Mult-VAE (Liang et al. 2018, sec. 2): beta and its annealing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from utils.models.base import Value
from utils.models.mult import MultOptions
from utils.system.errors import UserError


@dataclass(frozen=True)
class MultVAEOptions(MultOptions):
    """The options of Mult-VAE."""

    name: ClassVar[str] = "vae"
    knobs: ClassVar[tuple[str, ...]] = ("beta",)
    has_code_noise: ClassVar[bool] = True

    def objective(self, terms: Mapping[str, Value], knobs: Mapping[str, float]) -> Value:
        """``nll + beta * kl`` (eq. 7)."""
        beta = knobs["beta"]
        return terms["nll"] + beta * terms["kl"] if beta else terms["nll"]  # an overflowed KL times 0 is 0

    def knobs_at(self, step: int, steps_per_epoch: int, n_epochs: int) -> dict[str, float]:
        """beta (sec. 2.2.2): ``min(cap, step / total)``; the cap under constant annealing; 1 without annealing."""
        if self.annealing in ("constant", "none"):
            return self.final_knobs()
        return {"beta": min(self.anneal_cap, step / self.annealing_steps(steps_per_epoch, n_epochs))}

    def final_knobs(self) -> dict[str, float]:
        """The cap; 1 without annealing."""
        return {"beta": 1.0 if self.annealing == "none" else self.anneal_cap}

    def annealing_steps(self, steps_per_epoch: int, n_epochs: int) -> float:
        """The steps in which beta rises by 1.

        Relative (the 2020 study's code): ``steps_per_epoch * (n_epochs - int(0.15 * n_epochs)) / cap``, which brings
        beta to the cap at 85 % (``anneal_share``) of the planned epochs. Absolute: ``anneal_total``.
        """
        if self.annealing == "absolute":
            return float(self.anneal_total)
        left = int(round((1.0 - self.anneal_share) * n_epochs, 9))  # round: 0.2 * 5 must not be 0.99...
        return max(1, steps_per_epoch * (n_epochs - left)) / self.anneal_cap

    def _annealing(self) -> str:
        annealing = super()._annealing()
        if self.anneal_cap == 0 and annealing not in ("constant", "none"):
            raise UserError(f"--anneal_cap 0 leaves nothing to anneal ({annealing} annealing): add --constant_anneal")
        return annealing
