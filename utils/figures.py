"""The figures that runs report: what each is called, how it is printed, which way is better, what would matter."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Figure:
    """A figure of a run, as the tables of results hold it under ``name``.

    Attributes:
        title: what people call it.
        decimals: how many are printed.
        margin: a difference that would matter, of tests of equivalence; None where none is settled.
    """

    name: str
    title: str
    decimals: int = 4
    higher_is_better: bool = True
    margin: float | None = None


#: All figures by name: those of ``utils.metrics``, the losses, and what only published tables have.
FIGURES = {
    figure.name: figure
    for figure in (
        Figure("n100", "NDCG@100", margin=0.003),  # about the standard error of the published ML-20M test (0.0021)
        Figure("r20", "Recall@20"),
        Figure("r50", "Recall@50"),
        Figure("n10", "NDCG@10"),
        Figure("r10", "Recall@10"),
        Figure("p10", "P@10"),
        Figure("ap100", "MAP@100"),
        Figure("hr10", "HR@10", margin=0.005),
        Figure("rr100", "MRR@100"),
        Figure("p100", "P@100"),
        Figure("r100", "Recall@100"),
        Figure("sampled_n10", "NDCG@10 of 100", margin=0.003),
        Figure("sampled_hr10", "HR@10 of 100", margin=0.005),
        Figure("rmse", "RMSE", higher_is_better=False, margin=0.001),
        Figure("loss", "loss", decimals=2, higher_is_better=False),
        Figure("nll", "negative log-likelihood", decimals=2, higher_is_better=False),
        Figure("kl", "KL term", decimals=2, higher_is_better=False),
    )
}
#: The figure that early stopping watches and settings are chosen by.
PRIMARY = "n100"
#: Those that every table of results shows, as the papers do.
MAIN_FIGURES = (PRIMARY, "r20", "r50")
