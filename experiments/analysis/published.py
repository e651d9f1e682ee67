"""The published figures (``results/published.csv``) that a run of ours may stand beside."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from experiments.analysis.runs import data_of, is_blank
from utils.results import load

PUBLISHED_FILE = Path(__file__).resolve().parents[2] / "results" / "published.csv"

#: The protocol of this project's runs, as the file names it; figures of another are never set beside ours.
OUR_PROTOCOL = "strong generalisation"

#: What must be equal for two figures to be of the same thing. Batch size and stopping rule are left out: the
#: paper (500, none) and the study (512, patience 20) differ there with the same models.
_SETTINGS = ("p_dims", "anneal_cap", "dropout_enc", "dropout_dec", "weight_decay", "lr", "lr_scheduler")


def published() -> pd.DataFrame:
    """All published figures, in the columns ``results/README.md`` explains.

    Raises:
        UserError: the file is missing or damaged.
    """
    return load(PUBLISHED_FILE)


def beside(options: Mapping[str, Any], figures: pd.DataFrame) -> pd.DataFrame:
    """The rows of ``figures`` (see :func:`published`) with the data set, model and settings of a run.

    Args:
        options: ``dataset``, ``model`` and the options of the run, as a row of results holds them.
        figures: published figures; a setting left blank there is not known and rules nothing out.
    """
    of_model = (figures["dataset"] == data_of(options)) & (figures["model"] == options["model"])
    candidates = figures[of_model & figures["comparable"] & (figures["protocol"] == OUR_PROTOCOL)]
    agrees = [_agrees(row, options) for row in candidates.to_dict("records")]
    return candidates.loc[np.array(agrees, dtype=bool)]


def _agrees(row: Mapping[str, Any], options: Mapping[str, Any]) -> bool:
    names = (*_SETTINGS, "lr_patience") if row["lr_scheduler"] is True else _SETTINGS
    return all(is_blank(row[name]) or row[name] == options.get(name) for name in names)
