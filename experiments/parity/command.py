"""Do the two engines compute the same? Both in lock-step on real data, each in a process of its own.

    python -m experiments.parity --dataset movielens-100k --model vae
    python -m experiments.parity --dataset movielens-1m --model dae --steps 200 --precision float64

Every option of a run is an option here too. Prints, step by step, how far losses, gradients and weights are apart, then
rankings and metrics, and ends with PASS (exit code 0) or FAIL (1).
"""

from __future__ import annotations

import dataclasses
import math
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from tabulate import tabulate

from experiments.analysis.number_text import magnitude
from experiments.parity.lockstep import Engine, Step, both, lists_apart, train
from experiments.parity.worker import OPTIONS_FILE
from experiments.runs.run import data_of
from utils.deviations import deviations_of
from utils.engine import ENGINES, engine_obstacle
from utils.metrics.ranking import METRICS
from utils.options import RunOptions
from utils.options.command import options_in, run_parser
from utils.system.errors import UserError
from utils.system.files import write_json

_EPILOG = "Apart: the relative difference; of arrays, the norm of the difference over the norm. -: no number."


@dataclass(frozen=True)
class Bounds:
    """How far apart the engines may be: relative; of arrays, the norm of the difference over the norm."""

    first_loss: float
    first_gradient: float
    last_loss: float
    last_weight: float
    score: float = 1e-5
    metric: float = 5e-5  # four decimals


#: By precision. In float64 what is left is MXNet's optimiser, which takes its rates as float32.
BOUNDS = {"float32": Bounds(1e-6, 1e-5, 1e-5, 1e-4), "float64": Bounds(1e-12, 1e-11, 1e-8, 1e-6)}
_STEEP_LAST_LOSS = 2e-7  # of the other likelihoods than the multinomial, whose losses move more with the rates


#: The deviations that change single steps alike in both engines; the others change starts, whole runs or evaluations.
_HONOURED = frozenset({"coupled_decay", "double_rescale", "stock_epsilon", "tanh_everywhere"})


@dataclass
class Verdict:
    """What was checked, line by line: what, how far apart, how far allowed, whether it holds."""

    lines: list[tuple[str, str, str, bool]] = field(default_factory=list)

    def check(self, what: str, measured: float, bound: float) -> None:
        """Note that ``measured`` must not exceed ``bound``."""
        self.lines.append((what, magnitude(measured), f"{bound:.0e}" if bound else "0", bool(measured <= bound)))

    def tell(self, what: str, measured: float) -> None:
        """Note ``measured`` without judging it."""
        self.lines.append((what, magnitude(measured), "not judged", True))

    @property
    def passed(self) -> bool:
        """Whether every line holds."""
        return all(line[-1] for line in self.lines)


def bounds_of(options: RunOptions) -> Bounds:
    """How far apart the engines may be in a run of ``options``."""
    bounds = BOUNDS[options.settings.precision]
    if getattr(options.model, "likelihood", "multinomial") == "multinomial":
        return bounds
    return dataclasses.replace(bounds, last_loss=max(bounds.last_loss, _STEEP_LAST_LOSS))


def main(argv: Sequence[str] | None = None) -> int:
    """The command; see the module. Returns 0 when the engines agree, 1 when not."""
    parser = run_parser(argv, "python -m experiments.parity", __doc__.split("\n\n")[0], _EPILOG)
    parser.add_argument("--steps", type=int, default=50, metavar="N", help="training steps (default: 50)")
    given = parser.parse_args(argv)
    options, n_steps = options_in(given), given.steps
    if n_steps < 1:
        raise UserError(f"--steps {n_steps}: expected a whole number, at least 1")
    for name in ENGINES:
        if why := engine_obstacle(name):
            raise UserError(f"a comparison needs both engines, and {name} is not available: {why}")
    _check_deviations(options)
    data = data_of(options.resolved())
    model, precision = options.model, options.settings.precision
    widths = f" {list(model.widths)}" if model.widths else ""
    print(f"{model.name}{widths} on {options.data.dataset}: {data.n_items} items, {precision}")
    bounds = bounds_of(options)
    with tempfile.TemporaryDirectory(prefix="parity-") as folder, ExitStack() as stack:
        write_json(Path(folder) / OPTIONS_FILE, options.as_argv())
        engines = [stack.enter_context(Engine(name, Path(folder))) for name in ENGINES]
        verdict = Verdict()
        if options.training:  # a model fitted once has no steps
            steps = train(engines, n_steps)
            verdict = _judge_training(steps, bounds)
            print(_table_of(steps), end="\n\n")
        _judge_tests(engines, bounds, verdict)
    print(_table_of_verdict(verdict))
    print(f"\n{'PASS: the engines agree' if verdict.passed else 'FAIL: the engines are too far apart'}")
    return 0 if verdict.passed else 1


def _check_deviations(options: RunOptions) -> None:
    """``UserError`` unless the deviations are ones that both engines share and a lock-step can honour."""
    given = [deviations_of(options.model, name) for name in ENGINES]
    honoured = _HONOURED.union(options.model.own_deviations)
    if any(deviations - honoured for deviations in given) or given[0] != given[1]:
        raise UserError(
            f"--profile {options.model.profile} --deviations {','.join(options.model.deviations) or 'none'}: the "
            f"lock-step takes only {', '.join(sorted(_HONOURED))}, the same in both engines; leave --profile at paper"
        )


def _judge_training(steps: Sequence[Step], bounds: Bounds) -> Verdict:
    verdict, first, last = Verdict(), steps[0], steps[-1]
    gradient, weight = _furthest(first.gradients), _furthest(last.weights)
    verdict.check("loss of the first step", first.loss_apart, bounds.first_loss)
    verdict.check(f"gradients of the first step, {gradient}", first.gradients[gradient], bounds.first_gradient)
    verdict.check(f"loss of step {last.number}", last.loss_apart, bounds.last_loss)
    verdict.check(f"weights after step {last.number}, {weight}", last.weights[weight], bounds.last_weight)
    return verdict


def _judge_tests(engines: Sequence[Engine], bounds: Bounds, verdict: Verdict) -> None:
    """First each engine with its own weights, then both with the first one's."""
    (_, one), (_, other) = both(engines, "evaluate")
    worst = max(METRICS, key=lambda name: abs(one[name] - other[name]))
    verdict.tell(f"test metrics, each with its own weights, {worst}", abs(one[worst] - other[worst]))

    first, second = engines
    shared = first.file.with_suffix(".weights")
    first.do(f"save {shared}")
    second.do(f"load {shared}")
    (arrays, one), (other_arrays, other) = both(engines, "evaluate")
    scores, lists = arrays["scores"], arrays["ranked"]
    distances = np.abs(scores - other_arrays["scores"]) / np.maximum(np.abs(scores), 1.0)
    differing, excused = lists_apart(lists, other_arrays["ranked"], scores, bounds.score)
    worst = max(METRICS, key=lambda name: abs(one[name] - other[name]))
    with_shared = f"{first.name}'s weights in both"
    verdict.check(f"{with_shared}: scores of {len(scores)} test users", float(distances.max()), bounds.score)
    verdict.check(f"{with_shared}: places of the top {lists.shape[1]}, near-equal scores apart", differing - excused, 0)
    verdict.check(f"{with_shared}: metrics, {worst}", abs(one[worst] - other[worst]), bounds.metric)


def _furthest(distances: Mapping[str, float]) -> str:
    """The name of the largest distance; one that is no number is larger than all."""
    return max(distances, key=lambda name: math.inf if math.isnan(distances[name]) else distances[name])


def _table_of(steps: Sequence[Step]) -> str:
    """The first step, the last, and those between that double."""
    shown = [step for step in steps if step.number in (1, len(steps)) or step.number & (step.number - 1) == 0]
    rows = []
    for step in shown:
        furthest = [
            f"{magnitude(values[_furthest(values)])}  {_furthest(values)}" for values in (step.gradients, step.weights)
        ]
        loss = "-" if math.isnan(step.losses[0]) else f"{step.losses[0]:.6f}"
        rows.append((step.number, f"{step.beta:.4f}", loss, magnitude(step.loss_apart), *furthest))
    headers = ["step", "beta", "loss", "apart", "gradients apart, furthest", "weights apart, furthest"]
    return tabulate(rows, headers, disable_numparse=True)


def _table_of_verdict(verdict: Verdict) -> str:
    rows = [(what, measured, bound, "ok" if holds else "TOO FAR") for what, measured, bound, holds in verdict.lines]
    return tabulate(rows, ["checked", "apart", "allowed", ""], disable_numparse=True)
