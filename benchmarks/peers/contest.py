"""The contest, and its tables: all train in turn, an epoch each, so that a slow moment of the machine meets all."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from scipy.sparse import csr_matrix
from tabulate import tabulate
from tqdm import tqdm

from benchmarks.peers.exchange import TEST, VALIDATION
from benchmarks.worker import Worker
from utils.metrics.ranking import mean_and_error, per_user
from utils.schedules import Progress


@dataclass
class Course:
    """How one contestant fared: seconds of its epochs and of its products, validation scores, test metrics per user.

    ``epochs`` it has trained; it is ``over`` when patience ended.
    """

    seconds: list[float] = field(default_factory=list)
    products: list[float] = field(default_factory=list)
    progress: Progress = field(default_factory=Progress)
    test: dict[str, np.ndarray] = field(default_factory=dict)
    epochs: int = 0
    over: bool = False


def train_all(
    contestants: Mapping[str, Worker], held_out: Mapping[str, csr_matrix], epochs: int, patience: int
) -> dict[str, Course]:
    """Train every contestant for ``epochs``, or until ``patience`` validations brought nothing better (0: never).

    Each is validated after every epoch (NDCG@100) and tested at its best one, by the same metrics from its ranked
    lists; where nothing is ``held_out``, only timed. The first round's seconds are a warm-up and are not kept.
    """
    courses = {name: Course() for name in contestants}
    for epoch in tqdm(range(1, epochs + 1), desc="epochs", disable=None, leave=False):
        for name, course in courses.items():
            if course.over:
                continue
            seconds, products = (contestants[name].do(work).seconds for work in ("epoch", "products"))
            course.epochs = epoch
            if epoch > 1 or epochs == 1:
                course.seconds.append(seconds)
                course.products.append(products)
            if held_out:
                _validate(contestants[name], course, held_out)
                course.over = course.progress.exhausted(patience)
    return courses


def _validate(contestant: Worker, course: Course, held_out: Mapping[str, csr_matrix]) -> None:
    def judged(part: str) -> dict[str, np.ndarray]:
        return per_user(np.array(contestant.do("rank", part).result), held_out[part])

    if course.progress.update(float(np.mean(judged(VALIDATION)["n100"])), course.epochs):
        course.test = judged(TEST)


def times_table(courses: Mapping[str, Course], about: Mapping[str, Mapping[str, Any]], batches: float) -> str:
    """The times of epochs of so many ``batches``, a row per contestant: over its own floor, and over the first's.

    The floor are the products of a batch, as many times.
    """
    first, rows = next(iter(courses.values())), []
    for name, course in courses.items():
        seconds, floor = np.array(course.seconds), batches * np.median(course.products)
        pairs = zip(course.seconds, first.seconds, strict=False)  # one may have stopped earlier
        rows.append([
            name,
            " ".join(f"{library} {version}" for library, version in about[name]["versions"].items()),
            "-".join(map(str, about[name]["layers"])),
            f"{np.median(seconds):.3f}",
            f"{seconds.min():.3f} to {seconds.max():.3f}",
            f"{floor:.3f}",
            f"{np.median(seconds) / floor:.2f}",
            f"{np.median([one / other for one, other in pairs]):.2f}",
        ])  # fmt: skip
    headers = ["", "versions", "layers", "s / epoch", "range", "floor, s", "over floor", "over the first"]
    return tabulate(rows, headers, disable_numparse=True)


def metrics_table(courses: Mapping[str, Course]) -> str:
    """The test metrics, a row per contestant, and NDCG@100 less the first's: the error is of the paired difference."""
    first, rows = next(iter(courses.values())), []
    for name, course in courses.items():
        values = [course.test[metric] for metric in ("n100", "r20", "r50")] + [course.test["n100"] - first.test["n100"]]
        shown = ["{:.4f} ± {:.4f}".format(*mean_and_error(each)) for each in values]
        rows.append([name, str(course.epochs), str(course.progress.best_epoch), *shown])
    headers = ["test", "epochs", "best", "NDCG@100", "Recall@20", "Recall@50", "NDCG@100 less the first's"]
    return tabulate(rows, headers, disable_numparse=True)
