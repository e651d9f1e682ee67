"""Mult-VAE (Liang et al. 2018, sec. 2.1 and 2.2): the code is Gaussian, its KL to N(0, I) weighted by beta."""

import numpy as np

from oracles import mult


def forward_backward(options, weights, batch, knobs):
    """See ``oracles``; without noise z is the mean."""
    beta, M = knobs["beta"], batch.n_users

    def code_of(encoded, noise):
        mu, logvar = np.split(encoded, 2, axis=1)
        epsilon = np.asarray(next(noise), dtype=np.float64) if batch.noise else np.zeros_like(mu)
        kl = -0.5 * (1 + logvar - mu**2 - np.exp(logvar)).sum(1)

        def d_encoded_of(d_z):
            d_mu = d_z + beta * mu / M
            d_logvar = d_z * epsilon * np.exp(logvar / 2) / 2 + beta * 0.5 * (np.exp(logvar) - 1) / M
            return np.concatenate([d_mu, d_logvar], axis=1)

        return mu + np.exp(logvar / 2) * epsilon, mu, kl, d_encoded_of

    return mult.forward_backward(options, weights, batch, beta, code_of)
