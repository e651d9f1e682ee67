"""Data preparation under faults: killed, two at once, a source that changes, a clock set back, another version."""

from __future__ import annotations

import datetime
import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from data_prep import DataOptions, find_prepared, load_prepared, prepare
from data_prep.export import export_csv
from data_prep.folders import exclusive_access
from data_prep.prepared import read_manifest
from utils.system.errors import UserError
from utils.system.locks import process_holding

ROOT = Path(__file__).resolve().parent.parent
ROWS = [f"{user},{item},{user + item}" for user in range(40) for item in range(user % 5, 40, 3)]


@pytest.fixture
def table(tmp_path):
    path = tmp_path / "mine.csv"
    path.write_text("user,item,time\n" + "\n".join(ROWS) + "\n")
    return path


def prepared(table, scenario="strong", **how):
    return prepare(
        DataOptions("mine", scenario), table, table.parent / "data", say=how.pop("say", lambda line: None), **how
    )


def processed(table):
    return table.parent / "data" / "mine_processed"


KILLED_AT = """
import os, pathlib, signal, sys
from data_prep import DataOptions, prepare
import data_prep.folders

def die(*_, **__):
    os.kill(os.getpid(), signal.SIGKILL)

if sys.argv[3] == "writing":
    data_prep.prepared.write_json = die
elif sys.argv[3] == "renaming":
    pathlib.Path.rename = die
else:
    data_prep.folders.shutil.rmtree = die  # the old one is out of the way, the new one not there yet
prepare(DataOptions("mine"), sys.argv[1], sys.argv[2], force=sys.argv[3] == "replacing", say=print)
"""


@pytest.mark.parametrize("moment", ["writing", "renaming", "replacing"])
def test_what_a_killed_preparation_leaves_is_swept_and_nothing_finished_is_lost(table, moment):
    straight = prepared(table).manifest["files"]
    if moment != "replacing":
        for path in processed(table).iterdir():
            for file in path.iterdir():
                file.unlink()
            path.rmdir()
    command = [sys.executable, "-c", KILLED_AT, str(table), str(table.parent / "data"), moment]
    assert subprocess.run(command, cwd=ROOT, stdout=subprocess.DEVNULL).returncode == -signal.SIGKILL
    left = [path.name for path in processed(table).iterdir() if path.name.startswith(".")]
    assert any(name.endswith(".tmp") for name in left), left
    done = prepared(table)
    assert [path.name for path in processed(table).iterdir()] == [done.folder.name]
    assert done.manifest["files"] == straight


def test_a_folder_out_of_the_way_comes_back_unless_its_successor_is_there(tmp_path):
    for name, there in (("strong-1", False), ("strong-2", True)):
        aside = tmp_path / f".{name}.abc.old" / name
        aside.mkdir(parents=True)
        (aside / "old").touch()
        if there:
            (tmp_path / name).mkdir()
            (tmp_path / name / "new").touch()
    with exclusive_access(tmp_path, print):
        assert (tmp_path / "strong-1" / "old").exists()
        assert [path.name for path in (tmp_path / "strong-2").iterdir()] == ["new"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["strong-1", "strong-2"]


def test_of_two_one_prepares_and_the_other_waits_and_finds_it(table):
    """Two processes that begin together: the second says for whom it waits, or comes when all is done."""
    code = "import sys; from data_prep.__main__ import main; sys.exit(main(sys.argv[1:]))"
    words = [sys.executable, "-c", code, "--dataset", "mine", "--raw", table, "--data_dir", table.parent / "data"]
    both = [
        subprocess.Popen(list(map(str, words)), cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    said = [process.communicate(timeout=60) for process in both]
    assert [process.returncode for process in both] == [0, 0], said
    firsts = ["already prepared: " in out for out, _ in said]
    assert sorted(firsts) == [False, True], said
    assert len(list(processed(table).iterdir())) == 1


def test_who_waits_says_for_whom(table):
    said, asked = [], []
    processed(table).mkdir(parents=True)
    hold = f"""
import sys
from pathlib import Path
from data_prep.folders import exclusive_access
from data_prep.prepared import read_manifest
with exclusive_access(Path({str(processed(table))!r}), print):
    print("held", flush=True)
    sys.stdin.readline()
"""
    other = subprocess.Popen([sys.executable, "-c", hold], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert other.stdout.readline() == b"held\n"

    def say(line):
        said.append(line)
        if "waiting for it" in line:
            asked.append(process_holding(processed(table) / ".lock"))
            other.communicate(b"\n")

    prepared(table, say=say)
    assert any(f"process {other.pid} on " in line and "waiting for it" in line for line in said)
    assert asked == [f"process {other.pid} on {os.uname().nodename}"]


def test_a_source_that_changes_while_it_is_read_is_said_and_nothing_is_written(table, monkeypatch):
    def read_and_change(*given):
        with open(table, "a") as stream:
            stream.write("1,39,1\n")
        raise_or_split = sys.modules["data_prep.scenarios.strong"].split
        return raise_or_split(*given)

    monkeypatch.setattr("data_prep.pipeline.split", read_and_change)
    with pytest.raises(UserError, match="changed while it was read; nothing was prepared"):
        prepared(table)
    assert list(processed(table).iterdir()) == []


def test_a_source_that_changed_since_is_another_preparation_and_the_old_one_stays(table):
    before = prepared(table)
    table.write_text(table.read_text() + "1,39,1\n")
    after = prepared(table)
    assert after.fingerprint != before.fingerprint
    assert load_prepared(before.folder).train.nnz == before.train.nnz, (
        "what earlier runs were trained on is still there"
    )
    assert find_prepared(table.parent / "data", "mine").fingerprint == after.fingerprint


def test_with_the_clock_set_back_the_later_preparation_is_still_the_later(table, monkeypatch):
    first = prepared(table)
    table.write_text(table.read_text() + "1,39,1\n")

    class EarlierClock(datetime.datetime):
        @classmethod
        def now(cls, tz=None):
            return datetime.datetime(1999, 12, 31, tzinfo=tz)

    monkeypatch.setattr("data_prep.pipeline.datetime.datetime", EarlierClock)
    second = prepared(table)
    assert second.manifest["prepared_at"] > first.manifest["prepared_at"]
    assert find_prepared(table.parent / "data", "mine").fingerprint == second.fingerprint


def test_a_preparation_of_another_version_is_refused_and_made_again(table, capsys):
    done = prepared(table)
    path = done.folder / "manifest.json"
    path.write_text(json.dumps({**done.manifest, "format_version": 2}))
    with pytest.raises(UserError, match="format version 2, this program reads 1; prepare the data again"):
        find_prepared(table.parent / "data", "mine")
    prepared(table)
    assert "it is prepared again" in capsys.readouterr().err
    assert find_prepared(table.parent / "data", "mine").manifest["format_version"] == 1


@pytest.mark.parametrize("place", [0.1, 0.5, 0.9])
@pytest.mark.parametrize(
    ("scenario", "name"),
    [
        ("strong", "train.npz"), ("strong", "items.npz"), ("strong", "test_held_out.npz"),
        ("strong", "source_rows.npz"), ("weak", "validation_held_out.npz"), ("leave_one_out", "candidates.npz"),
    ],
)  # fmt: skip
def test_a_bit_that_flipped_is_noticed_wherever_it_is(table, scenario, name, place):
    done = prepared(table, scenario)
    path = done.folder / name
    content = bytearray(path.read_bytes())
    content[int(place * len(content))] ^= 1
    path.write_bytes(content)
    with pytest.raises(UserError, match=rf"/{name} is damaged \(its checksum differs\); prepare the data again"):
        load_prepared(done.folder)
    assert prepared(table, scenario).manifest["files"] == done.manifest["files"]


def test_a_bit_that_flipped_in_the_manifest_is_noticed_wherever_it_is(table, capsys):
    done = prepared(table)
    path = done.folder / "manifest.json"
    content = path.read_bytes()
    own = content.index(b'\n  "sha256": ') + len('\n  "')  # the name of the manifest's own checksum
    said = set()
    for place in range(len(content)):
        path.write_bytes(content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :])
        if own <= place < own + len("sha256"):  # as earlier versions wrote it, without one; all else is as it was
            found = read_manifest(done.folder)
            assert [key for key, value in done.manifest.items() if found.get(key) != value] == ["sha256"]
            continue
        with pytest.raises(UserError) as refused:
            read_manifest(done.folder)
        said.add(
            re.sub(r"\(.*JSON.*\)", "(no JSON)", str(refused.value).partition("manifest.json ")[2]).partition(";")[0]
        )
    assert {"is damaged (its checksum differs)", "is damaged (no JSON)"} <= said
    assert prepared(table).manifest["files"] == done.manifest["files"]
    assert "it is prepared again" in capsys.readouterr().err


def test_an_export_that_was_killed_leaves_nothing_for_long(table):
    done = prepared(table)
    half = processed(table) / f".{done.folder.name}-csv.abc.tmp"
    half.mkdir()
    (half / "train.csv").touch()
    export_csv(done)
    assert sorted(path.name for path in processed(table).iterdir()) == [done.folder.name, f"{done.folder.name}-csv"]
