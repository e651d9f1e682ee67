"""The models by name, as both engines know them.

A new model is one entry here, its options in a file beside this one, and a file of the same name in
``pytorch_impl/models`` and in ``mxnet_impl/models``; the run's life, the grid, the results and the tests apply to it
unchanged (docs/new_model.md builds one).
"""

from __future__ import annotations

from dataclasses import dataclass

from utils.models.base import ModelOptions
from utils.models.cdae import CDAEOptions
from utils.models.ials import IALSOptions
from utils.models.linear import DLAEOptions, EASEOptions, EDLAEOptions
from utils.models.mult_dae import MultDAEOptions
from utils.models.mult_vae import MultVAEOptions
from utils.models.neighbours import ItemKNNOptions, RP3betaOptions
from utils.models.popularity import PopularityOptions
from utils.models.recvae import RecVAEOptions
from utils.models.slim import SLIMOptions


@dataclass(frozen=True)
class ModelEntry:
    """What the framework-free part of the project knows of a model.

    ``options`` is the class of its own options, whose ``name`` is the model's; ``module`` and ``network`` name the file
    under ``<engine>/models`` and the class in it; ``task`` (``experiments.tasks``) is what it is fed and how it is
    judged, ``scenarios`` the splits it can be trained under, its default first, ``engines`` those that have it;
    ``needs`` is a module beyond the engine's (of the extra ``baselines``) that it cannot do without.
    """

    options: type[ModelOptions]
    module: str
    network: str
    title: str
    citation: str
    task: str = "clicks"
    scenarios: tuple[str, ...] = ("strong", "weak", "leave_one_out")
    engines: tuple[str, ...] = ("pytorch", "mxnet")
    needs: str | None = None


_LIANG = "Liang, Krishnan, Hoffman, Jebara: Variational Autoencoders for Collaborative Filtering, WWW 2018"
_STECK_2020 = "Steck: Autoencoders that don't overfit towards the Identity, NeurIPS 2020"
_ENTRIES = (
    ModelEntry(
        MultVAEOptions, module="mult_vae", network="MultVAE", title="Mult-VAE (Liang et al. 2018)",
        citation=_LIANG,
    ),
    ModelEntry(
        MultDAEOptions, module="mult_dae", network="MultDAE", title="Mult-DAE (Liang et al. 2018)",
        citation=_LIANG,
    ),
    ModelEntry(
        CDAEOptions, module="cdae", network="CDAE", title="CDAE (Wu et al. 2016)",
        citation="Wu, DuBois, Zheng, Ester: Collaborative Denoising Auto-Encoders for Top-N Recommender Systems, "
        "WSDM 2016", scenarios=("weak", "leave_one_out", "strong"),
    ),
    ModelEntry(
        RecVAEOptions, module="recvae", network="RecVAE", title="RecVAE (Shenbin et al. 2020)",
        citation="Shenbin, Alekseev, Tutubalina, Malykh, Nikolenko: RecVAE: a New Variational Autoencoder for Top-N "
        "Recommendations with Implicit Feedback, WSDM 2020",
    ),
    ModelEntry(
        PopularityOptions, module="popularity", network="PopularityLearner", title="Popularity",
        citation="the baseline of Liang, Krishnan, Hoffman, Jebara, WWW 2018, and of everybody", engines=("numpy",),
    ),
    ModelEntry(
        EASEOptions, module="linear", network="LinearAutoencoder", title="EASE (Steck 2019)",
        citation="Steck: Embarrassingly Shallow Autoencoders for Sparse Data, WWW 2019",
    ),
    ModelEntry(
        EDLAEOptions, module="linear", network="LinearAutoencoder", title="EDLAE (Steck 2020)",
        citation=_STECK_2020,
    ),
    ModelEntry(
        DLAEOptions, module="linear", network="LinearAutoencoder", title="DLAE (Steck 2020)",
        citation=_STECK_2020,
    ),
    ModelEntry(
        ItemKNNOptions, module="neighbours", network="ItemKNN", title="ItemKNN (Deshpande & Karypis 2004)",
        citation="Deshpande, Karypis: Item-Based Top-N Recommendation Algorithms, TOIS 2004", engines=("numpy",),
    ),
    ModelEntry(
        RP3betaOptions, module="neighbours", network="RP3beta", title="RP3beta (Paudel et al. 2017)",
        citation="Paudel, Christoffel, Newell, Bernstein: Updatable, Accurate, Diverse, and Scalable Recommendations "
        "for Interactive Applications, TiiS 2017", engines=("numpy",),
    ),
    ModelEntry(
        SLIMOptions, module="slim", network="SLIM", title="SLIM (Ning & Karypis 2011)",
        citation="Ning, Karypis: SLIM: Sparse Linear Methods for Top-N Recommender Systems, ICDM 2011",
        engines=("numpy",), needs="sklearn",
    ),
    ModelEntry(
        IALSOptions, module="ials", network="IALS", title="iALS (Hu et al. 2008)",
        citation="Hu, Koren, Volinsky: Collaborative Filtering for Implicit Feedback Datasets, ICDM 2008",
        engines=("numpy",), needs="implicit",
    ),
)  # fmt: skip
MODELS = {entry.options.name: entry for entry in _ENTRIES}
#: Those that are trained by epochs; the others are fitted once.
TRAINED = tuple(name for name, entry in MODELS.items() if entry.options.training is not None)
