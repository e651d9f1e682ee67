"""Optimisers that mean the same in both engines: Adam as its paper's Algorithm 1, AdaGrad, and plain SGD.

Weight decay is of matrices only: decoupled (Loshchilov & Hutter 2019, AdamW: ``W -= lr * lambda * W``) or as an L2
penalty (``lambda * W`` added to the gradient).
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
from mxnet.gluon import Parameter

from mxnet_impl.runtime import mx
from utils.options import TrainingOptions

BETA1, BETA2, EPSILON = 0.9, 0.999, 1e-8  # Kingma & Ba 2015
ADAGRAD_EPSILON = 1.0  # that of the code of CDAE's authors (Wu et al. 2016)
# mx.nd.adam_update takes its betas as float32. 1 - 0.999 is then 1.3e-5 off, and so would every step be, unless the
# corrections that divide by it are of the same number.
_AS_FLOAT32 = {beta: float(np.float32(beta)) for beta in (BETA1, BETA2)}


class Adam:
    """Adam (Kingma & Ba 2015, Algorithm 1): epsilon stands beside the bias-corrected ``sqrt(v)``.

    ``mx.nd.adam_update`` adds its epsilon to the uncorrected root; ``epsilon * sqrt(1 - beta2**t)`` there, with the
    corrections in the step size, is the paper's update.
    """

    def __init__(self, parameters: Mapping[str, Parameter], options: TrainingOptions) -> None:
        self.parameters = dict(parameters)
        self.options = options
        self.t = 0
        self.epsilon = EPSILON
        self.m = {name: mx.nd.zeros_like(parameter.data()) for name, parameter in self.parameters.items()}
        self.v = {name: mx.nd.zeros_like(parameter.data()) for name, parameter in self.parameters.items()}

    def step(self, lr: float) -> None:
        """One update from the gradients, with learning rate ``lr``."""
        self.t += 1
        root = math.sqrt(1.0 - _AS_FLOAT32[BETA2] ** self.t)
        size = lr * root / (1.0 - _AS_FLOAT32[BETA1] ** self.t)
        for name, parameter in self.parameters.items():
            weight = parameter.data()
            _shrink(weight, self.options, lr)
            mx.nd.adam_update(
                weight, parameter.grad(), self.m[name], self.v[name], lr=size, beta1=BETA1, beta2=BETA2,
                epsilon=self.epsilon * root, wd=_penalty(weight, self.options), lazy_update=False, out=weight,
            )  # fmt: skip

    def state(self) -> dict[str, np.ndarray]:
        """Moments ``m.<name>`` and ``v.<name>`` as the engine keeps them, and ``t``, the updates done."""
        arrays = {"t": np.array(self.t, dtype=np.int64)}
        for name in self.parameters:
            arrays[f"m.{name}"] = self.m[name].asnumpy()
            arrays[f"v.{name}"] = self.v[name].asnumpy()
        return arrays

    def load_state(self, state: Mapping[str, np.ndarray]) -> None:
        """Take what :meth:`state` gave."""
        self.t = int(state["t"])
        for name in self.parameters:
            self.m[name][:] = state[f"m.{name}"]
            self.v[name][:] = state[f"v.{name}"]


class AdaGrad:
    """AdaGrad (Duchi et al. 2011) as CDAE has it: ``acc += g^2``, ``W -= lr g / (sqrt(acc) + 1)``.

    Unlike Adam it depends on the size of the gradients, and leaves alone what has none.
    """

    def __init__(self, parameters: Mapping[str, Parameter], options: TrainingOptions) -> None:
        self.parameters, self.options = dict(parameters), options
        self.squares = {name: mx.nd.zeros_like(parameter.data()) for name, parameter in self.parameters.items()}

    def step(self, lr: float) -> None:
        """One update from the gradients, with learning rate ``lr``."""
        for name, parameter in self.parameters.items():
            weight = parameter.data()
            _shrink(weight, self.options, lr)
            gradient = parameter.grad().tostype("default")
            if penalty := _penalty(weight, self.options):
                gradient = gradient + penalty * weight
            squares = self.squares[name]
            squares += gradient.square()
            weight -= lr * gradient / (squares.sqrt() + ADAGRAD_EPSILON)

    def state(self) -> dict[str, np.ndarray]:
        """The sums of squares ``acc.<name>`` as the engine keeps them."""
        return {f"acc.{name}": squares.asnumpy() for name, squares in self.squares.items()}

    def load_state(self, state: Mapping[str, np.ndarray]) -> None:
        """Take what :meth:`state` gave."""
        for name, squares in self.squares.items():
            squares[:] = state[f"acc.{name}"]


class SGD:
    """Stochastic gradient descent without momentum."""

    def __init__(self, parameters: Mapping[str, Parameter], options: TrainingOptions) -> None:
        self.parameters = dict(parameters)
        self.options = options

    def step(self, lr: float) -> None:
        """One update from the gradients, with learning rate ``lr``."""
        for parameter in self.parameters.values():
            weight = parameter.data()
            _shrink(weight, self.options, lr)
            wd = _penalty(weight, self.options)
            mx.nd.sgd_update(weight, parameter.grad(), lr=lr, wd=wd, lazy_update=False, out=weight)

    def state(self) -> dict[str, np.ndarray]:
        """Nothing: plain SGD remembers nothing."""
        return {}

    def load_state(self, state: Mapping[str, np.ndarray]) -> None:
        """Take what :meth:`state` gave."""


def build_optimizer(parameters: Mapping[str, Parameter], options: TrainingOptions) -> Adam | AdaGrad | SGD:
    """The optimiser that ``options`` name, over parameters by canonical name."""
    by_name: dict[str, type[Adam] | type[AdaGrad] | type[SGD]] = {"adam": Adam, "adagrad": AdaGrad, "sgd": SGD}
    return by_name[options.optimizer](parameters, options)


def _shrink(weight: mx.nd.NDArray, options: TrainingOptions, lr: float) -> None:
    """The decoupled decay, beside the step."""
    if options.decay == "decoupled" and options.weight_decay and weight.ndim == 2:
        weight *= 1.0 - lr * options.weight_decay


def _penalty(weight: mx.nd.NDArray, options: TrainingOptions) -> float:
    """lambda of the L2 penalty, in the gradient."""
    return options.weight_decay if options.decay == "l2" and weight.ndim == 2 else 0.0
