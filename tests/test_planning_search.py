"""Schedule search."""

import numpy as np
import pandas as pd
import pytest

import scaling
from scaling.errors import LawError, ScheduleError
from scaling.formula import Published
from scaling.planning.descent import FinalLoss
from scaling.planning.schedules import best_schedule

PUBLISHED = scaling.laws["multi_power"].published["luo2025_100M"]
WARM = np.linspace(0, 3e-4, 2160)


def test_gradient_against_differences():
    loss = FinalLoss(PUBLISHED, WARM[:50])
    rates = 3e-4 * np.linspace(1, 0.05, 400) ** 1.3
    gradient = loss(rates)[1]
    for j in (1, 100, 398, 399):
        up, down = rates.copy(), rates.copy()
        up[j] += 1e-9
        down[j] -= 1e-9
        assert gradient[j] == pytest.approx((loss(up)[0] - loss(down)[0]) / 2e-9, rel=2e-4)


OURS = {"L0": 2.5, "A": 9.0, "alpha": 0.45, "B": 0.21, "C": 0.09, "e0": 3.1, "k": 0.2}


def test_progress_ends_where_its_law_says_and_its_slopes_are_those_of_differences():
    law, warm = scaling.laws["progress"], np.linspace(0, 3e-4, 51)[1:]
    loss = FinalLoss(OURS, warm, law=law)
    rates = 3e-4 * np.linspace(1, 0.05, 400) ** 1.3
    value, gradient = loss(rates)
    plan = scaling.schedule(np.append(warm, rates))
    inputs = law.hooks.features(np.array([plan.last]), plan, **{**law.conventions, "block": 1})
    assert value == pytest.approx(law(*inputs.values(), **OURS)[0], rel=1e-12)
    for j in (1, 100, 398, 399):
        up, down = rates.copy(), rates.copy()
        up[j] += 1e-9
        down[j] -= 1e-9
        assert gradient[j] == pytest.approx((loss(up)[0] - loss(down)[0]) / 2e-9, rel=2e-4)


def test_the_best_schedule_of_progress_beats_the_forms_that_theory_knows():
    law = scaling.laws["progress"]
    constants = Published(source="a test", **OURS)
    constants.law = law
    found = best_schedule(constants, 30_000, peak=3e-4, warmup=100)
    table = found.compared.set_index("schedule")["loss"]
    assert found.loss == table.min() and (np.diff(found.schedule.rates[100:]) <= 0).all()
    along = next(name for name in table.index if name.startswith("falling all along"))
    assert table[along] < table["linear to 0"] and found.loss <= table[along]
    loss, power = FinalLoss(OURS, np.linspace(0, 3e-4, 100), law=law), float(along.rpartition("^")[2])
    left = np.arange(29_900, 0, -1) / 29_900
    for other in (power - 0.1, power + 0.1):
        assert loss(3e-4 * np.maximum(left**other, 1e-3))[0] >= table[along] - 1e-9


def test_the_best_schedule_of_published_constants():
    """The form the authors found: the rate falls over the last eighth, as a power of 1.5, and none of its kind is better."""
    loss = FinalLoss(PUBLISHED, WARM)
    found = best_schedule(PUBLISHED, 24_000, peak=3e-4, warmup=2160)
    rates = found.schedule.rates[2160:]
    assert loss(rates)[0] < 2.7942
    assert 0.10 <= found.decay <= 0.13 and 1.4 < found.power < 1.7
    assert (np.diff(rates) <= 0).all() and rates[0] == 3e-4
    parametric = best_schedule(PUBLISHED, 24_000, peak=3e-4, warmup=2160, kind="wsd")
    assert loss(parametric.schedule.rates[2160:])[0] == pytest.approx(2.79437, abs=5e-5)
    for power in (1.0, 2.0):
        for decay in (0.06, 0.25):
            n = int(decay * len(rates))
            other = np.concatenate([np.full(len(rates) - n, 3e-4), 3e-4 * np.linspace(1, 1e-3, n) ** power])
            assert loss(np.maximum(other, 3e-7))[0] > loss(rates)[0]


@pytest.mark.parametrize("kind", ["wsd", "free"])
@pytest.mark.parametrize(
    ("steps", "warmup", "peak", "lowest"),
    [(200, 0, 3e-4, 1e-3), (200, 10, 1e-4, 1e-3), (400, 0, 1e-4, 0.5), (1000, 0, 1e-4, 0.5), (50, 0, 3e-2, 0.1)],
)
def test_what_is_found_is_no_worse_than_what_it_is_compared_with(steps, warmup, peak, lowest, kind):
    """Short runs gain nothing by annealing: then the rate stays where it is."""
    published = scaling.laws["multi_power"].published["luo2025_25M"]
    found = best_schedule(published, steps, peak=peak, warmup=warmup, lowest=lowest, kind=kind)
    rates, table = found.schedule.rates[warmup:], found.compared.set_index("schedule")["loss"]
    assert rates.max() <= peak * (1 + 1e-12) and rates.min() >= lowest * peak * (1 - 1e-12)
    assert (np.diff(rates) <= 0).all()
    if kind == "free":
        assert found.loss == table.min()
    else:  # the others are not of this kind
        assert found.loss <= table[["constant", "linear to 0", "wsd, linear over the last 20 %"]].min() + 1e-9
    if kind == "wsd" and peak < 1e-3:
        assert found.loss == pytest.approx(table["constant"], abs=1e-9)
        assert found.decay == 0 and "constant\n" in str(found)


def test_law_with_a_degenerate_optimum_is_refused():
    with pytest.raises(LawError, match="multi-power"):
        best_schedule(scaling.laws["annealing"].published["example_refit"], 1000, peak=1e-3)


def test_what_leaves_the_data_is_said():
    law, parts, plans = scaling.laws["multi_power_5"], [], {}
    for name in ("wsd", "constant"):
        plan = scaling.schedule(f"{name}:peak=3e-4,steps=20000,warmup=50" + (",final=0.1" if name == "wsd" else ""))
        step = np.arange(1000, 20001, 250)
        inputs = law.hooks.features(step, plan, **law.conventions).values()
        loss = law(*inputs, L0=2.6, A=0.6, alpha=0.45, B=400.0, C=2.0)
        noise = 1 + 1e-4 * np.cos(np.arange(len(step)) ** 2)
        parts.append(pd.DataFrame({"run": name, "step": step, "loss": loss * noise}))
        plans[name] = plan
    fit = scaling.fit(scaling.Runs.from_frame(pd.concat(parts), schedule=plans), law)
    said = best_schedule(fit, 20_000, warmup=50).warnings
    assert len(said) == 1 and "lowest in the data" in said[0]  # 3e-5
    assert not best_schedule(fit, 20_000, warmup=50, lowest=0.1).warnings
    assert any("one peak" in text for text in best_schedule(fit, 20_000, warmup=50, peak=6e-4).warnings)
    assert any("longest" in text for text in best_schedule(fit, 40_000, warmup=50, lowest=0.1).warnings)
    assert not best_schedule(fit, 20_100, warmup=50, lowest=0.1, peak=3.01e-4).warnings  # no digit would show it
    with pytest.raises(ScheduleError, match=r"10 updates, 0 of them warm-up, leave 10 to search.* give steps=11"):
        best_schedule(fit, 10)
    for wrong in ({"steps": 10.5}, {"steps": 2000, "lowest": 0.0}, {"steps": 2000, "warmup": 2000}):
        with pytest.raises(ScheduleError):
            best_schedule(fit, **wrong)
