"""Weights as files: kept by one engine, taken by the other, refused where they do not belong."""

import json

import numpy as np
import pytest
from safetensors import safe_open

from conftest import metrics_of
from experiments.runs import run as runs
from utils.engine import ENGINES, engine_obstacle
from utils.metrics.ranking import METRICS
from utils.options import RunOptions
from utils.weights import load_arrays, save_arrays


@pytest.fixture
def kept(engine, options):
    """The file of weights that a run of each engine in turn has kept."""
    return runs.run(engine, options) / "best.safetensors"


def argv_of(options, path, **more):
    return options.replace(**{"init_from": str(path), "n_epochs": 1, **more}).as_argv()


def test_canonical_shapes_are_those_of_the_paper(package):
    shapes = package.build(RunOptions(p_dims=(200, 600)).resolved(), 30).shapes()
    assert shapes == {
        "encoder.0.weight": (600, 30), "encoder.0.bias": (600,),
        "encoder.1.weight": (400, 600), "encoder.1.bias": (400,),
        "decoder.0.weight": (600, 200), "decoder.0.bias": (600,),
        "decoder.1.weight": (30, 600), "decoder.1.bias": (30,),
    }  # fmt: skip


def test_the_file_is_safetensors_that_says_what_it_belongs_to(kept):
    with safe_open(kept, framework="numpy") as stored:
        record = json.loads(stored.metadata()["signed record"])
        assert stored.get_tensor("encoder.0.weight").shape == (16, 40)
    assert record["model"] == "vae"
    assert (record["p_dims"], record["q_dims"], record["dataset"]) == ([4, 16], [16, 4], "tastes")
    assert len(record["items"]) == 16


def test_a_training_starts_from_them_in_the_other_engine(engine, kept, options, tmp_path):
    """With a learning rate of next to nothing the new run ends where the old one did."""
    (other,) = set(ENGINES) - {engine}
    if reason := engine_obstacle(other):
        pytest.skip(reason)
    argv = argv_of(options, kept, lr=1e-12, log_dir=str(tmp_path / "other"))
    assert runs.main(other, argv) == 0
    (folder,) = (tmp_path / "other" / "runs").iterdir()
    for metric in METRICS:
        assert metrics_of(folder)["test"][metric] == pytest.approx(metrics_of(kept.parent)["test"][metric], abs=5e-5)


def test_the_weights_started_from_are_part_of_the_runs_name(engine, kept, options, tmp_path):
    started = options.replace(init_from=str(kept))
    copy = tmp_path / "copy.safetensors"
    copy.write_bytes(kept.read_bytes())
    names = [started.run_id(engine, "abc"), started.replace(init_from=str(copy)).run_id(engine, "abc")]
    assert names[0] == names[1] != options.run_id(engine, "abc"), "by content, not by path"


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"model": "dae"}, "the model of these weights is vae, this run's is dae"),
        ({"p_dims": (4, 17)}, "p_dims of these weights is 4,16, this run's is 4,17"),
        ({"q_dims": (8, 4)}, "q_dims of these weights is 16,4, this run's is 8,4"),
    ],
)
def test_weights_of_something_else_are_refused(engine, kept, options, capsys, change, expected):
    assert refused(engine, argv_of(options, kept, **change), capsys) == expected


def test_weights_of_another_data_set_are_refused(engine, kept, options, capsys):
    weights, record = load_arrays(kept)
    save_arrays(kept, weights, {**record, "dataset": "others"})
    assert refused(engine, argv_of(options, kept), capsys) == (
        "the data set of these weights is others, this run's is tastes"
    )
    save_arrays(kept, weights, {**record, "items": "0" * 16})
    assert "the items (their ids, in order, by checksum)" in refused(engine, argv_of(options, kept), capsys)


def test_weights_of_the_wrong_shape_or_with_odd_values_are_refused(engine, kept, options, capsys):
    weights, record = load_arrays(kept)
    save_arrays(kept, {**weights, "decoder.0.bias": np.zeros(3, np.float32)}, record)
    assert "decoder.0.bias is (3,), the model needs (16,)" in refused(engine, argv_of(options, kept), capsys)
    save_arrays(kept, {**weights, "decoder.0.bias": np.full(16, np.nan, np.float32)}, record)
    assert "decoder.0.bias holds values that are no finite numbers" in refused(engine, argv_of(options, kept), capsys)


@pytest.mark.parametrize("content", [b"", b"{}", b"\xff" * 200, b"\x00" * 64])
def test_a_file_that_is_none_of_ours_is_refused(engine, kept, options, capsys, content):
    kept.write_bytes(content)
    assert "is not a weights file of this project or is damaged" in refused(engine, argv_of(options, kept), capsys)


def test_a_missing_file_is_one_line(engine, options, capsys, tmp_path):
    assert "none.safetensors: no such file" in refused(engine, argv_of(options, tmp_path / "none.safetensors"), capsys)


def refused(engine, argv, capsys):
    """The one line with which a run is refused, without its path and its advice."""
    capsys.readouterr()
    assert runs.main(engine, argv) == 2
    lines = capsys.readouterr().err.strip().splitlines()
    assert len(lines) == 1, lines
    return lines[0].removeprefix("error: ").partition("best.safetensors: ")[2].partition(";")[0] or lines[0]
