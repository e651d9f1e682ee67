"""One run of a grid, before it is run."""

from __future__ import annotations

from dataclasses import dataclass

from utils.options import RunOptions
from utils.options.data import SCENARIOS


@dataclass(frozen=True)
class Planned:
    """One run of a grid: an engine and the options for it.

    ``first`` is the run that must finish before (None: may start at once). Until :meth:`learn` puts in what that
    run found, ``options`` holds stand-ins for what ``learned`` names.
    """

    engine: str
    options: RunOptions
    first: Planned | None = None
    learned: tuple[str, ...] = ()

    def learn(self, beta: float) -> Planned:
        """This run with the cap that the first run's ``beta`` at its best epoch gives: two decimals, at least 0.01.

        A kept slope is the first run's: ``anneal_share`` in proportion to the cap and to the epochs planned.
        """
        options = self.options
        if "anneal_cap" in self.learned:
            options = options.replace(anneal_cap=max(0.01, round(beta, 2)))
        if "anneal_share" in self.learned:
            before = self.first.options
            slope = options.model.anneal_cap / before.model.anneal_cap
            stretch = slope * before.training.n_epochs / options.training.n_epochs
            options = options.replace(anneal_share=round(before.model.anneal_share * stretch, 6))
        return Planned(self.engine, options)


def describe(planned: Planned) -> str:
    """A run in a few words, for progress: data set, scenario unless strong, model, widths, deviations, engine, seed."""
    options = planned.options
    model, values = options.model, options.values()
    words = [options.data.dataset, *([] if options.data.scenario == SCENARIOS[0] else [options.data.scenario])]
    words += [model.name, *([",".join(map(str, model.widths))] if model.widths else [])]
    words += [f"cap {model.anneal_cap:g}"] if "beta" in model.knobs and "anneal_cap" in values else []
    words += [] if model.profile == "paper" else [model.profile]
    seed = [] if options.seed is None else [f"seed {options.seed}"]
    return " ".join([*words, *model.deviations, planned.engine, *seed])
