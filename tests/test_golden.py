"""Golden numbers of lines that no other test would miss: each was broken by hand, or by `make mutants`, and is seen here."""

import numpy as np
import pandas as pd
import pytest

from scaling import counting
from scaling.counting import Shape
from scaling.errors import ArgumentError, DataError, ScheduleError
from scaling.schedules import Schedule, schedule
from scaling.schedules.drops import RateDrops

# ------------------------------------------------------------------------------------------------ counts
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
    with pytest.raises(ArgumentError, match="unknown convention"):
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
    assert (
        counting.counted(few.assign(N=[6, 12])) == "non_embedding" and counting.counted(few.assign(N=[10, 20])) is None
    )
    assert counting.counted(own.assign(flops=1.0), "FLOP") is None
    assert counting.counted(own.assign(flops=1.0, flops_counted="kaplan"), "FLOP") == "kaplan"
    with pytest.raises(DataError, match="unknown convention 'mine' for FLOP; there are 6ND"):
        counting.counted(own.assign(flops_counted="mine"), "FLOP")
    with pytest.raises(
        DataError, match=r"column 'params_counted': the rows count parameters in 2 ways \(total, unsaid\)"
    ):
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
        with pytest.raises(
            DataError, match=f"row {row} does not say how it counts parameters; add a column params_counted"
        ):
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
    work = pd.DataFrame(
        {"C": [1e12], "flops_counted": "6ND", "d_model": 64, "n_layer": 3, "vocab": 1000, "context": 128}
    )
    np.testing.assert_allclose(counting.matched(work, fitted, ("C",))["C"], 1e12 * 1_032_192 / 1_701_888)
    assert counting.matched(work, fitted.drop(columns="flops_counted"), ("C",)) is work
    both = counting.matched(work.assign(N=[1.0], params_counted="non_embedding"), fitted, ("N", "C"))
    assert both["flops_counted"].tolist() == ["kaplan"] and both["N"].tolist() == [1.0]
    least = pd.DataFrame({"N": [147_456.0], "params_counted": "non_embedding", "d_model": 64, "n_layer": 3})
    assert counting.recounted(least, "non_embedding")["N"].tolist() == [147_456]
    with pytest.raises(DataError, match="set vocab="):
        counting.recounted(least, "total")
    counting.alike(source=own, target=own, other=fitted.drop(columns="params_counted"))
    with pytest.raises(
        DataError, match=r"different ways: source total, target non_embedding.*\n.*recounted\(table, 'total'\)"
    ):
        counting.alike(source=own, target=fitted)


# ------------------------------------------------------------------------------------------------ drops
def before(plan, steps, block=64, warmup_in_ld=False, lr_floor=1e-3):
    return RateDrops.before(np.asarray(steps), plan, block=block, warmup_in_ld=warmup_in_ld, lr_floor=lr_floor)


def linear(changing):
    """A fall in `changing` equal steps of 1e-9, after a few updates at the peak."""
    return schedule(np.concatenate([np.full(10, 1.0), 1.0 - 1e-9 * np.arange(1, changing + 1)]))


@pytest.mark.parametrize(
    ("changing", "block", "blocks"),
    [
        (200, 64, 200),  # fewer than 256: every drop by itself
        (2560, 64, 256),  # ten drops a block, so that a short decay keeps its shape
        (64 * 256, 64, 256),
        (64 * 1000, 64, 1000),  # the block asked for
        (64 * 1000, 16, 2065),  # too many: 31 a block, where 16 were asked for
        (64 * 1000, 1, 64_000),  # exact, however many
        (2047 * 64, 64, 2047),
        (2048 * 100, 64, 2048),  # too many: 100 a block
    ],
)
def test_blocks_are_as_fine_as_they_can_be(changing, block, blocks):
    plan = linear(changing)
    behind = before(plan, [plan.last], block)
    assert behind.count.tolist() == [blocks]
    np.testing.assert_allclose(behind.sum(lambda d, eta, S: d), plan.peak - plan.rates[-1], rtol=1e-6)


def test_drops_behind_every_row():
    """Rates 4 4 3 3 1 2 2: drops of 1, 2 and -1, the areas from each to the row, and the rates after them."""
    plan = schedule([4.0, 4.0, 3.0, 3.0, 1.0, 2.0, 2.0])
    behind = before(plan, [2, 3, 5, 7], block=1)
    assert behind.count.tolist() == [0, 1, 2, 3] and behind.peak.tolist() == [4.0] * 4
    assert behind.d.tolist() == [1, 1, 2, 1, 2, -1]
    np.testing.assert_allclose(behind.eta, [3, 3, 1, 3, 1, 2])
    assert behind.S.tolist() == [3, 7, 1, 11, 5, 4]  # the update of the drop is counted
    assert behind.span.tolist() == [0, 3, 7, 11]
    assert behind.size == 6 and len(behind) == 4
    assert behind.sum(lambda d, eta, S: d * S).tolist() == [0, 3, 9, 11 + 10 - 4]
    batch = behind.sum(lambda d, eta, S: np.stack([d, S]))
    assert batch.shape == (2, 4) and batch[1].tolist() == [0, 3, 8, 20]
    chosen = behind[[3, 0, 2]]
    assert chosen.count.tolist() == [3, 0, 2] and chosen.S.tolist() == [11, 5, 4, 7, 1]
    assert chosen.span.tolist() == [11, 0, 7] and chosen.peak.tolist() == [4.0] * 3
    joined = RateDrops.concatenate([chosen, behind[:2]])
    assert joined.count.tolist() == [3, 0, 2, 0, 1] and joined.d.tolist() == [1, 2, -1, 1, 2, 1]
    nothing = behind[[0, 0]]
    assert nothing.size == 0 and nothing.sum(lambda d, eta, S: d).tolist() == [0, 0]


def test_a_drop_to_nothing_is_floored_and_has_no_area():
    plan = schedule([1.0, 0.5, 0.0, 0.0])
    behind = before(plan, [4], block=1, lr_floor=1e-2)
    np.testing.assert_allclose(behind.eta, [0.5])  # the last drop has no area behind it and is left out
    assert behind.count.tolist() == [1] and behind.S.tolist() == [0.5]
    blocks = plan.blocks(1, floor=1e-2)
    np.testing.assert_allclose(np.exp(blocks.log_rate), [0.5, 1e-2])
    with pytest.raises(ScheduleError, match="the rate is 0 at update 2"):
        plan.blocks(1, floor=0)
    with pytest.raises(ScheduleError, match="block size 0 must be 1"):
        plan.blocks(0)


def test_the_floor_of_the_rate_is_the_one_asked_for():
    plan = schedule([1.0, 0.5, 1e-5, 1e-5])
    for floor in (1e-2, 1e-3):
        np.testing.assert_allclose(before(plan, [4], block=1, lr_floor=floor).eta, [0.5, floor])
    stairs = schedule([1.0, 0.5, 0.5, 1e-5]).blocks()  # each a jump by itself
    assert stairs.drop.tolist() == [0.5, 0.5 - 1e-5]
    np.testing.assert_allclose(stairs.log_rate, np.log([0.5, 1e-3]))


def test_two_updates_a_block_are_no_exact_drops():
    plan = linear(2000)
    assert before(plan, [plan.last], block=2).count.tolist() == [1000]


def test_sums_keep_the_kind_of_their_terms():
    plan = schedule([4.0, 4.0, 3.0, 3.0, 1.0, 2.0, 2.0])
    behind = before(plan, [1, 5], block=1)
    whole = behind.sum(lambda d, eta, S: d * eta + 1j * S)
    assert whole.tolist() == [0, 1 * 3 + 2 * 1 + 1j * (7 + 1)]


def test_the_warm_up_counts_where_a_law_says_so():
    plan = schedule("constant:peak=1,steps=20,warmup=4")
    assert before(plan, [20], block=1).count.tolist() == [0]
    rises = before(plan, [20], block=1, warmup_in_ld=True)
    np.testing.assert_allclose(rises.d, [-0.25] * 3)
    np.testing.assert_allclose(rises.eta, [0.5, 0.75, 1.0])
    # a constant rate after a long warm-up: 600 rises, two a block; without them nothing changes
    long = schedule("constant:peak=1,steps=700,warmup=601")
    assert before(long, [700], warmup_in_ld=True).count.tolist() == [300]


def test_labels_of_steps():
    """Steps are labelled from 1 where a step is an update done, and from 0 where it is the index of one."""
    for first in (0, 1):
        for plan in (
            schedule([1.0, 0.5, 0.25], first=first),
            schedule(schedule([1.0, 0.5, 0.25]), first=first),
            schedule("table:steps=3,at=0/1/2,rates=1/0.5/0.25", first=first),
        ):
            assert plan.first == first and plan.last == first + 2 and plan.rates.tolist() == [1, 0.5, 0.25]
            assert plan.index([first, first + 2]).tolist() == [0, 2] and plan.index(first + 1).dtype == np.int64
            for wrong in (first - 1, first + 3, first + 0.5):
                with pytest.raises(ScheduleError, match=f"step {wrong:g} is not in the schedule of steps {first} to"):
                    plan.index([first, wrong])
    text, table = schedule("constant:peak=1,steps=5"), schedule(np.ones(5))
    assert text.first == table.first == 1 and schedule(text) is text
    assert (
        text == table and hash(text) == hash(table) and text.rates.dtype == schedule([1, 2]).rates.dtype == np.float64
    )
    assert table != schedule(np.ones(5), first=0) and table != schedule(np.full(5, 2.0)) and table != 1.0
    assert len({text, table, schedule(np.ones(6)), schedule(np.ones(5), first=0)}) == 3
    assert repr(text) == "Schedule(constant:peak=1,steps=5; 5 updates, peak 1)"
    assert repr(table) == "Schedule(table; 5 updates, peak 1)"
    with pytest.raises(ScheduleError, match="first=2: step labels begin at 1"):
        schedule(np.ones(5), first=2)
    for rates in (text.rates, table.area, table.drops(), table.drops(True), table.blocks(1).drop):
        with pytest.raises(ValueError, match="read-only"):
            rates[:1] = 7.0


def test_labels_of_rows(tmp_path):
    """Rows that begin at step 2: the first label is 1 unless it is said, in a table and in a file."""
    (tmp_path / "rates.csv").write_text("step,lr\n2,1.0\n3,1.0\n4,0.5\n")
    for plan, first in (
        (Schedule.from_rows([2, 3, 4], [1.0, 1.0, 0.5]), 1),
        (Schedule.from_rows([2, 3, 4], [1.0, 1.0, 0.5], first=0), 0),
        (schedule(str(tmp_path / "rates.csv")), 1),
        (schedule(str(tmp_path / "rates.csv"), first=0), 0),
    ):
        assert plan.first == first and plan.last == 4
        np.testing.assert_allclose(plan.rates, np.array([0, 0.5, 1, 1, 0.5])[first:])
    with pytest.raises(ScheduleError, match=r"a row has a rate at step 0, before first=1; pass first=0"):
        Schedule.from_rows([0, 1], [1.0, 1.0], first=1)


@pytest.mark.parametrize(("times", "alone"), [(7.9, False), (8.1, True)])
def test_a_drop_eight_times_its_neighbours_stands_alone(times, alone):
    small = 1e-4
    drops = np.array([*[small] * 10, times * small, *[small] * 10])
    plan = schedule(np.concatenate([[1.0], 1.0 - np.cumsum(drops)]))
    found = plan.blocks(64)
    assert len(found) == (2 if alone else 1) and found.drop.sum() == pytest.approx(drops.sum())
    if alone:
        assert found.first.tolist() == [1, 11]
        np.testing.assert_allclose(found.drop, [20 * small, times * small], rtol=1e-9)
        np.testing.assert_allclose(found.log_rate[1], np.log(plan.rates[11]), rtol=1e-12)
        np.testing.assert_allclose(found.area[1], plan.area[10], rtol=1e-12)
    # a jump beside a larger one is none
    both = schedule(np.concatenate([[1.0], 1.0 - np.cumsum([small] * 5 + [20 * small, 30 * small] + [small] * 5)]))
    assert len(both.blocks(64)) == 1


def test_blocks_are_weighted_by_their_drops():
    plan = schedule([8.0, 7.0, 5.0, 5.5, 2.0, 2.0])  # drops 1, 2, -0.5, 3.5
    found = plan.blocks(2)
    assert found.first.tolist() == [1, 3, 4] and found.drop.tolist() == [3.0, -0.5, 3.5]
    np.testing.assert_allclose(found.log_rate, [(np.log(7) + 2 * np.log(5)) / 3, np.log(5.5), np.log(2)])
    np.testing.assert_allclose(found.area, [(8 + 2 * 15) / 3, 20, 25.5])
    assert plan.blocks(2) is found and plan.blocks(2, floor=1e-2) is not found
