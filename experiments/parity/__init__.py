"""Both engines in lock-step: losses, gradients, weights."""
