"""Translation runs of Gordon 2021: the laws of loss and BLEU refitted."""

import numpy as np
import pytest

import scaling
from scaling.errors import DataError
from scaling.logs import formats

GORDON = {  # n, a_N, N_C, a_D, D_C, SSE, BLEU constants
    "ruen": (66, 0.10931, 2.4427e9, 0.38048, 5.0685e8, 0.579924, 64.197, 0.43731),
    "deen": (54, 0.12222, 2.5897e8, 0.42043, 1.7793e8, 0.114139, 76.162, 0.46967),
    "zhen": (60, 0.12136, 3.8623e8, 0.41418, 1.8413e8, 0.162730, 83.731, 0.42739),
}


def test_translation_runs(shared_data, subtests):
    runs = formats.mt_scaling(shared_data / "mt-scaling/summaries/data_scaling.0126.summary")
    with subtests.test("the table is what it says"):
        check_the_table_is_what_it_says(runs)
    for pair in GORDON:
        with subtests.test("refit", pair=pair):
            check_gordon_refit(runs, pair)
    with pytest.raises(DataError, match="is a folder"):
        formats.mt_scaling(shared_data / "mt-scaling")


def check_the_table_is_what_it_says(runs):
    assert runs["pair"].value_counts().to_dict() == {"ruen": 81, "zhen": 81, "deen": 78}
    sizes = [393216, 1572864, 6291456, 18874368, 37748736, 56070144]
    assert sorted(runs["N"].unique()) == sizes
    assert runs["loss"].agg(["min", "max"]).tolist() == pytest.approx([1.277, 7.715], abs=1e-3)


def check_gordon_refit(runs, pair):
    n, *values, sse, scale, rate = GORDON[pair]
    rows = runs[(runs["pair"] == pair) & (runs["D"] > 5242880)]
    assert len(rows) == n
    fit = scaling.fit(rows, "mt_data", objective="squares")
    assert fit.ok, fit
    assert fit.objective <= sse * (1 + 2e-6)
    np.testing.assert_allclose([fit.values[k] for k in ("a_N", "N_C", "a_D", "D_C")], values, rtol=1e-3)
    preset = scaling.laws["mt_data"].published[f"gordon2021_{pair}"]
    assert ((preset(rows["N"], rows["D"]) - rows["loss"]) ** 2).sum() == pytest.approx(sse, rel=1e-3)
    bleu = scaling.fit(rows.assign(L=rows["loss"], loss=rows["bleu"]), "bleu_exponential", objective="squares")
    assert bleu.ok, bleu
    np.testing.assert_allclose([bleu.values["C"], bleu.values["k"]], [scale, rate], rtol=2e-5)
