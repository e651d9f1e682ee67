"""Whatever the bytes and the words: a result, or one clear line and exit code 2; no traceback, hang or flood of memory.

``HYPOTHESIS_PROFILE=long python -m pytest tests/test_fuzz.py --hypothesis-show-statistics`` tries many more.
"""

from __future__ import annotations

import contextlib
import dataclasses
import gzip
import io
import json
import resource
import shutil
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from data_prep import DATASETS, DataOptions, find_prepared, load_prepared, prepare
from data_prep import __main__ as data_command
from data_prep.readers import open_source
from experiments.analysis import compare
from experiments.grids import command as grid
from experiments.grids.file import GRIDS, read_grid
from experiments.runs import run as runs
from experiments.runs import verify
from experiments.runs.weights import load_weights
from run_folders import write_run
from utils.options import RunOptions
from utils.results import collect, load, rebuild
from utils.run_arrays import read_per_user
from utils.system.errors import UserError, guarded
from utils.weights import load_arrays, save_arrays

COMMON = {"suppress_health_check": [HealthCheck.function_scoped_fixture, HealthCheck.too_slow]}
LARGEST_GROWTH = 1 << 30  # bytes of address space that one test may come to need beyond what it began with


@pytest.fixture(autouse=True)
def bounded_memory():
    """Under a limit of address space, memory beyond the bound is an error."""
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    before = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (used + LARGEST_GROWTH, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_AS, before)


def answer(main, argv):
    """(exit code, stderr) of a command run in-process; anything but a clear answer fails."""
    errors = io.StringIO()
    with contextlib.redirect_stderr(errors), contextlib.redirect_stdout(io.StringIO()):
        try:
            code = guarded(main, argv)
        except SystemExit as stop:  # --help
            code = stop.code
    lines = [line for line in errors.getvalue().splitlines() if not line.startswith("warning: ")]
    assert code in (0, 1, 2), code
    if code == 2:
        assert len(lines) == 1, lines
        assert lines[0].startswith("error: ")
        assert len(lines[0]) > 20
    return code, errors.getvalue()


# Command lines

WORDS = st.one_of(
    st.sampled_from(
        ["", "0", "-1", "1", "2", "0.5", "1e308", "-1e308", "nan", "inf", "1e-320", "none", "cpu", "cuda", "cuda:9",
         "cuda:٣", "200,600", "[200, 600]", "[", "]", ",", "1,,2", "true", "9" * 30, "0x10", "1_000", "vae", "dae",
         "adam", "tastes", "amazon", "../..", "/", ".", "-", "--", "%s", "{}", "\n", "é", "a\tb", "caf\udce9",
         "user=1,item=2", "user=user,item=item", "x" * 300, "--help", "metric", "csv"]
    ),
    st.text(max_size=12),
    st.integers().map(str),
    st.floats().map(str),
)  # fmt: skip


def command_lines(options):
    """Lists of flags, mostly of the dataclass ``options``, with values that are mostly wrong."""
    flags = [f"--{field.name}" for field in dataclasses.fields(options)]
    flag = st.one_of(st.sampled_from(flags), st.sampled_from(flags), WORDS)
    return st.lists(st.one_of(st.tuples(flag, WORDS), st.tuples(flag)), max_size=6).map(
        lambda parts: [word for part in parts for word in part]
    )


@given(argv=command_lines(RunOptions), engine=st.sampled_from(["pytorch", "mxnet"]), last=st.booleans())
@settings(**COMMON)
def test_any_command_line_of_the_main_scripts(data_dir, tmp_path, monkeypatch, argv, engine, last):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(runs, "load_engine", lambda name, threads: FakeEngine)
    monkeypatch.setattr(runs, "_train_and_record", reached)
    data = ["--data_dir", str(data_dir), "--dataset", "tastes"]
    code, _ = answer(lambda given: runs.main(engine, given), [*argv, *data] if last else [*data, *argv])
    assert code in (0, 2)


class FakeEngine:
    """What a main script asks of an engine before it trains."""

    @staticmethod
    def device_of(name):
        """Any device will do."""


def reached(*_):
    raise UserError("the command line was understood; training would begin")


@given(argv=command_lines(data_command.Command))
@settings(**COMMON)
def test_any_command_line_of_the_data_preparation(data_dir, tmp_path, monkeypatch, argv):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("data_prep.pipeline.locate_source", reached)  # no network
    answer(
        data_command.main,
        ["--raw", str(data_dir / "tastes.csv"), "--dataset", "tastes", *argv, "--data_dir", str(tmp_path)],
    )


@given(argv=command_lines(grid.GridOptions))
@settings(**COMMON)
def test_any_command_line_of_the_grid(data_dir, tmp_path, monkeypatch, argv):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(grid, "run", lambda grid: 0)
    answer(grid.main, ["--data_dir", str(data_dir), *argv, "--log_dir", str(tmp_path)])


@given(argv=st.lists(WORDS, max_size=4), flagged=command_lines(verify.VerifyOptions))
@settings(**COMMON)
def test_any_command_line_of_the_verification_and_the_comparison(tmp_path, monkeypatch, argv, flagged):
    monkeypatch.chdir(tmp_path)
    answer(verify.main, [*argv[:1], *flagged])
    answer(compare.main, argv)


TINY = st.fixed_dictionaries(
    {
        "model": st.sampled_from(["vae", "dae"]),
        "p_dims": st.sampled_from([(1,), (4, 16), (2, 3, 1)]),
        "batch_size": st.sampled_from([60, 100, 10**9]),
        "lr": st.sampled_from([1e-30, 1e-3, 1.0, 1e30]),
        "optimizer": st.sampled_from(["adam", "sgd"]),
        "weight_decay": st.sampled_from([0.0, 1e-3, 1e30]),
        "decay": st.sampled_from(["decoupled", "l2"]),
        "annealing": st.sampled_from(["relative", "absolute", "constant", "none"]),
        "anneal_cap": st.sampled_from([0.0, 1e-300, 0.2, 1e30]),
        "anneal_share": st.sampled_from([1e-9, 0.5, 1e9]),
        "eval_batch_size": st.sampled_from([1, 13, 10**9]),
        "eval_every": st.sampled_from([1, 2, 10**9]),
        "early_stop_score_fn": st.sampled_from(["metric", "loss"]),
        "lr_scheduler": st.booleans(),
        "seed": st.sampled_from([0, 2**63 - 1]),
    }
)


@given(changes=TINY)
@settings(max_examples=settings().max_examples // 6, **COMMON)
def test_any_options_train_to_a_result(package, engine, data_dir, tmp_path, changes):
    log_dir = str(tmp_path / "results")
    shutil.rmtree(log_dir, ignore_errors=True)
    options = RunOptions(dataset="tastes", data_dir=str(data_dir), log_dir=log_dir, n_epochs=2, **changes)
    code, said = answer(lambda argv: runs.run(engine, options) and 0, None)
    if "--anneal_cap 0" in said:
        assert not Path(log_dir).exists()
        return
    assert code == 0 or "the loss became" in said
    assert load(Path(log_dir) / "all_results.csv")["status"].tolist() == ["finished" if code == 0 else "diverged"]


# Bytes


def spoilt(contents):
    """Each of ``contents`` (bytes) cut, flipped, spliced or repeated somewhere; sometimes any bytes at all."""
    edit = st.tuples(
        st.sampled_from(["cut", "flip", "insert", "repeat", "zero"]), st.floats(0, 1), st.binary(max_size=12)
    )

    def edited(content, edits):
        for what, where, extra in edits:
            place = int(where * len(content))
            if what == "cut":
                content = content[:place]
            elif what == "flip" and place < len(content):
                content = content[:place] + bytes([content[place] ^ (1 << len(extra) % 8)]) + content[place + 1 :]
            elif what == "insert":
                content = content[:place] + extra + content[place:]
            elif what == "repeat":
                content = content[:place] + content[place : place + 40] * 3 + content[place + 40 :]
            elif what == "zero":
                content = content[:place] + bytes(len(extra)) + content[place + len(extra) :]
        return content

    kept = st.builds(edited, st.sampled_from(contents), st.lists(edit, min_size=1, max_size=4))
    return st.one_of(kept, kept, kept, st.binary(max_size=200))


def parquet(**columns):
    sink = io.BytesIO()
    pyarrow.parquet.write_table(pa.table(columns), sink)
    return sink.getvalue()


def zipped(**members):
    sink = io.BytesIO()
    with zipfile.ZipFile(sink, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name.replace("_dot_", ".").replace("_slash_", "/"), content)
    return sink.getvalue()


ROWS = [(user, item) for user in range(12) for item in range(user % 3, 9)]
CSV = ("user,item,rating,timestamp\n" + "".join(f"{a},{b},4,{a + b}\n" for a, b in ROWS)).encode()
ML_CSV = b"userId,movieId,rating,timestamp\n" + CSV.partition(b"\n")[2]
TABLES = {
    "mine": [
        CSV,
        CSV.replace(b",", b"\t"),
        gzip.compress(CSV),
        zipped(ratings_dot_csv=CSV),
        zipped(a_slash_ratings_dot_csv=gzip.compress(CSV)),
        parquet(user=[a for a, _ in ROWS], item=[str(b) for _, b in ROWS], rating=[0.5] * len(ROWS)),
        parquet(user=pa.array(["a", "b"]).dictionary_encode(), item=[1, 2], when=pd.to_datetime(["2020", "2021"])),
        parquet(user=[[1], [2]], item=[{"a": 1}, {"a": 2}]),
        "".join(json.dumps({"user": a, "item": f"i{b}", "rating": 1.5}) + "\n" for a, b in ROWS).encode(),
        b'{"user": ' + b"[" * 5000 + b"\n",
        b'{"user": 1, "item": ' + b"9" * 6000 + b"}\n",
    ],
    "movielens": [ML_CSV, zipped(ml_slash_ratings_dot_csv=ML_CSV), gzip.compress(ML_CSV)],
    "movielens-1m": [CSV.partition(b"\n")[2].replace(b",", b"::")],
    "movielens-100k": [CSV.partition(b"\n")[2].replace(b",", b"\t")],
    "amazon": [CSV.partition(b"\n")[2], json.dumps({"reviewerID": "a", "asin": "b", "overall": 5.0,
                                                    "unixReviewTime": 1}).encode() * 1],
    "netflix": [b"1:\n1,5,2005-01-01\n2,3,2005-01-02\n2:\n1,4,2005-01-03\n"],
    "msd": [b"u\ts1\t3\nu\ts2\t1\nv\ts1\t2\n"],
    "pinterest": [b"0\t1\t1\t1\n0\t2\t1\t1\n1\t1\t1\t1\n"],
}  # fmt: skip


@pytest.mark.parametrize("dataset", TABLES)
def test_any_bytes_as_a_ratings_file(tmp_path, dataset):
    assert dataset in DATASETS or dataset == "mine"

    @given(
        content=spoilt(TABLES[dataset]),
        suffix=st.sampled_from(["", ".csv", ".tsv", ".gz", ".zip", ".parquet", ".jsonl"]),
    )
    @settings(max_examples=settings().max_examples * (3 if dataset == "mine" else 1) // 2, **COMMON)
    def read(content, suffix):
        path = tmp_path / f"ratings{suffix}"
        path.write_bytes(content)
        with contextlib.suppress(UserError):
            table = open_source(path, DataOptions(dataset).resolved()).read()
            assert len(table.users) == len(table.items)
            assert len(table.user_ids) <= len(table) <= 1_000_000

    read()


def test_what_unpacks_to_a_thousand_times_its_size_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("data_prep.readers.sources._LARGE", 1 << 20)
    bomb = CSV + b"1,1,1,1\n" * 400_000
    for name, content in (("b.csv.gz", gzip.compress(bomb)), ("b.zip", zipped(b_dot_csv=bomb))):
        path = tmp_path / name
        path.write_bytes(content)
        with pytest.raises(UserError, match="unpacks to too much"):
            open_source(path, DataOptions("mine").resolved()).read()
    endless = tmp_path / "line.jsonl"
    endless.write_bytes(b'{"user": 1, "item": 2}\n{"user": "' + b"x" * (1 << 24))
    with pytest.raises(UserError, match="line 2 is longer than 16 MiB"):
        open_source(endless, DataOptions("mine").resolved()).read()


@pytest.fixture(scope="module")
def weights_file(tmp_path_factory):
    """A small file as runs write them, and its sound content."""
    path = tmp_path_factory.mktemp("weights") / "w.safetensors"
    save_arrays(
        path, {"encoder.0.weight": np.ones((3, 4), np.float32), "t": np.array(3)}, {"model": "vae", "run_id": "x"}
    )
    return path, path.read_bytes()


@given(data=st.data())
@settings(**COMMON)
def test_any_bytes_as_a_weights_or_state_file(weights_file, tmp_path, data):
    _, content = weights_file
    path = tmp_path / "w.safetensors"
    path.write_bytes(data.draw(spoilt([content])))
    sound = load_arrays(weights_file[0])
    with contextlib.suppress(UserError):
        arrays, record = load_arrays(path)
        assert (arrays.keys(), record) == (sound[0].keys(), sound[1]), "the checksum covers names, values and record"
        assert all(np.array_equal(arrays[name], array) for name, array in sound[0].items())


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
DTYPES = st.sampled_from(["F32", "F16", "BF16", "F8_E4M3", "I64", "U8", "BOOL", "F64", "X", "", 3])


@given(
    header=st.one_of(
        JSON,
        st.dictionaries(
            st.sampled_from(["encoder.0.weight", "a", "__metadata__"]),
            st.fixed_dictionaries({"dtype": DTYPES, "shape": st.lists(st.integers(-1, 2**40), max_size=3) | JSON,
                                   "data_offsets": st.lists(st.integers(-1, 2**40), max_size=3) | JSON}) | JSON,
            max_size=3,
        ),
    ),
    metadata=st.sampled_from([None, {"record": "{}"}, {"record": "[]"}, {"signed record": '{"sha256": 1}'}]) | JSON,
    body=st.binary(max_size=64),
    options=st.just(RunOptions(dataset="tastes", p_dims=(4, 16))),
)  # fmt: skip
@settings(**COMMON)
def test_any_header_of_a_weights_file(data_dir, tmp_path, header, metadata, body, options):
    if metadata is not None and isinstance(header, dict):
        header = {**header, "__metadata__": metadata}
    text = json.dumps(header).encode()
    path = tmp_path / "w.safetensors"
    path.write_bytes(len(text).to_bytes(8, "little") + text + body)
    data = find_prepared(data_dir, "tastes")
    with pytest.raises(UserError, match=r"w\.safetensors"):
        load_weights(path, options.resolved(), data, {"encoder.0.weight": (16, 40)})


# Files of ours


@given(
    text=spoilt(
        [path.read_bytes() for folder in GRIDS for path in sorted(folder.glob("*.toml"))] + [b"a = " + b"[" * 5000]
    )
)
@settings(**COMMON)
def test_any_bytes_as_a_grid(tmp_path, text):
    path = tmp_path / "g.toml"
    path.write_bytes(text)
    with contextlib.suppress(UserError):
        read_grid(str(path))


VALUES = st.sampled_from(
    ['"x"', "1", "-1", "0.5", "nan", "inf", "true", "[]", "[1, 2]", '["vae", "dae"]', "{ a = 1 }", "1979-05-27",
     "9" * 40, '["pytorch"]', '"best beta"', "[[1]]", '"200,600"', "[" + "1," * 90 + "]"]
)  # fmt: skip
KEYS = st.sampled_from(
    ["name", "after", "engines", "datasets", "cases", "p_dims", "lr", "model", "anneal_cap", "seed", "n_epochs",
     "anneal_share", "batch_size", "precision", "device", "save_results", "x"]
)  # fmt: skip
TABLE = st.dictionaries(KEYS, VALUES, max_size=5)


@given(top=TABLE, every=TABLE, blocks=st.lists(TABLE, max_size=3), seeds=VALUES, datasets=VALUES)
@settings(**COMMON)
def test_any_grid(tmp_path, top, every, blocks, seeds, datasets):
    lines = ['description = "x"', f"seeds = {seeds}", f"datasets = {datasets}"]
    lines += [f"{name} = {value}" for name, value in top.items() if name != "datasets"]
    lines += ["[every_run]", *(f"{name} = {value}" for name, value in every.items())]
    for block in blocks:
        lines += ["[[runs]]", *(f"{name} = {value}" for name, value in block.items())]
    path = tmp_path / "g.toml"
    path.write_text("\n".join(lines))
    with contextlib.suppress(UserError):
        read_grid(str(path))


def test_a_grid_of_more_runs_than_anyone_has_years_is_refused_at_once(tmp_path):
    axes = "\n".join(
        f"{name} = {list(range(1, 101))}" for name in ("batch_size", "n_epochs", "lr_patience", "eval_every")
    )
    path = tmp_path / "g.toml"
    path.write_text(f'description = "x"\ndatasets = ["a"]\nseeds = [1]\n[[runs]]\n{axes}\n')
    with pytest.raises(UserError, match="more than 10,000 runs"):
        read_grid(str(path))


@st.composite
def changed(draw, value):
    """JSON ``value`` with something inside replaced, or left out."""
    if not isinstance(value, (dict, list)) or not value or draw(st.integers(0, 3)) == 0:
        return draw(JSON)
    keys = list(value) if isinstance(value, dict) else list(range(len(value)))
    key = draw(st.sampled_from(keys))
    copy = value.copy()
    if draw(st.booleans()):
        del copy[key]
    else:
        copy[key] = draw(changed(value[key]))
    return copy


@given(data=st.data())
@settings(max_examples=settings().max_examples // 2, **COMMON)
def test_any_manifest(data_dir, tmp_path_factory, data):
    sound = find_prepared(data_dir, "tastes")
    root = tmp_path_factory.mktemp("prepared")
    folder = root / "tastes_processed" / sound.folder.name
    shutil.copytree(sound.folder, folder)
    manifest = data.draw(changed(sound.manifest))
    (folder / "manifest.json").write_text(json.dumps(manifest))
    for read in (lambda: load_prepared(folder), lambda: find_prepared(root, "tastes")):
        with contextlib.suppress(UserError):
            assert np.array_equal(read().train.indices, sound.train.indices)
    answer(
        lambda argv: prepare(DataOptions("tastes"), data_dir / "tastes.csv", root, say=lambda line: None) and 0, None
    )
    assert len(find_prepared(root, "tastes").train.indices) == len(sound.train.indices)
    shutil.rmtree(root)


@given(name=st.sampled_from(["metrics.json", "options.json", "run.json"]), data=st.data())
@settings(max_examples=settings().max_examples * 2 // 5, **COMMON)
def test_any_json_in_the_folder_of_a_run(tmp_path_factory, name, data):
    root = tmp_path_factory.mktemp("results")
    write_run(root, seed=1)
    folder = write_run(root, seed=2)
    value = data.draw(changed(json.loads((folder / name).read_text())))
    (folder / name).write_text(json.dumps(value))
    with contextlib.redirect_stderr(io.StringIO()):
        table = load(rebuild(root))
        assert table["run_id"].isin([path.name for path in folder.parent.iterdir()]).all()
        assert len(table) in (1, 2)
        assert len(collect(root)) == len(table)
    answer(compare.main, ["--results", str(root)])
    shutil.rmtree(root)


@given(data=st.data())
@settings(**COMMON)
def test_any_bytes_as_per_user_figures_and_as_a_table(tmp_path_factory, data):
    root = tmp_path_factory.mktemp("results")
    folder = write_run(root)
    path = folder / "per_user.npz"
    path.write_bytes(data.draw(spoilt([path.read_bytes()])))
    with contextlib.suppress(UserError):
        assert set(map(len, read_per_user(folder).values()))
    table = rebuild(root)
    table.write_bytes(data.draw(spoilt([table.read_bytes()])))
    with contextlib.suppress(UserError):
        load(table)
    shutil.rmtree(root)
