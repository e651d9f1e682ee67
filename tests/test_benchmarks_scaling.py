"""The benchmark of scaling: the fit that it judges by, its tables."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks import scaling
from utils.system.errors import guarded

TINY = ["--users", "16", "--items", "60", "--clicks", "10", "--batch", "8", "--rounds", "1"]


def test_the_fit_of_a_proportional_time_is_exact():
    slope, residuals = scaling.proportional(np.array([10, 20, 80]), np.array([0.5, 1.0, 4.0]))
    assert slope == pytest.approx(0.05)
    np.testing.assert_allclose(residuals, 0, atol=1e-12)


def test_the_fit_has_the_least_squares_of_relative_residuals():
    sizes, seconds = np.array([1, 2, 4, 8]), np.array([1.0, 2.5, 4.2, 11.0])
    slope, residuals = scaling.proportional(sizes, seconds)
    np.testing.assert_allclose(residuals, seconds / (slope * sizes) - 1)
    for other in (0.999 * slope, 1.001 * slope):
        assert np.sum(residuals**2) < np.sum((seconds / (other * sizes) - 1) ** 2)


def test_it_prints_a_table_for_each_size(package, engine, capsys):
    assert guarded(scaling.main, ["--engine", engine, *TINY]) == 0
    printed = capsys.readouterr().out
    for name in scaling.FACTORS:
        (heading,) = [line for line in printed.splitlines() if f"{name}, times the base's" in line]
        table = printed[printed.index(heading) :].split("\n\n")[0].splitlines()
        cells = [[cell.strip() for cell in line.split("|")[1:-1]] for line in table[2:]]
        factors = [float(row[-2]) for row in cells]
        if name == "clicks":  # as drawn, which is not quite as asked
            drawn = np.array([float(row[2]) for row in cells])
            assert factors == pytest.approx(drawn / drawn[1], rel=0.02)
        else:
            assert factors == list(scaling.FACTORS[name])
        assert [row[-1] for row in cells if row[-2] == "1"] == ["1.00"]
    assert "largest relative residual" in printed


@pytest.mark.parametrize(("power", "code"), [(1.0, 0), (1.1, 0), (1.5, 1)])
def test_check_fails_when_time_is_not_linear(package, engine, monkeypatch, power, code):
    def timed(calls, rounds, warmup):
        return {size: np.full(rounds, float(size.users) ** power) for size in calls}

    monkeypatch.setattr(scaling, "interleaved", timed)
    assert scaling.main(["--engine", engine, *TINY, "--check"]) == code
    assert scaling.main(["--engine", engine, *TINY]) == 0


def test_users_that_make_no_whole_batches_are_one_line(capsys):
    assert guarded(scaling.main, ["--users", "2100"]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert "multiple" in error
