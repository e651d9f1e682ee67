"""Batches drawn ahead by threads: the same batches, in order, no more than promised, errors in their turn."""

import threading

import numpy as np
import pytest

from conftest import random_clicks
from experiments.tasks.clicks import training_batches
from utils.options import RunOptions
from utils.system.prefetch import done_ahead

OPTIONS = RunOptions(p_dims=(3, 5), batch_size=7, dropout_enc=(0.5, 0.2)).resolved()


@pytest.mark.parametrize("workers", [0, 1, 3])
def test_results_come_in_the_order_of_their_tasks(workers):
    gates = [threading.Event() for _ in range(20)]
    if workers > 1:  # the first task ends after the second

        def task(number):
            if number == 0:
                assert gates[1].wait(10)
            gates[number].set()
            return number
    else:

        def task(number):
            return number

    assert list(done_ahead((lambda n=n: task(n) for n in range(20)), workers)) == list(range(20))


@pytest.mark.parametrize("workers", [1, 3])
def test_no_more_is_started_than_two_a_worker_beyond_what_was_read(workers):
    asked = []

    def tasks():
        for number in range(50):
            asked.append(number)
            yield lambda: None

    results = done_ahead(tasks(), workers)
    assert asked == []
    for read in range(1, 11):
        next(results)
        assert len(asked) <= read + 2 * workers
    results.close()
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("prefetch")]


@pytest.mark.parametrize("workers", [0, 2])
def test_an_error_is_raised_in_its_turn(workers):
    def task(number):
        if number == 3:
            raise OSError("disk gone")
        return number

    results = done_ahead((lambda n=n: task(n) for n in range(9)), workers)
    assert [next(results) for _ in range(3)] == [0, 1, 2]
    with pytest.raises(OSError, match="disk gone"):
        next(results)


@pytest.mark.parametrize("first_step", [0, 2])
def test_threads_draw_the_same_batches_bit_for_bit(first_step):
    clicks = random_clicks(60, 40, 0.2)
    drawn = [list(training_batches(clicks, OPTIONS.replace(prefetch=workers), 2, first_step)) for workers in (0, 3)]
    assert len(drawn[0]) == len(drawn[1]) == 9 - first_step
    for one, other in zip(*drawn, strict=True):
        for name in ("indptr", "indices", "values"):
            np.testing.assert_array_equal(getattr(one, name), getattr(other, name))
        for mask, other_mask in zip(one.noise, other.noise, strict=True):
            np.testing.assert_array_equal(mask, other_mask)


def test_a_cpu_draws_its_own_and_a_gpu_has_threads_for_it():
    assert RunOptions().resolved().training.prefetch == 0
    assert RunOptions(device="cuda:1").resolved().training.prefetch == 4
    assert RunOptions(device="cuda", prefetch=1).resolved().training.prefetch == 1
