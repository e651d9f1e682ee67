"""python -m experiments.report: what is on the page, that its numbers are SciPy's, and what missing data leave."""

from __future__ import annotations

import csv
import json
import re
import subprocess
import sys
import xml.etree.ElementTree as ET
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from data_prep import find_prepared
from experiments import main_job
from experiments.analysis import plot_style
from experiments.analysis.comparison_text import unpaired_text
from experiments.analysis.pairs import pair_up
from experiments.analysis.plot_style import COLOURS, model_style, style
from experiments.analysis.published import published
from experiments.analysis.runs import distinct_runs, read, widths_of
from experiments.analysis.settings_text import setting, shared_and_varying
from experiments.analysis.statistics import holm
from experiments.analysis.table import Column, Table, latex_text
from experiments.report import command as report_command
from experiments.report.build import ReportInput, sections
from experiments.report.comparisons import verdict
from experiments.report.figures import bands, panels
from experiments.report.settings import best_settings, settings_of, with_result
from experiments.report.tables import likelihood_table
from report_runs import edit_metrics, write_full_run, write_grid
from run_folders import published_row
from utils.metrics.catalogue import BANDS
from utils.models import MODELS
from utils.results import rebuild
from utils.run_arrays import read_per_user
from utils.system.errors import UserError, guarded
from utils.system.files import read_json, write_json

ROOT = Path(__file__).resolve().parent.parent
FIGURES = ("annealing", "time", "losses", "frameworks", "quintiles", "bands")


def run_main(capsys, *argv):
    code = guarded(report_command.main, [str(part) for part in argv])
    out, err = capsys.readouterr()
    return code, out, err


def parts_of(results, data_dir):
    """Every figure and table by name, the data set's name left out."""
    found = sections([read(str(results))], ReportInput((str(results),), str(data_dir)))
    return {part.name.removeprefix("tastes-"): part for section in found for part in section.parts}


def notes_of(part):
    return " ".join(part.notes)


@pytest.fixture(scope="module")
def grid(tmp_path_factory, data_dir):
    return write_grid(tmp_path_factory.mktemp("grid"), data_dir)


@pytest.fixture(scope="module")
def page(grid, data_dir):
    pytest.importorskip("matplotlib")
    assert guarded(report_command.main, ["--results", str(grid), "--data_dir", str(data_dir)]) == 0
    return grid / "report" / "index.html"


class Outline(HTMLParser):
    """The elements of a page: ids, links, tables by article, and whether every tag is closed in its order."""

    def __init__(self, text):
        super().__init__()
        self.open, self.ids, self.links, self.rows, self.article = [], [], [], {}, None
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        attrs = dict(attrs)
        if tag not in ("meta", "link", "input", "br"):
            self.open.append(tag)
        if "id" in attrs:
            self.ids.append(attrs["id"])
        self.article = attrs["id"] if tag == "article" else self.article
        self.links += [attrs[name] for name in ("href", "src", "xlink:href") if name in attrs]
        if tag == "tr":
            self.rows[self.article] = self.rows.get(self.article, 0) + 1

    def handle_startendtag(self, tag, attrs):
        self.handle_starttag(tag, attrs)
        self.open.pop()

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


# --- the page


def test_the_page_has_every_part_with_its_command_and_runs(page, grid, data_dir):
    text = page.read_text()
    outline = Outline(text)
    parts = parts_of(grid, data_dir)
    assert len(set(outline.ids)) == len(outline.ids), "an id stands for one thing"
    for part in parts.values():
        assert part.name in outline.ids
        assert f"--results {grid} --only {part.name} --data_dir {data_dir}" in text
    assert outline.rows["runs"] == 1 + 8
    for run in distinct_runs(read(str(grid))):
        assert run["run_id"] in text
    assert text.count("<svg") == 2 * len(FIGURES), "wide and narrow"


def test_the_page_needs_nothing_but_itself_and_links_files_that_exist(page):
    text = page.read_text()
    outline = Outline(text)
    assert not re.search(r"""(src|href|url)\s*[=(]\s*["']?(https?:)?//""", text)
    for link in outline.links:
        if link.startswith("#"):
            assert link[1:] in outline.ids
        elif link != "data:,":
            assert (page.parent / link).is_file()


def test_every_figure_is_there_as_svg_and_png(page):
    folder = page.parent / "figures"
    assert {path.name for path in folder.iterdir()} == {
        f"tastes-{name}.{form}" for name in FIGURES for form in ("svg", "png")
    }
    for path in folder.glob("*.svg"):
        assert ET.parse(path).getroot().tag.endswith("svg")
    for path in folder.glob("*.png"):
        assert path.read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"


def test_every_table_is_there_as_csv_with_all_digits_and_as_latex(page, grid):
    folder = page.parent / "tables"
    assert {path.stem for path in folder.glob("*.csv")} == {path.stem for path in folder.glob("*.tex")}
    with open(folder / "runs.csv", newline="") as stream:
        rows = list(csv.DictReader(stream))
    scores = {run["run_id"]: run["n100"] for run in distinct_runs(read(str(grid)))}
    assert {row["run_id"]: float(row["n100"]) for row in rows} == scores
    latex = (folder / "tastes-models.tex").read_text()
    for piece in (r"\begin{tabular}", r"\toprule", r"\midrule", r"\bottomrule", r"\label{tab:tastes-models}"):
        assert piece in latex
    body = latex.split("\\midrule\n")[1].split("\\bottomrule")[0].strip().splitlines()
    assert len({line.count(" & ") for line in body}) == 1
    assert all(line.endswith(r"\\") for line in body)


@pytest.mark.parametrize(
    ("text", "latex"),
    [
        ("50 % & more_of #1", r"50 \% \& more\_of \#1"),
        ("-.0051 (.002)", "$-$.0051 (.002)"),
        ("vae - dae", "vae - dae"),
        ("p <.001, β ± 5–6", r"p $<$.001, $\beta$ $\pm$ 5--6"),
        ("-6e-7 to +2e-6", "$-$6e-7 to +2e-6"),
        (r"a\b{c}", r"a\textbackslash{}b\{c\}"),
    ],
)
def test_latex_prints_what_was_meant(text, latex):
    assert latex_text(text) == latex


def test_a_table_in_a_document_has_its_caption_and_its_notes_below_it():
    columns = [Column("n", "r", lambda record: str(record["n"]))]
    table = Table("t", "A title", columns, [{"n": 1}], "What is counted.", ["One is missing."])
    assert table.markdown().split("\n\n") == ["|   n |\n|----:|\n|   1 |", "What is counted.", "One is missing."]
    assert Table("t", "A title", columns, [{"n": 1}]).text().split("\n\n") == ["A title", "  n\n---\n  1"]


def test_the_page_has_every_colour_of_the_figures_in_light_dark_and_print():
    css = (ROOT / "experiments" / "report" / "page.css").read_text()
    schemes = re.findall(r":root \{(.*?)\}", css, re.DOTALL)
    assert len(schemes) == 3
    for name in (*COLOURS, "ink", "faint", "grid", "paper"):
        assert all(f"--{name}: #" in scheme for scheme in schemes), name


def test_names_from_files_do_not_become_html(tmp_path, data_dir, capsys):
    row = published_row(dataset="<script>alert(1)</script>")
    with open(tmp_path / "study.csv", "w", newline="") as stream:
        writer = csv.DictWriter(stream, row)
        writer.writeheader()
        writer.writerow(row)
    assert run_main(capsys, "--results", tmp_path / "study.csv")[0] == 0
    assert "<script>alert" not in (tmp_path / "report" / "index.html").read_text()


def test_the_same_runs_give_the_same_bytes(page, grid, data_dir, tmp_path, capsys):
    assert run_main(capsys, "--results", grid, "--data_dir", data_dir, "--out", tmp_path)[0] == 0
    for path in (path for path in page.parent.rglob("*") if path.is_file()):
        assert (tmp_path / path.relative_to(page.parent)).read_bytes() == path.read_bytes()


# --- the numbers


def of_users(results, engine, model, name="n100"):
    """Each user's figure, averaged over the seeds."""
    folders = sorted((results / "runs").glob(f"tastes-{model}-*-{engine}-*"))
    return np.mean([read_per_user(folder)[name].astype(np.float64) for folder in folders], axis=0)


def test_models_are_compared_as_scipy_does_and_corrected_by_holm(grid, data_dir):
    records = parts_of(grid, data_dir)["models"].records
    assert len(records) == 6
    (found,) = [row for row in records if (row["framework"], row["metric"]) == ("PyTorch", "Recall@20")]
    vae, dae = (of_users(grid, "pytorch", model, "r20") for model in ("vae", "dae"))
    assert found["difference"] == pytest.approx(vae.mean() - dae.mean(), abs=1e-7)
    assert found["t_p"] == pytest.approx(stats.ttest_rel(vae, dae).pvalue)
    assert found["wilcoxon_p"] == pytest.approx(stats.wilcoxon(vae, dae).pvalue)
    assert found["error"] == pytest.approx(stats.sem(vae - dae))
    for test in ("t", "wilcoxon"):
        corrected = holm([row[f"{test}_p"] for row in records])
        assert [row[f"{test}_holm"] for row in records] == pytest.approx(corrected.tolist())


def test_frameworks_are_tested_for_equality_over_users_and_seeds(grid, data_dir):
    found = parts_of(grid, data_dir)["frameworks-test"]
    assert [row["users_p"] < 0.05 and row["seeds_p"] < 0.05 for row in found.records] == [True, True]
    apart = of_users(grid, "pytorch", "vae") - of_users(grid, "mxnet", "vae")
    (row,) = [row for row in found.records if row["setting"].startswith("vae")]
    above = stats.ttest_1samp(apart, -0.003, alternative="greater").pvalue
    below = stats.ttest_1samp(apart, 0.003, alternative="less").pvalue
    assert row["users_p"] == pytest.approx(max(above, below))


def test_quintiles_are_of_the_fold_in_and_tested_as_scipy_does(grid, data_dir):
    found = parts_of(grid, data_dir)["quintiles"].content["MXNet"]
    data = find_prepared(data_dir, "tastes")
    users = np.flatnonzero(np.diff(data.test_held_out.indptr))
    activity = np.diff(data.test_fold_in.indptr)[users]
    last = np.argsort(activity, kind="stable")[-found[-1].n :]
    vae, dae = (of_users(grid, "mxnet", model)[last] for model in ("vae", "dae"))
    assert found[-1].p == pytest.approx(stats.ttest_rel(vae, dae).pvalue)
    assert sum(one.n for one in found) == len(users)


def test_spread_over_seeds_is_their_standard_deviation(grid, data_dir):
    table = parts_of(grid, data_dir)["seeds"]
    runs = [run for run in distinct_runs(read(str(grid))) if (run["model"], run["dl_frame"]) == ("vae", "Mxnet")]
    (row,) = [row for row in table.records if (row["model"], row["framework"]) == ("vae", "MXNet")]
    assert (row["seeds"], row["seed_list"]) == (2, "1, 2")
    assert row["n100_sd"] == pytest.approx(np.std([run["n100"] for run in runs], ddof=1))


def test_the_best_is_chosen_on_the_validation_users(tmp_path, data_dir):
    poor = write_full_run(tmp_path, data_dir, seed=1)
    edit_metrics(write_full_run(tmp_path, data_dir, seed=1, lr=0.002), n100=0.99)  # on the test users, by luck
    text = (poor / "metrics.json").read_text()
    (poor / "metrics.json").write_text(re.sub(r'("validation": \{[^}]*"n100": )[\d.]+', r"\g<1>0.9", text))
    (row,) = parts_of(tmp_path, data_dir)["best"].records
    assert row["run_id"] == poor.name


def test_the_settings_shown_to_be_equal_are_counted_and_the_others_are_not(tmp_path, data_dir):
    for seed in (1, 2):
        for model, apart in (("vae", 0.0), ("dae", 0.05)):
            write_full_run(tmp_path, data_dir, "pytorch", model=model, seed=seed)
            write_full_run(tmp_path, data_dir, "mxnet", model=model, seed=seed, shift=1e-6 * seed - apart)
        for engine in ("pytorch", "mxnet"):
            write_full_run(tmp_path, data_dir, engine, lr=0.002, seed=seed)
    _, found, _ = sections([read(str(tmp_path))], ReportInput((str(tmp_path),), str(data_dir)))
    assert found.findings[-1] == (
        "PyTorch and MXNet: 2 of 3 settings shown to be equal within 0.003 NDCG@100, over users."
    )
    words = {
        row["setting"].split()[0]: verdict(row, "users")
        for row in parts_of(tmp_path, data_dir)["frameworks-test"].records
    }
    assert words == {"vae": "equal", "dae": "not shown"}


def test_the_finding_counts_runs_and_settings_and_tells_the_best_run_with_its_error(tmp_path, data_dir):
    """Chosen on the validation users, whatever the test users say; on these where the others are not known."""
    for seed, validation, test in ((1, 0.5, 0.61), (2, 0.7, 0.62), (3, 0.6, 0.63)):
        folder = write_full_run(tmp_path, data_dir, seed=seed)
        metrics = json.loads((folder / "metrics.json").read_text())
        metrics["validation"]["n100"], metrics["test"]["n100"] = validation, test
        metrics["test_se"] |= {"n100": 0.011 + seed / 1000, "r20": 0.5}
        write_json(folder / "metrics.json", metrics)
    write_full_run(tmp_path, data_dir, seed=1, lr=0.002, shift=-0.4)
    frame = read(str(tmp_path))
    given = ReportInput((str(tmp_path),), str(data_dir))
    words = "4 runs of 2 settings. Best on the {} users: vae 4,16, cap 0.2 in PyTorch, test NDCG@100 {}."
    assert sections([frame], given)[1].findings == [words.format("validation", ".6200 (.0130)")]
    blank = sections([frame.assign(val_n100=np.nan)], given)
    assert blank[1].findings == [words.format("test", ".6300 (.0140)")]


def shown_in(table, record):
    """The cells of a record as a reader meets them, by column; of columns with one heading a list."""
    cells = {}
    for column in table.columns:
        cells.setdefault(column.title, []).append(column.show(record))
    return cells


def test_what_the_tables_print_is_the_corrected_p_the_verdict_and_pytorch_less_mxnet(tmp_path, data_dir):
    for model, shift in (("vae", 0.0), ("dae", 0.1)):
        for seed in (1, 2):
            write_full_run(tmp_path, data_dir, "pytorch", model=model, seed=seed, shift=shift)
            write_full_run(tmp_path, data_dir, "mxnet", model=model, seed=seed, shift=shift - 0.002)
    parts = parts_of(tmp_path, data_dir)
    models, frameworks = parts["models"], parts["frameworks-test"]
    weak = {**models.records[0], "t_p": 0.004, "t_holm": 0.02, "wilcoxon_p": 0.004, "wilcoxon_holm": 0.03}
    cells = shown_in(models, weak)
    assert (cells["t-test"], cells["Holm"], cells["Wilcoxon"]) == ([".004"], [".020", ".030"], [".004"])
    assert cells["difference"][0].endswith(")*"), "stars are of the corrected p"
    assert [row["difference"] > 0 for row in frameworks.records] == [True, True]
    assert all(shown_in(frameworks, row)["difference"][0].startswith("+") for row in frameworks.records)
    for p, word in ((0.049, "equal"), (0.051, "not shown"), (float("nan"), "-")):
        row = {**frameworks.records[0], "users_p": p, "seeds_p": 0.9}
        assert shown_in(frameworks, row)["within 0.003"] == [word, "not shown"]


def test_the_studys_profile_stands_for_a_model_only_where_nothing_else_ran(tmp_path, data_dir):
    """It computes otherwise than the paper, and may well score higher."""
    for model in ("vae", "dae"):
        better = write_full_run(tmp_path, data_dir, model=model, profile="recotour2020", shift=0.2)
    write_full_run(tmp_path, data_dir, model="vae")
    runs, _ = with_result(distinct_runs([read(str(tmp_path))]))
    chosen = {found.model: found.options["profile"] for found in best_settings(settings_of(runs))}
    assert chosen == {"vae": "paper", "dae": "recotour2020"}
    assert max(runs, key=lambda run: run["val_n100"])["profile"] == "recotour2020", "so that the score alone says else"
    assert better.exists()


def test_published_figures_stand_beside_ours(tmp_path, data_dir):
    figures = published()
    write_full_run(tmp_path, data_dir, dataset="movielens")
    table = parts_of(tmp_path, data_dir)["best"]
    records = table.records
    assert [row["source"] for row in records[:2]] == ["ours", "shenbin2020"]
    ours, theirs = (shown_in(table, record)["NDCG@100"][0] for record in records[:2])
    assert re.fullmatch(r"\.\d{4} \(\.\d{4}\)", ours), "with its error, which was not published"
    assert re.fullmatch(r"\.\d{3}", theirs)
    assert max(row["n100"] for row in records if row["source"] == "liang2018") == 0.426
    assert len(figures) > len(records)


def test_runs_of_another_likelihood_are_told_apart(tmp_path, data_dir):
    write_full_run(tmp_path, data_dir, model="vae")
    write_full_run(tmp_path, data_dir, model="vae", likelihood="gaussian", confidence=5.0)
    write_full_run(tmp_path, data_dir, model="vae", likelihood="logistic", output_bias="zero")
    runs = distinct_runs(read(str(tmp_path)))
    _, varying = shared_and_varying(runs)
    assert {setting(run, varying) for run in runs} == {
        "vae 4,16, cap 0.2",
        "vae 4,16, cap 0.2, likelihood gaussian, confidence 5",
        "vae 4,16, cap 0.2, likelihood logistic, output_bias zero",
    }
    rows = likelihood_table(runs, published(), "l").records
    assert [row["likelihood"] for row in rows if row["source"] == "ours"] == ["gaussian", "logistic", "multinomial"]


def test_likelihoods_stand_beside_the_papers_table(tmp_path, data_dir):
    write_full_run(tmp_path, data_dir, dataset="movielens")
    runs = distinct_runs(read(str(tmp_path)))
    alone = likelihood_table(runs, published(), "l")
    assert (alone.records, alone.notes) == ([], ["All runs are of the multinomial likelihood."])
    both = likelihood_table([*runs, {**runs[0], "model": "gaussian-vae", "run_id": "g"}], published(), "l").records
    assert [(row["likelihood"], row["source"]) for row in both[:2]] == [("gaussian", "ours"), ("multinomial", "ours")]
    assert {(row["likelihood"], row["n100"]) for row in both[2:]} == {
        ("multinomial", 0.426), ("gaussian", 0.415), ("logistic", 0.419),
    }  # fmt: skip


# --- a family of models


def test_a_model_without_engine_seed_widths_beta_or_likelihood_stands_beside_the_others(tmp_path, data_dir):
    write_grid(tmp_path, data_dir, models=("vae",))
    folder = write_full_run(tmp_path, data_dir, model="dae", seed=3)
    with np.load(folder / "per_user.npz") as stored:
        baseline = {name: stored[name] for name in stored.files if name not in ("nll", "kl")}
    np.savez(folder / "per_user.npz", **baseline)
    (folder / "history.csv").unlink()
    frame = read(str(tmp_path)).astype(object)
    of_dae = frame["model"] == "dae"
    frame.loc[of_dae, ["dl_frame", "seed", "p_dims", "q_dims", "dropout_enc", "dropout_dec", "beta", "best_epoch"]] = (
        "NA"
    )
    frame.loc[of_dae, ["loss", "nll", "kl"]] = np.nan
    frame.loc[of_dae, "model"] = "popularity"
    frame[["profile", "deviations"]] = "NA"  # which not every model has

    parts = all_drawn(sections([frame], ReportInput((str(tmp_path),), str(data_dir))))
    found = [row for row in parts["models"].records if row["metric"] == "NDCG@100"]
    assert [(row["first"], row["second"], row["framework"], row["seeds"]) for row in found] == [
        ("vae", "popularity", "PyTorch", 2), ("vae", "popularity", "MXNet", 2),
    ]  # fmt: skip
    apart = of_users(tmp_path, "pytorch", "vae") - baseline["n100"]
    assert found[0]["t_p"] == pytest.approx(stats.ttest_1samp(apart, 0).pvalue), "its one run beside every seed"
    assert list(parts["quintiles"].content["MXNet"][0].means) == ["vae", "popularity"]
    assert [len(curves) for curves in parts["annealing"].content.values()] == [4]
    assert {row["model"] for row in parts["bands"].content} == {"vae", "popularity"}
    assert [row[0] for row in parts["seeds"].rows] == ["popularity", "vae 4,16, cap 0.2", "vae 4,16, cap 0.2"]
    pairs, unpaired = pair_up(frame)
    assert len(pairs) == 1
    assert re.search(r"tastes +popularity +NA +NA ", unpaired_text(unpaired))


def test_fifteen_models_have_looks_of_their_own_and_fit_a_figure(monkeypatch):
    pytest.importorskip("matplotlib")
    models = [*MODELS, *(f"model{n}" for n in range(13))]
    monkeypatch.setattr(plot_style, "MODELS", dict.fromkeys(models))
    assert len({model_style(name) for name in models}) == len(models)
    row = dict.fromkeys(BANDS, 0.1) | dict.fromkeys((f"{band}_se" for band in BANDS), 0.01)
    content = [{"model": name, "framework": "PyTorch", **row} for name in models]
    for narrow in (False, True):
        with style():
            figure = bands.draw(content, narrow)
        assert [text.get_text() for text in figure.legends[0].get_texts()] == models
        places = sorted(line.get_xdata()[0] for line in figure.axes[0].lines if line.get_marker() != "_")
        assert len(set(places)) == len(models)
        assert -0.5 < places[0] < places[-1] < 0.5


@pytest.mark.parametrize(
    ("n", "places"), [(1, [0]), (2, [-0.1, 0.1]), (3, [-0.2, 0, 0.2]), (5, [-0.32, -0.16, 0, 0.16, 0.32])]
)
def test_marks_side_by_side_stand_around_their_place(n, places):
    assert plot_style.spread_out(n, 0.2).tolist() == pytest.approx(places)


@pytest.mark.parametrize(
    ("annealing", "label"), [("constant", "β = 0.2 throughout"), ("relative", "β at the end of the epoch")]
)
def test_the_upper_axis_of_an_annealing_curve_is_its_beta(tmp_path, data_dir, annealing, label):
    plt = pytest.importorskip("matplotlib.pyplot")
    for engine in ("pytorch", "mxnet"):
        folder = write_full_run(tmp_path, data_dir, engine, annealing=annealing)
        if annealing == "constant":
            history = pd.read_csv(folder / "history.csv").assign(beta=0.2)
            history.to_csv(folder / "history.csv", index=False)
    part = parts_of(tmp_path, data_dir)["annealing"]
    figure = part.draw(part.content, False)
    figure.canvas.draw()
    assert {axis.get_xlabel() for axes in figure.axes for axis in axes.child_axes} == {label}
    plt.close(figure)


@pytest.mark.parametrize(("epoch_seconds", "unit", "words"), [(2.0, 1, "14.7 s"), (60.0, 60, "7.01 min")])
def test_curves_by_the_clock_are_in_the_unit_said(tmp_path, data_dir, epoch_seconds, unit, words):
    plt = pytest.importorskip("matplotlib.pyplot")
    folder = write_full_run(tmp_path, data_dir)  # of 9 epochs, the seventh the best, each with an evaluation of .1 s
    pd.read_csv(folder / "history.csv").assign(seconds=epoch_seconds).to_csv(folder / "history.csv", index=False)
    part = parts_of(tmp_path, data_dir)["time"]
    (axes,) = (figure := part.draw(part.content, False)).axes
    assert axes.lines[0].get_xdata().tolist() == pytest.approx((epoch_seconds + 0.1) * np.arange(1, 10) / unit)
    assert axes.get_xlabel().startswith("minutes" if unit == 60 else "seconds")
    assert [text.get_text() for text in axes.texts] == [f"PyTorch: best after {words}"]
    plt.close(figure)


def test_every_width_that_was_run_has_its_place_in_the_panel(tmp_path, data_dir):
    plt = pytest.importorskip("matplotlib.pyplot")
    for width in (4, 8, 16):
        write_full_run(tmp_path, data_dir, p_dims=(width, 32))
    part = parts_of(tmp_path, data_dir)["widths"]
    (axes,) = (figure := part.draw(part.content, False)).axes
    low, high = axes.get_xlim()
    assert axes.get_xticks().tolist() == [4, 8, 16]
    assert low < 4 < 16 < high
    plt.close(figure)


def test_scores_too_low_to_be_drawn_are_said_in_the_panel():
    plt = pytest.importorskip("matplotlib.pyplot")
    figure, axes = plt.subplots()
    assert panels.without_far(axes, [0.4, 0.39, 0.02, 0.01, 0.015], float) == [0.4, 0.39]
    assert [text.get_text() for text in axes.texts] == ["not shown: 3 at .010–.020"]
    assert panels.without_far(axes, [0.4, 0.39], float) == [0.4, 0.39]
    assert len(axes.texts) == 1
    plt.close(figure)


# --- what is missing leaves a note


def draw_all(results, data_dir):
    return all_drawn(sections([read(str(results))], ReportInput((str(results),), str(data_dir))))


def all_drawn(found):
    """Every part by name, after all figures that have something to show were drawn (not rendered, which takes long)."""
    pytest.importorskip("matplotlib")
    parts = {part.name.removeprefix("tastes-"): part for section in found for part in section.parts}
    for part in parts.values():
        if not isinstance(part, Table) and part.content:
            for narrow in (False, True):
                with style():
                    assert part.draw(part.content, narrow).axes
    return parts


def test_a_table_of_one_run_without_its_folder(tmp_path, data_dir, capsys):
    write_full_run(tmp_path / "whole", data_dir)
    (tmp_path / "all_results.csv").write_bytes(rebuild(tmp_path / "whole").read_bytes())
    assert run_main(capsys, "--results", tmp_path, "--data_dir", data_dir)[0] == 0
    text = (tmp_path / "report" / "index.html").read_text()
    Outline(text)
    parts = draw_all(tmp_path, data_dir)
    assert all(note in text for part in parts.values() for note in part.notes)
    assert "has no history to draw" in notes_of(parts["time"])
    assert "has a history" in notes_of(parts["annealing"])
    assert "lists.npz" in notes_of(parts["bands"])
    assert "both frameworks" in notes_of(parts["frameworks"])
    assert "one seed" in notes_of(parts["seeds"])
    assert "two models" in notes_of(parts["quintiles"])
    assert parts["losses"].content, "what is known is drawn"


def test_one_framework_only(tmp_path, data_dir):
    parts = draw_all(write_grid(tmp_path, data_dir, seeds=(1,), engines=("mxnet",)), data_dir)
    assert "No setting was run by both frameworks" in notes_of(parts["frameworks"])
    assert list(parts["quintiles"].content) == ["MXNet"]
    assert len(parts["models"].records) == 3


def test_a_run_without_history_figures_or_lists(tmp_path, data_dir):
    write_grid(tmp_path, data_dir, seeds=(1,))
    for name, engine in (("history.csv", "mxnet"), ("per_user.npz", "mxnet"), ("lists.npz", "mxnet")):
        for path in (tmp_path / "runs").glob(f"*{engine}*/{name}"):
            path.unlink()
    (next((tmp_path / "runs").glob("*vae*pytorch*")) / "lists.npz").write_bytes(b"PK\x03\x04 cut off")
    (next((tmp_path / "runs").glob("*dae*pytorch*")) / "history.csv").write_text("epoch\n1\n")
    parts = draw_all(tmp_path, data_dir)
    assert notes_of(parts["time"]).count("has no history") == 3
    assert "Nothing is known over users" in notes_of(parts["frameworks-test"])
    assert "no paired error" in notes_of(parts["frameworks"])
    assert "MXNet" in notes_of(parts["quintiles"])
    assert "per_user.npz" in notes_of(parts["models"])
    assert "damaged" in notes_of(parts["bands"])
    assert [row["model"] for row in parts["beyond"].records] == ["dae"]


def test_one_user_in_a_quintile(tmp_path, data_dir):
    write_grid(tmp_path, data_dir, seeds=(1,))
    for n, expected in (
        (6, "PyTorch: one user in quintile 2, 3, 4, 5: no error, no test."),
        (1, "PyTorch: 4 of the quintiles have no user."),
    ):
        for path in (tmp_path / "runs").glob("*/per_user.npz"):
            with np.load(path) as stored:
                few = {name: stored[name][:n] for name in stored.files}
            np.savez(path, **few)
        assert expected in draw_all(tmp_path, data_dir)["quintiles"].notes


def test_data_that_are_gone_or_others(tmp_path, data_dir):
    folder = write_full_run(tmp_path, data_dir)
    write_full_run(tmp_path, data_dir, model="dae")
    parts = draw_all(tmp_path, tmp_path / "nowhere")
    for name in ("data-sets", "quintiles", "beyond"):
        assert "the prepared data" in notes_of(parts[name])
    (other := tmp_path / "strong-00000000").mkdir()  # a preparation, and not the run's
    write_json(other / "manifest.json", {})
    for record in tmp_path.glob("runs/*/run.json"):
        write_json(record, {**read_json(record), "manifest": str(other / "manifest.json")})
    assert "the prepared data" in notes_of(draw_all(tmp_path, tmp_path / "nowhere")["data-sets"])
    with np.load(folder / "lists.npz") as stored:
        np.savez(folder / "lists.npz", user=stored["user"], items=stored["items"] + 1000)
    assert "not of these data" in notes_of(draw_all(tmp_path, data_dir)["beyond"])


def test_a_run_without_a_score_is_named_and_left_out(tmp_path, data_dir):
    write_full_run(tmp_path, data_dir)
    diverged = write_full_run(tmp_path, data_dir, seed=2)
    edit_metrics(diverged, n100=None)
    found = sections([read(str(tmp_path))], ReportInput((str(tmp_path),), str(data_dir)))
    assert found[0].findings == [f"{diverged.name} has no NDCG@100 and is left out."]
    assert len(draw_all(tmp_path, data_dir)["runs"].records) == 1


def test_the_studys_own_table(data_dir):
    parts = draw_all(ROOT / "results" / "published.csv", data_dir)
    assert {widths_of(found.options)[0] for found in parts["amazon-widths"].content["vae"]} >= {100, 200, 300}
    assert "figures of each user" in notes_of(parts["amazon-models"])
    assert {row["source"] for row in parts["best"].records} >= {"liang2018", "recotour2020", "steck2019"}


def test_what_a_table_does_not_know_is_a_dash_and_never_nan(data_dir):
    """The study's own figures: no errors, no seeds, no seconds, and some without a loss."""
    parts = [part for section in sections([published()], ReportInput(("x",), str(data_dir))) for part in section.parts]
    tables = [part for part in parts if isinstance(part, Table)]
    shown = [column.show(record) for part in tables for record in part.records for column in part.columns]
    assert len(shown) > 100
    assert "-" in shown
    assert not {"nan", "inf", "0.0e+00"} & {word.strip("()%,") for text in shown for word in text.split()}


def test_without_matplotlib_there_is_a_page_with_notes(tmp_path, data_dir, capsys, monkeypatch):
    write_grid(tmp_path, data_dir, seeds=(1,))
    for name in [name for name in sys.modules if name.split(".")[0] == "matplotlib"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    code, _, err = run_main(capsys, "--results", tmp_path, "--data_dir", data_dir)
    assert code == 0
    assert err.startswith("no figures in the report: matplotlib is not installed")
    assert len(err.splitlines()) == 1
    text = (tmp_path / "report" / "index.html").read_text()
    assert text.count("No figure: matplotlib is not installed") == len(FIGURES)
    assert "Models against each other" in text
    code, _, err = run_main(capsys, "--results", tmp_path, "--data_dir", data_dir, "--only", "tastes-time")
    assert (code, len(err.splitlines())) == (2, 1)


# --- the command


def test_only_one_part_is_written_where_it_is_asked_for(grid, data_dir, tmp_path, capsys):
    pytest.importorskip("matplotlib")
    for name, files in (
        ("tastes-time", ["figures/tastes-time.png", "figures/tastes-time.svg"]),
        ("runs", ["tables/runs.csv", "tables/runs.tex"]),
    ):  # fmt: skip
        out = tmp_path / name
        code, _, _ = run_main(capsys, "--results", grid, "--data_dir", data_dir, "--only", name, "--out", out)
        assert code == 0
        assert sorted(str(path.relative_to(out)) for path in out.rglob("*.*")) == files


@pytest.mark.parametrize(
    ("argv", "expected"),
    [
        (["--results", "nosuch"], "nosuch"),
        (["--dataset", "netflix"], "--dataset netflix is not in the results; they hold tastes"),
        (["--only", "nosuch"], "--only nosuch is no figure or table of this report; expected one of best,"),
        (["--only", "tastes-likelihoods"], "has nothing to show: All runs are of the multinomial likelihood."),
        (["--margin", "0"], "expected a number, above 0"),
        (["--out", "{file}"], "is a file; expected a folder"),
    ],
)
def test_bad_input_is_one_line(grid, data_dir, tmp_path, capsys, argv, expected):
    (tmp_path / "file").write_text("")
    argv = [part.format(file=tmp_path / "file") for part in argv]
    argv += [] if "--results" in argv else ["--results", grid]
    code, _, err = run_main(capsys, *argv, "--data_dir", data_dir)
    assert code == 2
    assert len(err.splitlines()) == 1
    assert expected in err


def test_open_shows_the_page(grid, data_dir, tmp_path, capsys, monkeypatch):
    shown = []
    monkeypatch.setattr(report_command.webbrowser, "open", shown.append)
    monkeypatch.setattr(report_command, "write_page", lambda found, given, out: out / "index.html")
    assert run_main(capsys, "--results", grid, "--data_dir", data_dir, "--out", tmp_path, "--open")[0] == 0
    assert shown == [(tmp_path / "index.html").resolve().as_uri()]


def test_the_command_runs_as_a_process(grid):
    command = [sys.executable, "-m", "experiments.report", "--results", str(grid), "--only", "nosuch"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert done.stderr.startswith("error: --only nosuch")


def test_the_main_job_ends_with_the_report_and_survives_its_failure(monkeypatch, capsys):
    class Settled:
        class options:  # noqa: N801
            log_dir, data_dir = "r", "d"

    given = []
    monkeypatch.setattr(main_job.report, "main", given.append)
    main_job._report(Settled)
    assert given == [["--results", "r", "--data_dir", "d"]]

    def fails(argv):
        raise UserError("Jinja2 is not installed")

    monkeypatch.setattr(main_job.report, "main", fails)
    main_job._report(Settled)
    assert capsys.readouterr().err == "no report: Jinja2 is not installed\n"


def test_the_command_of_a_part_says_whatever_is_not_the_default():
    assert (
        ReportInput(("results",), "data").command("runs")
        == "python -m experiments.report --results results --only runs"
    )
    given = ReportInput(("a b", "c"), "d", 0.01, "x").command("x-time")
    assert given.endswith("--results 'a b' c --only x-time --data_dir d --dataset x --margin 0.01")


def test_every_table_shows_something_of_each_record(grid, data_dir):
    for part in parts_of(grid, data_dir).values():
        if isinstance(part, Table) and part.records:
            assert all(
                any(column.show(record) not in ("", "-") for column in part.without_empty_columns().columns)
                for record in part.records
            )


def test_a_run_that_diverged_is_named_and_left_out_whatever_it_scored_before(tmp_path, data_dir):
    write_full_run(tmp_path, data_dir)
    diverged = write_full_run(tmp_path, data_dir, seed=2)
    record = json.loads((diverged / "metrics.json").read_text())
    (diverged / "metrics.json").write_text(json.dumps(record | {"status": "diverged"}))
    found = sections([read(str(tmp_path))], ReportInput((str(tmp_path),), str(data_dir)))
    assert found[0].findings == [f"{diverged.name} diverged and is left out."]
