"""The options of a run: each flag declared once makes the command line, the help, the record and the run id."""

from utils.options.data import DataSelection
from utils.options.run import DEFAULT_MODEL, MODEL_FIELD, RunOptions, decisive_of, defaults_of, fields_of
from utils.options.settings import RunSettings
from utils.options.training import TrainingOptions

__all__ = [
    "DEFAULT_MODEL",
    "MODEL_FIELD",
    "DataSelection",
    "RunOptions",
    "RunSettings",
    "TrainingOptions",
    "decisive_of",
    "defaults_of",
    "fields_of",
]
