"""What single choices in the layers bought: each beside what one would write otherwise, timed in turn.

python -m benchmarks.choices --engine pytorch
python -m benchmarks.choices --engine mxnet --shape ml-1m
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from tabulate import tabulate

from benchmarks.shapes import SHAPES, synthetic_clicks
from benchmarks.timing import interleaved, ratio
from utils.batches import Batch, plain_batch
from utils.engine import ENGINES, load_engine
from utils.system.command_line import integer, option, parsed, parser_for
from utils.system.errors import guarded
from utils.system.memory import keep_freed_memory

_WHAT = "what is measured"

#: What is done, the way it is done here, the way one would write it.
Choice = tuple[str, Callable[[], Any], Callable[[], Any]]


@dataclass(frozen=True)
class ChoiceOptions:
    """The options of the benchmark."""

    engine: str = option("pytorch", _WHAT, "the engine", choices=tuple(ENGINES))
    shape: str = option("ml-20m", _WHAT, "the shape of the data", choices=tuple(SHAPES))
    batch: int = option(500, _WHAT, "users in a batch", integer(1))
    width: int = option(600, _WHAT, "units of the hidden layer", integer(1))
    rounds: int = option(15, _WHAT, "counted rounds", integer(1))


def main(argv: Sequence[str] | None = None) -> int:
    """The command; see the module."""
    given = parsed(ChoiceOptions, parser_for(ChoiceOptions, "python -m benchmarks.choices", __doc__), argv)
    load_engine(given.engine)
    keep_freed_memory()
    batch = plain_batch(synthetic_clicks(SHAPES[given.shape], given.batch))
    choices = {"pytorch": of_pytorch, "mxnet": of_mxnet}[given.engine](batch, given.width)
    rows = []
    for what, ours, usual in choices:
        seconds = interleaved({"ours": ours, "usual": usual}, given.rounds)
        ms = [f"{1e3 * np.median(seconds[name]):.2f}" for name in ("ours", "usual")]
        rows.append((what, *ms, f"{ratio(seconds, 'usual', 'ours'):.1f}"))
    where = f"{given.shape}: {batch.n_items} items, batch {given.batch}, {given.width} units"
    print(f"{ENGINES[given.engine].title} at {where}")
    print(tabulate(rows, ["", "ours, ms", "otherwise, ms", "times"], disable_numparse=True))
    return 0


def of_pytorch(batch: Batch, width: int) -> list[Choice]:
    """The wide layer's product in blocks; the first layer's gradient gathered by item."""
    from pytorch_impl.device_batch import to_device
    from pytorch_impl.layers import ClickLinear, Linear, gathered
    from pytorch_impl.runtime import torch

    torch.manual_seed(0)
    hidden, toward = torch.randn(batch.n_users, width), torch.randn(batch.n_users, width)
    wide, first = Linear(width, batch.n_items), ClickLinear(batch.n_items, width)
    torch.nn.init.normal_(first.weight)
    matrix = to_device(batch, torch.device("cpu"), torch.float32).matrix
    by_user, _ = matrix

    def gradient(output: Callable[[], torch.Tensor]) -> Callable[[], torch.Tensor]:
        return lambda: torch.autograd.grad(output(), first.weight, toward)[0]

    return [
        ("wide layer: in blocks / nn.Linear", lambda: wide(hidden), lambda: torch.nn.Linear.forward(wide, hidden)),
        (
            "first layer and its gradient: by item / embedding_bag's",
            gradient(lambda: first(matrix)),
            gradient(lambda: gathered(first.weight, *by_user)),
        ),
    ]


def of_mxnet(batch: Batch, width: int) -> list[Choice]:
    """The library's tanh; the gradient of a bias as a product; Adam's operators."""
    from mxnet_impl.runtime import mx

    hidden = mx.nd.random.normal(shape=(batch.n_users, width))
    ones = mx.nd.ones((1, batch.n_users))
    weight, gradient, mean, variance = (mx.nd.ones((batch.n_items, width)) for _ in range(4))

    def done(result: Callable[[], Any]) -> Callable[[], None]:
        return lambda: result().wait_to_read()  # MXNet only notes what is to be done until someone wants to read it

    def adam() -> mx.nd.NDArray:
        return mx.nd.adam_update(weight, gradient, mean, variance, lr=1e-3, lazy_update=False, out=weight)

    def adamw() -> mx.nd.NDArray:
        one = mx.nd.ones((1,))
        return mx.nd.contrib.adamw_update(weight, gradient, mean, variance, one, lr=1e-3, eta=1.0, wd=0.0, out=weight)

    pairs = [
        ("tanh: Activation / tanh", lambda: mx.nd.Activation(hidden, act_type="tanh"), lambda: mx.nd.tanh(hidden)),
        ("gradient of a bias: product / sum", lambda: mx.nd.dot(ones, hidden), lambda: hidden.sum(axis=0)),
        ("Adam: adam_update / contrib.adamw_update", adam, adamw),
    ]
    return [(what, done(ours), done(usual)) for what, ours, usual in pairs]


if __name__ == "__main__":
    sys.exit(guarded(main))
