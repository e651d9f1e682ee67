"""How the program says no, and files that are whole or not there."""

import errno
import io
import os
import subprocess
import sys
from pathlib import Path

import pytest

from utils.system import streams
from utils.system.errors import UserError, guarded
from utils.system.files import read_json, write_json, write_text, written_whole

ROOT = Path(__file__).resolve().parent.parent


def failing(error):
    def main(argv):
        raise error

    return main


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (UserError("one\n  thing"), "error: one thing"),
        (OSError(errno.ENOSPC, "full", "a/b"), "error: a/b: the disk is full"),
        (OSError(errno.EROFS, "ro", "a/b"), "error: a/b: the file system is read-only"),
        (PermissionError(errno.EACCES, "no", "a/b"), "error: a/b: no permission"),
        (FileNotFoundError(errno.ENOENT, "none", "a/b"), "error: a/b: no such file or folder"),
    ],
)
def test_what_a_user_can_mend_is_one_line_and_exit_code_2(error, expected, capsys):
    assert guarded(failing(error)) == 2
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1
    assert lines[0].startswith(expected)


def test_a_defect_of_ours_keeps_its_traceback():
    with pytest.raises(ZeroDivisionError):
        guarded(failing(ZeroDivisionError()))
    with pytest.raises(OSError, match="odd"):
        guarded(failing(OSError(errno.EPROTO, "odd")))


def test_exit_codes(capsys):
    assert guarded(lambda argv: None) == 0
    assert guarded(lambda argv: 3) == 3
    assert guarded(failing(KeyboardInterrupt("saved"))) == 130
    assert "interrupted: saved" in capsys.readouterr().err


def test_a_pipe_that_nobody_reads_is_no_traceback():
    endless = "def main(argv):\n    while True: print('x' * 1000)"
    code = f"from utils.system.errors import guarded\n{endless}\nraise SystemExit(guarded(main))"
    process = subprocess.Popen([sys.executable, "-c", code], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    process.stdout.read(10)
    process.stdout.close()
    assert process.stderr.read() == b""
    process.stderr.close()
    assert process.wait(20) == 141


TEXT = "β .47 ± .02, Café, 1–2"
SAYING = f"""
import sys
from utils.system.errors import guarded

def main(argv):
    for stream in (sys.stdout, sys.stderr):
        print({TEXT!a}, file=stream)

sys.exit(guarded(main))
"""
PLAIN = rb"beta .47 +-.02, Caf\xe9, 1-2"


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ("PYTHONIOENCODING=ascii", PLAIN),
        ("PYTHONIOENCODING=ascii:replace", b"? .47 ? .02, Caf?, 1?2"),  # as the user has chosen
        ("PYTHONIOENCODING=latin-1", "beta .47 ± .02, Café, 1-2".encode("latin-1")),
        ("PYTHONIOENCODING=utf-8", TEXT.encode()),
        ("LC_ALL=C PYTHONCOERCECLOCALE=0 PYTHONUTF8=0", PLAIN),
        ("LC_ALL=C", TEXT.encode()),
    ],
)
def test_what_a_stream_cannot_encode_is_written_plainly_and_as_wide(settings, expected):
    done = say(dict(setting.split("=") for setting in settings.split()))
    assert done.returncode == 0
    assert done.stdout.strip() == expected
    if "replace" not in settings:  # Python never replaces on standard error
        assert done.stderr.strip() == expected


def say(environment, **streams):
    return bare_python(["-c", SAYING], environment, **streams)


def bare_python(words, environment=(), **streams):
    """Python without this process's settings of language and of Python itself."""
    bare = {name: value for name, value in os.environ.items() if not name.startswith(("LC_", "LANG", "PYTHON"))}
    streams = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE} | streams
    return subprocess.run(
        [sys.executable, *words], cwd=ROOT, env=bare | dict(environment), check=False, timeout=60, **streams
    )


def test_a_closed_stream_is_no_error_and_its_number_goes_to_no_file(tmp_path):
    code = """
import os, sys
from utils.system.errors import guarded

def main(argv):
    with open(sys.argv[1], "w") as file:
        print("for nobody")
        print("for nobody", file=sys.stderr)
        os.write(1, b"of a library")
        return file.fileno() < 3

sys.exit(guarded(main))
"""
    script = f'exec "{sys.executable}" -c "$1" "$2" <&- >&- 2>&-'
    words = ["sh", "-c", script, "sh", code, str(tmp_path / "file")]
    assert subprocess.run(words, cwd=ROOT, check=False, timeout=60).returncode == 0
    assert (tmp_path / "file").read_bytes() == b""


def test_output_that_never_arrived_is_told(tmp_path):
    """Python writes what is short as it exits, too late for an error of one line."""
    with open("/dev/full", "wb") as full:
        done = say({}, stdout=full)
    assert done.returncode == 2
    assert done.stderr.decode().splitlines()[1:] == [
        "error: the disk is full; free some space or choose another folder"
    ]
    reading, writing = os.pipe()
    os.close(reading)
    with open(writing, "wb") as nobody:
        done = say({}, stdout=nobody)
    assert (done.returncode, len(done.stderr.splitlines())) == (141, 1)


@pytest.mark.parametrize("end", sorted(streams._PLAIN))
def test_a_line_may_end_in_what_a_stream_cannot_encode(end):
    with io.TextIOWrapper(io.BytesIO(), "ascii", "vae_cf.plain") as stream:
        for text in (end, end * 2, f"{end}x"):
            stream.write(text)  # without the line end that print writes by itself
        stream.flush()
        plain = streams._PLAIN[end]
        assert stream.buffer.getvalue().decode() == plain * 3 + (plain + "x")


@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_a_full_disk_is_told_of_the_help_too_and_fails_where_even_that_cannot_be_said(unbuffered):
    with open("/dev/full", "wb") as full:
        done = bare_python(["-m", "data_prep", "--help"], {"PYTHONUNBUFFERED": unbuffered}, stdout=full)
        assert (done.returncode, done.stderr.count(b"the disk is full")) == (2, 1)
        done = bare_python(["-m", "data_prep", "--hlep"], {"PYTHONUNBUFFERED": unbuffered}, stderr=full)
        assert (done.returncode, done.stdout) == (2, b"")


def test_help_that_nobody_reads_is_no_complaint():
    reading, writing = os.pipe()
    os.close(reading)
    with open(writing, "wb") as nobody:
        done = bare_python(["-m", "data_prep", "--help"], stdout=nobody)
    assert (done.returncode, done.stderr) == (141, b"")


def test_a_file_is_replaced_whole_or_stays_as_it_was(tmp_path):
    path = tmp_path / "deep" / "file.txt"
    write_text(path, "first")
    with pytest.raises(RuntimeError):
        fail_half_way(path)
    assert path.read_text() == "first"
    assert [each.name for each in path.parent.iterdir()] == ["file.txt"], "nothing temporary is left"
    write_text(path, "second")
    assert path.read_text() == "second"
    assert path.stat().st_mode & 0o777 == 0o666 & ~current_umask(), "readable as any other file"


def fail_half_way(path):
    with written_whole(path) as temporary:
        temporary.write_text("half")
        raise RuntimeError


def current_umask():
    mask = os.umask(0)
    os.umask(mask)
    return mask


def test_json_is_the_same_bytes_for_the_same_value_and_names_a_broken_file(tmp_path):
    write_json(tmp_path / "a.json", {"b": 1, "a": [1.5, None]})
    write_json(tmp_path / "b.json", {"a": [1.5, None], "b": 1})
    assert (tmp_path / "a.json").read_bytes() == (tmp_path / "b.json").read_bytes()
    (tmp_path / "a.json").write_text("{")
    with pytest.raises(ValueError, match=r"a\.json is not valid JSON"):
        read_json(tmp_path / "a.json")
