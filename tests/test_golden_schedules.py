"""Golden numbers of schedules and drops: lines that no other test would miss, each broken by hand or by `make mutants`."""

import numpy as np
import pytest
from scipy.signal import lfilter

from scaling.errors import ScheduleError
from scaling.formula import laws
from scaling.schedules import Schedule, distant, schedule
from scaling.schedules.drops import RateDrops


def before(plan, steps, block=64, warmup_in_ld=False, lr_floor=1e-3):
    return RateDrops.before(np.asarray(steps), plan, block=block, warmup_in_ld=warmup_in_ld, lr_floor=lr_floor)


@pytest.fixture
def unjoined(monkeypatch):
    """Every block is a pair of its own."""
    monkeypatch.setattr(distant, "APART", 0.0)


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
def test_blocks_are_as_fine_as_they_can_be(changing, block, blocks, unjoined):
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


def test_two_updates_a_block_are_no_exact_drops(unjoined):
    plan = linear(2000)
    assert before(plan, [plan.last], block=2).count.tolist() == [1000]


def test_sums_keep_the_kind_of_their_terms():
    plan = schedule([4.0, 4.0, 3.0, 3.0, 1.0, 2.0, 2.0])
    behind = before(plan, [1, 5], block=1)
    whole = behind.sum(lambda d, eta, S: d * eta + 1j * S)
    assert whole.tolist() == [0, 1 * 3 + 2 * 1 + 1j * (7 + 1)]


def test_the_warm_up_counts_where_a_law_says_so(unjoined):
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
    assert text == table and hash(text) == hash(table) and text.rates.dtype == schedule([1, 2]).rates.dtype == np.float64
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
    # the last drop of a run has nothing behind it
    last = schedule([1.0, 1 - small, 1 - 2 * small, 1 - (2 + times) * small]).blocks()
    assert last.first.tolist() == ([1, 3] if alone else [1]) and last is not plan.blocks()
    # a jump beside a larger one is none
    both = schedule(np.concatenate([[1.0], 1.0 - np.cumsum([small] * 5 + [20 * small, 30 * small] + [small] * 5)]))
    assert len(both.blocks(64)) == 1


def test_blocks_are_weighted_by_their_drops():
    plan = schedule([8.0, 7.0, 5.0, 5.5, 2.0, 2.0])  # drops 1, 2, -0.5, 3.5
    found = plan.blocks(2)
    assert found.first.tolist() == [1, 3, 4] and found.drop.tolist() == [3.0, -0.5, 3.5]
    np.testing.assert_allclose(found.log_rate, [(np.log(7) + 2 * np.log(5)) / 3, np.log(5.5), np.log(2)])
    np.testing.assert_allclose(found.area, [(8 + 2 * 15) / 3, 20, 25.5])
    long = linear(64 * 3)
    assert len(long.blocks()) == 3 and long.blocks() is long.blocks(64)
    assert plan.blocks(2) is found and plan.blocks(2, floor=1e-2) is not found


@pytest.mark.parametrize(
    ("step", "lr", "at", "rate"),
    [
        ([10, 20, 30, 40, 50], [30, 30, 28.1, 18.1, 18.1], 35, 28.1),  # a neighbour less than a fifth as fast: a jump
        ([10, 20, 30, 40, 50], [30, 30, 27.9, 17.9, 17.9], 35, 22.9),  # more than a fifth: gradual
        ([10, 20, 30, 40, 50], [90, 90, 80, 30, 30], 35, 55),  # exactly a fifth is no jump yet
        ([10, 20, 30, 40, 50], [30, 30, 20, 18.1, 18.1], 25, 30),  # the neighbour after it counts as well
        ([10, 20, 60, 70, 80], [9, 9, 7, 3, 3], 65, 7),  # a twentieth a step against four tenths
        ([10, 20, 30, 40], [1.0, 1.0, 1.0, 1.5], 35, 1.0),  # the last interval, upwards
        ([10, 20, 30, 40], [10, 10, 20, 20], 25, 10),  # by one a step
        ([2, 4, 6, 8], [1.0, 1.0, 0.3, 0.3], 5, 1.0),  # rows two updates apart
        ([10, 20, 30], [1.0, 0.5, 0.5], 15, 1.0),  # the first interval, downwards
        ([10, 20, 30], [0.5, 1.0, 1.0], 15, 0.75),  # upwards it is the end of the warm-up
        ([10, 20, 30, 40], [0.5, 1.0, 0.3, 0.3], 15, 0.75),
        ([10, 20, 30, 40], [0.5, 1.0, 0.3, 0.3], 25, 1.0),  # and what follows may jump
        ([10, 20, 30], [1.0, 1.0, 0.3], 21, 1.0),  # the update after the row
        ([10, 20, 30], [1.0, 1.0, 0.3], 29, 1.0),
        ([10, 20, 30], [1.0, 1.0, 0.3], 30, 0.3),
    ],
)
def test_jumps_between_rows(step, lr, at, rate):
    plan = Schedule.from_rows(step, lr)
    assert plan.first == 1 and plan.rates[plan.index(at)] == pytest.approx(rate, rel=1e-12)


def test_what_was_assumed_between_rows_is_said():
    assert not Schedule.from_rows([1, 2, 3, 4], [1.0, 1.0, 0.3, 0.3]).notes  # every update is logged
    lr = np.repeat(0.5 ** np.arange(8), 2)
    (jumps,) = Schedule.from_rows(np.arange(0, 160, 10), lr).notes
    assert jumps.endswith(
        "step 20 (1 to 0.5), 40 (0.5 to 0.25), 60 (0.25 to 0.125), 80 (0.125 to 0.0625), 100 (0.0625 to 0.03125)"
    )
    start = Schedule.from_rows([5, 6], [0.5, 0.5])
    assert start.notes == (
        "rates before step 5 are not logged: a linear warm-up from 0 to 0.5 is assumed; pass warmup= or a schedule",
    )
    np.testing.assert_allclose(start.rates, [0.1, 0.2, 0.3, 0.4, 0.5, 0.5])
    known = Schedule.from_rows([5, 6], [0.5, 0.5], warmup=3)
    assert known.first == 0 and not known.notes
    np.testing.assert_allclose(known.rates, [0, 0.25, 0.5, 0.5, 0.5, 0.5, 0.5])
    np.testing.assert_allclose(Schedule.from_rows([2, 3], [0.5, 0.5], warmup=9).rates, [0, 0.25, 0.5, 0.5])
    np.testing.assert_allclose(Schedule.from_rows([2, 3], [0.5, 0.5], warmup=1).rates, [0.5] * 4)


@pytest.mark.parametrize(
    ("step", "lr", "said"),
    [
        ([[1, 2]], [[1.0, 1.0]], r"columns of one length, got shapes \(1, 2\), \(1, 2\)"),
        ([1, 2], [1.0], r"columns of one length, got shapes \(2,\), \(1,\)"),
        ([1, 2], [np.nan, np.nan], "no row has a rate, so the schedule is unknown"),
        ([1, 2.5], [1.0, 1.0], "steps must be whole numbers from 0 on"),
        ([-1, 2], [1.0, 1.0], "steps must be whole numbers from 0 on"),
        ([1, 5, 5], [1.0, 1.0, 1.0], "step 5 follows 5, but steps must rise"),
    ],
)
def test_rows_that_are_no_schedule(step, lr, said):
    with pytest.raises(ScheduleError, match=said):
        Schedule.from_rows(step, lr)
    assert Schedule.from_rows([1, 2, 3], [1.0, np.nan, 0.5]).rates.tolist() == [1, 1, 0.5]  # rows without a rate are skipped


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("constant:peak=0,steps=5", "constant: peak=0 must be a number above 0"),
        ("constant:peak=1,steps=-5", "steps=-5 must be a whole number of updates like 24000 or 24k"),
        ("constant:peak=1,steps=5,warmup_form=steep", "warmup_form=steep must be one of linear, from_zero"),
        ("cosine:peak=1,steps=5,final=1.01", "final=1.01 must be a fraction of the peak, 0 to 1"),
        ("cosine:peak=1,steps=5,final=-0.01", "final=-0.01 must be a fraction of the peak, 0 to 1"),
        ("cyclic:peak=1,steps=50,cycle=9,warmup=3", "cyclic: unknown key 'warmup'.*allowed: peak, steps, cycle, up, final"),
        ("constant:peak=1,steps", "'steps' is not key=value, as in constant:peak=3e-4,steps=24k"),
        ("constant:peak=1,steps=", "'steps=' is not key=value"),
        ("constant:peak=1=2,steps=5", "peak=1=2 must be a number like 3e-4, 24k or 2M"),
        ("table:steps", "as in table:steps=100,at=0/99,rates=1e-3/1e-4"),
        ("table:steps=5,at=0/3,rates=1", r"at must rise and have one rate each; got at=\(0, 3\), rates=\(1.0,\)"),
        ("table:steps=5,at=0/0,rates=1/2", "at must rise and have one rate each"),
        ("table:steps=5,at=3/0,rates=1/2", "at must rise and have one rate each"),
        ("table:steps=5,at=0/3", "table: missing rates; allowed keys: steps, at, rates"),
        ("cosin:peak=1", "unknown schedule 'cosin'; did you mean 'cosine'.* Allowed: constant, linear"),
        ("zzz:peak=1", "unknown schedule 'zzz'; allowed: constant, linear"),
        ("constant:peak=1e,steps=5", "peak=1e must be a number"),
        ("constant:peak=1,steps=5,final=0", "constant: unknown key 'final'"),
    ],
)
def test_texts_that_are_no_schedule(text, said):
    with pytest.raises(ScheduleError, match=said):
        schedule(text)


def test_texts_at_the_edge_of_what_is_allowed():
    assert schedule("cosine:peak=1,steps=3,final=1").rates.tolist() == [1, 1, 1]
    assert schedule("linear:peak=1,steps=2,final=0").rates.tolist() == [1, 0.5]
    assert schedule("constant:peak=2k,steps=1e2").text == "constant:peak=2000,steps=100"
    assert schedule("constant: peak = 1 , steps = 2 ,").text == "constant:peak=1,steps=2"
    assert schedule("constant:peak=1M,steps=2").peak == 1e6 and schedule("constant:peak=1B,steps=2").peak == 1e9
    assert schedule("constant:peak=1K,steps=2").peak == 1e3 and schedule("constant:peak=1T,steps=2").peak == 1e12
    assert schedule("constant", peak=1e15, steps=2).text == "constant:peak=1000000000000000.0,steps=2"
    assert schedule("constant:peak=1,steps=2,warmup=0,warmup_form=linear").text == "constant:peak=1,steps=2"
    with pytest.raises(ScheduleError, match=r"\['peak'\] in the text and as arguments; keep one"):
        schedule("constant:peak=1,steps=2", peak=2)


def test_files_of_rates(tmp_path):
    """A byte-order mark, blanks after commas, empty cells and further columns are read; anything else is told with its line."""
    file = tmp_path / "rates.csv"
    file.write_text("\ufeffstep, lr, note\n1, 1.0, a\n2,, b\n3, 0.5, c\n", "utf-8")
    assert schedule(str(file)).rates.tolist() == [1, 1, 0.5]
    for text, said in {
        "step,lr\n1,1.0\n2,x\n": "rates.csv, line 3: step '2' and lr 'x' cannot be read as numbers",
        "step,rate\n1,1.0\n": "no column 'lr'; a schedule is a CSV",
        "lr\n1\n": "no column 'step'; a schedule is a CSV",
        "": "the file is empty; a schedule is a CSV with columns step and lr",
        "step,lr\n": "no row has a rate",
    }.items():
        file.write_text(text)
        with pytest.raises(ScheduleError, match=said):
            schedule(str(file))


R = 2**-0.5
SHAPES = {  # rate of every update, worked out by hand
    "constant:steps=3": [1, 1, 1],
    "linear:steps=4": [1, 0.75, 0.5, 0.25],
    "linear:steps=6,warmup=2,final=0.5": [0.5, 1, 1, 0.875, 0.75, 0.625],
    "linear:steps=4,horizon=2,final=0.5": [1, 0.75, 0.5, 0.5],
    "linear:steps=2,horizon=4": [1, 0.75],
    "cosine:steps=4": [1, 0.5 + R / 2, 0.5, 0.5 - R / 2],
    "cosine:steps=6,warmup=2,final=0.2": [0.5, 1, 1, 0.6 + 0.4 * R, 0.6, 0.6 - 0.4 * R],
    "cosine:steps=4,horizon=2,final=0.2": [1, 0.6, 0.2, 0.2],
    "cosine_restarts:steps=8,cycles=2": [1, 0.5 + R / 2, 0.5, 0.5 - R / 2] * 2,
    "cosine_restarts:steps=10,warmup=2,cycles=4,final=0.2": [0.5, 1, *[1, 0.6] * 4],
    "cosine_restarts:steps=4,warmup=1,cycles=1": [1, 1, 0.75, 0.25],
    "cosine_restarts:steps=7,cycles=1.75": [1, 0.5 + R / 2, 0.5, 0.5 - R / 2, 1, 0.5 + R / 2, 0.5],
    "cosine_restarts:steps=6,period=2": [1, 0.5] * 3,
    "cosine_restarts:steps=8,warmup=1,period=1,growth=2": [1, 1, 1, 0.5, 1, 0.5 + R / 2, 0.5, 0.5 - R / 2],
    "cosine_restarts:steps=13,period=1,growth=3": [
        1, 1, 0.75, 0.25, *[0.5 + 0.5 * np.cos(np.pi * k / 9) for k in range(9)]],
    "inverse_sqrt:steps=10,warmup=2": [0.5, 1, 1, *[(2 / k) ** 0.5 for k in range(3, 10)]],
    "inverse_sqrt:steps=5,timescale=1": [1, R, 3**-0.5, 0.5, 5**-0.5],
    "inverse_sqrt:steps=5,timescale=0.5,final=0.4": [1, 3**-0.5, 5**-0.5, 0.4, 0.4],
    "inverse_sqrt:steps=6,warmup=2,timescale=1": [0.5, 1, 1, R, 3**-0.5, 0.5],
    "polynomial:steps=4,power=2": [1, 9 / 16, 1 / 4, 1 / 16],
    "polynomial:steps=5,warmup=1,power=3,final=0.2": [1, 1, 0.2 + 0.8 * 27 / 64, 0.3, 0.2125],
    "polynomial:steps=4,power=0.5,horizon=2": [1, R, 0, 0],
    "exponential:steps=4,final=0.0625": [1, 0.5, 0.25, 0.125],
    "exponential:steps=4,final=0.25,horizon=2": [1, 0.5, 0.25, 0.25],
    "multi_step:steps=6,milestones=2/4,factors=0.5": [1, 1, 0.5, 0.5, 0.25, 0.25],
    "multi_step:steps=5,milestones=1/3,factors=0.5/0.1": [1, 0.5, 0.5, 0.05, 0.05],
    "wsd:steps=10": [*[1] * 8, 1, 0.5],
    "wsd:steps=8,decay=4,final=0.2": [1, 1, 1, 1, 1, 0.8, 0.6, 0.4],
    "wsd:steps=5,decay=1": [1, 0.8, 0.6, 0.4, 0.2],
    "wsd:steps=5,decay=1.6": [1, 1, 1, 1, 0.5],
    "wsd:steps=4,decay=4,shape=1-square": [1, 15 / 16, 3 / 4, 7 / 16],
    "wsd:steps=4,warmup=2,decay=2": [0.5, 1, 1, 0.5],
    "wsd:steps=3,decay=0": [1, 1, 1],
    "wsd_s:steps=20,periods=10/10": [*[1] * 9, 1, *[1] * 9, 1],
    "wsd_s:steps=8,warmup=1,periods=4/4,decay=0.5,levels=1/0.5,final=0.2": [1, 1, 1, 0.6, 0.5, 0.5, 0.5, 0.3],
    "wsd_s:steps=40,periods=20/20": [*[1] * 19, 0.5] * 2,
    "wsd_s:steps=6,periods=2/1/3,decay=0.5,levels=1/0.5/0.2": [1, 1, 0.5, 0.2, 0.2, 0.1],
    "wsd_s:steps=7,periods=1/2/4,decay=0.5,levels=1/0.5/0.2": [1, 0.5, 0.5, 0.2, 0.2, 0.2, 0.1],
    "wsd_s:steps=6,periods=2/4,decay=2,shape=cosine": [1, 0.5, 1, 1, 1, 0.5],
    "cyclic:steps=6,cycle=4": [0, 0.5, 1, 0.5, 0, 0.5],
    "cyclic:steps=5,cycle=4,up=0.25,final=0.4": [0.4, 1, 0.8, 0.6, 0.4],
    "cyclic:steps=2,cycle=1": [0, 0],
    "power:steps=5,a=2,b=-0.5,batch_tokens=4": [1, 1, R, 3**-0.5, 0.5],
    "power:steps=4,a=9,b=-0.5,batch_tokens=1,decay=2": [1, 1, 1, 0.5],
    "power:steps=6,a=2,b=-0.5,batch_tokens=4,decay=2,final=0.2": [1, 1, R, 3**-0.5, 0.5, 0.5 * 0.6],
    "power:steps=4,warmup=2,a=1,b=-1,batch_tokens=1,decay=0.25,shape=1-sqrt": [0.5, 1, 0.5, 1 / 3],
    "two_stage:steps=4,switch=2,then=0.25": [1, 1, 0.25, 0.25],
    "two_stage:steps=4,warmup=2,switch=2,then=0.25": [0.5, 1, 0.25, 0.25],
    "table:steps=5,at=1/3,rates=1/0.5": [1, 1, 0.75, 0.5, 0.5],
    "constant:steps=4,warmup=2,warmup_init=0.2": [0.6, 1, 1, 1],
}  # fmt: skip


@pytest.mark.parametrize("text", SHAPES)
def test_every_shape_by_hand(text):
    for peak in (1.0, 3e-4):  # a second rate of two stages, and those of a table, are rates
        scale = 1.0 if text.startswith("table") else peak
        full = text if text.startswith("table") else text.replace(":", f":peak={peak!r},")
        full = full.replace("then=0.25", f"then={0.25 * peak!r}")
        np.testing.assert_allclose(schedule(full).rates, scale * np.array(SHAPES[text]), rtol=1e-12, atol=1e-15 * scale)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("wsd:steps=5,decay=6", "decay=6 must be a fraction of the run or a number of updates up to 5"),
        ("wsd:steps=5,decay=-0.1", "decay=-0.1 must be a fraction"),
        ("wsd:steps=5,warmup=4,decay=2", "the decay starts at update 3, inside the warm-up of 4; shorten one"),
        ("wsd:steps=5,shape=reciprocal", "decay shape 'reciprocal' needs final > 0"),
        ("linear:steps=5,warmup=3,horizon=3", "the decay ends at update 3, before it starts at 3; shorten the warm-up"),
        ("cosine_restarts:steps=5", "needs either cycles"),
        ("cosine_restarts:steps=5,cycles=2,period=2", "needs either cycles"),
        ("cosine_restarts:steps=5,period=0", "period, growth >= 1; got period=0, growth=1"),
        ("cosine_restarts:steps=5,period=2,growth=0.9", "period, growth >= 1; got period=2, growth=0.9"),
        ("inverse_sqrt:steps=5", "inverse_sqrt needs warmup or timescale"),
        ("multi_step:steps=5,milestones=1,factors=1/2", "multi_step has 1 milestones, 2 factors"),
        (
            "wsd_s:steps=5,periods=2/2",
            r"periods must add to steps=5, got 4; and 2 periods need as many levels \(or one\), got 2",
        ),
        ("wsd_s:steps=4,periods=2/2,levels=1/2/3", "2 periods need as many levels"),
        ("cyclic:steps=5,cycle=0", "cyclic needs cycle >= 1 and 0 < up < 1, got cycle=0, up=0.5"),
        ("cyclic:steps=5,cycle=2,up=0", "got cycle=2, up=0"),
        ("cyclic:steps=5,cycle=2,up=1", "got cycle=2, up=1"),
        ("power:steps=5,a=0,b=-1,batch_tokens=1", "power needs a > 0 > b and batch_tokens > 0; got a=0, b=-1, 1"),
        ("power:steps=5,a=1,b=-1,batch_tokens=0", "batch_tokens=0 must be a number above 0"),
        ("power:steps=5,a=1,b=0,batch_tokens=1", "got a=1, b=0, 1"),
        ("two_stage:steps=5,warmup=3,switch=2,then=0.1", "two_stage switches at update 2, inside the warm-up of 3"),
    ],
)
def test_shapes_that_cannot_be(text, said):
    with pytest.raises(ScheduleError, match=said):
        schedule(text.replace(":", ":peak=1,"))


@pytest.mark.parametrize("lam", [1e-6, 0.3, 0.99, 0.99999])
def test_momentum_of_the_drops_is_a_filter_of_one_pole(lam):
    plan = schedule("wsd:peak=1e-3,steps=5000,warmup=100")
    found = laws["annealing"].hooks.features(plan.first + np.arange(plan.steps), plan, lam=lam, warmup="real")
    np.testing.assert_allclose(found["S2"], np.cumsum(lfilter([1.0], [1.0, -lam], plan.drops())), rtol=1e-12, atol=1e-18)
