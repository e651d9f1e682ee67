"""How a model that is trained by epochs is trained."""

from __future__ import annotations

from dataclasses import dataclass

from utils.randomness import LARGEST_SEED
from utils.system.command_line import integer, option, real

_TRAINING, _STOPPING, _RUN = "training", "evaluation and early stopping", "run"


@dataclass(frozen=True)
class TrainingOptions:
    """The options of training; a model may have defaults of its own (``utils.models.base.ModelOptions.training``)."""

    n_epochs: int = option(200, _TRAINING, "epochs at the most", integer(1))
    batch_size: int = option(512, _TRAINING, "users in a training batch", integer(1))
    lr: float = option(0.001, _TRAINING, "learning rate", real(minimum=1e-30, below=1e31))
    optimizer: str = option(
        "adam", _TRAINING, "Adam (Kingma & Ba, Algorithm 1), AdaGrad (as in CDAE) or plain SGD",
        choices=("adam", "adagrad", "sgd"),
    )  # fmt: skip
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

    eval_every: int = option(1, _STOPPING, "epochs between evaluations; the last epoch is always evaluated", integer(1))
    early_stop_patience: int = option(
        20, _STOPPING, "evaluations without improvement before stopping; 0 never stops", integer(0)
    )
    early_stop_score_fn: str = option(
        "metric", _STOPPING, "what must improve: validation NDCG@100, or validation loss at beta = cap",
        choices=("metric", "loss"),
    )  # fmt: skip

    init_from: str | None = option(None, _RUN, "start from these weights, of either engine, instead of drawn ones")
    seed: int = option(1, _RUN, "seed of weights, order, dropout and noise", integer(0, LARGEST_SEED))
    prefetch: int | None = option(
        None, _RUN, "threads that draw batches ahead (default: 0 on a CPU, 4 on a GPU)", integer(0, 64),
        affects_result=False,
    )  # fmt: skip
    save_every: float = option(
        30.0, _RUN, "seconds, at least, between the states that an interrupted run goes on from; saving takes at most "
        "2 % of the time; 0: after every epoch, whatever it costs", real(minimum=0), affects_result=False,
    )  # fmt: skip
