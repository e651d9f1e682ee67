"""What the contest prints: a row per contestant, and the targets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from tabulate import tabulate

from benchmarks.peers.contest import Course, fastest, over_floor, times_faster
from benchmarks.peers.install import PEERS
from utils.engine import ENGINES
from utils.metrics.ranking import mean_and_error

FASTER = 2.0  # times, than RecBole on real data and than the fastest peer at the ML-20M shape

#: A target: what, measured, wanted, whether it is met.
Target = tuple[str, str, str, bool]


def title_of(name: str) -> str:
    """A contestant's title."""
    return f"ours, {ENGINES[name].title}" if name in ENGINES else PEERS[name].title


def table(courses: Mapping[str, Course], about: Mapping[str, Mapping[str, Any]], n_users: int) -> str:
    """The times, a row per contestant, and the metrics where they were tested."""
    rows = []
    for name, course in courses.items():
        seconds = np.array(course.seconds)
        rows.append([
            title_of(name),
            " ".join(f"{library} {version}" for library, version in about[name]["versions"].items()),
            "-".join(map(str, about[name]["layers"])),
            f"{np.median(seconds):.3f}",
            f"{seconds.min():.3f} to {seconds.max():.3f}",
            f"{1e3 * np.median(seconds) / n_users:.3f}",
            f"{np.median(course.floors):.3f}",
            f"{over_floor(course):.2f}",
        ])  # fmt: skip
    headers = ["", "versions", "layers", "s / epoch", "range", "ms / user", "floor, s", "over floor"]
    times = tabulate(rows, headers, disable_numparse=True)
    tested = [_metrics(name, course) for name, course in courses.items() if course.test]
    headers = ["test", "epochs", "best", "NDCG@100", "Recall@20", "Recall@50"]
    return f"{times}\n\n{tabulate(tested, headers, disable_numparse=True)}" if tested else times


def _metrics(name: str, course: Course) -> list[str]:
    means = [mean_and_error(course.test[metric]) for metric in ("n100", "r20", "r50")]
    trained = [str(course.epochs), str(course.progress.best_epoch)]
    return [title_of(name), *trained, *(f"{mean:.4f} ± {error:.4f}" for mean, error in means)]


def epoch_targets(courses: Mapping[str, Course], ours: Sequence[str]) -> list[Target]:
    """Each engine's epoch against RecBole's."""
    return [_speed(courses, engine, "recbole", "") for engine in ours if "recbole" in courses]


def shape_targets(courses: Mapping[str, Course], ours: Sequence[str]) -> list[Target]:
    """Each engine's epoch against that of the fastest peer."""
    peers = [name for name in courses if name not in ours]
    return [_speed(courses, engine, fastest(courses, peers), ", ML-20M shape") for engine in ours if peers]


def quality_targets(courses: Mapping[str, Course], ours: Sequence[str]) -> list[Target]:
    """Each engine's test NDCG@100 against each peer's, over the same users; the error is of the paired difference."""
    targets = []
    for engine in ours:
        for peer in (name for name in courses if name not in ours):
            gain, error = mean_and_error(courses[engine].test["n100"] - courses[peer].test["n100"])
            what = f"NDCG@100: {title_of(engine)} less {title_of(peer)}"
            targets.append((what, f"{gain:+.4f} ± {error:.4f}", "at least 0", gain >= 0))
    return targets


def _speed(courses: Mapping[str, Course], engine: str, peer: str, where: str) -> Target:
    times = times_faster(courses, engine, peer)
    what = f"epoch: {title_of(peer)} / {title_of(engine)}{where}"
    return what, f"{times:.2f}", f"at least {FASTER:.2f}", times >= FASTER


def told(targets: Sequence[Target]) -> int:
    """Print each target with what was measured; the number of targets missed."""
    rows = [(what, measured, wanted, "met" if met else "MISSED") for what, measured, wanted, met in targets]
    print(tabulate(rows, ["target", "measured", "wanted", ""], disable_numparse=True))
    return sum(not met for *_, met in targets)
