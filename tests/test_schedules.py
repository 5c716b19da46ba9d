"""Schedules: golden values, shared prefixes, text round trip, areas, drops, blocks, tables from rows."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

import scaling
from scaling.errors import ScheduleError, TrainingError
from scaling.logs import read
from scaling.schedules import DECAYS, SHAPES, Schedule, schedule
from scaling.training import RunSpec
from tests import layouts

RUN = "peak=1,steps=100,warmup=10"
EXAMPLES = [
    "constant:peak=3e-4,steps=100,warmup=10",
    "linear:peak=3e-4,steps=100,warmup=10,final=0.1",
    "cosine:peak=3e-4,steps=100,warmup=10,final=0.1,horizon=80",
    "cosine_restarts:peak=3e-4,steps=100,cycles=3",
    "cosine_restarts:peak=3e-4,steps=100,warmup=10,period=10,growth=2,final=0.1",
    "inverse_sqrt:peak=3e-4,steps=100,warmup=10",
    "polynomial:peak=3e-4,steps=100,power=2,final=0.05",
    "exponential:peak=3e-4,steps=100,final=0.01",
    "multi_step:peak=3e-4,steps=100,milestones=80/90,factors=0.316/0.316",
    "wsd_s:peak=3e-4,steps=100,warmup=5,periods=40/60,decay=0.25,levels=1/0.5",
    "cyclic:peak=3e-4,steps=100,cycle=40,up=0.25,final=0.1",
    "power:peak=3e-4,steps=100,warmup=10,a=4,b=-0.51,batch_tokens=1k,decay=0.2",
    "two_stage:peak=3e-4,steps=100,warmup=10,switch=60,then=9e-5",
    "table:steps=100,at=0/10/99,rates=0/3e-4/3e-5",
    *(f"wsd:peak=3e-4,steps=100,warmup=10,decay=20,shape={shape},final=0.1" for shape in DECAYS),
]


def test_examples_cover_every_name() -> None:
    assert {text.split(":")[0] for text in EXAMPLES} == {*SHAPES, "table"}


GOLDEN = {  # spec/training.md 8 (b): eta=1, W=10, N=100, f=0.2, r=0.1 at s = 80, 85, 90, 99
    "linear": (1, 0.775, 0.55, 0.145),
    "1-sqrt": (1, 0.55, 0.363604, 0.122789),
    "cosine": (1, 0.868198, 0.55, 0.105540),
    "exponential": (1, 0.562341, 0.316228, 0.112202),
    "1-square": (1, 0.94375, 0.775, 0.18775),
    "mirror_cosine": (1, 0.681802, 0.55, 0.184460),
    "reciprocal": (1, 0.307692, 0.181818, 0.104712),
    "megatron_exponential": (1, 0.713614, 0.472792, 0.131738),
}


@pytest.mark.parametrize("shape", DECAYS)
def test_golden_decays(shape: str) -> None:
    rates = schedule(f"wsd:{RUN},decay=0.2,final=0.1,shape={shape}").rates
    np.testing.assert_allclose(rates[[80, 85, 90, 99]], GOLDEN[shape], atol=1e-6, rtol=0)
    np.testing.assert_allclose(rates[:80], np.minimum(1, (np.arange(80) + 1) / 10), rtol=1e-15)


def test_golden_full_decays() -> None:
    cosine = schedule(f"cosine:{RUN},final=0.1").rates
    linear = schedule(f"linear:{RUN},final=0.1").rates
    assert cosine[0] == linear[0] == 0.1
    np.testing.assert_allclose(cosine[[80, 85, 90, 99]], (0.205280, 0.160289, 0.127138, 0.100274), atol=1e-6)
    np.testing.assert_allclose(linear[[80, 85, 90, 99]], (0.3, 0.25, 0.2, 0.11), atol=1e-6)


@pytest.mark.parametrize("name", layouts.REPLAY)
def test_logged_rows_give_back_their_schedule(tmp_path, name: str) -> None:
    """Rates written with every digit, at the steps of the public curves."""
    table, path = layouts.replay(name), tmp_path / f"{name}.csv"
    step = layouts.logged(name)
    path.write_text("step,lr,loss\n" + "".join(f"{s},{float(table.rates[s])!r},3.1234\n" for s in step))
    rows = read(path).frame  # not pandas.read_csv: pandas 2 loses the last digit
    np.testing.assert_array_equal(rows.lr, table.rates[step])

    logged = Schedule.from_rows(rows.step, rows.lr, warmup=2160)
    n = logged.steps
    assert logged.first == 0 and logged.warmup == 2160
    if "con" in name:  # constant and two-stage come back exactly, the switch one step wide
        np.testing.assert_allclose(logged.rates, table.rates[:n], rtol=1e-15)
    else:
        np.testing.assert_allclose(logged.rates, table.rates[:n], rtol=3e-2)
        np.testing.assert_allclose(logged.area[2160:], table.area[2160:n], rtol=3e-4)


@pytest.mark.parametrize("text", EXAMPLES)
def test_text_round_trip(text: str) -> None:
    table = schedule(text)
    assert table.text and schedule(table.text) == table and schedule(table.text).text == table.text
    assert table.steps == 100 and table.rates.dtype == np.float64
    with pytest.raises(ValueError, match="read-only"):
        table.rates[0] = 1


def test_arguments_equal_text() -> None:
    by_text = schedule("multi_step:peak=3e-4,steps=24k,warmup=2k,milestones=19200/21600,factors=0.316/0.316")
    by_name = schedule("multi_step", peak=3e-4, steps=24_000, warmup=2000, milestones=[19200, 21600], factors=[0.316])
    assert by_text == by_name and by_text.rates[21600] == pytest.approx(3e-4 * 0.316**2)


@pytest.mark.parametrize("decay", [10, 30, 50])
@pytest.mark.parametrize("shape", DECAYS)
def test_trunk_is_shared_bitwise(decay: int, shape: str) -> None:
    trunk = schedule("constant:peak=3e-4,steps=150,warmup=13").rates
    branch = schedule(f"wsd:peak=3e-4,steps=120,warmup=13,decay={decay},shape={shape},final=0.1").rates
    assert np.array_equal(branch[: 120 - decay + 1], trunk[: 120 - decay + 1])
    stepped = schedule("two_stage:peak=3e-4,steps=100,warmup=13,switch=60,then=3e-5").rates
    assert np.array_equal(stepped[:60], trunk[:60])


@given(st.integers(1, 300), st.integers(1, 300))
def test_cosine_prefix_is_bitwise(short: int, extra: int) -> None:
    settings = "peak=3e-4,warmup=7,final=0.1,horizon=700"
    long = schedule(f"cosine:{settings},steps={short + extra}").rates
    assert np.array_equal(schedule(f"cosine:{settings},steps={short}").rates, long[:short])


def test_warmup_forms() -> None:
    def rising(form: str, **more: float) -> np.ndarray:
        return schedule("constant", peak=1, steps=6, warmup=4, warmup_form=form, **more).rates

    np.testing.assert_allclose(rising("linear"), [0.25, 0.5, 0.75, 1, 1, 1])
    np.testing.assert_allclose(rising("from_zero"), [0, 0.25, 0.5, 0.75, 1, 1])
    np.testing.assert_allclose(rising("plus_one"), [0.2, 0.4, 0.6, 0.8, 1, 1])
    np.testing.assert_allclose(rising("linspace"), [0, 1 / 3, 2 / 3, 1, 1, 1])
    np.testing.assert_allclose(rising("from_zero", warmup_init=0.1), [0.1, 0.325, 0.55, 0.775, 1, 1])
    np.testing.assert_allclose(rising("cosine"), [0, 0.5 - 0.5**1.5, 0.5, 0.5 + 0.5**1.5, 1, 1])
    np.testing.assert_allclose(rising("1-sqrt"), [0, 1 - 0.75**0.5, 1 - 0.5**0.5, 0.5, 1, 1])
    assert schedule("constant:peak=1,steps=6,warmup=4").warmup == 4
    assert schedule("constant:peak=1,steps=3,warmup=4").warmup == 3
    assert schedule("constant:peak=1,steps=6").warmup == 0


def test_closed_form_values() -> None:
    power = schedule("power:peak=2,steps=100,a=4,b=-0.5,batch_tokens=1").rates
    np.testing.assert_allclose(power[[0, 16, 64]], [2, 2, 1])
    root = schedule("inverse_sqrt:peak=1,steps=100,warmup=4").rates
    np.testing.assert_allclose(root[[3, 4, 16, 64]], [1, 1, 0.5, 0.25])
    restarts = schedule("cosine_restarts:peak=1,steps=70,period=10,growth=2").rates
    np.testing.assert_allclose(restarts[[0, 5, 10, 20, 30, 50]], [1, 0.5, 1, 0.5, 1, 0.5])
    triangle = schedule("cyclic:peak=1,steps=100,cycle=20").rates
    np.testing.assert_allclose(triangle[[0, 5, 10, 15, 20]], [0, 0.5, 1, 0.5, 0], atol=1e-12)
    periods = schedule("wsd_s:peak=1,steps=30,periods=10/20,decay=0.5").rates
    np.testing.assert_allclose(periods[[5, 7, 9, 10, 20, 25]], [1, 0.6, 0.2, 1, 1, 0.5])


def test_areas_and_drops_in_closed_form() -> None:
    table = schedule("two_stage:peak=3e-4,steps=1000,warmup=100,switch=600,then=3e-5")
    assert table.area[-1] == pytest.approx(3e-4 * (101 / 2 + 500) + 3e-5 * 400, rel=1e-13)
    drops = table.drops()
    assert np.flatnonzero(drops).tolist() == [600] and drops[600] == pytest.approx(2.7e-4)
    assert table.drops(warmup_in_ld=True)[1:100] == pytest.approx(-3e-6)
    assert table.drops(warmup_in_ld=True).sum() == pytest.approx(table.rates[0] - table.rates[-1])
    assert table.warmup == 100 and table.peak == 3e-4 and table.last == 1000 and table.area is table.area


@pytest.mark.parametrize("text", EXAMPLES)
@pytest.mark.parametrize("warmup_in_ld", [False, True])
def test_blocks_of_one_are_exact(text: str, warmup_in_ld: bool) -> None:
    table = schedule(text)
    drops, blocks = table.drops(warmup_in_ld), table.blocks(1, warmup_in_ld)
    k = np.flatnonzero(drops)
    assert np.array_equal(blocks.first, k) and np.array_equal(blocks.drop, drops[k])
    np.testing.assert_allclose(blocks.area, table.area[k - 1], rtol=1e-14)
    np.testing.assert_allclose(blocks.log_rate, np.log(np.maximum(table.rates[k], 1e-3 * table.peak)), rtol=1e-14)


@given(st.lists(st.floats(0.01, 1), min_size=2, max_size=300), st.integers(2, 64))
def test_blocks_keep_rises_and_drops_apart(rates: list[float], size: int) -> None:
    table = schedule(rates)
    drops, blocks = table.drops(), table.blocks(size)
    assert blocks.drop[blocks.drop > 0].sum() == pytest.approx(drops[drops > 0].sum())
    assert blocks.drop[blocks.drop < 0].sum() == pytest.approx(drops[drops < 0].sum())
    assert len(blocks) <= np.count_nonzero(drops)


def test_blocks_of_a_long_run() -> None:
    cosine = schedule("cosine:peak=3e-4,steps=24k,warmup=2160,final=0.1")
    assert len(cosine.blocks(64)) == -(-np.count_nonzero(cosine.drops()) // 64)
    assert cosine.blocks(64) is cosine.blocks(64)
    stairs = schedule("multi_step:peak=1,steps=1000,milestones=500/510,factors=0.5/0.5").blocks(64)
    assert stairs.first.tolist() == [500, 510] and stairs.drop.tolist() == [0.5, 0.25]
    np.testing.assert_allclose(stairs.area, [500, 505])
    assert len(schedule("constant:peak=1,steps=50,warmup=10").blocks()) == 0
    to_zero = schedule([1.0, 0.5, 0.0])
    np.testing.assert_allclose(to_zero.blocks(1).log_rate, np.log([0.5, 1e-3]))
    with pytest.raises(ScheduleError, match="floor"):
        to_zero.blocks(1, floor=0)


def test_rows_keep_jumps_and_ramps() -> None:
    step = np.arange(10, 210, 10)
    down = Schedule.from_rows(step, np.where(step < 100, 1.0, 0.3))
    assert down.first == 1 and down.rates[down.index(99)] == 1 and down.rates[down.index(100)] == 0.3
    assert "step 100" in down.notes[0] and "before step 10 are not logged" in down.notes[1]
    np.testing.assert_allclose(down.rates[:10], np.arange(1, 11) / 10)

    truth = schedule("wsd:peak=1,steps=200,warmup=40,decay=100,final=0.1")
    gradual = Schedule.from_rows(step, truth.rates[step - 1])
    assert np.abs(gradual.rates - truth.rates).max() < 0.02
    assert len(gradual.notes) == 1 and "warm-up from 0 to 0.25 is assumed" in gradual.notes[0]

    zero_based = Schedule.from_rows([0, 1, 2, 3], [0.0, 0.5, 1.0, 1.0])
    assert zero_based.first == 0 and zero_based.rates.tolist() == [0, 0.5, 1, 1] and not zero_based.notes
    known = Schedule.from_rows([100, 200], [1.0, 1.0], warmup=51)
    assert known.first == 0 and known.rates[[0, 25, 50, 60]].tolist() == [0, 0.5, 1, 1] and not known.notes


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("cosin:peak=1,steps=10", "did you mean 'cosine'"),
        ("wsd:peak=1,steps=10,decya=0.1", "did you mean 'decay'.*Allowed: peak, steps, warmup"),
        ("wsd:peak=1", "missing steps"),
        ("wsd:peak=1,steps=10,shape=sqrt", "one of linear, 1-sqrt"),
        ("wsd:peak=1,steps=100,warmup=90", "inside the warm-up"),
        ("wsd:peak=1,steps=100,shape=exponential", "final > 0"),
        ("cosine:peak=1,steps=10.5", "whole number"),
        ("cosine:peak=-1,steps=10", "above 0"),
        ("cosine:peak=abc,steps=10", "a number like 3e-4"),
        ("cosine:peak=1,steps=10,final=3", "fraction of the peak"),
        ("cosine:peak=1,steps=10,peak=2", "given twice"),
        ("cosine:1", "not key=value"),
        ("cosine:peak=1,steps=10,warmup=10", "shorten the warm-up"),
        ("multi_step:peak=1,steps=9,milestones=1/2/3,factors=1/2", "3 milestones, 2 factors"),
        ("wsd_s:peak=1,steps=9,periods=3/3", "must add to steps=9"),
        ("constant:peak=1,steps=0", "at least one"),
    ],
)
def test_errors_say_what_to_do(text: str, words: str) -> None:
    with pytest.raises(ScheduleError, match=words) as caught:
        schedule(text)
    assert len(str(caught.value).splitlines()) <= 3


def test_errors_of_tables() -> None:
    with pytest.raises(ScheduleError, match="give the path of a CSV"):
        schedule("table:best.csv")
    with pytest.raises(ScheduleError, match="as in table:steps="):
        schedule("table:best")
    with pytest.raises(ScheduleError, match="update 1 is nan"):
        schedule([1.0, float("nan")])
    with pytest.raises(ScheduleError, match="one rate per update"):
        schedule(np.ones((2, 2)))
    with pytest.raises(ScheduleError, match="steps must rise"):
        Schedule.from_rows([1, 3, 2], [1, 1, 1])
    with pytest.raises(ScheduleError, match="step 0 is not in the schedule of steps 1 to 2"):
        schedule([1.0, 1.0]).index([1, 0])
    with pytest.raises(ScheduleError, match="go with a schedule's name"):
        schedule([1.0], peak=3)


def test_a_csv_of_rates_is_a_schedule(tmp_path):
    plan, file = schedule("wsd:peak=1e-3,steps=50,warmup=5"), tmp_path / "best.csv"
    pd.DataFrame({"step": np.arange(1, 51), "lr": plan.rates, "other": 1}).to_csv(file, index=False)
    np.testing.assert_allclose(schedule(str(file)).rates, plan.rates)
    log = pd.DataFrame({"step": np.arange(10, 51, 10), "loss": np.linspace(3, 2, 5)})
    runs = scaling.Runs.from_frame(log, schedule=str(file))
    kept = runs.to_saved()
    file.write_text("step,rate\n1,2\n")
    assert list(scaling.Runs.from_saved(kept).schedules.values()) == [plan]  # what was read does not lean on the file
    for content, said in {
        "step,rate\n1,2\n": "no column 'lr'",
        "step,lr\n1,a\n": "best.csv, line 2: step '1' and lr 'a' cannot be read as numbers",
        "step,lr\n2,1\n1,1\n": "best.csv: step 1 follows 2",
        "": "the file is empty",
    }.items():
        file.write_text(content)
        with pytest.raises(ScheduleError, match=said):
            schedule(str(file))
    with pytest.raises(ScheduleError, match="leave out steps"):
        schedule(str(file), steps=5)
    with pytest.raises(ScheduleError, match="no such file"):
        schedule("nothing.csv")
    file.write_text("step,lr\n1,1e-3\n2,1e-3\n")
    with pytest.raises(TrainingError, match="write table:"):
        RunSpec(schedule=str(file))


def test_a_warmup_in_stairs_is_a_warmup():
    stairs = np.repeat(np.arange(1, 11) / 10, 20)
    assert schedule(np.r_[stairs, np.ones(300)]).warmup == 181
    # a rise long after the warm-up is none of it
    assert schedule(np.r_[np.arange(1, 11) / 20, np.full(100, 0.5), np.ones(100)]).warmup == 10
    assert schedule(np.ones(5)).warmup == schedule(np.r_[1.0, 0.5, 0.7]).warmup == 0
