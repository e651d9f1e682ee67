"""The models by name, as both engines know them.

A new model is one entry here and one file of the same name in ``pytorch_impl/models`` and in
``mxnet_impl/models``; the run's life, the grid, the results and the tests apply to it unchanged.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class ModelEntry:
    """What the framework-free part of the project knows of a model.

    ``module`` and ``network`` name the file under ``<engine>/models`` and the class in it; ``annealed``
    says whether the loss has a KL term, weighted by beta.
    """

    module: str
    network: str
    title: str
    annealed: bool


MODELS = {
    "vae": ModelEntry(module="mult_vae", network="MultVAE", title="Mult-VAE (Liang et al. 2018)", annealed=True),
    "dae": ModelEntry(module="mult_dae", network="MultDAE", title="Mult-DAE (Liang et al. 2018)", annealed=False),
}
