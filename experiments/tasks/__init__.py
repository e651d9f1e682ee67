"""The tasks by name, as the models' registry (``utils.models``) calls them: what a model is fed, how it is judged."""

from __future__ import annotations

from data_prep import PreparedData
from experiments.tasks.clicks import ClickTask
from utils.models import MODELS
from utils.options import RunOptions

TASKS = {"clicks": ClickTask}


def task_of(data: PreparedData, options: RunOptions) -> ClickTask:
    """The task of the model of ``options`` (resolved) on ``data``."""
    return TASKS[MODELS[options.model.name].task](data, options)
