"""The golden recorder: what it keeps of runs, and that it tells every way in which they may differ later."""

import json

import numpy as np
import pandas as pd
import pytest

from benchmarks import golden
from run_folders import per_user_values, write_run
from utils.results import COLUMNS, rebuild
from utils.system.errors import EXIT_INTERRUPTED, guarded


def write_runs(results, n=8, **options):
    """A run of each framework and their table; ``n`` users."""
    for engine in ("pytorch", "mxnet"):
        folder = write_run(results, engine, per_user_values(n), **options)
        np.savez(folder / "lists.npz", items=np.arange(n))
    rebuild(results)
    return results


@pytest.fixture
def made(tmp_path, monkeypatch):
    """The folder of the runs that the recorder makes, for as long as the test: nothing is trained."""
    results = tmp_path / "results"
    monkeypatch.setattr(golden, "_run_all", lambda place, data_dir: results)
    return results


def check(folder, capsys):
    """The exit code of a check and what it printed."""
    code = golden.main(["check", str(folder)])
    return code, capsys.readouterr()


def test_the_same_runs_are_equal_whatever_they_took(made, tmp_path, capsys):
    write_runs(made, epoch_seconds=1.5)
    assert golden.main(["record", str(tmp_path / "kept")]) == 0
    assert capsys.readouterr().out == f"2 runs recorded: {tmp_path / 'kept' / 'golden.json'}\n"
    for path in sorted(made.glob("runs/*/run.json")):
        path.write_text(path.read_text().replace("60.0", "61.0").replace("512.0", "513.0").replace("00:01", "00:02"))
    rebuild(made)
    code, said = check(tmp_path / "kept", capsys)
    assert (code, said.out, said.err) == (0, "2 runs equal\n", "")


def test_two_recordings_of_the_same_runs_are_the_same_bytes(made, tmp_path):
    write_runs(made)
    for name in ("a", "b"):
        golden.main(["record", str(tmp_path / name)])
    first, second = ((tmp_path / name / "golden.json").read_bytes() for name in ("a", "b"))
    assert first == second
    recorded = json.loads(first)
    assert recorded["about"]["git_commit"] == "0123456"
    assert {"torch", "mxnet", "numpy"} <= set(recorded["about"])
    columns = {name for run in recorded["runs"].values() for name in run["columns"]}
    assert columns == set(COLUMNS) - golden.INCIDENTAL
    assert {"n100", "loss", "beta", "run_id", "status"} <= columns


@pytest.mark.parametrize("name", ["metrics.json", "per_user.npz", "lists.npz"])
def test_one_changed_byte_of_a_result_is_told_by_run_and_file(made, tmp_path, capsys, name):
    write_runs(made)
    golden.main(["record", str(tmp_path / "kept")])
    capsys.readouterr()
    path = next(made.glob(f"runs/*pytorch*/{name}"))
    content = path.read_bytes()
    path.write_bytes(
        content + b" " if name == "metrics.json" else content[:-30] + bytes([content[-30] ^ 1]) + content[-29:]
    )
    code, said = check(tmp_path / "kept", capsys)
    assert (code, said.out) == (1, f"{path.parent.name}: {name} differs\n")
    path.unlink() if name == "lists.npz" else path.write_bytes(content)
    assert check(tmp_path / "kept", capsys)[0] == (1 if name == "lists.npz" else 0), "a file that is gone is told too"


def test_a_changed_column_a_missing_run_and_a_new_one_are_told(made, tmp_path, capsys):
    write_runs(made)
    golden.main(["record", str(tmp_path / "kept")])
    rows = golden.cells(made)
    ids = [row["run_id"] for row in rows]
    capsys.readouterr()
    pd.DataFrame([rows[0] | {"test_users": "9"}, rows[1]]).to_csv(made / "all_results.csv", index=False)
    code, said = check(tmp_path / "kept", capsys)
    assert (code, said.out) == (1, f"{ids[0]}: its row differs in test_users\n")
    pd.DataFrame([row | {"more": ""} for row in rows]).to_csv(made / "all_results.csv", index=False)
    assert check(tmp_path / "kept", capsys)[1].out.splitlines() == [f"{run}: its row differs in more" for run in ids]
    (new,) = {path.name for path in write_runs(made, seed=7).glob("runs/*pytorch*")} - set(ids)
    for path in made.glob(f"runs/{ids[1]}/*"):
        path.unlink()
    rebuild(made)
    code, said = check(tmp_path / "kept", capsys)
    assert code == 1
    assert f"{new}: not in the recording" in said.out.splitlines()
    assert f"{ids[1]}: recorded, not there now" in said.out.splitlines()


def test_another_machine_is_told_and_is_no_difference(made, tmp_path, capsys):
    write_runs(made)
    golden.main(["record", str(tmp_path / "kept")])
    capsys.readouterr()
    for path in made.glob("runs/*/run.json"):
        path.write_text(path.read_text().replace("a machine", "another").replace('"threads": 2', '"threads": 3'))
    code, said = check(tmp_path / "kept", capsys)
    assert (code, said.out) == (0, "2 runs equal\n")
    assert said.err.splitlines() == ["machine: recorded a machine, now another", "threads: recorded 2, now 3"]


def test_a_worker_gets_its_ctrl_c_in_the_middle_of_an_epoch_and_the_same_command_goes_on(
    engine, options, monkeypatch, capsys
):
    argv = options.as_argv()  # four steps an epoch
    learner = golden.load_engine(engine).StepLearner
    monkeypatch.setattr(learner, "train_step", learner.train_step)  # so that it is put back
    assert golden.interrupted_run(engine, 7, *argv) == EXIT_INTERRUPTED
    monkeypatch.undo()
    assert golden.run_main(engine, argv) == 0
    assert "going on from epoch 2, step 3" in capsys.readouterr().out


def test_a_command_that_ends_otherwise_than_expected_is_one_line(capsys):
    assert guarded(lambda argv: golden._run("nothing much", "-c", "import sys; sys.exit('it is \\n broken')")) == 2
    assert capsys.readouterr().err == "error: nothing much: exit code 1, expected 0; it said: broken\n"


@pytest.mark.parametrize(
    ("argv", "expected"),
    [
        ([], "the following arguments are required: task, FOLDER"),
        (["record"], "the following arguments are required: FOLDER"),
        (["compare", "x"], "invalid choice: 'compare'"),
        (["check", "nothing"], "golden.json: no recording there; make one first"),
        (["check", "broken"], "golden.json is no recording"),
        (["check", "empty"], "golden.json is no recording"),
        (["record", "broken"], "golden.json is there already"),
        (["record", "file"], "file: exists already"),
    ],
)
def test_bad_input_is_one_line(tmp_path, made, monkeypatch, capsys, argv, expected):
    for name, text in (("broken", "{"), ("empty", "[]")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "golden.json").write_text(text)
    (tmp_path / "file").touch()
    monkeypatch.chdir(tmp_path)
    assert guarded(golden.main, argv) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert expected in line
