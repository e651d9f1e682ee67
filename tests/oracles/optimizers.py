"""The optimisers in NumPy, float64, in place; weight decay is of matrices only."""

import numpy as np


def adam(weights, gradients, state, training, lr, t):
    """Step ``t`` (from 1) of Kingma & Ba's Algorithm 1; ``state`` is a dict that keeps the moments."""
    for name, w in weights.items():
        g = gradients[name]
        if w.ndim == 2 and training.decay == "l2":
            g = g + training.weight_decay * w
        m, v = state.setdefault(name, [np.zeros_like(w), np.zeros_like(w)])
        m[:] = 0.9 * m + 0.1 * g
        v[:] = 0.999 * v + 0.001 * g * g
        if w.ndim == 2 and training.decay == "decoupled":
            w *= 1 - lr * training.weight_decay
        w -= lr * (m / (1 - 0.9**t)) / (np.sqrt(v / (1 - 0.999**t)) + 1e-8)


def sgd(weights, gradients, state, training, lr, t):
    """Gradient descent, for which both decays are one: W - lr (g + lambda W) = (1 - lr lambda) W - lr g."""
    for name, w in weights.items():
        w *= 1 - lr * (training.weight_decay if w.ndim == 2 else 0.0)
        w -= lr * gradients[name]


def adagrad(weights, gradients, state, training, lr, t):
    """``acc += g^2``, ``W -= lr g / (sqrt(acc) + 1)``; ``state`` is a dict that keeps the sums."""
    for name, w in weights.items():
        g, decay = gradients[name], training.weight_decay if w.ndim == 2 else 0.0
        if training.decay == "l2":
            g = g + decay * w
        else:
            w *= 1 - lr * decay
        state[name] = state.get(name, 0.0) + g**2
        w -= lr * g / (np.sqrt(state[name]) + 1)


def step(weights, gradients, state, training, lr, t):
    """A step of the optimiser that the training options name."""
    {"adam": adam, "adagrad": adagrad, "sgd": sgd}[training.optimizer](weights, gradients, state, training, lr, t)
