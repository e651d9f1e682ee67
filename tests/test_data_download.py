"""Downloads, from a server on this machine: whole, cut off, changed meanwhile, wrong, refused."""

from __future__ import annotations

import hashlib
import http.server
import re
import threading
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest

from data_prep import catalogue
from data_prep.catalogue import DATASETS, Download
from data_prep.fetch import locate_source, movielens_100k
from data_prep.fetch.download import fetch
from data_prep.titles import titles_table
from utils.system.errors import UserError

ROOT = Path(__file__).resolve().parent.parent
CONTENT = bytes(range(256)) * 4000


class _Handler(http.server.BaseHTTPRequestHandler):
    """Serves ``server.content`` as ``server.behaviour`` says, and notes the Range of every request."""

    def do_GET(self):
        server = self.server
        asked = self.headers.get("Range")
        server.asked.append(asked)
        if server.status:
            self.send_error(server.status)
            return
        start = 0
        if asked and server.ranges and self.headers.get("If-Range") == server.etag:
            start = int(asked.removeprefix("bytes=").removesuffix("-"))
            if start >= len(server.content):
                self.send_response(416)
                self.send_header("Content-Range", f"bytes */{len(server.content)}")
                self.end_headers()
                return
            self.send_response(206)
            self.send_header("Content-Range", f"bytes {start}-{len(server.content) - 1}/{len(server.content)}")
        else:
            self.send_response(200)
        body = server.content[start:]
        self.send_header("Content-Length", str(len(body)))
        self.send_header("ETag", server.etag)
        self.end_headers()
        cut = server.cuts.pop(0) if server.cuts else len(body)
        self.wfile.write(body[:cut])

    def log_message(self, *_):
        pass


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch):
    monkeypatch.setenv("no_proxy", "127.0.0.1")


@pytest.fixture
def server():
    serving = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    serving.content, serving.etag, serving.ranges = CONTENT, '"one"', True
    serving.status, serving.cuts, serving.asked = None, [], []
    serving.url = f"http://127.0.0.1:{serving.server_address[1]}/set.zip"
    thread = threading.Thread(target=serving.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    yield serving
    serving.shutdown()
    serving.server_close()
    thread.join()


def described(server, **facts):
    return Download(url=server.url, licence="free as in tests", **facts)


def quiet(line):
    """Takes what ``fetch`` says."""


def visible(folder):
    return sorted(path.name for path in folder.iterdir() if not path.name.startswith("."))


@pytest.mark.parametrize("algorithm", ["sha256", "md5"])
def test_a_whole_file_is_verified_and_fetched_once(tmp_path, server, algorithm):
    said = []
    download = described(server, size=len(CONTENT), **{algorithm: hashlib.new(algorithm, CONTENT).hexdigest()})
    path = fetch(download, tmp_path, said.append)
    assert path.read_bytes() == CONTENT
    assert "licence: free as in tests" in said
    assert fetch(download, tmp_path, quiet) == path
    assert server.asked == [None]
    assert visible(tmp_path) == ["set.zip"]


def test_where_no_checksum_is_published_the_one_found_is_said(tmp_path, server):
    said = []
    fetch(described(server), tmp_path, said.append)
    assert any(hashlib.sha256(CONTENT).hexdigest() in line for line in said)


def test_a_connection_that_breaks_is_taken_up_where_it_broke(tmp_path, server):
    server.cuts = [300_000, 100_000]
    assert fetch(described(server), tmp_path, quiet).read_bytes() == CONTENT
    assert server.asked == [None, "bytes=300000-", "bytes=400000-"]


def test_a_later_call_goes_on_where_an_earlier_one_gave_up(tmp_path, server):
    server.cuts = [200_000, 0, 0, 0, 0]
    with pytest.raises(UserError, match="broke after 200,000 bytes; run the same command again"):
        fetch(described(server), tmp_path, quiet)
    assert visible(tmp_path) == ["set.zip.part"]
    server.cuts, server.asked = [], []
    assert fetch(described(server), tmp_path, quiet).read_bytes() == CONTENT
    assert server.asked == ["bytes=200000-"]


def test_a_part_that_is_already_whole_is_taken(tmp_path, server):
    server.cuts = [200_000, 0, 0, 0, 0]
    with pytest.raises(UserError):
        fetch(described(server), tmp_path, quiet)
    (tmp_path / "set.zip.part").write_bytes(CONTENT)
    assert fetch(described(server), tmp_path, quiet).read_bytes() == CONTENT


def test_a_server_that_knows_no_ranges_is_read_from_the_start(tmp_path, server):
    server.ranges, server.cuts = False, [300_000]
    assert fetch(described(server), tmp_path, quiet).read_bytes() == CONTENT


def test_a_file_that_changed_meanwhile_is_not_mixed_with_the_old(tmp_path, server):
    server.cuts = [200_000, 0, 0, 0, 0]
    with pytest.raises(UserError):
        fetch(described(server), tmp_path, quiet)
    server.cuts, server.content, server.etag = [], CONTENT[::-1], '"two"'
    assert fetch(described(server), tmp_path, quiet).read_bytes() == CONTENT[::-1]


@pytest.mark.parametrize("facts", [{"sha256": "0" * 64}, {"md5": "0" * 32}, {"size": 7}])
def test_a_wrong_file_is_refused_and_removed(tmp_path, server, facts):
    with pytest.raises(UserError, match=r"wrong (SHA256|MD5|size) .*run again"):
        fetch(described(server, **facts), tmp_path, quiet)
    assert visible(tmp_path) == []


@pytest.mark.parametrize("status", [404, 403, 500])
def test_a_refusal_says_the_address_and_the_answer(tmp_path, server, status):
    server.status = status
    with pytest.raises(UserError, match=rf"set\.zip answered {status} .*--raw PATH"):
        fetch(described(server), tmp_path, quiet)


def test_a_server_that_is_not_there(tmp_path):
    with pytest.raises(UserError, match=r"cannot be reached .*--raw PATH"):
        fetch(Download(url="http://127.0.0.1:9/set.zip", licence=""), tmp_path, quiet)


def test_a_set_of_several_files_is_fetched_whole_and_then_found(tmp_path, server, monkeypatch):
    downloads = tuple(Download(url=f"{server.url}.{part}", licence="") for part in "ab")
    several = {**DATASETS, "pinterest": replace(DATASETS["pinterest"], downloads=downloads)}
    monkeypatch.setattr("data_prep.fetch.DATASETS", several)
    with pytest.raises(UserError, match="run: python -m data_prep --dataset pinterest --download"):
        locate_source("pinterest", tmp_path, download=False, say=quiet)
    folder = locate_source("pinterest", tmp_path, download=True, say=quiet)
    assert visible(folder) == ["set.zip.a", "set.zip.b"]
    assert locate_source("pinterest", tmp_path, download=False, say=quiet) == folder
    assert len(server.asked) == 2


@pytest.mark.parametrize(
    ("dataset", "message"), [("netflix", "not freely downloadable"), ("mine", "for data of your own say --raw FILE")]
)
def test_what_cannot_be_downloaded(tmp_path, dataset, message):
    with pytest.raises(UserError, match=message):
        locate_source(dataset, tmp_path, download=True, say=quiet)


def test_every_checksum_of_the_catalogue_has_the_right_form():
    assert len(bytes.fromhex(movielens_100k.WHEEL_SHA256)) == len(bytes.fromhex(movielens_100k.TABLE_SHA256)) == 32
    for each in (each for dataset in catalogue.DATASETS.values() for each in dataset.downloads):
        assert each.licence
        for name, digits in (("sha256", 64), ("md5", 32)):
            assert getattr(each, name) is None or len(bytes.fromhex(getattr(each, name))) * 2 == digits


@pytest.mark.parametrize("name", ["movielens", "movielens-1m", "movielens-100k", "amazon"])
def test_the_counts_that_a_preparation_must_give_agree_with_each_other_and_with_its_options(name):
    dataset = catalogue.DATASETS[name]
    counts, size = dataset.expected, dataset.test_users_size
    assert counts["test_users"] == counts["validation_users"] == (size if size >= 1 else int(size * counts["users"]))
    assert counts["training_users"] == counts["users"] - 2 * counts["test_users"]
    assert counts["items"] >= counts["training_items"]


# MovieLens 100K, from either of its two sources

TABLE = b"196\t242\t3\t881250949\n186\t302\t4\t891717742\n"
DOT_ITEM = (
    "item_id:token\tmovie_title:token_seq\trelease_year:token\tclass:token_seq\n"
    "242\tKolya\t1996\tComedy\n302\tMisérables, Les\t1995\tDrama\n267\tunkonwn\tunkonwn\tunknown\n"
    "1412\tLand Before Time III (1995)\tV\tChildren's\n"
)
U_ITEM = (
    "242|Kolya (1996)|24-Jan-1997||x\n302|Misérables, Les (1995)|01-Jan-1995||x\n267|unknown||||x\n"
    "1412|Land Before Time III (1995) (V)|01-Jan-1995||x\n"
)
TITLES = "242\tKolya\t1996\n302\tMisérables, Les\t1995\n267\tunknown\t\n1412\tLand Before Time III\t1995\n"


def write_zip(path, **members):
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path.read_bytes()


@pytest.fixture
def sources(tmp_path, server, monkeypatch):
    """Both sources in small: a package that pip "finds", and GroupLens's zip on the server; checksums to match."""
    inside = "recbole/dataset_example/ml-100k/ml-100k"
    header = b"user_id:token\titem_id:token\trating:float\ttimestamp:float\n"
    wheel = write_zip(
        tmp_path / "pypi" / "w", **{f"{inside}.inter": header + TABLE, f"{inside}.item": DOT_ITEM.encode()}
    )
    server.content = write_zip(tmp_path / "z", **{"ml-100k/u.data": TABLE, "ml-100k/u.item": U_ITEM.encode("latin-1")})
    monkeypatch.setattr(movielens_100k, "TABLE_SHA256", hashlib.sha256(TABLE).hexdigest())
    monkeypatch.setattr(movielens_100k, "WHEEL_SHA256", hashlib.sha256(wheel).hexdigest())
    small = replace(DATASETS["movielens-100k"], downloads=(described(server),))
    monkeypatch.setattr(movielens_100k, "DATASETS", {"movielens-100k": small})
    calls = []

    def pip(words, **_):
        calls.append(words)
        if server.pip_works:
            (tmp_path / "cache" / movielens_100k.WHEEL).write_bytes(server.wheel)
        return movielens_100k.subprocess.CompletedProcess(words, int(not server.pip_works), "", "no index\n")

    monkeypatch.setattr(movielens_100k.subprocess, "run", pip)
    server.pip_works, server.wheel, server.pip_calls = True, wheel, calls
    return server


def read_cache(tmp_path):
    cache = tmp_path / "cache"
    return (cache / "u.data").read_bytes(), (cache / "item_titles.tsv").read_text(encoding="utf-8")


def test_the_package_is_tried_first_never_built_and_fetched_once(tmp_path, sources):
    path = movielens_100k.fetch_movielens_100k(tmp_path / "cache", quiet)
    assert path == tmp_path / "cache" / "u.data"
    assert read_cache(tmp_path) == (TABLE, TITLES)
    movielens_100k.fetch_movielens_100k(tmp_path / "cache", quiet)
    assert len(sources.pip_calls) == 1
    assert {"download", "--no-deps", "--only-binary=:all:", "recbole==1.2.1"} <= set(sources.pip_calls[0])
    assert sources.asked == []


def test_where_there_is_no_pip_it_is_said_with_the_remedy_and_grouplens_is_asked(tmp_path, sources, monkeypatch):
    monkeypatch.setattr(movielens_100k.importlib.util, "find_spec", lambda name: None)
    said = []
    movielens_100k.fetch_movielens_100k(tmp_path / "cache", said.append)
    assert read_cache(tmp_path) == (TABLE, TITLES)
    assert (len(sources.pip_calls), len(sources.asked)) == (0, 1)
    assert said[0].startswith("PyPI: this Python has no pip")
    assert said[0].endswith("-m ensurepip); trying GroupLens")
    (tmp_path / "cache" / "u.data").unlink()
    sources.status = 503
    (tmp_path / "cache" / "set.zip").unlink()
    with pytest.raises(UserError, match=r"no pip .* -m ensurepip\); GroupLens: .* answered 503"):
        movielens_100k.fetch_movielens_100k(tmp_path / "cache", quiet)


def test_no_package_server_is_named_in_the_code():
    """Which index pip asks is the machine's own setting; an address of ours would go past it."""
    files = [*ROOT.glob("data_prep/**/*.py"), *ROOT.glob("utils/*.*"), *ROOT.glob("experiments/**/*.py")]
    assert len(files) > 50
    for path in files:
        found = re.search(r"pythonhosted\.org|https?://pypi\.", path.read_text(encoding="utf-8", errors="replace"))
        assert found is None, f"{path}: {found}"


@pytest.mark.parametrize("fault", ["pip fails", "another wheel", "another table inside"])
def test_grouplens_is_tried_next_and_gives_the_same(tmp_path, sources, fault, monkeypatch):
    if fault == "pip fails":
        sources.pip_works = False
    else:
        inside = "recbole/dataset_example/ml-100k/ml-100k"
        members = {f"{inside}.inter": b"header\n1\t2\t3\t4\n", f"{inside}.item": DOT_ITEM.encode()}
        sources.wheel = write_zip(tmp_path / "other", **members)
        if fault == "another table inside":
            right = hashlib.sha256(sources.wheel).hexdigest()
            monkeypatch.setattr(movielens_100k, "WHEEL_SHA256", right)
    movielens_100k.fetch_movielens_100k(tmp_path / "cache", quiet)
    assert read_cache(tmp_path) == (TABLE, TITLES)
    assert (tmp_path / "cache" / movielens_100k.WHEEL).exists() == (fault == "another table inside"), (
        "a wrong one is removed"
    )


def test_when_neither_answers_one_line_says_why(tmp_path, sources):
    sources.pip_works, sources.status = False, 503
    with pytest.raises(UserError, match=r"PyPI: pip download failed \(no index\); GroupLens: .* answered 503"):
        movielens_100k.fetch_movielens_100k(tmp_path / "cache", quiet)
    assert not (tmp_path / "cache" / "u.data").exists()


def test_a_damaged_cache_is_fetched_again(tmp_path, sources):
    movielens_100k.fetch_movielens_100k(tmp_path / "cache", quiet)
    (tmp_path / "cache" / "u.data").write_bytes(b"rubbish")
    movielens_100k.fetch_movielens_100k(tmp_path / "cache", quiet)
    assert read_cache(tmp_path) == (TABLE, TITLES)


def test_titles_of_every_edition_become_one_table():
    assert titles_table("u.item", U_ITEM.encode("latin-1")) == titles_table("ml-100k.item", DOT_ITEM.encode()) == TITLES
    assert titles_table("movies.dat", "1::Café Noir (1995)::Drama\n".encode("latin-1")) == "1\tCafé Noir\t1995\n"
    assert titles_table("movies.csv", b'movieId,title,genres\n11,"American President, The (1995)",x\n') == (
        "11\tAmerican President, The\t1995\n"
    )
    with pytest.raises(UserError, match="not in the format"):
        titles_table("u.item", b"nothing\n")
