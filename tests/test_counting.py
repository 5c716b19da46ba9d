"""Counts of parameters and FLOP by convention."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import scaling
from scaling import counting, transfer
from scaling.counting import Shape
from scaling.errors import ArgumentError, DataError
from scaling.planning.experiments import plan_next
from scaling.procedures import approaches
from scaling.training import RunSpec

SMALL = Shape(d_model=768, n_layer=12, vocab=50432, context=2048, n_head=12)


def test_parameters():
    assert counting.parameters(SMALL, "non_embedding") == 12 * 12 * 768**2
    assert counting.parameters(SMALL, "active_with_head") == 12 * 12 * 768**2 + 50432 * 768
    assert counting.parameters(SMALL, "total") == 12 * 12 * 768**2 + (2048 + 2 * 50432) * 768
    gated = Shape(d_model=512, n_layer=8, d_ff=1536, gated=True)
    assert counting.parameters(gated, "non_embedding") == 8 * (4 * 512**2 + 3 * 512 * 1536)  # L (4 h^2 + 3 h ffn)


@pytest.mark.parametrize(("d", "layers", "size"), [(256, 3, 2.4e6), (512, 8, 25.2e6), (768, 12, 85e6), (2048, 24, 1.2e9)])
def test_published_ladder(d, layers, size):
    assert counting.parameters(Shape(d, layers), "non_embedding") == pytest.approx(size, rel=0.02)


def test_flops():
    """Kaplan 6 N + 6 L s d; DeepSeek 72 L d^2 + 12 L d s; Hoffmann's appendix F, line by line."""
    d, L, s = 768, 12, 2048
    assert counting.flops_per_token(SMALL, "kaplan") == 72 * L * d * d + 6 * L * s * d
    assert counting.flops_per_token(SMALL, "deepseek") == 72 * L * d * d + 12 * L * s * d
    attention = 2 * 3 * d * d + 2 * s * d + 3 * 12 * s + 2 * s * d + 2 * d * d
    forward = 2 * 50432 * d + L * (attention + 2 * (d * 4 * d + 4 * d * d)) + 2 * d * 50432
    assert counting.flops_per_token(SMALL, "hoffmann") == 3 * forward
    ratio = {k: counting.flops_per_token(SMALL, k) / counting.flops_per_token(SMALL, "deepseek") for k in counting.FLOPS}
    assert 0.43 < ratio["6ND_non_embedding"] < 1 < ratio["6ND"] < 1.4


def test_compute_does_not_overflow():
    assert counting.compute(6_889_410_560, np.array([137_788_211_200]))[0] == pytest.approx(5.696e21, rel=1e-3)


def test_conversion_is_checked():
    N = counting.parameters(SMALL, "total")
    assert counting.convert_parameters(N, SMALL, given="total", wanted="non_embedding") == 12 * 12 * 768**2
    assert counting.convert_parameters(5.0, None, given="total", wanted="total") == 5.0
    with pytest.raises(DataError, match="Give the shape"):
        counting.convert_parameters(1e8, None, given="total", wanted="non_embedding")
    with pytest.raises(DataError, match="does not count total"):
        counting.convert_parameters(85e6, SMALL, given="total", wanted="non_embedding")
    with pytest.raises(ArgumentError, match="there are"):
        counting.parameters(SMALL, "all")
    with pytest.raises(DataError, match="set vocab="):
        counting.parameters(Shape(768, 12), "total")


def test_tied_heads_count_once():
    """As the trainer counts, but for its gains (2 L + 1) d."""
    made = RunSpec(schedule="constant:peak=1,steps=1", n_layer=2, d_model=24, n_head=2, context=64).params
    here = Shape(24, 2, vocab=256, context=64, tied=True)
    assert counting.parameters(here, "total") + 5 * 24 == made["n_params"]
    assert counting.parameters(here, "total_with_gains") == made["n_params"]
    assert here.blocks == made["n_params_nonemb"]
    with pytest.raises(DataError, match="positive"):
        Shape(0, 2)
    with pytest.raises(DataError, match="qk_norm needs n_head"):
        Shape(24, 2, qk_norm=True)


def test_tables_of_encoders_are_counted_with_them_and_gaps_are_no_numbers():
    shape = {"d_model": 16, "n_layer": 2, "vocab": 256, "context": 8, "n_encoder": [3, np.nan], "d_ff": np.nan}
    table = pd.DataFrame(
        {"N": [7 * 12 * 256 + 2 * 4 * 256 - 2 * 12 * 256, 2 * 12 * 256], **shape, "params_counted": "non_embedding"}
    )
    embedding = (2 * 256 + 8) * 16
    assert (counting.recounted(table, "total")["N"] - table["N"]).tolist() == [embedding, embedding]
    flops = table.assign(flops=1e9, flops_counted="6ND_non_embedding")
    with pytest.raises(ArgumentError, match=r"'kaplan' is for decoders alone; with an encoder: 6ND, 6ND_non_embedding"):
        counting.recounted(flops, "kaplan", "FLOP")


TABLE = pd.DataFrame({"d_model": [768, 1024], "n_layer": [12, 24], "vocab": 50432, "context": 2048, "loss": [3.0, 2.8]})
TABLE["N"] = [counting.parameters(Shape(d, n, 50432, 2048), "total") for d, n in zip(TABLE.d_model, TABLE.n_layer, strict=True)]


def test_tables_say_what_they_count():
    assert counting.counted(TABLE) is None
    blocks = counting.recounted(TABLE.assign(params_counted="total"), "non_embedding")
    assert blocks["N"].tolist() == [12 * 12 * 768**2, 12 * 24 * 1024**2]
    assert counting.counted(blocks) == "non_embedding"
    back = counting.recounted(blocks, "total")
    assert back["N"].tolist() == TABLE["N"].tolist()
    mixed = pd.concat([TABLE.assign(params_counted="total"), blocks], ignore_index=True)
    with pytest.raises(DataError, match="2 ways"):
        counting.counted(mixed)
    assert counting.recounted(mixed, "total")["N"].tolist() == 2 * TABLE["N"].tolist()
    with pytest.raises(DataError, match="does not say"):
        counting.recounted(TABLE, "total")
    with pytest.raises(DataError, match="Give the shape"):
        counting.recounted(blocks[["N", "params_counted"]], "total")
    with pytest.raises(DataError, match="unknown convention"):
        counting.counted(TABLE.assign(params_counted="mine"))
    flops = pd.DataFrame({**TABLE, "flops": 6e9 * TABLE["N"], "flops_counted": "6ND"})
    other = counting.recounted(flops, "deepseek", "FLOP")
    wanted = [
        1e9 * counting.flops_per_token(Shape(d, n, 50432, 2048), "deepseek")
        for d, n in zip(TABLE.d_model, TABLE.n_layer, strict=True)
    ]
    np.testing.assert_allclose(other["flops"], wanted)


def test_runs_of_the_trainer_are_recognised():
    runs = scaling.read(Path(__file__).parent.parent / "runs")
    assert counting.counted(runs.facts) == "total"
    assert counting.counted(runs.facts.assign(n_params=runs.facts["n_params_nonemb"])) == "non_embedding"


def test_predictions_and_pairs_never_mix_counts(tmp_path):
    """A fit that counts without embeddings, asked about models counted with them: converted, or refused."""
    rng = np.random.default_rng(0)
    d = np.repeat([256, 512, 768, 1024], 4)
    frame = pd.DataFrame(
        {"d_model": d, "n_layer": d // 64, "vocab": 50432, "context": 1024, "D": np.tile([1e9, 3e9, 1e10, 3e10], 4)}
    )
    shapes = [Shape(a, b, 50432, 1024) for a, b in zip(frame.d_model, frame.n_layer, strict=True)]
    frame["N"], frame["params_counted"] = [float(s.blocks) for s in shapes], "non_embedding"
    law = scaling.laws["chinchilla"]
    frame["loss"] = law.published["besiroglu2024"](frame["N"], frame["D"]) * np.exp(1e-3 * rng.normal(size=16))
    fit = scaling.fit(frame, law)
    total = counting.recounted(frame, "total")
    assert (total["N"] > 1.5 * frame["N"])[:4].all()
    fit.save(tmp_path / "fit.json")
    for one in (fit, scaling.load(tmp_path / "fit.json")):
        expected = one.predict(frame, interval="delta")["prediction"]
        np.testing.assert_array_equal(one.predict(total, interval="delta")["prediction"], expected)
        with pytest.raises(DataError, match="Give the shape"):
            one.predict(total[["N", "D", "params_counted"]])
    with pytest.raises(DataError, match="2 ways"):
        scaling.fit(pd.concat([frame, total], ignore_index=True), law)
    asked = {
        **total.iloc[:2][["N", "D", "d_model", "n_layer", "vocab", "context"]].to_dict("list"),
        "params_counted": ["total"] * 2,
    }
    np.testing.assert_array_equal(fit.predict(asked, interval="delta")["prediction"], expected[:2])
    with pytest.raises(DataError, match="different ways: source non_embedding, target total"):
        transfer.pair(frame, total)
    with pytest.raises(DataError, match="different ways: pool total, target non_embedding"):
        plan_next(fit, total, frame.iloc[:2], 1e20)
    both = pd.concat([frame, total.assign(params_counted=np.nan)], ignore_index=True)
    with pytest.raises(DataError, match="non_embedding, unsaid"):
        approaches.parametric(both)


def test_runs_are_converted_by_their_facts():
    runs = scaling.read(Path(__file__).parent.parent / "runs").select("role == 'long'")
    table = pd.DataFrame([(n, d) for n in (1e4, 3e4, 1e5) for d in (1e6, 1e7, 1e8)], columns=["N", "D"])
    table = table.assign(loss=1 + 20 / table["N"] ** 0.3 + 50 / table["D"] ** 0.3, params_counted="non_embedding")
    table["loss"] *= np.exp(1e-3 * np.random.default_rng(0).normal(size=9))
    fit = scaling.fit(table, "chinchilla")
    found = fit.predict(runs, interval="delta").set_index("run")
    np.testing.assert_array_equal(found["N"], runs.facts["n_params_nonemb"].loc[found.index])
