"""results/published.csv: every published figure there is, as it was printed, with the settings it belongs to."""

from __future__ import annotations

import re

import pandas as pd
import pytest

from experiments.analysis.published import OUR_PROTOCOL, PUBLISHED_FILE, published
from utils.results import COLUMNS, PUBLISHED_COLUMNS

# The 58 runs of the 2020 study, written down apart from the file: widths, settings, NDCG@100/Recall@20/Recall@50,
# L loss, e best epoch. b: cap; sched: lr .005, plateau scheduler with patience 20, stopping patience 30;
# big: 256-512-1024; all-dropout: .5,.2,.2 in the encoder, .2,.2,.2 in the decoder.
THE_STUDY = {
    ("movielens", "Pytorch", "vae"): """
        200-600 b.2 sched .427/.398/.538 L365.4 e155; 200-600 b.2 wd.001 .424/.394/.537 L367.2 e158
        200-600 b.2 .424/.396/.539 L367.0 e188; 200-600 b.3 .421/.393/.536 L370.8 e114
        300-900 b.4 .419/.391/.534 L375.1 e124; 100-300 b.6 .416/.389/.526 L382.8 e131
        200-600 b0 .416/.385/.528 L351.2 e73; big b.2 .403/.379/.525 L372.8 e88
        200-600 b.2 wd.001 enc.2 sched .401/.372/.512 L365.8 e199; big b.2 all-dropout .391/.368/.512 L383.6 e46""",
    ("movielens", "Pytorch", "dae"): """
        100-300 .418/.389/.531 L357.0 e100; 200-600 .418/.386/.530 L349.7 e136; 300-900 .416/.384/.528 L347.5 e42
        50-150 .412/.385/.524 L365.2 e121; 200-600 wd.001 enc.2 .395/.371/.510 L370.9 e6""",
    ("movielens", "Mxnet", "vae"): """
        200-600 b0 .417/.388/.531 L350.5 e101; 300-900 b.06 .403/.374/.516 L362.6 e16
        200-600 b.08 .403/.375/.520 L366.6 e18; 100-300 b.15 .401/.375/.515 L372.2 e26
        200-600 b.2 wd.001 enc.2 sched .189/.160/.232 L460.5 e28""",
    ("movielens", "Mxnet", "dae"): """
        200-600 sched .424/.393/.536 L348.8 e184; 200-600 .416/.389/.530 L350.7 e62; 100-300 .416/.388/.529 L357.6 e76
        300-900 .415/.385/.528 L347.3 e49; 50-150 .410/.380/.522 L365.9 e83; big .403/.378/.524 L362.4 e23
        big all-dropout .402/.376/.520 L369.9 e84; 200-600 wd.001 enc.2 sched .191/.162/.233 L454.9 e101
        200-600 wd.001 .189/.160/.234 L455.6 e11""",
    ("amazon", "Pytorch", "vae"): """
        300-900 b.7 .101/.137/.204 L92.3 e170; 200-600 b.8 .098/.134/.198 L97.5 e192
        200-600 b.2 .098/.132/.195 L85.3 e169
        300-900 b.4 wd.001 .095/.127/.194 L83.0 e60; big b.4 all-dropout .091/.122/.188 L100.0 e115
        100-300 b.2 .090/.120/.182 L89.1 e23; 200-600 b0 .086/.114/.179 L82.2 e9; big b.4 .086/.113/.173 L87.6 e29
        300-900 b.5 wd.001 enc.2 .082/.106/.162 L96.1 e4; 300-900 b.4 sched .061/.081/.124 L118.3 e1""",
    ("amazon", "Pytorch", "dae"): """
        50-150 .091/.120/.182 L87.6 e28; 300-900 .090/.121/.184 L77.5 e28; 200-600 .089/.120/.181 L80.8 e12
        100-300 .089/.120/.186 L85.5 e17; 50-150 wd.001 enc.2 .086/.116/.176 L89.4 e19""",
    ("amazon", "Mxnet", "vae"): """
        200-600 b0 .090/.118/.179 L85.3 e8; 300-900 b.05 .088/.119/.180 L86.7 e6; 100-300 b.12 .088/.115/.179 L89.8 e19
        200-600 b.06 .088/.118/.178 L86.3 e10; 200-600 b.2 wd.001 enc.2 sched .021/.025/.048 L124.3 e89""",
    ("amazon", "Mxnet", "dae"): """
        100-300 .090/.119/.182 L86.0 e18; 50-150 .090/.119/.181 L87.3 e30; 100-300 sched .090/.123/.182 L78.1 e47
        300-900 .089/.120/.178 L77.8 e24; 200-600 .089/.118/.180 L81.0 e13; big .084/.111/.174 L86.7 e6
        big all-dropout .078/.103/.162 L94.0 e18; 100-300 wd.001 enc.2 .021/.026/.047 L124.3 e19
        100-300 wd.001 .020/.024/.047 L124.3 e1""",
}


def decoded(where, text):
    """A run of ``THE_STUDY`` in the 18 columns."""
    dataset, framework, model = where
    widths = "256-512-1024" if text.startswith("big") else text.split()[0]
    widths = [int(width) for width in widths.split("-")]
    n100, r20, r50, loss, epoch = re.search(r"(\.\d+)/(\.\d+)/(\.\d+) L([\d.]+) e(\d+)$", text).groups()
    cap = re.search(r" b(\.?\d+) ", text)
    sched, everywhere = " sched " in text, " all-dropout " in text
    first = 0.2 if " enc.2 " in text else 0.5
    other = 0.2 if everywhere else 0.0
    return {
        "model": model, "loss": float(loss), "r20": float(r20), "dataset": dataset, "lr_patience": 20 if sched else 5,
        "lr": 0.005 if sched else 0.001, "early_stop_patience": 30 if sched else 20, "lr_scheduler": sched,
        "best_epoch": int(epoch), "weight_decay": 0.001 if " wd.001 " in text else 0.0,
        "dropout_dec": str([other] * len(widths)), "dl_frame": framework, "n100": float(n100),
        "dropout_enc": str([first] + [other] * (len(widths) - 1)), "anneal_cap": float(cap[1]) if cap else "NA",
        "batch_size": 512, "r50": float(r50), "p_dims": str(widths),
    }  # fmt: skip


@pytest.fixture(scope="module")
def figures():
    return published()


def test_all_58_runs_of_the_study_stand_there_as_printed(figures):
    study = figures[figures["source"] == "recotour2020"][list(PUBLISHED_COLUMNS)].to_dict("records")
    expected = [
        decoded(where, run.strip())
        for where, runs in THE_STUDY.items()
        for run in re.split(r"[;\n]", runs)
        if run.strip()
    ]
    assert len(expected) == 58
    assert sorted(map(str, expected)) == sorted(str({**run, **_plain(run)}) for run in study)


def _plain(run):
    return {name: int(run[name]) for name in ("lr_patience", "early_stop_patience", "best_epoch", "batch_size")}


def test_rows_per_source(figures):
    assert figures["source"].value_counts().to_dict() == {
        "recotour2020": 58, "liang2018": 20, "survey": 6, "steck2019": 3, "shenbin2020": 3, "he2017": 2,
        "sedhain2015": 2, "sachdeva2018": 1,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("source", "dataset", "model", "recall_20_50_ndcg"),
    [
        ("liang2018", "movielens", "vae", (0.395, 0.537, 0.426)),
        ("liang2018", "netflix", "vae", (0.351, 0.444, 0.386)),
        ("liang2018", "msd", "vae", (0.266, 0.364, 0.316)),
        ("liang2018", "movielens", "dae", (0.387, 0.524, 0.419)),
        ("liang2018", "netflix", "dae", (0.344, 0.438, 0.380)),
        ("liang2018", "msd", "dae", (0.266, 0.363, 0.313)),
        ("liang2018", "movielens", "gaussian-vae", (0.383, 0.523, 0.415)),
        ("liang2018", "movielens", "gaussian-dae", (0.376, 0.515, 0.409)),
        ("liang2018", "movielens", "logistic-vae", (0.388, 0.523, 0.419)),
        ("liang2018", "movielens", "logistic-dae", (0.381, 0.516, 0.414)),
        ("liang2018", "movielens", "wmf", (0.360, 0.498, 0.386)),
        ("liang2018", "netflix", "wmf", (0.316, 0.404, 0.351)),
        ("liang2018", "msd", "wmf", (0.211, 0.312, 0.257)),
        ("liang2018", "movielens", "slim", (0.370, 0.495, 0.401)),
        ("liang2018", "netflix", "slim", (0.347, 0.428, 0.379)),
        ("liang2018", "movielens", "cdae", (0.391, 0.523, 0.418)),
        ("liang2018", "netflix", "cdae", (0.343, 0.428, 0.376)),
        ("liang2018", "msd", "cdae", (0.188, 0.283, 0.237)),
        ("steck2019", "movielens", "ease", (0.391, 0.521, 0.420)),
        ("steck2019", "netflix", "ease", (0.362, 0.445, 0.393)),
        ("steck2019", "msd", "ease", (0.333, 0.428, 0.389)),
        ("shenbin2020", "movielens", "recvae", (0.414, 0.553, 0.442)),
        ("shenbin2020", "netflix", "recvae", (0.361, 0.452, 0.394)),
        ("shenbin2020", "msd", "recvae", (0.276, 0.374, 0.326)),
    ],
)
def test_the_papers_table(figures, source, dataset, model, recall_20_50_ndcg):
    row = the_one(figures, source=source, dataset=dataset, model=model)
    assert (row["r20"], row["r50"], row["n100"]) == recall_20_50_ndcg
    assert row["protocol"] == OUR_PROTOCOL


@pytest.mark.parametrize(
    ("row", "values"),
    [
        (("liang2018", "movielens", "vae"), {"r20_se": 0.0027, "r50_se": 0.0028, "n100_se": 0.0021}),
        (("liang2018", "movielens-1m", "dae"), {"hr10": 0.722, "n10": 0.446, "p_dims": "[200]"}),
        (("he2017", "movielens-1m", "ncf"), {"hr10": 0.705, "n10": 0.426}),
        (("he2017", "movielens-1m", "ncf-pretrained"), {"hr10": 0.730, "n10": 0.447}),
        (("liang2018", "pinterest", "dae"), {"hr10": 0.886}),
        (("sedhain2015", "movielens-1m", "i-autorec"), {"rmse": 0.831}),
        (("sedhain2015", "movielens-1m", "u-autorec"), {"rmse": 0.874}),
        (("sachdeva2018", "movielens-1m", "svae"), {"n10": 0.1714, "n100": 0.2979, "r10": 0.1302, "r100": 0.4992}),
        (("survey", "movielens-1m", "autorec"), {"rmse": 0.910, "epochs": 500, "seconds": 2116}),
        (("survey", "movielens-1m", "deeprec"), {"rmse": 0.931, "epochs": 500, "seconds": 3264}),
        (("survey", "movielens-1m", "cdae"), {"p100": 0.0894, "r100": 0.4137, "n100": 0.2528, "seconds": 1049}),
        (("survey", "movielens-1m", "vae"), {"p100": 0.0886, "r100": 0.4115, "n100": 0.2508, "seconds": 391}),
        (("survey", "movielens-1m", "svae"), {"p100": 0.0818, "r100": 0.5850, "n100": 0.3807, "seconds": 23839}),
        (("survey", "movielens-1m", "esae"), {"p100": 0.0757, "r100": 0.4181, "n100": 0.2561, "seconds": 612}),
    ],
)
def test_the_other_figures(figures, row, values):
    found = the_one(figures, **dict(zip(("source", "dataset", "model"), row, strict=True)))
    assert {name: found[name] for name in values} == values
    assert (found["protocol"] == OUR_PROTOCOL) == (row == ("liang2018", "movielens", "vae"))


def test_the_papers_own_settings(figures):
    vae = the_one(figures, source="liang2018", dataset="movielens", model="vae")
    dae = the_one(figures, source="liang2018", dataset="movielens", model="dae")
    assert (vae["p_dims"], vae["anneal_cap"], vae["annealing"], vae["anneal_total"]) == (
        "[200, 600]", 0.2, "absolute", 200_000,
    )  # fmt: skip
    assert (dae["p_dims"], dae["anneal_cap"], dae["decay"]) == ("[200]", "NA", "l2")
    assert dae["weight_decay"] == pytest.approx(0.02 / 500)
    assert (vae["batch_size"], vae["lr"], vae["early_stop_patience"], vae["n_epochs"]) == (500, 0.001, 0, 200)


def test_only_the_survey_is_not_comparable(figures):
    assert set(figures[~figures["comparable"]]["source"]) == {"survey"}
    assert figures["comparable"].sum() == 95 - 6


def test_what_must_not_be_blank_is_not(figures):
    for name in ("dataset", "model", "source", "protocol"):
        assert (figures[name] != "").all(), name
    of_ours = figures[figures["protocol"] == OUR_PROTOCOL]
    assert of_ours[["n100", "r20", "r50"]].notna().all(axis=None)
    assert len(of_ours) == 58 + 18 + 3 + 3
    measured = figures[["n100", "r20", "hr10", "rmse"]].notna().any(axis=1)
    assert measured.all()


def test_every_figure_is_in_its_range(figures):
    shares = figures[["n100", "r20", "r50", "n10", "r10", "hr10", "r100", "p100", "n100_se", "r20_se", "r50_se"]]
    assert ((shares > 0) & (shares < 1) | shares.isna()).all(axis=None)
    top = figures[figures["protocol"] == OUR_PROTOCOL]
    assert (top["r20"] < top["r50"]).all()
    assert figures["best_epoch"].dropna().between(1, 200).all()
    assert figures["loss"].dropna().between(70, 500).all()


def test_the_file_opens_with_the_studys_columns_and_reads_without_us(figures):
    raw = pd.read_csv(PUBLISHED_FILE, keep_default_na=False)
    assert tuple(raw)[:18] == PUBLISHED_COLUMNS
    assert len(raw) == len(figures) == 95
    assert not raw.duplicated().any()


def test_every_column_is_explained():
    text = (PUBLISHED_FILE.parent / "README.md").read_text(encoding="utf-8")
    columns = {*pd.read_csv(PUBLISHED_FILE), *COLUMNS}
    assert sorted(name for name in columns if f"`{name}`" not in text) == []


def the_one(figures, **columns):
    (row,) = figures[(figures[list(columns)] == pd.Series(columns)).all(axis=1)].to_dict("records")
    return row
