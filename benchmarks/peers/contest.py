"""The contest: all train in turn, an epoch each, so that a slow moment of the machine meets them all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from scipy.sparse import csr_matrix
from tqdm import tqdm

from benchmarks.peers.contestant import Contestant
from benchmarks.peers.exchange import TEST, TRAIN, VALIDATION, write_clicks
from benchmarks.timing import interleaved
from data_prep import PreparedData
from utils.metrics.ranking import per_user
from utils.schedules import Progress

FLOOR_ROUNDS = 5  # the floor is timed in the first counted rounds only: it costs as much as a small epoch


@dataclass
class Course:
    """How one contestant fared: seconds of its epochs and of its floor, validation scores, test metrics per user.

    ``epochs`` it has trained; it is ``over`` when patience ended.
    """

    seconds: list[float] = field(default_factory=list)
    floors: list[float] = field(default_factory=list)
    progress: Progress = field(default_factory=Progress)
    test: dict[str, np.ndarray] = field(default_factory=dict)
    epochs: int = 0
    over: bool = False


def write_data(folder: Path, data: PreparedData) -> None:
    """Write what contestants may see: training clicks and fold-ins, nothing held out."""
    write_clicks(folder, TRAIN, data.train.binary())
    write_clicks(folder, VALIDATION, data.validation_fold_in.binary())
    write_clicks(folder, TEST, data.test_fold_in.binary())


def train_all(
    contestants: Mapping[str, Contestant], data: PreparedData, epochs: int, patience: int
) -> dict[str, Course]:
    """Train every contestant for ``epochs``, or until ``patience`` validations brought nothing better.

    Each is validated after every epoch (NDCG@100) and tested at its best one, by the same metrics from its ranked
    lists. The first round's seconds are a warm-up and are not kept.
    """
    held_out = {VALIDATION: data.validation_held_out.binary(), TEST: data.test_held_out.binary()}
    courses = {name: Course() for name in contestants}
    for epoch in tqdm(range(1, epochs + 1), desc="epochs", disable=None, leave=False):
        running = [name for name in contestants if not courses[name].over]
        if not running:
            break
        for name in running:
            seconds = contestants[name].epoch()
            courses[name].epochs = epoch
            if epoch > 1 or epochs == 1:
                courses[name].seconds.append(seconds)
        for name in running if epoch <= FLOOR_ROUNDS + 1 else ():
            courses[name].floors.append(contestants[name].floor())
        for name in running:
            _validate(contestants[name], courses[name], held_out, epoch)
            courses[name].over = courses[name].progress.exhausted(patience)
    return courses


def _validate(contestant: Contestant, course: Course, held_out: Mapping[str, csr_matrix], epoch: int) -> None:
    score = float(np.mean(per_user(contestant.rank(VALIDATION), held_out[VALIDATION])["n100"]))
    if course.progress.update(score, epoch):
        course.test = per_user(contestant.rank(TEST), held_out[TEST])


def time_all(contestants: Mapping[str, Contestant], rounds: int) -> dict[str, Course]:
    """Only the times of ``rounds`` epochs of each, and of their floors, after a round of warm-up."""
    calls = {name: contestant.epoch for name, contestant in contestants.items()}
    floors = {f"{name} floor": contestant.floor for name, contestant in contestants.items()}
    seconds = interleaved({**calls, **floors}, rounds, warmup=1)
    return {name: Course(list(seconds[name]), list(seconds[f"{name} floor"])) for name in contestants}


def times_faster(courses: Mapping[str, Course], ours: str, theirs: str) -> float:
    """The median over common rounds of ``theirs`` seconds over ``ours`` in the same round."""
    pairs = zip(courses[theirs].seconds, courses[ours].seconds, strict=False)  # one may have stopped earlier
    return float(np.median([slow / quick for slow, quick in pairs]))


def over_floor(course: Course) -> float:
    """A course's median epoch over its median floor."""
    return float(np.median(course.seconds) / np.median(course.floors))


def fastest(courses: Mapping[str, Course], names: Sequence[str]) -> str:
    """Whose median epoch is the shortest."""
    return min(names, key=lambda name: np.median(courses[name].seconds))
