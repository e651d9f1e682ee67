"""The benchmark of single choices runs and says what it timed."""

from benchmarks import choices


def test_each_choice_is_timed_beside_the_other(engine, capsys):
    argv = ["--engine", engine, "--shape", "ml-1m", "--batch", "8", "--width", "16", "--rounds", "1"]
    assert choices.main(argv) == 0
    out = capsys.readouterr().out
    assert "3497 items, batch 8, 16 units" in out
    timed = [line for line in out.splitlines() if " / " in line or "first layer" in line]
    assert len(timed) == {"pytorch": 2, "mxnet": 3}[engine]
    assert all(float(line.split()[-1]) > 0 for line in timed)
