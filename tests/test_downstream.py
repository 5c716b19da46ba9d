"""Downstream errors in two steps: golden numbers of arXiv:2403.08540 and 2412.04403 on the authors' public runs."""

import numpy as np
import pandas as pd
import pytest

import scaling
from scaling.errors import DataError, FitError
from scaling.logs import formats
from scaling.procedures.chain import Chain, predictable

FIVE = [
    ("d=96_l=8_h=4", 20),
    ("d=512_l=8_h=4", 20),
    ("d=576_l=24_h=8", 20),
    ("d=1024_l=24_h=8", 20),
    ("d=96_l=8_h=4", 320),
]
SIX = [*FIVE, ("open_lm_1b", 20)]
FAR = {"c4_original": [("open_lm_7b", 20), ("open_lm_1b", 80)], "rpj": [("open_lm_7b", 20), ("open_lm_1b", 640)]}
GOLDEN = {  # k, gamma, eps; signed error in percent of the chained prediction for the two far runs
    ("c4_original", "err_17"): (2.07891, 0.756121, 0.849742, -0.137, 9.582),
    ("c4_original", "err_all"): (1.28852, 0.972164, 0.758949, 0.0745, 3.082),
    ("rpj", "err_17"): (2.20649, 0.714591, 0.856992, 0.0464, 3.6365),
    ("rpj", "err_all"): (1.32290, 0.890708, 0.760850, 2.097, 3.436),
}


@pytest.fixture(scope="module")
def runs(shared_data):
    return formats.over_training(shared_data / "scaling/exp_data")


def pick(runs, data, wanted):
    runs = runs[runs["data"] == data]
    at = {(m, round(M)): i for i, m, M in zip(runs.index, runs["model"], runs["M"], strict=True)}
    return runs.loc[[at[w] for w in wanted]]


def test_the_table_is_what_it_says(runs, shared_data):
    assert runs["data"].value_counts().to_dict() == {"rpj": 35, "c4_original": 34}
    assert (6 * runs["N"] * runs["D"]).max() > 5.7e21 and (runs["loss_lo"] < runs["loss"]).all()
    assert len([c for c in runs if c.endswith("_loss")]) == 8 and runs.filter(like="err_").shape[1] == 48
    with pytest.raises(DataError, match="no loss on 'wiki'"):
        formats.over_training(shared_data / "scaling/exp_data", loss="wiki")


@pytest.mark.parametrize(("data", "tasks"), GOLDEN)
def test_chained_error(runs, data, tasks):
    first = scaling.fit(pick(runs, data, FIVE), "over_training", objective="squares")
    six = pick(runs, data, SIX)
    second = scaling.fit(six.assign(L=six["loss"], loss=six[tasks]), "downstream_error", objective="squares")
    k, gamma, eps, *errors = GOLDEN[data, tasks]
    np.testing.assert_allclose([second.values[n] for n in ("k", "gamma", "eps")], [k, gamma, eps], rtol=1e-3)
    far = pick(runs, data, FAR[data])
    found = Chain(first, second).predict(far)
    signed = 100 * (found["prediction"].to_numpy() / far[tasks].to_numpy() - 1)
    np.testing.assert_allclose(signed, errors, atol=0.005)
    # both steps are in the interval, and it covers what was measured
    assert (found["from_loss"] > 0).all() and (found["from_error"] > 0).all()
    assert ((found["lower"] < far[tasks].to_numpy()) & (far[tasks].to_numpy() < found["upper"])).all()
    assert "below the smallest loss" in found.attrs["extrapolation"]


def test_interval_of_a_chain_covers_what_it_says():
    """Both steps fitted to noisy losses and errors: the 80 % interval holds about 80 % of fresh measurements far away."""
    rng = np.random.default_rng(0)
    N, D = (x.ravel() for x in np.meshgrid([1e7, 4e7, 1.6e8, 6e8], [1e9, 4e9, 1.6e10]))
    law = scaling.laws["chinchilla"].published["besiroglu2024"]
    measured = lambda L: 0.85 - 2 * np.exp(-0.75 * L) + rng.normal(0, 2e-3, np.shape(L))
    inside = []
    for _ in range(60):
        rows = pd.DataFrame({"N": N, "D": D, "loss": law(N, D) * np.exp(rng.normal(0, 2e-3, len(N)))})
        first = scaling.fit(rows, "chinchilla", fixed={"alpha": 0.34781, "beta": 0.36585}, objective="log_squares")
        second = scaling.fit(
            pd.DataFrame({"L": rows["loss"], "loss": measured(rows["loss"])}),
            "downstream_error",
            objective="squares",
            fixed={"gamma": 0.75},
        )
        out = Chain(first, second).predict({"N": [2e9], "D": [4e10]}, level=0.8).iloc[0]
        inside.append(out["lower"] < measured(law(2e9, 4e10) * np.exp(rng.normal(0, 2e-3))) < out["upper"])
    assert 0.65 <= np.mean(inside) <= 0.95


def test_single_tasks_that_are_not_predictable_are_said_so(runs):
    rows = runs[(runs["data"] == "rpj") & (runs["N"] < 5e8)]
    found = predictable(rows.assign(L=rows["loss"]), ["err_17", "err_all", "err_arc_easy", "err_copa", "err_boolq"])
    assert found["predictable"].to_dict() == {
        "err_17": True,
        "err_all": True,
        "err_arc_easy": True,
        "err_copa": False,
        "err_boolq": False,
    }
    assert "not predictable" in found.loc["err_boolq", "reason"]
    with pytest.raises(FitError, match="missing err_x"):
        predictable(rows.assign(L=rows["loss"]), ["err_x"])


def test_a_chain_needs_a_law_of_the_loss(runs):
    first = scaling.fit(pick(runs, "rpj", FIVE), "over_training", objective="squares")
    with pytest.raises(FitError, match="must take the loss alone"):
        Chain(first, first)


# step 1 (A, B, alpha, beta, E, objective) and step 2 (a, L0, k, b), arXiv:2412.04403
STEP_ONE = {
    "c4_en": (12.4828, 33.4768, 0.103603, 0.161969, 0.934376, 3.2999e-5),
    "pile": (62.2183, 117.031, 0.218056, 0.225995, 1.236174, 3.6426e-5),
    "hellaswag_val_bpb": (11.2313, 60.3687, 0.195539, 0.256498, 0.501911, 3.4531e-5),
    "mmlu_test_bpb": (38.041, 99.984, 0.22617, 0.23602, 0.45388, 6.6527e-5),
}
STEP_TWO = {"mmlu_test": (-0.742, 0.615, 4.82, 1.0), "hellaswag_val": (-0.7299, 0.7667, 12.754, 0.9922)}
C4_ENDS = {"190M-1xC": 3.605174, "190M-10xC": 3.337846, "370M-1xC": 3.397042, "760M-5xC": 3.006231, "1B-10xC": 2.832061}


def test_the_ladder_is_read_and_refitted(shared_data):
    folder = shared_data / "OLMo-ladder/ladder-runs"
    assert len(formats.ladder(folder)) == 20 and len(formats.ladder(folder, reruns=True)) == 24
    for loss, (A, B, alpha, beta, E, objective) in STEP_ONE.items():
        rows = formats.ladder(folder, loss)
        rows = rows[rows["xC"] >= 1]
        assert len(rows) == 16 and rows["D"].max() > 2e11
        if loss == "c4_en":
            ends = rows.set_index("run")["loss"]
            assert {k: ends[k] for k in C4_ENDS} == pytest.approx(C4_ENDS, abs=1e-6)
        fit = scaling.fit(rows, "chinchilla")
        assert fit.objective <= objective * 1.001
        found = fit.values
        np.testing.assert_allclose([found["E"], found["alpha"], found["beta"]], [E, alpha, beta], atol=2e-3)
        np.testing.assert_allclose([found["A"], found["B"]], [A, B], rtol=0.03)
    with pytest.raises(DataError, match=r"no loss 'wiki'; it has c4_en_loss"):
        formats.ladder(folder, "wiki")
    with pytest.raises(DataError, match="give the folder ladder-runs"):
        formats.ladder(shared_data)


def test_the_ladders_accuracies_follow_the_sigmoid(shared_data):
    rows = formats.ladder(shared_data / "OLMo-ladder/ladder-runs", last=None)
    rows = rows[rows["xC"] >= 1]
    for task, golden in STEP_TWO.items():
        parts = []
        for _, run in rows.groupby("run"):
            smooth = run[[f"{task}_bpb", f"{task}_acc"]].dropna().rolling(5, min_periods=1).mean()
            parts.append(smooth.iloc[int(np.ceil(0.1 * len(smooth))) :].set_axis(["L", "loss"], axis=1))
        points = pd.concat([*parts, pd.DataFrame({"L": [1e-9], "loss": [1.0]})], ignore_index=True)
        fit = scaling.fit(points, "downstream_sigmoid", objective="squares")
        np.testing.assert_allclose([fit.values[k] for k in ("a", "L0", "k", "b")], golden, rtol=0.02)


def test_percent_is_no_error():
    rows = pd.DataFrame({"L": np.linspace(2, 4, 12)}).assign(task=lambda r: 20 * r["L"])
    with pytest.raises(FitError, match="task do not"):
        predictable(rows, ["task"])
