"""The diagnosis command: that it passes where the engines agree, and sees it where they do not."""

import dataclasses
import math
import re

import numpy as np
import pytest

from experiments.parity import command as parity
from experiments.parity.lockstep import Step, apart, lists_apart
from utils.engine import ENGINES, engine_obstacle
from utils.system.errors import guarded


def test_distances_by_hand():
    assert apart(np.array([3.0, 4.0]), np.array([0.0, 4.0])) == pytest.approx(0.75)
    assert apart(np.array([0.0, 1e-9]), np.zeros(2)) == 1e-9, "absolute where the other is exactly zero"


def test_lists_apart_excuses_neighbours_with_near_equal_scores_only():
    scores = np.array([[5.0, 5.00001, 4.0, 1.0]])
    assert lists_apart(np.array([[1, 0, 2]]), np.array([[0, 1, 2]]), scores, 1e-5) == (2, 2)
    assert lists_apart(np.array([[1, 0, 2]]), np.array([[1, 2, 0]]), scores, 1e-5) == (2, 0)
    assert lists_apart(np.array([[1, -1]]), np.array([[1, 0]]), scores, 1e-5) == (1, 0), "none is no neighbour"


def test_a_step_too_far_apart_fails():
    names = {"encoder.0.weight": 1e-7}
    close, far = Step(1, 0.0, (400.0, 400.0), names, names), Step(2, 0.0, (400.0, 400.1), names, names)
    bounds = parity.BOUNDS["float32"]
    assert parity._judge_training([close, close], bounds).passed
    assert not parity._judge_training([close, far], bounds).passed
    assert not parity._judge_training([dataclasses.replace(close, gradients={"x": 1e-3}), close], bounds).passed


def test_no_distance_is_0_no_number_is_a_dash_and_counts_as_the_furthest():
    same = Step(1, 0.0, (400.0, 400.0), {"a": 0.0}, {"a": 0.0})
    lost = Step(2, 0.0, (math.nan, 400.0), {"a": 0.5, "b": math.nan, "c": 0.7}, {"a": 1e-9, "b": math.nan})
    verdict = parity._judge_training([same, lost], parity.BOUNDS["float32"])
    assert [line[1:] for line in verdict.lines[:2]] == [("0", "1e-06", True), ("0", "1e-05", True)]
    assert verdict.lines[3] == ("weights after step 2, b", "-", "1e-04", False)
    verdict.check("places", 0, 0)
    assert verdict.lines[-1] == ("places", "0", "0", True)
    assert parity._table_of([same, lost]).splitlines()[-1].split() == ["2", "0.0000", "-", "-", "-", "b", "-", "b"]


def test_both_engines_in_lock_step_on_prepared_data(options, capfd):
    if reasons := [reason for name in ENGINES if (reason := engine_obstacle(name))]:
        pytest.skip(reasons[0])
    argv = options.replace(save_results=False).as_argv()
    assert parity.main([*argv, "--steps", "6"]) == 0
    out = capfd.readouterr().out
    assert "PASS: the engines agree" in out
    assert "weights after step 6" in out
    betas = {int(line.split()[0]): line.split()[1] for line in out.splitlines() if re.match("[1246] ", line.strip())}
    rise = 0.2 / 24  # to the cap in 6 epochs of 4 steps, from the first on
    assert betas == {step: f"{rise * (step - 1):.4f}" for step in (1, 2, 4, 6)}


@pytest.mark.parametrize(
    ("argv", "expected"),
    [
        (["--steps", "0"], "--steps 0: expected a whole number"),
        (["--dataset", "nosuch"], "python -m data_prep --dataset nosuch"),
        (["--steps", "x"], "invalid int value: 'x'"),
    ],
)
def test_bad_input_is_one_line(argv, expected, capsys):
    if reasons := [reason for name in ENGINES if (reason := engine_obstacle(name))]:
        pytest.skip(reasons[0])
    assert guarded(parity.main, argv) == 2
    assert expected in capsys.readouterr().err


def test_without_one_of_the_engines_it_says_so(monkeypatch, capsys):
    monkeypatch.setattr(parity, "engine_obstacle", lambda name: "it is not here" if name == "mxnet" else None)
    assert guarded(parity.main, []) == 2
    assert "needs both engines, and mxnet is not available: it is not here" in capsys.readouterr().err
