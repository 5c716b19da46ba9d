"""Over-training runs of arXiv:2403.08540: golden numbers of the loss, of errors chained to it, and of single tasks."""

import json

import numpy as np
import pandas as pd
import pytest

import scaling
from scaling.errors import DataError, FitError
from scaling.logs import formats
from scaling.procedures.chain import Chain, predictable

OVER_TRAINING = {  # constants and signed errors in % at 6.9B M20 and the over-trained 1.4B, four digits as printed
    "c4_original": ((1.50826, 113.693, 189.516, 0.242472), 4.1411e-4, (-4.2952, 1.4979), ("1b", 4.0), "gadre2024_c4"),
    "rpj": ((1.83665, 166.211, 366.687, 0.272851), 4.2565e-4, (0.7320, 0.7103), ("1b", 32.0), "gadre2024_redpajama"),
}
SUBSET = {
    "bigbench_operators", "bigbench_dyck_languages", "bigbench_novel_concepts", "bigbench_cs_algorithms",
    "bigbench_qa_wikidata", "pubmed_qa_labeled", "hellaswag", "hellaswag_zeroshot", "boolq", "arc_easy", "coqa",
    "lambada_openai", "winograd", "commonsense_qa", "copa", "squad", "piqa",
}  # fmt: skip
FIVE = [("d=96_l=8_h=4", 20), ("d=512_l=8_h=4", 20), ("d=576_l=24_h=8", 20), ("d=1024_l=24_h=8", 20), ("d=96_l=8_h=4", 320)]
SIX = [*FIVE, ("open_lm_1b", 20)]
FAR = {"c4_original": [("open_lm_7b", 20), ("open_lm_1b", 80)], "rpj": [("open_lm_7b", 20), ("open_lm_1b", 640)]}
GOLDEN = {  # k, gamma, eps; signed error in percent of the chained prediction for the two far runs
    ("c4_original", "err_17"): (2.07891, 0.756121, 0.849742, -0.137, 9.582),
    ("c4_original", "err_all"): (1.28852, 0.972164, 0.758949, 0.0745, 3.082),
    ("rpj", "err_17"): (2.20649, 0.714591, 0.856992, 0.0464, 3.6365),
    ("rpj", "err_all"): (1.32290, 0.890708, 0.760850, 2.097, 3.436),
}


def test_over_training_runs(shared_data, subtests):
    root = shared_data / "scaling/exp_data"
    runs, gadre = formats.over_training(root), by_hand(root)
    with subtests.test("the table is what it says"):
        check_the_table_is_what_it_says(runs, root)
    for data in OVER_TRAINING:
        with subtests.test("fit and predictions", data=data):
            check_over_training_fit_and_predictions(gadre, data)
    with subtests.test("downstream error"):
        check_over_training_downstream_error(gadre)
    for data, tasks in GOLDEN:
        with subtests.test("chained error", data=data, tasks=tasks):
            check_chained_error(runs, data, tasks)
    with subtests.test("single tasks that are not predictable are said so"):
        check_single_tasks_that_are_not_predictable_are_said_so(runs)


def by_hand(root):
    """One row per model: training set, model, multiplier, N, M, loss on C4 validation, mean error on 17 tasks."""
    rows = []
    for path in sorted((root / "models").glob("*.json")):
        saved = json.loads(path.read_text())
        facts = saved["hyperparameters"]
        loss = next(r["loss"] for r in saved["results"] if "c4_val" in r["val_data"][0])
        scores = root / "evals" / f"evaluation_{path.stem}_heavy.json"
        icl = json.loads(scores.read_text())["eval_metrics"]["icl"] if scores.exists() else {}
        error = np.mean([1 - icl[task] for task in SUBSET]) if icl else np.nan
        N, D = float(facts["params"]), float(facts["tokens"])
        rows.append((path.stem.split("-")[0], facts["model"], facts["chinchilla_multiplier"], N, D / N, loss, error))
    return pd.DataFrame(rows, columns=["data", "model", "multiplier", "N", "M", "loss", "error"])


def five(runs):
    small = (runs["multiplier"] == 1.0) & (runs["N"] < 1e9)
    return runs[small | ((runs["multiplier"] == 16.0) & (runs["N"] < 2e7))]


def at(runs, size, multiplier):
    return runs[(runs["N"] > size) & (runs["N"] < 2 * size) & (runs["multiplier"] == multiplier)].iloc[0]


def check_over_training_fit_and_predictions(gadre, data):
    constants, sse, errors, over, preset = OVER_TRAINING[data]
    runs = gadre[gadre["data"] == data]
    assert len(five(runs)) == 5
    fit = scaling.fit(five(runs)[["N", "M", "loss"]], "over_training", objective="squares")
    assert fit.objective == pytest.approx(sse, rel=2e-4)
    np.testing.assert_allclose([fit.values[k] for k in ("E", "a", "b", "eta")], constants, rtol=1e-4)
    for target, error in zip((at(runs, 6e9, 1.0), at(runs, 1e9, over[1])), errors, strict=True):
        predicted = fit.predict({"N": target["N"], "M": target["M"]})["prediction"][0]
        assert 100 * (predicted / target["loss"] - 1) == pytest.approx(error, abs=1e-3)
        published = scaling.laws["over_training"].published[preset](target["N"], target["M"])
        assert published == pytest.approx(predicted, rel=1e-4)


def check_over_training_downstream_error(gadre):
    """Error from measured loss on six runs, chained with the predicted loss: +0.0464 % and +3.6365 % (RedPajama)."""
    from scaling.formula import Positive, law

    runs = gadre[gadre["data"] == "rpj"]

    @law("arXiv:2403.08540", name="test_error_law")
    def test_error_law(L, *, eps: Positive = 0.8, k: Positive = 2.0, gamma: Positive = 0.8):
        """Err(L) = eps - k exp(-gamma L)"""
        return eps - k * np.exp(-gamma * L)

    try:
        six = pd.concat([five(runs), at(runs, 1e9, 1.0).to_frame().T])
        six = pd.DataFrame({"L": six["loss"].astype(float), "loss": six["error"].astype(float)})
        errors = scaling.fit(six, "test_error_law", objective="squares")
    finally:
        scaling.laws.remove("test_error_law")
    np.testing.assert_allclose([errors.values[k] for k in ("k", "gamma", "eps")], (2.20649, 0.714591, 0.856992), rtol=2e-4)
    losses = scaling.fit(five(runs)[["N", "M", "loss"]], "over_training", objective="squares")
    for target, error in ((at(runs, 6e9, 1.0), 0.0464), (at(runs, 1e9, 32.0), 3.6365)):
        L = losses.predict({"N": target["N"], "M": target["M"]})["prediction"].to_numpy()
        predicted = errors.predict({"L": L})["prediction"][0]
        assert 100 * (predicted / target["error"] - 1) == pytest.approx(error, abs=1e-3)


def pick(runs, data, wanted):
    runs = runs[runs["data"] == data]
    at = {(m, round(M)): i for i, m, M in zip(runs.index, runs["model"], runs["M"], strict=True)}
    return runs.loc[[at[w] for w in wanted]]


def check_the_table_is_what_it_says(runs, root):
    assert runs["data"].value_counts().to_dict() == {"rpj": 35, "c4_original": 34}
    assert (6 * runs["N"] * runs["D"]).max() > 5.7e21 and (runs["loss_lo"] < runs["loss"]).all()
    assert len([c for c in runs if c.endswith("_loss")]) == 8 and runs.filter(like="err_").shape[1] == 48
    with pytest.raises(DataError, match="no loss on 'wiki'"):
        formats.over_training(root, loss="wiki")


def check_chained_error(runs, data, tasks):
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


def check_single_tasks_that_are_not_predictable_are_said_so(runs):
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
