"""Annealing, early stopping and the plateau scheduler, by hand-computed cases."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from experiments.runs.deviations import FallingPlateau
from utils.options import RunOptions
from utils.schedules import PlateauSchedule, Progress


def options_of(**given):
    return RunOptions(**given).resolved()


def beta_at(step, options, steps_per_epoch):
    return options.model.knobs_at(step, steps_per_epoch, options.training.n_epochs)["beta"]


def test_the_papers_absolute_annealing():
    options = options_of(annealing="absolute", anneal_total=200_000, anneal_cap=0.2)
    assert beta_at(0, options, 234) == 0
    assert beta_at(20_000, options, 234) == pytest.approx(0.1)
    assert beta_at(40_000, options, 234) == 0.2
    assert beta_at(90_000, options, 234) == 0.2


def test_the_studys_relative_annealing():
    options = options_of(n_epochs=200, anneal_cap=0.2)
    assert options.model.annealing_steps(10, 200) == pytest.approx(10 * (200 - int(0.15 * 200)) / 0.2)
    assert beta_at(10 * 170, options, 10) == pytest.approx(0.2)
    assert beta_at(10 * 85, options, 10) == pytest.approx(0.1)


@given(st.integers(1, 500), st.integers(1, 300), st.sampled_from([0.05, 0.2, 1.0]))
def test_relative_annealing_reaches_the_cap_at_85_per_cent_of_any_run(n_epochs, steps, cap):
    options = options_of(n_epochs=n_epochs, anneal_cap=cap)
    reached = steps * (n_epochs - int(0.15 * n_epochs))
    assert beta_at(reached, options, steps) == pytest.approx(cap)
    assert beta_at(reached // 2, options, steps) == pytest.approx(cap * (reached // 2) / reached)


def test_an_annealing_of_no_epochs_is_over_after_a_step():
    options = options_of(n_epochs=10, anneal_cap=0.2, anneal_share=1e-12)
    assert [beta_at(step, options, 7) for step in (0, 1, 2)] == [0.0, 0.2, 0.2]


def test_keeping_the_slope_of_an_annealing_to_one():
    to_one, capped = options_of(anneal_cap=1.0), options_of(anneal_cap=0.2, anneal_share=0.85 * 0.2)
    assert beta_at(300, capped, 10) == pytest.approx(beta_at(300, to_one, 10))
    assert beta_at(1900, capped, 10) == 0.2


def test_constant_and_none_and_dae():
    constant = options_of(constant_anneal=True, anneal_cap=0.0)
    assert (beta_at(0, constant, 10), constant.model.final_knobs()["beta"]) == (0, 0)
    none = options_of(annealing="none")
    assert (beta_at(0, none, 10), none.model.final_knobs()["beta"]) == (1, 1)
    dae = options_of(model="dae")
    assert (dae.model.knobs_at(500, 10, 200), dae.model.final_knobs()) == ({}, {})


def test_early_stopping_counts_evaluations_without_a_better_score():
    progress = Progress()
    scores = [0.1, 0.3, 0.3, 0.2, 0.31, 0.1]
    assert [progress.update(score, epoch) for epoch, score in enumerate(scores, 1)] == [
        True,
        True,
        False,
        False,
        True,
        False,
    ]
    assert (progress.best, progress.best_epoch, progress.stalled) == (0.31, 5, 1)
    assert progress.exhausted(1)
    assert not progress.exhausted(2)
    assert not progress.exhausted(0), "patience 0 never stops"


def test_the_scheduler_leaves_the_rate_alone_while_the_score_grows():
    """The 2020 study watched for the score to fall, and cut the rate every patience + 1 epochs of progress."""
    schedule = PlateauSchedule(lr=1.0, patience=2)
    for score in range(1, 30):
        schedule.update(score / 100)
    assert schedule.lr == 1.0


def test_the_scheduler_cuts_the_rate_once_patience_is_exceeded():
    schedule = PlateauSchedule(lr=1.0, patience=2)
    rates = []
    for score in [0.5, 0.4, 0.5, 0.50001, 0.4, 0.4, 0.4, 0.4]:
        schedule.update(score)
        rates.append(schedule.lr)
    assert rates == pytest.approx([1, 1, 1, 0.1, 0.1, 0.1, 0.01, 0.01])


#: Scores that jump about, and scores that creep by a third of the threshold: both must be PyTorch's.
_SCORES = st.one_of(st.floats(0, 1), st.integers(0, 40).map(lambda n: 0.4 * (1 + 3e-5 * n)))


@pytest.mark.parametrize(("schedule", "mode"), [(PlateauSchedule, "max"), (FallingPlateau, "min")])
@given(scores=st.lists(_SCORES, min_size=1, max_size=60), patience=st.integers(0, 6))
def test_the_scheduler_is_pytorchs_own(schedule, mode, scores, patience):
    torch = pytest.importorskip("torch")
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    theirs = torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer, mode=mode, patience=patience)
    ours = schedule(lr=1.0, patience=patience)
    for score in scores:  # none negative: with a relative threshold PyTorch's own rule for those accepts worse ones
        theirs.step(score)
        ours.update(score)
        assert ours.lr == pytest.approx(optimizer.param_groups[0]["lr"])


def test_the_rate_never_falls_to_what_no_engine_can_hold():
    schedule = PlateauSchedule(lr=0.001, patience=0)
    for _ in range(200):
        schedule.update(0.5)
    assert schedule.lr == pytest.approx(1e-8)


def test_the_scheduler_on_a_loss_sees_that_it_falls():
    schedule = PlateauSchedule(lr=1.0, patience=1)
    for loss in [400.0, 390.0, 380.0, 370.0, 365.0]:
        schedule.update(-loss)
    assert schedule.lr == 1.0
    for loss in [366.0, 367.0]:
        schedule.update(-loss)
    assert schedule.lr == pytest.approx(0.1)
