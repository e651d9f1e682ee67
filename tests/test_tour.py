"""README's Python and docs/tour.ipynb run from top to bottom; the tour shows what it showed on the real data."""

from __future__ import annotations

import ast
import contextlib
import io
import json
import re
from pathlib import Path

import numpy as np
import pytest

from conftest import two_tastes
from data_prep import DataOptions, prepare
from notebook import run_notebook
from utils.engine import ENGINES, engine_obstacle

ROOT = Path(__file__).resolve().parent.parent
TOUR = json.loads((ROOT / "docs" / "tour.ipynb").read_text(encoding="utf-8"))
CODE = [cell for cell in TOUR["cells"] if cell["cell_type"] == "code"]


#: Small data in place of the real, which are not fetched.
_PARAMETERS = """
data_dir, log_dir, n_epochs = {!r}, {!r}, 8
really = prepare


def prepare(options, **given):
    return really(options, **{{**given, "download": False}})
"""


@pytest.fixture(scope="module")
def small_movielens(tmp_path_factory):
    """What stands in for MovieLens 100K: its files' form, two tastes, films with titles."""
    folder = tmp_path_factory.mktemp("movielens")
    clicks = two_tastes(n_users=240, n_items=60, clicks=24).tocoo()
    lines = [
        f"{user + 1}\t{item + 1}\t5\t{881250949 + item}" for user, item in zip(clicks.row, clicks.col, strict=True)
    ]
    (folder / "ml-100k").mkdir()
    (folder / "ml-100k" / "u.data").write_text("\n".join(lines) + "\n")
    films = [f"{item + 1}|Film {item} ({1930 + item})|01-Jan-1995" for item in range(60)]
    (folder / "ml-100k" / "u.item").write_text("\n".join(films) + "\n")
    prepare(DataOptions("movielens-100k"), raw=folder / "ml-100k", data_dir=folder / "data", say=lambda line: None)
    return folder


def output_of(done, cell_id, form="text/plain"):
    (cell,) = [cell for cell in done["cells"] if cell["id"] == cell_id]
    return "".join(text for output in cell["outputs"] for text in output.get("text") or output["data"].get(form, []))


def cell_with(text):
    (found,) = [cell["id"] for cell in CODE if text in "".join(cell["source"])]
    return found


def test_the_tour_runs_from_top_to_bottom(small_movielens, monkeypatch):
    pytest.importorskip("matplotlib")
    if missing := [why for name in ENGINES if (why := engine_obstacle(name))]:
        pytest.skip(missing[0])
    monkeypatch.chdir(ROOT)  # the tour changes the folder; this puts it back
    where = {name: str(small_movielens / name) for name in ("data", "results")}
    done = run_notebook(TOUR, _PARAMETERS.format(where["data"], where["results"]))
    layers = output_of(done, cell_with("pivot_table"), "text/html")
    assert "PyTorch" in layers
    recommended = output_of(done, cell_with("liked_too"), "text/html")
    assert "Film" in recommended
    assert " *" in recommended, "something the user had liked too"
    assert "<svg" in output_of(done, cell_with("class Svg"), "image/svg+xml")
    assert "n100_diff" in output_of(done, cell_with("compare(results)"), "text/html")
    assert len(list((small_movielens / "results" / "runs").iterdir())) == 4


def test_the_tours_loss_is_the_formula():
    (cell,) = [cell for cell in CODE if "log_pi" in "".join(cell["source"])]
    shown = eval("".join(cell["outputs"][0]["data"]["text/plain"]), {"np": np})
    pi = np.exp([2.0, 0.5, 1.0, -1.0]) / np.exp([2.0, 0.5, 1.0, -1.0]).sum()
    assert shown["-log p"] == pytest.approx(-np.log(pi[0]) - np.log(pi[2]))
    mu, variance = np.array([0.3, -0.2]), np.exp([-0.1, 0.2])
    assert shown["KL"] == pytest.approx(0.5 * np.sum(variance + mu**2 - 1 - np.log(variance)))
    assert shown["loss"] == pytest.approx(shown["-log p"] + 0.2 * shown["KL"])


def test_the_tour_is_stored_with_its_outputs_as_jupyter_would():
    assert (TOUR["nbformat"], TOUR["nbformat_minor"]) == (4, 5)
    assert len({cell["id"] for cell in TOUR["cells"]}) == len(TOUR["cells"])
    assert [cell["execution_count"] for cell in CODE] == list(range(1, len(CODE) + 1))
    assert all(cell["outputs"] for cell in CODE[1:])
    text = json.dumps(TOUR)
    assert "Star Wars (1977)" in text, "of the real data"
    assert "Traceback" not in text


(SNIPPET,) = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(encoding="utf-8"), re.DOTALL)


@pytest.mark.parametrize("name", ["movielens-100k", "mine"])
def test_readmes_python_runs_on_fewer_items_than_it_lists_with_titles_and_without(engine, name, tmp_path, monkeypatch):
    """Every user has clicked seven of the eight items: what is left to recommend is less than the five asked for."""
    clicks = [(user, item) for user in range(40) for item in range(101, 109) if item != 101 + user % 8]
    (tmp_path / "ml-100k").mkdir()
    (tmp_path / "ml-100k" / "u.data").write_text(
        "".join(f"{user}\t{item}\t5\t{881250949 + item}\n" for user, item in clicks)
    )
    (tmp_path / "ml-100k" / "u.item").write_text("".join(f"{item}|Film {item} (1995)|\n" for item in range(101, 108)))
    (tmp_path / "mine.csv").write_text("user,item\n" + "".join(f"{user},{item}\n" for user, item in clicks))
    raw = tmp_path / ("mine.csv" if name == "mine" else "ml-100k")
    monkeypatch.setattr("data_prep.prepare", lambda options, download: prepare(options, raw=raw, say=lambda line: None))
    monkeypatch.chdir(tmp_path)
    names = {}
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        exec(
            SNIPPET.replace("movielens-100k", name).replace("mxnet", engine).replace("n_epochs=50", "n_epochs=1"), names
        )
    shown = ast.literal_eval(printed.getvalue().splitlines()[-1])
    data, (first, *_) = names["data"], names["lists"]
    (left,) = np.nonzero(data.test_fold_in.binary()[0].toarray()[0] == 0)
    ids = [str(data.item_ids[item]) for item in first[: len(left)]]
    titles = {str(item): f"Film {item} (1995)" for item in range(101, 108)} if name == "movielens-100k" else {}
    assert sorted(first) == [-1] * (5 - len(left)) + list(left), "padded"
    assert shown == [titles.get(each, each) for each in ids]
