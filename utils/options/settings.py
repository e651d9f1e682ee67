"""Where a run finds its data and leaves its results, and in what arithmetic it computes: for any model."""

from __future__ import annotations

import re
from dataclasses import dataclass

from utils.system.command_line import integer, option

_STOPPING, _RUN = "evaluation and early stopping", "run"


def _device(text: str) -> str:
    if not re.fullmatch(r"cpu|cuda(:[0-9]{1,3})?", text):
        raise ValueError("cpu, cuda or cuda:N")
    return text


@dataclass(frozen=True)
class RunSettings:
    """The options that any run has, whatever its model."""

    data_dir: str = option("data", "data", "folder of the prepared data", affects_result=False)
    eval_batch_size: int = option(500, _STOPPING, "users in an evaluation batch", integer(1), affects_result=False)
    validation: str = option(
        "held_out", _STOPPING, "held_out: the validation part chooses the epoch; none: it is trained on too, and the "
        "last epoch is tested", choices=("held_out", "none"), later=True,
    )  # fmt: skip
    precision: str = option(
        "float32", _RUN,
        "arithmetic of the network; float64 is for checking it; mixed: training takes its dense products in bfloat16, "
        "the weights and all else stay float32 (PyTorch only)",
        choices=("float32", "float64", "mixed"),
    )  # fmt: skip
    device: str = option("cpu", _RUN, "cpu, cuda or cuda:N", _device)
    threads: int | None = option(
        None, _RUN, "CPU threads (default: all of this machine's)", integer(1, 1024), affects_result=False
    )
    log_dir: str = option("results", _RUN, "folder of the results", affects_result=False)
    save_results: bool = option(False, _RUN, "keep the best weights beside the results", affects_result=False)
