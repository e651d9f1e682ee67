"""Optimisers that mean the same in both engines: Adam as its paper's Algorithm 1, AdaGrad, and plain SGD.

Weight decay is of matrices only: decoupled (Loshchilov & Hutter 2019, AdamW: ``W -= lr * lambda * W``) or as an L2
penalty (``lambda * W`` added to the gradient).
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from pytorch_impl.runtime import torch
from utils.options import TrainingOptions

BETA1, BETA2, EPSILON = 0.9, 0.999, 1e-8  # Kingma & Ba 2015
ADAGRAD_EPSILON = 1.0  # that of the code of CDAE's authors (Wu et al. 2016)


class Adam:
    """Adam (Kingma & Ba 2015, Algorithm 1): epsilon stands beside the bias-corrected ``sqrt(v)``."""

    def __init__(self, parameters: Mapping[str, torch.nn.Parameter], options: TrainingOptions) -> None:
        self.parameters = dict(parameters)
        kind = torch.optim.AdamW if options.decay == "decoupled" else torch.optim.Adam
        groups = _decay_groups(self.parameters, options)
        self.inner = kind(groups, lr=options.lr, betas=(BETA1, BETA2), eps=EPSILON, fused=True)

    def step(self, lr: float) -> None:
        """One update from the gradients, with learning rate ``lr``."""
        _step(self.inner, lr)

    def state(self) -> dict[str, np.ndarray]:
        """Moments ``m.<name>`` and ``v.<name>`` as the engine keeps them, and ``t``, the updates done."""
        arrays = {"t": np.array(0, dtype=np.int64)}
        for name, parameter in self.parameters.items():
            if kept := self.inner.state.get(parameter):
                arrays["t"] = np.array(int(kept["step"]), dtype=np.int64)
                arrays[f"m.{name}"] = kept["exp_avg"].cpu().numpy().copy()
                arrays[f"v.{name}"] = kept["exp_avg_sq"].cpu().numpy().copy()
        return arrays

    def load_state(self, state: Mapping[str, np.ndarray]) -> None:
        """Take what :meth:`state` gave."""
        if int(state["t"]) == 0:
            self.inner.state.clear()
            return
        for name, parameter in self.parameters.items():
            self.inner.state[parameter] = {
                "step": torch.tensor(float(state["t"]), device=parameter.device),
                "exp_avg": torch.from_numpy(state[f"m.{name}"].copy()).to(parameter.device),
                "exp_avg_sq": torch.from_numpy(state[f"v.{name}"].copy()).to(parameter.device),
            }


class AdaGrad:
    """AdaGrad (Duchi et al. 2011) as CDAE has it: ``acc += g^2``, ``W -= lr g / (sqrt(acc) + 1)``.

    Unlike Adam it depends on the size of the gradients, and leaves alone what has none.
    """

    def __init__(self, parameters: Mapping[str, torch.nn.Parameter], options: TrainingOptions) -> None:
        self.parameters, self.options = dict(parameters), options
        self.squares = {name: torch.zeros_like(parameter) for name, parameter in self.parameters.items()}

    @torch.no_grad()
    def step(self, lr: float) -> None:
        """One update from the gradients, with learning rate ``lr``."""
        for name, parameter in self.parameters.items():
            _shrink(parameter, self.options, lr)
            gradient = parameter.grad
            if penalty := _penalty(parameter, self.options):
                gradient = gradient + penalty * parameter
            self.squares[name].addcmul_(gradient, gradient)
            parameter.addcdiv_(gradient, self.squares[name].sqrt().add_(ADAGRAD_EPSILON), value=-lr)

    def state(self) -> dict[str, np.ndarray]:
        """The sums of squares ``acc.<name>`` as the engine keeps them."""
        return {f"acc.{name}": squares.cpu().numpy().copy() for name, squares in self.squares.items()}

    def load_state(self, state: Mapping[str, np.ndarray]) -> None:
        """Take what :meth:`state` gave."""
        for name, squares in self.squares.items():
            squares.copy_(torch.from_numpy(state[f"acc.{name}"]))


class SGD:
    """Stochastic gradient descent without momentum."""

    def __init__(self, parameters: Mapping[str, torch.nn.Parameter], options: TrainingOptions) -> None:
        self.parameters = dict(parameters)
        self.decoupled = options.weight_decay if options.decay == "decoupled" else 0.0
        groups = _decay_groups(self.parameters, options)
        for group in groups:  # the decoupled decay is done here: torch's own is an L2 penalty
            group["weight_decay"] = 0.0 if self.decoupled else group["weight_decay"]
        self.inner = torch.optim.SGD(groups, lr=options.lr)

    def step(self, lr: float) -> None:
        """One update from the gradients, with learning rate ``lr``."""
        if self.decoupled:
            with torch.no_grad():
                for parameter in self.parameters.values():
                    if parameter.ndim == 2:
                        parameter.mul_(1.0 - lr * self.decoupled)
        _step(self.inner, lr)

    def state(self) -> dict[str, np.ndarray]:
        """Nothing: plain SGD remembers nothing."""
        return {}

    def load_state(self, state: Mapping[str, np.ndarray]) -> None:
        """Take what :meth:`state` gave."""


def build_optimizer(parameters: Mapping[str, torch.nn.Parameter], options: TrainingOptions) -> Adam | AdaGrad | SGD:
    """The optimiser that ``options`` name, over parameters by canonical name."""
    by_name: dict[str, type[Adam] | type[AdaGrad] | type[SGD]] = {"adam": Adam, "adagrad": AdaGrad, "sgd": SGD}
    return by_name[options.optimizer](parameters, options)


def _decay_groups(parameters: Mapping[str, torch.nn.Parameter], options: TrainingOptions) -> list[dict]:
    matrices = [parameter for parameter in parameters.values() if parameter.ndim == 2]
    vectors = [parameter for parameter in parameters.values() if parameter.ndim != 2]
    return [{"params": matrices, "weight_decay": options.weight_decay}, {"params": vectors, "weight_decay": 0.0}]


def _shrink(weight: torch.Tensor, options: TrainingOptions, lr: float) -> None:
    """The decoupled decay, beside the step."""
    if options.decay == "decoupled" and options.weight_decay and weight.ndim == 2:
        weight.mul_(1.0 - lr * options.weight_decay)


def _penalty(weight: torch.Tensor, options: TrainingOptions) -> float:
    """lambda of the L2 penalty, in the gradient."""
    return options.weight_decay if options.decay == "l2" and weight.ndim == 2 else 0.0


def _step(inner: torch.optim.Optimizer, lr: float) -> None:
    for group in inner.param_groups:
        group["lr"] = lr
    inner.step()
