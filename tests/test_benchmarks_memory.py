"""The benchmark of memory: a run's stages in a fresh process, on data that load like any other."""

from __future__ import annotations

import pytest

from benchmarks import memory as benchmark
from benchmarks.prepared import write_synthetic_data
from data_prep import find_prepared
from utils.system.errors import guarded

STAGES = ["imports", "data loaded", "engine, weights", "training, evaluation", "state saved", "test"]


def test_its_data_load_as_prepared_data(tmp_path):
    write_synthetic_data(tmp_path, 300, 200, 40)
    data = find_prepared(tmp_path, "synthetic")
    assert (data.train.n_users, data.n_items) == (300, 200)
    for held in ("validation", "test"):
        fold_in, held_out = getattr(data, f"{held}_fold_in").binary(), getattr(data, f"{held}_held_out").binary()
        assert fold_in.shape == held_out.shape == (40, 200)
        assert fold_in.multiply(held_out).nnz == 0
        assert held_out.nnz / (fold_in.nnz + held_out.nnz) == pytest.approx(0.2, abs=0.05)


def test_a_run_reports_its_peak_after_each_stage(engine, capsys):
    assert guarded(benchmark.main, ["--engine", engine, "--scale", "0.001", "--steps", "1"]) == 0
    lines = [line for line in capsys.readouterr().out.splitlines()[3:] if line]
    assert [line.rsplit(maxsplit=1)[0].strip() for line in lines] == STAGES
    peaks = [float(line.split()[-1]) for line in lines]
    assert peaks == sorted(peaks)
    assert 0.02 < peaks[0] < peaks[-1] < 4


@pytest.mark.parametrize(("pytorch", "mxnet", "code"), [(1.4, 1.9, 0), (1.6, 1.9, 1), (1.4, 2.1, 1)])
def test_check_fails_on_a_missed_target_only(monkeypatch, pytorch, mxnet, code):
    peaks = {"pytorch": {"imports": 0.1, "test": pytorch}, "mxnet": {"imports": 0.1, "test": mxnet}}
    monkeypatch.setattr(benchmark, "peaks_of", lambda size, engines, steps: peaks)
    assert benchmark.main(["--check"]) == code
    assert benchmark.main([]) == 0


def test_growth_measures_other_batches_items_and_users(monkeypatch, capsys):
    def peaks(size, engines, steps):
        return {engine: {"test": size.users + size.items + size.batch} for engine in engines}

    monkeypatch.setattr(benchmark, "peaks_of", peaks)
    benchmark.main(["--engine", "pytorch", "--grow"])
    out = capsys.readouterr().out
    assert out.count("\n1,000 ") == 1
    for number in ("40,216", "80,432", "233,354", "466,708"):
        assert number in out
