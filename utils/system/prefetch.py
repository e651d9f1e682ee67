"""Work done ahead of its use by threads, in order: batches drawn while a GPU is busy with the ones before."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")


def done_ahead(tasks: Iterable[Callable[[], T]], workers: int) -> Iterator[T]:
    """The results of ``tasks`` in their order; ``workers`` threads keep up to two each ready beforehand.

    0 workers: each task is done when its result is asked for. What a task raises is raised in its turn. Tasks run
    beside each other, so they must not share what they change.
    """
    if workers == 0:
        for task in tasks:
            yield task()
        return
    waiting: deque[Future[T]] = deque()
    with ThreadPoolExecutor(workers, thread_name_prefix="prefetch") as pool:
        try:
            for task in tasks:
                waiting.append(pool.submit(task))
                if len(waiting) > 2 * workers:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:  # also when the reader stops early
            for future in waiting:
                future.cancel()
