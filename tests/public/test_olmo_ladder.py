"""The OLMo ladder (arXiv:2412.04403): its logs as Runs, its two steps refitted."""

import numpy as np
import pandas as pd
import pytest

import scaling
from benchmarks.forecasts import optimum
from scaling.errors import DataError
from scaling.logs import formats

# step 1 (A, B, alpha, beta, E, objective) and step 2 (a, L0, k, b), arXiv:2412.04403
STEP_ONE = {
    "c4_en": (12.4828, 33.4768, 0.103603, 0.161969, 0.934376, 3.2999e-5),
    "pile": (62.2183, 117.031, 0.218056, 0.225995, 1.236174, 3.6426e-5),
    "hellaswag_val_bpb": (11.2313, 60.3687, 0.195539, 0.256498, 0.501911, 3.4531e-5),
    "mmlu_test_bpb": (38.041, 99.984, 0.22617, 0.23602, 0.45388, 6.6527e-5),
}
STEP_TWO = {"mmlu_test": (-0.742, 0.615, 4.82, 1.0), "hellaswag_val": (-0.7299, 0.7667, 12.754, 0.9922)}
C4_ENDS = {"190M-1xC": 3.605174, "190M-10xC": 3.337846, "370M-1xC": 3.397042, "760M-5xC": 3.006231, "1B-10xC": 2.832061}


def test_ladder_of_olmo(shared_data, subtests):
    folder = shared_data / "OLMo-ladder/ladder-runs"
    with subtests.test("an export with many losses"):
        check_export(folder)
    with subtests.test("read and refitted"):
        check_read_and_refitted(folder)
    with subtests.test("accuracies follow the sigmoid"):
        check_accuracies(folder)
    with subtests.test("the largest size is predicted as well as by the authors' procedure"):
        check_the_largest_size(folder)


def check_export(folder):
    with pytest.raises(DataError, match="11 columns could be val_loss"):
        scaling.read(folder)
    column = "eval/c4_en-validation/CrossEntropyLoss"
    runs = scaling.read(folder, columns={"val_loss": column})
    assert len(runs) == 24 and runs.facts["batch_tokens"]["190M-1xC"] == 524288
    assert runs.facts["loss_from"].unique().tolist() == [column]
    assert runs.table()["tokens"]["190M-1xC"] == pytest.approx(3.81e9, rel=1e-2)
    assert any("columns not read" in note for note in runs.notes)
    assert runs.frame.equals(scaling.read(folder, loss=column).frame)


def check_read_and_refitted(folder):
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
        formats.ladder(folder.parent)


def check_accuracies(folder):
    rows = formats.ladder(folder, last=None)
    rows = rows[rows["xC"] >= 1]
    for task, golden in STEP_TWO.items():
        parts = []
        for _, run in rows.groupby("run"):
            smooth = run[[f"{task}_bpb", f"{task}_acc"]].dropna().rolling(5, min_periods=1).mean()
            parts.append(smooth.iloc[int(np.ceil(0.1 * len(smooth))) :].set_axis(["L", "loss"], axis=1))
        points = pd.concat([*parts, pd.DataFrame({"L": [1e-9], "loss": [1.0]})], ignore_index=True)
        fit = scaling.fit(points, "downstream_sigmoid_free", objective="squares")
        np.testing.assert_allclose([fit.values[k] for k in ("a", "L0", "k", "b")], golden, rtol=0.02)


def check_the_largest_size(folder):
    """All tasks, the 1B runs predicted from smaller ones: mean relative error, and the 90 % intervals hold."""
    found = optimum.downstream(folder.parents[1])
    assert len(found) == 20 and found["error"].mean() <= found["authors"].mean() + 0.01
    assert 0.8 <= found["inside"].mean() <= 0.97  # 20 tasks of four runs, whose misses go together; .8125 now
