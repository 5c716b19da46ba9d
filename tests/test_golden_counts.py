"""Golden numbers of counts: lines that no other test would miss, each broken by hand or by `make mutants`."""

import numpy as np
import pandas as pd
import pytest

from scaling import counting
from scaling.counting import Shape
from scaling.errors import ArgumentError, DataError

PLAIN = Shape(d_model=64, n_layer=3, vocab=1000, context=128, n_head=4)
# feed-forward 160 with three matrices, heads of 12, an encoder of two blocks, a head that is the embedding
TRANSLATOR = Shape(64, 3, 1000, 128, d_ff=160, d_attn=48, n_head=4, gated=True, tied=True, n_encoder=2, qk_norm=True)

PARAMETERS = {  # of PLAIN and of TRANSLATOR
    "non_embedding": (12 * 3 * 64**2, 2 * 64 * (4 * 48 + 3 * 160) + 3 * 64 * (8 * 48 + 3 * 160)),
    "active_with_head": (147_456 + 64_000, 251_904 + 64_000),
    "total": (147_456 + 64_000 + (1000 + 128) * 64, 251_904 + (1000 + 128) * 64),
    "total_with_gains": (283_648 + 7 * 64, 324_096 + 15 * 64 + 8 * 2 * 12),
}
FLOPS = {  # of PLAIN, worked out by hand
    "6ND": 1_701_888,
    "6ND_non_embedding": 884_736,
    "6ND_with_head": 1_268_736,
    "6ND_with_gains": 1_704_576,
    "6ND+attn": 1_268_736 + 6 * 128 * 64 * 3,
    "kaplan": 884_736 + 6 * 128 * 64 * 3,
    "deepseek": 884_736 + 12 * 128 * 64 * 3,
    "lingua": 884_736 + 7 * 128 * 64 * 3,
    "hoffmann_blocks": 3 * 3 * (24_576 + 16_384 + 1_536 + 16_384 + 8_192 + 65_536),
    "hoffmann": 1_193_472 + 12 * 64_000,
    "exact": 1_268_736 + 6 * 64 * 3 * 129,
}


def test_every_convention_counts_what_it_says():
    assert counting.PARAMETERS.keys() == PARAMETERS.keys() and counting.FLOPS.keys() == FLOPS.keys()
    for name, (plain, translator) in PARAMETERS.items():
        assert counting.parameters(PLAIN, name) == plain, name
        assert counting.parameters(TRANSLATOR, name) == translator, name
    for name, flops in FLOPS.items():
        assert counting.flops_per_token(PLAIN, name) == flops, name
    # self-attention of the encoder and attention to it see all 128 tokens
    exact = 6 * (251_904 + 64_000) + 6 * 48 * (3 * 129 + (2 + 3) * 2 * 128)
    assert counting.flops_per_token(TRANSLATOR, "exact") == exact
    assert counting.flops_per_token(TRANSLATOR, "6ND_with_gains") == 6 * 325_248
    gated = Shape(64, 3, d_ff=160, d_attn=48, gated=True, context=128, n_head=4)
    layer = 6 * 64 * 48 + 2 * 128 * 48 + 3 * 4 * 128 + 2 * 128 * 48 + 2 * 48 * 64 + 2 * 3 * 64 * 160
    assert counting.flops_per_token(gated, "hoffmann_blocks") == 3 * 3 * layer
    assert counting.compute(3, 5) == 90 and counting.tokens(90, 3) == 5


def test_attention_is_proportional_to_the_context():
    """Twice the context adds as much again of attention, and nothing else: a doubled term would not."""
    once = {k: counting.flops_per_token(Shape(64, 3, 1000, 128), k) for k in ("kaplan", "deepseek", "lingua")}
    twice = {k: counting.flops_per_token(Shape(64, 3, 1000, 256), k) for k in once}
    assert {k: (twice[k] - once[k]) / (64 * 3 * 128) for k in once} == {"kaplan": 6, "deepseek": 12, "lingua": 7}


def test_counts_may_be_two_percent_off():
    for by in (1.019, 0.981):
        assert counting.convert_parameters(283_648 * by, PLAIN, given="total", wanted="non_embedding") == 147_456
    for by in (1.021, 0.979):
        with pytest.raises(DataError, match="does not count total"):
            counting.convert_parameters(283_648 * by, PLAIN, given="total", wanted="non_embedding")
    with pytest.raises(ArgumentError, match="unknown convention 'mine' for parameters"):
        counting.convert_parameters(1.0, None, given="mine", wanted="mine")


def test_conventions_that_are_not_there():
    for count, what in ((counting.parameters, "parameters"), (counting.flops_per_token, "FLOP")):
        with pytest.raises(ArgumentError, match=f"unknown convention 'mine' for {what}; there are"):
            count(PLAIN, "mine")
        with pytest.raises(DataError, match="counts the vocabulary, and the shape gives none"):
            count(Shape(64, 3))  # by default the total, and six times it
    with pytest.raises(ArgumentError, match="'kaplan' is for decoders alone; with an encoder: 6ND, 6ND_non_embedding"):
        counting.flops_per_token(TRANSLATOR, "kaplan")
    with pytest.raises(ArgumentError, match="unknown convention 'mine' for parameters"):
        counting.convert_parameters(1.0, PLAIN, given="mine", wanted="total")


@pytest.mark.parametrize(
    "wrong",
    [{"d_model": 0}, {"n_layer": 0}, {"vocab": -1}, {"context": np.inf}, {"n_head": "4"}, {"d_ff": -1}, {"vocab": None},
     {"qk_norm": True}],
)  # fmt: skip
def test_shapes_that_cannot_be(wrong):
    with pytest.raises(DataError, match="widths and depths are positive numbers"):
        Shape(**{"d_model": 64, "n_layer": 3, **wrong})
    assert Shape(np.int64(64), 1.5, 0, 0, n_head=1, qk_norm=True, gated=True, tied=True).n_layer == 1.5
    yes = np.bool_(True)  # as a cell of a table has it
    assert Shape(64, 3, n_head=4, gated=yes, tied=yes, qk_norm=yes).blocks == 3 * 64 * (4 * 64 + 3 * 256)


def test_products_of_large_counts_are_floating_point():
    """9.2e18 is the largest whole number of 64 bits; lists and whole numbers count as well as arrays."""
    assert counting.compute([10**10, 2], [10**12, 3]).tolist() == [6e22, 36.0]
    assert counting.tokens([10**22, 36], [10**10, 2]).tolist() == [1e22 / 6e10, 3.0]
    assert counting.compute(np.int64(10**10), np.int64(10**12)) == 6e22
    assert counting.tokens(10**22, np.int64(3 * 10**18)) == pytest.approx(1e22 / 1.8e19)


def test_words_of_published_constants_name_a_convention():
    for words, convention in {
        "M: non-embedding FLOP per token": "deepseek",
        "N: non-embedding parameters": "non_embedding",
        "N: total parameters": "total",
        "N: parameters": None,
    }.items():
        assert counting.named_in(words) == convention


def test_a_shape_grows_in_width_and_depth_alike():
    for one in (PLAIN, Shape(64, 3, d_ff=160, d_attn=48, gated=True)):
        for N in (1e5, 1e9):
            made = counting.grown(one, N, "non_embedding")
            assert made.blocks == pytest.approx(N, rel=1e-9)
            by = made.d_model / 64
            assert made.n_layer / 3 == pytest.approx(by) and made.ff / one.ff == pytest.approx(by)
            assert made.attn / one.attn == pytest.approx(by) and made.vocab == one.vocab


def test_tables_that_show_what_they_count():
    """Beside the trainer's own counts a column of sizes is told by its numbers; otherwise it has to be said."""
    own = pd.DataFrame({"n_params": [10, 20], "n_params_nonemb": [6, 12], "loss": 1.0})
    assert counting.counted(own) == "total" and counting.counted(own[["n_params", "loss"]]) is None
    assert counting.counted(own.assign(N=[6, 12])) == "non_embedding"
    assert counting.counted(own.assign(N=[10, 20])) == "total"
    assert counting.counted(own.assign(N=[10, 12])) is None and counting.counted(own.assign(N=[6, 20])) is None
    few = own.drop(columns="n_params")
    assert counting.counted(few.assign(N=[6, 12])) == "non_embedding" and counting.counted(few.assign(N=[10, 20])) is None
    assert counting.counted(own.assign(flops=1.0), "FLOP") is None
    assert counting.counted(own.assign(flops=1.0, flops_counted="kaplan"), "FLOP") == "kaplan"
    with pytest.raises(DataError, match="unknown convention 'mine' for FLOP; there are 6ND"):
        counting.counted(own.assign(flops_counted="mine"), "FLOP")
    with pytest.raises(DataError, match=r"column 'params_counted': the rows count parameters in 2 ways \(total, unsaid\)"):
        counting.counted(own.assign(params_counted=["total", None]))


def test_tables_counted_anew():
    own = pd.DataFrame({"N": [6.0, 12.0], "n_params": [10, 20], "n_params_nonemb": [6, 12]})
    there = counting.recounted(own, "total")  # without a shape: the counts are there
    assert there["N"].tolist() == [10, 20] and set(there["params_counted"]) == {"total"}
    back = counting.recounted(there, "non_embedding")
    assert back["N"].tolist() == [6, 12] and back["n_params"].tolist() == [10, 20]
    pd.testing.assert_frame_equal(counting.recounted(back, "non_embedding"), back)
    with pytest.raises(DataError, match="non_embedding parameters and active_with_head are needed"):
        counting.recounted(own, "active_with_head")
    for unsaid in (own.drop(columns="n_params_nonemb"), own.assign(params_counted=["total", None])):
        row = int(unsaid.get("params_counted", pd.Series([None]))[0] == "total")
        with pytest.raises(DataError, match=f"row {row} does not say how it counts parameters; add a column params_counted"):
            counting.recounted(unsaid, "active_with_head" if row == 0 else "total")
    with pytest.raises(DataError, match=r"no column N or n_params to count anew; the table has loss"):
        counting.recounted(pd.DataFrame({"loss": [1.0]}), "total")
    with pytest.raises(ArgumentError, match="unknown convention 'mine' for FLOP"):
        counting.recounted(own, "mine", "FLOP")
    with pytest.raises(DataError, match="unknown convention 'mine' for parameters"):
        counting.recounted(own.assign(params_counted="mine"), "total")
    shape = {"d_model": 64, "n_layer": 3, "vocab": 1000, "context": 128, "n_head": 4}
    flops = pd.DataFrame({"flops": [1e12, 2e12], "flops_counted": ["6ND", "kaplan"], **shape})
    other = counting.recounted(flops, "deepseek", "FLOP")
    np.testing.assert_allclose(other["flops"], [1e12 * 1_179_648 / 1_701_888, 2e12 * 1_179_648 / 1_032_192])
    with pytest.raises(DataError, match="FLOP are counted as 6ND and needed as deepseek; give the shape"):
        counting.recounted(flops.drop(columns="n_layer"), "deepseek", "FLOP")
    tied = pd.DataFrame({"N": [147_456], "params_counted": "non_embedding", **shape, "tied": True, "d_ff": [np.nan]})
    assert counting.recounted(tied, "total")["N"].tolist() == [147_456 + 72_192]


def test_data_are_counted_as_the_fit_was():
    fitted = pd.DataFrame({"N": [6.0, 12.0], "C": 1.0, "params_counted": "non_embedding", "flops_counted": "kaplan"})
    own = pd.DataFrame({"N": [10.0, 20.0], "n_params": [10, 20], "n_params_nonemb": [6, 12]})
    assert counting.matched(own, fitted, ("N", "D"))["N"].tolist() == [6, 12]
    assert counting.matched({k: list(v) for k, v in own.items()}, fitted, ("N",))["N"] == [10, 20]  # it says nothing
    said = {k: list(v) for k, v in own.assign(params_counted="total").items()}
    assert counting.matched(said, fitted, ("N", "D"))["N"].tolist() == [6, 12]
    assert counting.matched(own, fitted, ("M",)) is own and counting.matched(own, own, ("N",)) is own
    assert counting.matched(own, fitted.drop(columns="params_counted"), ("N",)) is own
    assert counting.matched(3.0, fitted, ("N",)) == 3.0
    work = pd.DataFrame({"C": [1e12], "flops_counted": "6ND", "d_model": 64, "n_layer": 3, "vocab": 1000, "context": 128})
    np.testing.assert_allclose(counting.matched(work, fitted, ("C",))["C"], 1e12 * 1_032_192 / 1_701_888)
    assert counting.matched(work, fitted.drop(columns="flops_counted"), ("C",)) is work
    both = counting.matched(work.assign(N=[1.0], params_counted="non_embedding"), fitted, ("N", "C"))
    assert both["flops_counted"].tolist() == ["kaplan"] and both["N"].tolist() == [1.0]
    least = pd.DataFrame({"N": [147_456.0], "params_counted": "non_embedding", "d_model": 64, "n_layer": 3})
    assert counting.recounted(least, "non_embedding")["N"].tolist() == [147_456]
    with pytest.raises(DataError, match="set vocab="):
        counting.recounted(least, "total")
    counting.alike(source=own, target=own, other=fitted.drop(columns="params_counted"))
    with pytest.raises(DataError, match=r"different ways: source total, target non_embedding.*\n.*recounted\(table, 'total'\)"):
        counting.alike(source=own, target=fitted)
