"""Out of memory, told with the sizes that fill it and what to make smaller."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from utils.models.base import n_parameters
from utils.options import RunOptions
from utils.system.errors import UserError
from utils.system.memory import available_memory

#: What PyTorch, MXNet (also of what it cannot index), CUDA and C++ say when memory is refused, in lower case.
_SAID = ("out of memory", "not enough memory", "can't allocate memory", "cannot allocate memory", "failed to allocate",
         "memory allocation failed", "bad_alloc", "unable to allocate", "larger than 2^31 elements")  # fmt: skip
_BYTES = {"float32": 4, "mixed": 4, "float64": 8}


@contextlib.contextmanager
def memory_explained(options: RunOptions, n_items: int, doing: str) -> Iterator[None]:
    """Turn a refusal of memory in the block into a ``UserError``; ``options`` are resolved.

    ``doing`` is "building the model", "training", "fitting" or "evaluating", and decides the advice. (A process that
    the system kills for its memory cannot say anything; the grid then does.)
    """
    try:
        yield
    except Exception as error:
        if not is_out_of_memory(error):
            raise
        raise UserError(
            f"out of memory while {doing}: {_sizes(options, n_items, doing)}; {_advice(options, doing)}"
        ) from error


def is_out_of_memory(error: BaseException) -> bool:
    """Whether ``error`` is a refusal of memory: Python's and NumPy's, PyTorch's or MXNet's."""
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        return True
    of_a_framework = isinstance(error, RuntimeError) or type(error).__name__ == "MXNetError"
    return of_a_framework and any(words in str(error).lower() for words in _SAID)


def _sizes(options: RunOptions, n_items: int, doing: str) -> str:
    weights = n_parameters(options.model.shapes(n_items))
    size = _BYTES[options.settings.precision]
    text = f"the weights are {_mib(weights * size)}"
    text += ", with gradients, optimiser and best copy five times that" if options.training else ", in a few copies"
    users = _users(options, doing)
    if users is None:
        return text
    scores = _mib(users * n_items * size)
    return f"the scores of {users:,} users x {n_items:,} items are {scores}, in a few copies; {text}"


def check_memory(options: RunOptions, n_items: int, engine: str) -> None:
    """Refuse, before it starts, a fit whose arrays this machine has no memory for; ``UserError`` says how much.

    Nothing is refused where the system does not say what it has left, or the model is trained by epochs.
    """
    copies, there = options.model.fit_arrays.get(engine), available_memory()
    if copies is None or there is None or options.settings.device != "cpu":
        return
    weights = n_parameters(options.model.shapes(n_items)) * _BYTES[options.settings.precision]
    if copies * weights > there:
        smaller = "--precision float32, or " if options.settings.precision == "float64" else ""
        raise UserError(
            f"--model {options.model.name}: {n_items:,} items take {copies:g} arrays of {_mib(weights)}, "
            f"{_mib(int(copies * weights))} in all, and this machine has {_mib(there)} left; try {smaller}fewer items "
            f"(--min_item_click of data_prep)"
        )


def _users(options: RunOptions, doing: str) -> int | None:
    if doing == "training" and options.training:
        return options.training.batch_size
    return options.settings.eval_batch_size if doing == "evaluating" else None


def _advice(options: RunOptions, doing: str) -> str:
    users = _users(options, doing) or 1
    if doing == "training" and users > 1:
        return f"try --batch_size {users // 2} (another result), or {_smaller_model(options)}"
    if doing == "evaluating" and users > 1:
        return f"try --eval_batch_size {max(1, users // 4)} (the same result)"
    return f"try {_smaller_model(options)}, or a machine with more memory"


def _smaller_model(options: RunOptions) -> str:
    """What makes the weights fewer: the first of the model's dimensions, else what there is of items."""
    flags = [f"smaller --{name}" for name in options.model.dimensions()]
    return flags[0] if flags else "fewer items (--min_item_click of data_prep)"


def _mib(n_bytes: int) -> str:
    return f"{n_bytes / 2**20:,.1f} MiB" if n_bytes < 2**30 else f"{n_bytes / 2**30:,.1f} GiB"
