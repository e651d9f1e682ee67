"""python -m experiments.discrepancy: which runs are partners, what a deviation costs, what is written where."""

from __future__ import annotations

import csv
import json
import math
import re
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from experiments.analysis.runs import distinct_runs, read
from run_folders import per_user_values, write_run
from studies.recotour2020 import page as discrepancy
from studies.recotour2020.costs import cost_interval, cost_panel, cost_rows
from studies.recotour2020.document import fill_places
from studies.recotour2020.page import findings
from studies.recotour2020.runs import annealed_to_one, core, effects, in_force, usable
from utils.deviations import DEVIATIONS
from utils.results import rebuild
from utils.system.errors import UserError, guarded
from utils.system.files import write_json

ROOT = Path(__file__).resolve().parent.parent
N_USERS = 50


def write(folder, engine="pytorch", *, shift=0.0, best_epoch=7, beta=None, **options):
    """A finished run whose users' NDCG@100 is that of its seed, ``shift`` higher, with noise of its own."""
    seed = options.get("seed", 1)
    users = per_user_values(N_USERS, seed=seed)
    noise = np.random.default_rng([seed, *repr((engine, sorted(options.items()))).encode()])
    users["n100"] = (0.4 + shift + 0.01 * users["n100"] + 0.001 * noise.standard_normal(N_USERS)).astype(np.float32)
    run = write_run(folder, engine, users, best_epoch=best_epoch, **options)
    if beta is not None:
        metrics = json.loads((run / "metrics.json").read_text())
        write_json(run / "metrics.json", metrics | {"beta": beta})
    return run


def n100(run):
    with np.load(run / "per_user.npz") as stored:
        return stored["n100"].astype(np.float64)


def runs_in(folder):
    return usable(distinct_runs(read(str(folder))))


def write_core(folder, seeds=(1, 2)):
    for seed in seeds:
        for profile in ("paper", "recotour2020"):
            for engine in ("pytorch", "mxnet"):
                for cap, decay in ((0.2, 0.0), (0.2, 0.001), (0.0, 0.0), (0.0, 0.001)):
                    shift = -0.022 if (profile, engine) == ("recotour2020", "mxnet") else 0.0
                    options = {"profile": profile, "anneal_cap": cap, "weight_decay": decay}
                    write(folder, engine, shift=shift, seed=seed, **options, constant_anneal=cap == 0)


def test_what_an_older_table_does_not_tell_is_a_dash(tmp_path):
    write_core(tmp_path, seeds=(1,))
    runs = [{**run, "best_epoch": math.nan, "n100": math.nan} for run in runs_in(tmp_path)]
    for table in findings(runs, "movielens-1m").tables:
        assert not re.search(r"\bnan\b", table.text()), table.text()
    row = findings(runs, "movielens-1m").tables[0].rows[0]
    assert (row[3], row[4], row[7]) == ("-", "-", "- / -")


def write_annealed(folder, seeds=(1, 2), profiles=("paper", "recotour2020"), engines=("pytorch", "mxnet")):
    """Runs annealed to 1 with histories that peak at epoch 6, but for MXNet's of the 2020 profile at epoch 3."""
    for seed in seeds:
        for profile in profiles:
            for engine in engines:
                best = 3 if (profile, engine) == ("recotour2020", "mxnet") else 6
                epochs = np.arange(1, 11)
                betas = np.minimum(1.0, epochs / 8.5)
                options = {"profile": profile, "anneal_cap": 1.0, "n_epochs": 10, "early_stop_patience": 0}
                run = write(folder, engine, seed=seed, best_epoch=best, beta=betas[best - 1], **options)
                scores = 0.3 - 0.004 * np.abs(epochs - best) + 0.001 * seed
                pd.DataFrame({"epoch": epochs, "beta": betas, "val_n100": scores}).to_csv(
                    run / "history.csv", index=False
                )


def run_main(capsys, *argv):
    code = guarded(discrepancy.main, [str(part) for part in argv])
    out, err = capsys.readouterr()
    return code, out, err


# --- partners


def test_a_deviation_is_held_against_the_run_that_differs_in_it_alone(tmp_path):
    with_it = write(tmp_path, "mxnet", deviations=("baked_sampling",))
    partner = write(tmp_path, "mxnet")
    write(tmp_path, "pytorch")
    write(tmp_path, "mxnet", weight_decay=0.001)
    write(tmp_path, "mxnet", lr_scheduler=True)
    write(tmp_path, "mxnet", profile="recotour2020")
    write(tmp_path, "mxnet", seed=2)
    (effect,), notes = effects(runs_in(tmp_path))
    assert notes == []
    assert (effect.names, effect.profile, effect.added, effect.engine) == (("baked_sampling",), "paper", True, "mxnet")
    assert effect.pair.runs["with"][1][0]["run_id"] == with_it.name
    assert effect.pair.runs["without"][1][0]["run_id"] == partner.name
    assert effect.pair.seeds == (1,)


def test_what_is_taken_from_the_study_is_a_cost_with_the_same_sign(tmp_path):
    without = write(tmp_path, "mxnet", profile="recotour2020", deviations=("no_baked_sampling",), shift=0.02)
    with_it = write(tmp_path, "mxnet", profile="recotour2020")
    (effect,), _ = effects(runs_in(tmp_path))
    assert not effect.added
    assert effect.pair.runs["with"][1][0]["run_id"] == with_it.name
    assert effect.pair.difference().mean == pytest.approx(n100(with_it).mean() - n100(without).mean(), abs=1e-9)
    assert effect.pair.difference().mean < -0.01


def test_several_deviations_at_once_are_one_row_and_idle_names_are_none(tmp_path):
    write(tmp_path, "mxnet")
    write(tmp_path, "mxnet", deviations=("stock_epsilon", "double_rescale"))
    write(tmp_path, "mxnet", profile="recotour2020")
    write(tmp_path, "mxnet", profile="recotour2020", deviations=("stock_epsilon",))  # has it already
    (effect,), notes = effects(runs_in(tmp_path))
    assert effect.names == ("double_rescale", "stock_epsilon")
    assert notes == []


def test_without_a_partner_of_the_same_seed_there_is_a_note_not_a_row(tmp_path):
    write(tmp_path, "mxnet", deviations=("baked_sampling",))
    write(tmp_path, "mxnet", seed=2)
    mixed = write(tmp_path, "pytorch", profile="recotour2020", deviations=("baked_sampling", "no_stock_init"))
    write(tmp_path, "pytorch", profile="recotour2020")
    found, notes = effects(runs_in(tmp_path))
    assert found == []
    assert len(notes) == 2
    assert any("no finished run of the same seed" in note and "baked_sampling" in note for note in notes)
    assert any(mixed.name in note and "no deviation's own" in note for note in notes)


def test_widths_are_told_where_they_differ(tmp_path):
    for p_dims in ((200, 600), (100, 300)):
        write(tmp_path, "mxnet", p_dims=p_dims)
        write(tmp_path, "mxnet", p_dims=p_dims, deviations=("baked_sampling",))
    assert [row[3] for row in tables_of(tmp_path)["deviations"].rows] == [
        "vae 100,300, cap 0.2",
        "vae 200,600, cap 0.2",
    ]


def test_what_is_in_force_is_what_profile_and_names_say(tmp_path):
    write(tmp_path, "pytorch", profile="recotour2020", deviations=("no_tanh_everywhere", "coupled_decay"))
    (run,) = runs_in(tmp_path)
    assert in_force(run) == {"plateau_min", "batch_mean_loss", "stock_init", "stale_best", "coupled_decay"}


def test_the_core_is_the_setting_that_fills_most_places(tmp_path):
    write_core(tmp_path, seeds=(1,))
    for engine in ("pytorch", "mxnet"):
        for profile in ("paper", "recotour2020"):
            write(tmp_path, engine, profile=profile, lr_scheduler=True)
            write(tmp_path, engine, profile=profile, eval_every=5)
            write(tmp_path, engine, profile=profile, model="dae")
    write_annealed(tmp_path)
    cells = core(runs_in(tmp_path))
    assert [(cell.profile, cell.cap, cell.weight_decay) for cell in cells] == [
        (profile, cap, decay) for profile in ("paper", "recotour2020") for cap in (0.0, 0.2) for decay in (0.0, 0.001)
    ]
    runs = [run for cell in cells for of_seeds in cell.runs.values() for run in of_seeds.values()]
    assert len(runs) == 16
    assert not any(run["lr_scheduler"] for run in runs)
    assert {run["eval_every"] for run in runs} == {1}
    assert {run["early_stop_patience"] for run in annealed_to_one(runs_in(tmp_path))} == {0}


def test_a_table_older_than_profiles_is_of_the_papers(tmp_path):
    write(tmp_path, "pytorch")
    table = rebuild(tmp_path)
    with open(table, newline="") as stream:
        rows = [{k: v for k, v in row.items() if k not in ("profile", "deviations")} for row in csv.DictReader(stream)]
    with open(table, "w", newline="") as stream:
        writer = csv.DictWriter(stream, rows[0])
        writer.writeheader()
        writer.writerows(rows)
    (cell,) = core(runs_in(tmp_path))
    assert cell.profile == "paper"
    assert "deviations" not in tables_of(tmp_path)["core"].caption


# --- numbers


def test_difference_error_and_p_are_scipys_over_users_of_the_seeds_means(tmp_path):
    runs = {
        (name, seed): write(tmp_path, "mxnet", seed=seed, deviations=names, shift=shift)
        for name, names, shift in (("with", ("baked_sampling",), -0.0004), ("without", (), 0.0))
        for seed in (1, 2, 3)
    }
    (effect,), _ = effects(runs_in(tmp_path))
    found = effect.pair.difference()
    apart = np.mean([n100(runs["with", seed]) - n100(runs["without", seed]) for seed in (1, 2, 3)], axis=0)
    test = stats.ttest_rel(*(np.mean([n100(runs[side, s]) for s in (1, 2, 3)], axis=0) for side in ("with", "without")))
    assert found.per_user == pytest.approx(apart)
    assert found.mean == pytest.approx(apart.mean(), abs=1e-8)
    assert found.test.error == pytest.approx(np.std(apart, ddof=1) / np.sqrt(N_USERS))
    assert found.test.p == pytest.approx(test.pvalue)
    per_seed = [n100(runs["with", seed]).mean() - n100(runs["without", seed]).mean() for seed in (1, 2, 3)]
    assert found.per_seed == pytest.approx(per_seed, abs=1e-8)


def row_of(table, *begin):
    (row,) = [row for row in table.rows if tuple(row[: len(begin)]) == begin]
    return dict(zip(table.header, row, strict=True))


def tables_of(folder, dataset="movielens-1m"):
    return {table.name: table for table in findings(runs_in(folder), dataset).tables}


def test_the_tables_say_what_the_runs_say(tmp_path):
    write_core(tmp_path)
    write(tmp_path, "mxnet", deviations=("baked_sampling",), shift=-0.04, best_epoch=3)
    tables = tables_of(tmp_path)
    cells = {(cell.profile, cell.cap, cell.weight_decay): cell for cell in core(runs_in(tmp_path))}

    found = row_of(tables["core"], "recotour2020", "0.2", "0.001")
    scores = [run["n100"] for run in cells["recotour2020", 0.2, 0.001].runs["mxnet"].values()]
    assert found["MXNet"] == f"{np.mean(scores):.4f} ± {np.std(scores, ddof=1):.4f}".replace("0.", ".")
    assert found["seeds"] == "2"
    assert found["best epoch"] == "7 / 7"
    assert found["p"] == "<.001"
    assert len(tables["core"].rows) == 8
    assert not any("Not run yet" in note for note in tables["core"].notes)

    assert row_of(tables["gap"], "recotour2020", "0.2", "0")["within 0.003"] == "apart"
    gap = row_of(tables["gap"], "paper", "0.2", "0")
    pair = cells["paper", 0.2, 0.0].runs
    apart = np.array(
        [n100(Path(pair["pytorch"][s]["folder"])) - n100(Path(pair["mxnet"][s]["folder"])) for s in (1, 2)]
    )
    bounds = [
        bound
        for values in (apart.mean(axis=0), apart.mean(axis=1))  # over users, over seeds
        for bound in stats.t.interval(0.9, len(values) - 1, values.mean(), stats.sem(values))
    ]
    assert gap["within 0.003"] == ("equal" if np.abs(bounds).max() < 0.003 else "open")
    assert re.fullmatch(r"[+-](\.[0-9]{4}|[1-9]e-[0-9]+)", gap["PyTorch - MXNet"])
    assert float(gap["PyTorch - MXNet"]) == pytest.approx(apart.mean(), rel=0.5, abs=0.5e-4)

    cost = row_of(tables["deviations"], "baked_sampling")
    assert (cost["of"], cost["framework"], cost["setting"]) == ("+ paper", "MXNet", "cap 0.2")
    assert cost["best epoch"] == "7 / 3"
    assert (cost["over seeds"], cost["seeds"]) == ("-", "1"), "one seed has no range"

    original = {row[0]: dict(zip(tables["original"].header, row, strict=True)) for row in tables["original"].rows}
    mean = np.mean([run["n100"] for run in cells["recotour2020", 0.2, 0.0].runs["mxnet"].values()])
    assert original["MXNet"]["its code"] == ".378"
    assert original["MXNet"]["difference"] == f"{mean - 0.378:+.4f}".replace("0.", ".")
    assert original["MXNet"]["within 0.006"] == ("yes" if abs(mean - 0.378) <= 0.006 else "no")
    two = [run["n100"] for run in runs_in(tmp_path) if run["profile"] == "recotour2020" and run["anneal_cap"] == 0.2
           and run["weight_decay"] == 0 and run["dl_frame"] == "Mxnet"]  # fmt: skip
    low, high = stats.t.interval(0.95, 1, np.mean(two), abs(two[0] - two[1]) / np.sqrt(2) * np.sqrt(1.5))
    assert original["MXNet"]["one more seed, 95 %"] == f"{low:.4f} to {high:.4f}".replace("0.", ".")
    assert "movielens-1m only" in " ".join(tables_of(tmp_path, "other")["original"].notes)


def test_equal_frameworks_are_shown_equal_and_one_seed_says_over_users_only(tmp_path):
    for seed in (1, 2, 3):
        users = per_user_values(N_USERS, seed=seed)
        for engine in ("pytorch", "mxnet"):
            write_run(tmp_path / "three", engine, users, seed=seed)
            if seed == 1:
                write_run(tmp_path / "one", engine, users, seed=seed)
    assert tables_of(tmp_path / "three")["gap"].rows[0][-2] == "equal"
    assert tables_of(tmp_path / "one")["gap"].rows[0][-2] == "equal over users"


# --- what is missing leaves a note


def test_one_framework_only(tmp_path, capsys):
    write(tmp_path, "mxnet")
    code, out, _ = run_main(capsys, "--results", tmp_path, "--out", tmp_path / "out")
    assert code == 0
    assert "Not run yet: paper, cap 0, weight decay 0 (PyTorch and MXNet)" in out
    assert "paper, cap 0.2, weight decay 0 (PyTorch);" in out
    assert "No place of the core that both frameworks ran yet." in out
    assert "No finished run with a single deviation yet." in out
    assert "No finished run of the 2020 profile" in out
    assert out.count("No finished run annealed to 1") == 4


def test_runs_without_per_user_figures_or_history_still_count(tmp_path, capsys):
    write_core(tmp_path, seeds=(1,))
    write_annealed(tmp_path, seeds=(1,))
    for path in sorted((tmp_path / "runs").glob("*pytorch*/per_user.npz")):
        path.unlink()
    next((tmp_path / "runs").glob("*mxnet*/history.csv")).write_text("epoch\n1\n")
    code, out, err = run_main(capsys, "--results", tmp_path, "--out", tmp_path / "out")
    assert code == 0
    assert "per_user.npz is missing, so nothing is known over users" in " ".join(out.split())
    assert "has no history to draw" in out
    assert "Traceback" not in err


def test_no_run_of_a_vae_is_a_page_of_notes(tmp_path, capsys):
    write(tmp_path, "mxnet", model="dae")
    code, out, err = run_main(capsys, "--results", tmp_path, "--out", tmp_path / "out")
    assert code == 0
    assert "No finished run of the core yet." in out
    assert "no figure" in err


# --- what is written


def test_prose_stays_and_what_stood_between_the_markers_goes():
    page = (
        "# Mine\n\nBefore.\n\n<!-- table: a -->\nold | row\n<!-- end -->\n\nBetween.\n\n"
        "<!-- figure: b -->\n<!-- end -->\nAfter.\n"
    )
    once, homeless = fill_places(page, {"table: a": "| new |", "figure: b": "![b](b.svg)", "table: c": "| c |"}, "page")
    assert homeless == ["table: c"]
    assert [line for line in once.splitlines() if line] == [
        "# Mine", "Before.", "<!-- table: a -->", "| new |", "<!-- end -->", "Between.", "<!-- figure: b -->",
        "![b](b.svg)", "<!-- end -->", "After.",
    ]  # fmt: skip
    assert fill_places(once, {"table: a": "| new |", "figure: b": "![b](b.svg)"}, "page")[0] == once


@pytest.mark.parametrize(
    ("page", "expected"),
    [
        ("<!-- table: a -->\n", "has no <!-- end -->"),
        ("<!-- table: a -->\n<!-- table: a -->\n<!-- end -->\n", "has no <!-- end -->"),
        ("<!-- table: b -->\n<!-- end -->\n", "not known"),
    ],
)
def test_a_page_with_wrong_markers_is_refused(page, expected):
    with pytest.raises(UserError, match=re.escape(expected)):
        fill_places(page, {"table: a": "new"}, "page.md")


def test_the_projects_own_page_has_a_place_for_everything(tmp_path, capsys):
    pytest.importorskip("matplotlib")
    write_core(tmp_path, seeds=(1,))
    write_annealed(tmp_path, seeds=(1,))
    write(tmp_path, "mxnet", deviations=("baked_sampling",))
    (tmp_path / "out").mkdir()
    page = (ROOT / "docs" / "discrepancy.md").read_text()
    (tmp_path / "out" / "discrepancy.md").write_text(page)
    code, _, err = run_main(capsys, "--results", tmp_path, "--out", tmp_path / "out")
    assert (code, err) == (0, "")
    written = (tmp_path / "out" / "discrepancy.md").read_text()
    for heading in re.findall(r"^#.*$", page, re.MULTILINE):
        assert heading in written
    assert "| paper" in written
    assert "(figures/annealing.svg)" in written
    assert "(figures/costs.svg)" in written
    assert "recotour2020, MXNet: best at epoch 3, β .35" in written
    assert all(f"| `{name}` |" in page for name in DEVIATIONS), "each deviation is explained"


def test_the_results_are_the_rows_of_every_run_used_whole_and_sorted(tmp_path, capsys):
    one, other = tmp_path / "one", tmp_path / "other"
    write_core(one, seeds=(1,))
    write(one, "mxnet", model="dae")
    write(one, "mxnet", lr_scheduler=True)  # no partner, not the core: has no part
    write(other, "mxnet", deviations=("baked_sampling",))
    write(other, "mxnet")  # stands in both
    table = rebuild(one)
    code, _, _ = run_main(capsys, "--results", one, other, "--out", tmp_path / "out")
    assert code == 0
    with open(table, newline="") as stream:
        known = {row["run_id"]: row for row in csv.DictReader(stream)}
    with open(tmp_path / "out" / "discrepancy.csv", newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert len(rows) == 17
    assert len({row["run_id"] for row in rows}) == 17
    assert all(row == known[row["run_id"]] for row in rows if row["run_id"] in known)
    caps = [float(row["anneal_cap"]) for row in rows]
    assert caps == sorted(caps)
    assert sum(row["deviations"] == "[baked_sampling]" for row in rows) == 1


def test_the_same_runs_give_the_same_bytes(tmp_path, capsys):
    pytest.importorskip("matplotlib")
    write_core(tmp_path, seeds=(1,))
    write_annealed(tmp_path)
    write(tmp_path, "mxnet", deviations=("baked_sampling",))
    contents = []
    for name in ("first", "second"):
        assert run_main(capsys, "--results", tmp_path, "--out", tmp_path / name)[0] == 0
        files = sorted(path for path in (tmp_path / name).rglob("*") if path.is_file())
        contents.append([(path.relative_to(tmp_path / name), path.read_bytes()) for path in files])
    assert contents[0] == contents[1]
    assert [str(path) for path, _ in contents[0]] == [
        "discrepancy.csv", "discrepancy.md", "figures/annealing.png", "figures/annealing.svg", "figures/costs.png",
        "figures/costs.svg",
    ]  # fmt: skip


def test_the_figure_names_each_framework_with_its_best_epoch_and_beta(tmp_path, capsys):
    pytest.importorskip("matplotlib")
    write_annealed(tmp_path, seeds=(1, 2), profiles=("recotour2020",))
    assert run_main(capsys, "--results", tmp_path, "--out", tmp_path / "out")[0] == 0
    svg = (tmp_path / "out" / "figures" / "annealing.svg").read_text()
    for text in (
        "MXNet best: epoch 3, β .35", "PyTorch best: epoch 6, β .71", "no finished run annealed to 1",
        "validation NDCG@100", "β at the end of the epoch",
    ):  # fmt: skip
        assert f"{text}" in svg, "text stays text"


def test_the_costs_are_drawn_where_they_lie_with_scipys_interval(tmp_path, capsys):
    pytest.importorskip("matplotlib")
    from experiments.analysis.plot_style import new_figure

    for seed in (1, 2):
        write(tmp_path, "mxnet", seed=seed)
        write(tmp_path, "mxnet", seed=seed, deviations=("baked_sampling",), shift=-0.02)
        write(tmp_path, "mxnet", seed=seed, weight_decay=0.001)
        write(tmp_path, "mxnet", seed=seed, weight_decay=0.001, deviations=("coupled_decay",), shift=-0.2)
    rows = cost_rows(effects(runs_in(tmp_path))[0])
    assert [(row.label, row.is_large) for row in rows] == [
        ("baked_sampling", False), ("coupled_decay\nweight_decay 0.001", True),
    ]  # fmt: skip
    ((_, found),) = rows[0].points
    low, high = found.mean + found.test.error * stats.t.ppf([0.025, 0.975], N_USERS - 1)
    assert cost_interval(found) == pytest.approx((low, high), rel=1e-9)

    axes = new_figure(4, 3).subplots()
    cost_panel(axes, rows)
    drawn = [tuple(line.get_xdata()) for line in axes.lines[1:]]  # the first is that of no cost
    assert drawn == [
        cost_interval(found),
        (found.mean,),
        cost_interval(rows[1].points[0][1]),
        (rows[1].points[0][1].mean,),
    ]

    assert run_main(capsys, "--results", tmp_path, "--out", tmp_path / "out")[0] == 0
    svg = (tmp_path / "out" / "figures" / "costs.svg").read_text()
    assert "baked_sampling" in svg
    assert "MXNet, added to the paper" in svg
    assert "PyTorch" not in svg, "the legend names what is shown"
    page = (tmp_path / "out" / "discrepancy.md").read_text()
    assert f"baked_sampling: {found.mean:+.4f}; coupled_decay, weight_decay 0.001: -0.2" in page


def test_without_matplotlib_everything_but_the_figure_is_written(tmp_path, capsys, monkeypatch):
    write_annealed(tmp_path, seeds=(1,))
    for name in [name for name in sys.modules if name.split(".")[0] == "matplotlib"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    assert guarded(discrepancy.main, ["--results", str(tmp_path), "--out", str(tmp_path / "out")]) == 0
    out, err = capsys.readouterr()
    assert err.splitlines() == [discrepancy.NOTHING_TO_DRAW[discrepancy.COSTS], discrepancy.NO_MATPLOTLIB]
    assert "β annealed to 1" in out
    assert (tmp_path / "out" / "discrepancy.md").exists()
    assert not (tmp_path / "out" / "figures").exists()


# --- errors


@pytest.mark.parametrize(
    ("argv", "expected"),
    [
        (["--results", "nosuch"], "nosuch"),
        (["--margin", "0"], "expected a number, above 0"),
        (["--dataset", "netflix"], "--dataset netflix is not in the results; they hold movielens-1m"),
        (["--out", "{results}/all_results.csv"], "is a file; expected a folder"),
        (["--nosuch"], "--nosuch"),
    ],
)
def test_bad_input_is_one_line(tmp_path, capsys, argv, expected):
    write(tmp_path)
    rebuild(tmp_path)
    argv = [part.format(results=tmp_path) for part in argv]
    argv += [] if "--results" in argv else ["--results", tmp_path]
    argv += [] if "--out" in argv else ["--out", tmp_path / "out"]
    code, _, err = run_main(capsys, *argv)
    assert code == 2
    assert len(err.splitlines()) == 1
    assert expected in err
