"""When two frameworks may be called equal: the test against its formula, the command on runs with known differences."""

import math
import re

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from experiments.analysis import equivalence
from experiments.analysis.compare import compare
from experiments.analysis.comparison_text import pairs_text
from experiments.analysis.history import read_curve, read_curve_pair
from experiments.analysis.runs import read
from experiments.analysis.statistics import equivalence_test
from run_folders import per_user_values, write_run
from utils.system.errors import UserError, guarded

differences = st.lists(st.floats(-0.05, 0.05), min_size=3, max_size=40).filter(lambda values: np.std(values) > 1e-6)


@given(differences, st.sampled_from([0.001, 0.003, 0.02]))
def test_it_is_two_one_sided_t_tests(values, margin):
    result = equivalence_test(np.array(values), margin)
    n, mean, error = len(values), np.mean(values), np.std(values, ddof=1) / math.sqrt(len(values))
    p_above, p_below = stats.t.sf((mean + margin) / error, n - 1), stats.t.cdf((mean - margin) / error, n - 1)
    assert result.p == pytest.approx(max(p_above, p_below), rel=1e-9, abs=1e-300)
    inside = -margin < result.low and result.high < margin
    assert result.shown == inside or result.p == pytest.approx(0.05, abs=1e-6), "the interval and the test agree"


@pytest.mark.parametrize(("p", "is_shown"), [(0.049, True), (0.051, False), (0.09, False)])
def test_equal_is_what_both_tests_reject_at_5_per_cent_and_the_interval_is_of_90(p, is_shown):
    spread = np.array([-2.0, -1.0, 0.0, 0.5, 2.5]) * 1e-4  # mean 0
    error = stats.sem(spread)
    nearest = 0.003 - stats.t.isf(p, 4) * error  # the mean whose upper test has this p; the lower one's is far less
    result = equivalence_test(spread + nearest, 0.003)
    assert result.p == pytest.approx(p, rel=1e-6)
    assert result.shown == is_shown
    half = (result.high - result.low) / 2
    assert half == pytest.approx(2.131847 * error, rel=1e-6)  # t of 4 degrees of freedom that 5 % exceed, of any table


def test_a_difference_that_is_not_significant_is_not_yet_an_agreement():
    noisy = np.array([0.05, -0.04, 0.03, -0.05, 0.02])
    assert stats.ttest_1samp(noisy, 0).pvalue > 0.5
    assert not equivalence_test(noisy, 0.003).shown


def test_few_or_equal_differences():
    assert math.isnan(equivalence_test(np.array([0.0]), 0.003).p)
    assert not equivalence_test(np.array([0.0]), 0.003).shown
    assert equivalence_test(np.zeros(5), 0.003).shown
    assert not equivalence_test(np.full(5, 0.004), 0.003).shown
    assert not equivalence_test(np.full(5, -0.003), 0.003).shown, "a difference of the margin would matter"


def write_pair(folder, seed, shift, noise=1e-4, **options):
    """A run of each framework, the users of the second one ``shift`` better on average, and their curves."""
    users = per_user_values(n=200, seed=seed)
    random = np.random.default_rng(seed)
    for engine, more in (("pytorch", 0.0), ("mxnet", shift)):
        figures = users | {"n100": (users["n100"] + more + noise * random.standard_normal(200)).astype(np.float32)}
        run = write_run(folder, engine, figures, seed=seed, **options)
        epochs = np.arange(1, 10)
        curve = 0.3 + 0.01 * epochs + np.where(epochs >= 6, more, 0.0)
        pd.DataFrame({"epoch": epochs, "loss": 500.0 - epochs - more, "val_n100": curve}).to_csv(
            run / "history.csv", index=False
        )


def test_equal_frameworks_are_shown_to_be_equal(tmp_path, capsys):
    for seed in (1, 2, 3):
        write_pair(tmp_path, seed, shift=0.0)
    assert equivalence.main(["--results", str(tmp_path), "--curves"]) == 0
    out = capsys.readouterr().out
    assert out.count(" equal") >= 2
    assert "1 of 1 settings: equal within 0.003 NDCG@100, over users and seeds" in out
    assert "never" in out
    scores = [line.split() for line in out.splitlines() if line.startswith("1 ")]
    assert ["1", "6", "0.36000", "0.36000"] in scores, "seed, epoch, both curves"


def test_a_difference_beyond_the_margin_is_not_equal(tmp_path, capsys):
    for seed in (1, 2, 3):
        write_pair(tmp_path, seed, shift=0.01)
    assert equivalence.main(["--results", str(tmp_path)]) == 1
    out = capsys.readouterr().out
    assert "not shown" in out
    rows = {line.split()[0]: line.split() for line in out.splitlines() if line.startswith(("users", "seeds"))}
    assert (rows["users"][2], rows["seeds"][2]) == ("-1.0e-02", "-1.0e-02"), "PyTorch less MXNet"
    assert equivalence.main(["--results", str(tmp_path), "--margin", "0.02"]) == 0


def test_one_setting_that_is_not_equal_fails_the_whole(tmp_path, capsys):
    for seed in (1, 2, 3):
        write_pair(tmp_path, seed, shift=0.0)
        write_pair(tmp_path, seed, shift=0.01, lr=0.002)
    assert equivalence.main(["--results", str(tmp_path)]) == 1
    assert "1 of 2 settings: equal within 0.003 NDCG@100, over users and seeds" in capsys.readouterr().out


def test_a_model_that_draws_nothing_is_judged_over_users_and_has_no_curves(tmp_path, capsys, monkeypatch):
    write_pair(tmp_path, 1, shift=0.0)
    for path in tmp_path.rglob("history.csv"):
        path.unlink()
    frame = read(str(tmp_path)).astype(object)
    frame[["seed", "best_epoch", "epochs"]] = "NA"
    monkeypatch.setattr(equivalence, "read_all", lambda paths, dataset: [frame])
    assert equivalence.main(["--results", str(tmp_path), "--curves"]) == 0
    out = capsys.readouterr().out
    assert "movielens-1m, vae 200,600, cap 0.2, deterministic" in out
    assert "evaluations" not in out
    assert "deterministic" in pairs_text(compare(frame), [], None)
    assert compare(frame)["best_epoch_mxnet"].isna().all()


def test_one_seed_shows_nothing_over_seeds(tmp_path, capsys):
    write_pair(tmp_path, 1, shift=0.0)
    assert equivalence.main(["--results", str(tmp_path)]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert "not shown" in next(line for line in lines if line.startswith("seeds"))
    assert "equal" in next(line for line in lines if line.startswith("users"))


UNREADABLE = re.compile(r"\bnan\b|\binf\b|0\.0e|e-[0-9]{3}")


def test_no_number_is_printed_that_nobody_reads(tmp_path, capsys):
    """One seed and frameworks that agree in every digit, then many seeds: nothing known, no distance, a tiny p."""
    write_pair(tmp_path, 1, shift=0.0, noise=0.0)
    equivalence.main(["--results", str(tmp_path)])
    alike = capsys.readouterr().out
    for seed in (2, 3, 4):
        write_pair(tmp_path, seed, shift=0.0)
    equivalence.main(["--results", str(tmp_path)])
    several = capsys.readouterr().out
    assert not UNREADABLE.search(alike + several), alike + several
    rows = {line.split()[0]: line.split() for line in alike.splitlines() if line.startswith(("users", "seeds"))}
    assert rows["users"] == ["users", "200", "0", "0", "0", "to", "0", "<.001", "equal"]
    assert rows["seeds"] == ["seeds", "1", "0", "-", "-", "-", "not", "shown"]
    assert "-: not known" in alike
    (users,) = [line for line in several.splitlines() if line.startswith("users")]
    assert re.search(r" [+-]\d\.\de-\d\d to [+-]\d\.\de-\d\d  <\.001  equal$", users)


def test_where_curves_part(tmp_path):
    write_pair(tmp_path, 1, shift=0.002)
    curves = read_curve_pair(*({"folder": run} for run in sorted((tmp_path / "runs").iterdir(), reverse=True)))
    assert curves.parting == 6
    assert curves.apart.max() == pytest.approx(0.002)
    assert curves.train_loss_apart == pytest.approx(0.002 / 491, rel=0.02)


@pytest.mark.parametrize(("step", "parting"), [(2e-4, 3), (0.9e-4, None)])
def test_curves_part_where_they_differ_by_a_ten_thousandth(tmp_path, step, parting):
    """And the training loss told is the largest difference of an epoch."""
    for name, more in (("a", 0.0), ("b", step)):
        (tmp_path / name).mkdir()
        rows = {"epoch": [1, 2, 3], "val_n100": [0.3, 0.3, 0.3 + more], "loss": [500.0, 400.0 * (1 + more), 300.0]}
        pd.DataFrame(rows).to_csv(tmp_path / name / "history.csv", index=False)
    curves = read_curve_pair(*({"folder": tmp_path / name} for name in ("a", "b")))
    assert curves.parting == parting
    assert curves.train_loss_apart == pytest.approx(step, rel=1e-3)


def test_the_time_until_an_evaluation_is_that_of_all_epochs_and_evaluations_before(tmp_path):
    rows = {"epoch": [1, 2, 3, 4], "val_n100": [None, 0.3, None, 0.4], "seconds": [5.0, 1.0, 1.0, 1.0]}
    pd.DataFrame(rows | {"eval_seconds": [None, 0.5, None, 0.25]}).to_csv(tmp_path / "history.csv", index=False)
    curve = read_curve({"folder": tmp_path, "best_epoch": 4})
    assert curve.epochs.tolist() == [2, 4]
    assert curve.seconds.tolist() == [6.5, 8.75]


@pytest.mark.parametrize(
    ("argv", "expected"),
    [
        (["--results", "nosuch"], "nosuch"),
        (["--margin", "0"], "expected a number, above 0"),
    ],
)
def test_bad_input_is_one_line(argv, expected, capsys):
    assert guarded(equivalence.main, argv) == 2
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1
    assert expected in lines[0]


def test_runs_without_partner_or_history_are_one_line(tmp_path):
    run = write_run(tmp_path, "pytorch", seed=1)
    with pytest.raises(UserError, match="no two runs differ in the framework only"):
        equivalence.main(["--results", str(tmp_path)])
    write_run(tmp_path, "mxnet", seed=1)
    with pytest.raises(UserError, match=r"history\.csv: no history of a run"):
        equivalence.main(["--results", str(tmp_path)])
    assert not (run / "history.csv").exists()
