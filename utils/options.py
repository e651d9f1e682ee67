"""Every option of a training run: one dataclass makes the command line, the help, the record and the run id.

Names and defaults are those of the dual-framework study of 2020 where it had them; ``None`` means
"derived": see :meth:`RunOptions.resolved`.
"""

from __future__ import annotations

import dataclasses
import re
from dataclasses import dataclass
from typing import Any

from utils.deviations import DEVIATIONS, KNOWN, PROFILES, deviation, in_order
from utils.models import MODELS
from utils.system.command_line import integer, list_of, option, real
from utils.system.errors import UserError
from utils.system.files import sha256_of, short_hash

_DATA, _MODEL, _TRAINING = "data", "model", "training"
_ANNEALING, _STOPPING, _RUN = "annealing of beta (vae)", "evaluation and early stopping", "run"
_DEVIATIONS = "deviations"

LARGEST_SEED = 2**63 - 1  # a key of the generator
_widths = list_of(integer(1), "200,600")
_dropouts = list_of(real(minimum=0, below=1), "0.5,0")
_deviations = list_of(deviation, "baked_sampling,no_stock_init", KNOWN)


def _rating(text: str) -> float | str:
    return "none" if text.lower() == "none" else real()(text)


def _fraction_or_number(text: str) -> float | int:
    value = real(above=0)(text)
    if value >= 1 and value != int(value):
        raise ValueError("a fraction of the users below 1, or a whole number of users")
    return int(value) if value >= 1 else value


def _device(text: str) -> str:
    if not re.fullmatch(r"cpu|cuda(:[0-9]{1,3})?", text):
        raise ValueError("cpu, cuda or cuda:N")
    return text


@dataclass(frozen=True)
class RunOptions:
    """The options of one run. Field by field: type, default, meaning (also ``--help``)."""

    dataset: str = option(
        "amazon", _DATA, "a data set prepared by python -m data_prep (movielens-100k, movielens, ...)"
    )
    data_dir: str = option("data", _DATA, "folder of the prepared data", affects_result=False)
    min_rating: float | str | None = option(
        None, _DATA, "as prepared: ratings above this are clicks, none keeps all (default: the data set's)", _rating
    )
    min_user_click: int | None = option(
        None, _DATA, "as prepared: clicks a user must have (default: the data set's)", integer(0)
    )
    min_item_click: int | None = option(
        None, _DATA, "as prepared: clicks an item must have (default: the data set's)", integer(0)
    )
    test_users_size: float | int | None = option(
        None, _DATA, "as prepared: held-out users, fraction or number (default: the data set's)", _fraction_or_number
    )
    test_size: float | None = option(
        None, _DATA, "as prepared: share of a held-out user's clicks to predict (default: 0.2)", real(above=0, below=1)
    )
    split_seed: int | None = option(None, _DATA, "as prepared: seed of the split (default: 98765)", integer(0))

    model: str = option("vae", _MODEL, "the model", choices=tuple(MODELS))
    p_dims: tuple[int, ...] = option((200, 600), _MODEL, "widths of the decoder, latent first, items left out", _widths)
    q_dims: tuple[int, ...] | None = option(
        None, _MODEL, "widths of the encoder, items left out, latent last (default: p_dims reversed)", _widths
    )
    dropout_enc: tuple[float, ...] | None = option(
        None, _MODEL, "dropout before each encoder layer (default: 0.5 on the input, 0 elsewhere)", _dropouts
    )
    dropout_dec: tuple[float, ...] | None = option(
        None, _MODEL, "dropout before each decoder layer (default: 0 everywhere)", _dropouts
    )

    n_epochs: int = option(200, _TRAINING, "epochs at the most", integer(1))
    batch_size: int = option(512, _TRAINING, "users in a training batch", integer(1))
    lr: float = option(0.001, _TRAINING, "learning rate", real(minimum=1e-30, below=1e31))
    optimizer: str = option("adam", _TRAINING, "Adam (Kingma & Ba, Algorithm 1) or plain SGD", choices=("adam", "sgd"))
    weight_decay: float = option(
        0.0, _TRAINING, "lambda: decay of the weight matrices, not of biases", real(minimum=0, below=1e31)
    )
    decay: str = option(
        "decoupled", _TRAINING, "decoupled: W -= lr*lambda*W beside the step (AdamW); l2: lambda*W in the gradient",
        choices=("decoupled", "l2"),
    )  # fmt: skip
    lr_scheduler: bool = option(
        False, _TRAINING, "divide the learning rate by ten when the early-stopping score stalls"
    )
    lr_patience: int = option(5, _TRAINING, "evaluations without improvement before the rate falls", integer(0))

    anneal_cap: float = option(0.2, _ANNEALING, "largest beta", real(minimum=0, below=1e31))
    annealing: str = option(
        "relative", _ANNEALING,
        "relative: beta reaches the cap at a share of the planned epochs; absolute: beta = step / anneal_total up to "
        "the cap; constant: the cap from the first step; none: beta = 1 throughout, the plain VAE",
        choices=("relative", "absolute", "constant", "none"),
    )  # fmt: skip
    constant_anneal: bool = option(False, _ANNEALING, "the study's name for --annealing constant")
    anneal_share: float = option(0.85, _ANNEALING, "relative: share of the epochs that reaches the cap", real(above=0))
    anneal_total: int = option(200_000, _ANNEALING, "absolute: steps in which beta would reach 1", integer(1))

    eval_every: int = option(1, _STOPPING, "epochs between evaluations; the last epoch is always evaluated", integer(1))
    eval_batch_size: int = option(500, _STOPPING, "users in an evaluation batch", integer(1), affects_result=False)
    early_stop_patience: int = option(
        20, _STOPPING, "evaluations without improvement before stopping; 0 never stops", integer(0)
    )
    early_stop_score_fn: str = option(
        "metric", _STOPPING, "what must improve: validation NDCG@100, or validation loss at beta = cap",
        choices=("metric", "loss"),
    )  # fmt: skip

    profile: str = option(
        "paper", _DEVIATIONS, "how the model computes: as in Liang et al. 2018, or, in each framework, as the code of "
        "the study of 2020 for that framework did; hyper-parameters are the same in both",
        choices=tuple(PROFILES),
    )  # fmt: skip
    deviations: tuple[str, ...] = option(
        (), _DEVIATIONS, "of the study's deviations from the paper those to add to the profile, or with no_ before the "
        "name to take from it: " + "; ".join(f"{name}: {about.meaning}" for name, about in DEVIATIONS.items()),
        _deviations,
    )  # fmt: skip

    init_from: str | None = option(None, _RUN, "start from these weights, of either engine, instead of drawn ones")
    precision: str = option(
        "float32", _RUN,
        "arithmetic of the network; float64 is for checking it; mixed: training takes its dense products in bfloat16, "
        "the weights and all else stay float32 (PyTorch only)",
        choices=("float32", "float64", "mixed"),
    )  # fmt: skip
    seed: int = option(1, _RUN, "seed of weights, order, dropout and noise", integer(0, LARGEST_SEED))
    device: str = option("cpu", _RUN, "cpu, cuda or cuda:N", _device)
    threads: int | None = option(
        None, _RUN, "CPU threads (default: all of this machine's)", integer(1, 1024), affects_result=False
    )
    prefetch: int | None = option(
        None, _RUN, "threads that draw batches ahead (default: 0 on a CPU, 4 on a GPU)", integer(0, 64),
        affects_result=False,
    )  # fmt: skip
    save_every: float = option(
        30.0, _RUN, "seconds, at least, between the states that an interrupted run goes on from; saving takes at most "
        "2 % of the time; 0: after every epoch, whatever it costs", real(minimum=0), affects_result=False,
    )  # fmt: skip
    log_dir: str = option("results", _RUN, "folder of the results", affects_result=False)
    save_results: bool = option(False, _RUN, "keep the best weights beside the results", affects_result=False)

    def resolved(self) -> RunOptions:
        """These options checked against each other, every derived one filled in.

        Raises ``UserError`` when two options contradict each other.
        """
        q_dims = self.q_dims or tuple(reversed(self.p_dims))
        if q_dims[-1] != self.p_dims[0]:
            raise UserError(
                f"--q_dims {_shown(q_dims)} ends with {q_dims[-1]} and --p_dims {_shown(self.p_dims)} begins with "
                f"{self.p_dims[0]}: both name the latent width, give the same number"
            )
        dropout_enc = self.dropout_enc or (0.5, *(0.0 for _ in q_dims[1:]))
        dropout_dec = self.dropout_dec or tuple(0.0 for _ in self.p_dims)
        _check_dropout("dropout_enc", dropout_enc, "q_dims" if self.q_dims else "p_dims", q_dims)
        _check_dropout("dropout_dec", dropout_dec, "p_dims", self.p_dims)
        annealing = self._annealing()
        return dataclasses.replace(
            self, q_dims=q_dims, dropout_enc=dropout_enc, dropout_dec=dropout_dec, annealing=annealing,
            constant_anneal=annealing == "constant", deviations=in_order(self.deviations),
            prefetch=self._prefetch(),
        )  # fmt: skip

    def _prefetch(self) -> int:
        if self.prefetch is not None:
            return self.prefetch
        return 0 if self.device == "cpu" else 4  # a CPU has no time to spare while it trains

    def _annealing(self) -> str:
        if self.constant_anneal and self.annealing not in ("relative", "constant"):
            raise UserError(
                f"--constant_anneal and --annealing {self.annealing} contradict each other: give one of them"
            )
        annealing = "constant" if self.constant_anneal else self.annealing
        if MODELS[self.model].annealed and self.anneal_cap == 0 and annealing not in ("constant", "none"):
            raise UserError(f"--anneal_cap 0 leaves nothing to anneal ({annealing} annealing): add --constant_anneal")
        return annealing

    def as_record(self) -> dict[str, Any]:
        """The options as JSON can hold them (tuples become lists)."""
        record = dataclasses.asdict(self)
        return {name: list(value) if isinstance(value, tuple) else value for name, value in record.items()}

    def run_id(self, engine: str, fingerprint: str) -> str:
        """The name of the run: data, model, engine, seed, and a hash of all that changes the result.

        ``engine`` is ``pytorch`` or ``mxnet``; ``fingerprint`` names the prepared data
        (``PreparedData.fingerprint``). Paths, threads and the clock have no part in the name: the weights in
        ``init_from`` count by their checksum. Raises ``OSError`` when that file cannot be read.
        """
        options = self.resolved()
        values = options.as_record()
        decisive = {  # defaults are left out, so that an option added later changes no older run's name
            field.name: values[field.name]
            for field in dataclasses.fields(options)
            if field.metadata.get("affects_result", True)
            and field.metadata["group"] != _DATA  # the fingerprint stands for the preparation
            and getattr(options, field.name) != field.default
        }
        if not MODELS[options.model].annealed:  # a dae has no beta: these change nothing
            decisive = {name: value for name, value in decisive.items() if name not in _BETA_FIELDS}
        if options.init_from is not None:
            decisive["init_from"] = sha256_of(options.init_from)
        digest = short_hash({"options": decisive, "engine": engine, "data": fingerprint, "dataset": options.dataset})
        return (
            f"{options.dataset}-{options.model}-{'-'.join(map(str, options.p_dims))}-{engine}-s{options.seed}-{digest}"
        )


_BETA_FIELDS = {field.name for field in dataclasses.fields(RunOptions) if field.metadata["group"] == _ANNEALING}


def _shown(values: tuple) -> str:
    return ",".join(f"{value:g}" for value in values)


def _check_dropout(name: str, given: tuple[float, ...], dims_name: str, dims: tuple[int, ...]) -> None:
    if len(given) != len(dims):
        raise UserError(
            f"--{name} {_shown(given)} has {len(given)} values, but --{dims_name} makes {len(dims)} layers: "
            f"give {len(dims)} values, one before each layer"
        )
