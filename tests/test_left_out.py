"""Intervals of laws over whole runs, made of the runs they left out."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy.stats import norm
from scipy.stats import t as student

import scaling
from scaling.design.inputs import design
from scaling.errors import DataError
from scaling.intervals import left_out as room
from scaling.intervals.left_out import BEGUN, LeftOut, left_out
from scaling.intervals.target import Target
from scaling.logs import Runs
from tests.edited import edited

FORM = "peak=3e-4,warmup=100"
PLANS = {
    "constant": f"constant:{FORM},steps=6000",
    "cosine": f"cosine:{FORM},steps=6000,final=0.1",
    "step": f"two_stage:{FORM},steps=6000,switch=3000,then=9e-5",
    "wsd": f"wsd:{FORM},steps=6000,decay=0.2,final=0.1",
    "short": f"wsd:{FORM},steps=4000,decay=0.3,shape=1-sqrt,final=0.1",
    "long": f"cosine:{FORM},steps=12000,final=0.1",
}
TRUTH = {
    "progress": {"L0": 2.9, "A": 6.0, "alpha": 0.5, "B": 0.25, "C": 0.1, "e0": 4.84, "k": 0.15},
    "multi_power_5": {"L0": 2.95, "A": 0.5, "alpha": 0.5, "B": 400.0, "C": 1.4},
    "multi_power": {"L0": 2.95, "A": 0.5, "alpha": 0.5, "B": 400.0, "C": 2.5, "beta": 2.0, "gamma": 0.65},
}


def made(names, law="progress", noise=1e-3, seed=0, every=60):
    """Curves of a known truth with independent relative noise."""
    values, law = TRUTH[law], scaling.laws[law]
    rng, frames, plans = np.random.default_rng(seed), [], {n: scaling.schedule(PLANS[n]) for n in names}
    for name, plan in plans.items():
        step = np.arange(300, plan.steps + 1, every)
        loss = law(*law.hooks.features(step, plan, **law.conventions).values(), **values)
        loss = loss * np.exp(noise * rng.standard_normal(len(step)))
        frames.append(pd.DataFrame({"run": name, "step": step, "lr": plan.rates[step - 1], "loss": loss}))
    return Runs.from_frame(pd.concat(frames), schedule=plans)


def inside(fit, runs):
    found = fit.predict(runs)
    return float(np.mean((found["lower"] <= found["loss"]) & (found["loss"] <= found["upper"])))


def test_misses_stretch_the_deviation_and_not_the_noise_of_a_row():
    one = LeftOut(("a", "b"), (0.01, 0.02), (1.0, 2.0), False, noise=0.003, misfit=0.001, wider=2.0)
    usual, own = (2 * 0.7**2 + 5.0) / 4, 2.5  # two misses of .7 known beforehand; a law that misses more keeps that
    assert one.stretch == pytest.approx(0.8 * np.sqrt(max(usual, own))) and one.dof == 6.0
    drift = one.stretch * np.sqrt(0.008**2 + 0.001**2 + 0.001**2)
    half = np.hypot(student.ppf(0.95, 6) * drift, norm.ppf(0.95) * 0.003)
    assert one.half(np.array([0.004]), 0.9)[0] == pytest.approx(half)
    less = replace(one, scaled=(0.1, 0.2))
    assert less.stretch == pytest.approx(0.8 * np.sqrt((2 * 0.7**2 + 0.05) / 4))
    plain = replace(less, informed=False)  # two misses of 1, and all of them
    assert plain.stretch == pytest.approx(np.sqrt((2 + 0.05) / 4))
    assert LeftOut((), (), (), False).stretch == 1.0 and LeftOut((), (), (), True).stretch == 2.0
    longer = replace(one, length=1000.0, slope=0.02)  # half of what is missed per ln of length comes on top, beyond the end
    assert longer.half(np.array([0.004]), 0.9, np.array([1000.0]))[0] == pytest.approx(half)
    drift = np.hypot(drift, 0.5 * 0.02 * np.log(3))
    half = np.hypot(student.ppf(0.95, 6) * drift, norm.ppf(0.95) * 0.003)
    assert longer.half(np.array([0.004]), 0.9, np.array([3000.0]))[0] == pytest.approx(half)
    sizes = replace(one, sizes=True)
    assert sizes.stretch == pytest.approx(np.sqrt((4 + 1 + 4) / 3)) and sizes.dof == 3.0


@pytest.mark.parametrize("law", ["progress", "multi_power_5"])
def test_a_law_that_is_right_covers_what_it_should(law):
    """Independent noise of .2 % in a row: nine in ten new rows, little more."""
    found = []
    for seed in range(4):
        runs = made(PLANS, law, noise=2e-3, seed=seed)
        fit = scaling.fit(runs.select("run in ['constant', 'cosine', 'step']"), law)
        found.append(inside(fit, runs.select("run in ['wsd', 'short', 'long']")))
    # without priors misses count as those of a right law at least: real ones were inside .72 to .93, this one .97
    assert 0.86 <= np.mean(found) <= (0.97 if law == "progress" else 0.98)


def test_a_law_that_is_nearly_right_misses_more_and_still_covers():
    """Truth with another kernel, almost no noise: misfit is all there is."""
    runs = made(PLANS, "multi_power", noise=1e-4)
    fit = scaling.fit(runs.select("run in ['constant', 'cosine', 'step']"), "progress")
    assert max(left_out(fit).scaled) > 1.3
    assert inside(fit, runs.select("run in ['wsd', 'short', 'long']")) > 0.9


def test_beyond_the_longest_run_an_interval_grows_with_what_the_law_missed_per_length():
    """Truth with another kernel: what the law missed from the first parts of the runs, against fits of their own."""
    runs = made(["constant", "cosine", "step"], "multi_power", noise=1e-4, every=100)
    fit = scaling.fit(runs, "progress")
    found = left_out(fit)
    length, squares = runs.frame["step"].max(), []
    for share in BEGUN:
        begun = scaling.fit(runs.select(f"step <= {share * length}"), "progress")
        asked = runs.select(f"step > {share * length}")
        rows = design(asked, fit.law, fitting=True)
        reach = np.log(rows.frame["step"] / begun.data["step"].max())
        squares.append(np.sum((np.log(rows.loss) - Target(begun, asked).middle) ** 2) / np.sum(reach**2))
    assert found.length == length and found.slope == pytest.approx(np.sqrt(np.mean(squares)), rel=0.3)
    plans = (scaling.schedule(f"constant:{FORM},steps={n}") for n in (length, 6 * length))
    near, far = (fit.predict(plan, steps=plan.steps) for plan in plans)
    assert (far["upper"] - far["lower"]).item() > 2 * (near["upper"] - near["lower"]).item()


def test_what_is_left_out():
    """Every schedule whose absence leaves enough to determine the law; of one curve alone its end."""
    runs = made(["constant", "cosine", "step", "wsd"])
    three = left_out(scaling.fit(runs.select("run != 'wsd'"), "progress"))
    assert set(three.what) == {f"run '{name}'" for name in ("constant", "cosine", "step")} and not three.sizes
    assert min(three.error) > 0 and len(three.scaled) == 3
    one = left_out(scaling.fit(runs.select("run == 'wsd'"), "progress"))
    assert one.what and all(what.startswith("what follows step") for what in one.what)
    two = left_out(scaling.fit(runs.select("run in ['constant', 'wsd']"), "progress"))
    assert two.what == ("run 'constant'",)  # without the decay nothing says what annealing saves


def test_the_miss_of_a_run_left_out_is_that_of_a_fit_without_it():
    """The refit from few rows, against a fit of its own: mean error, and its size in standard deviations."""
    runs = made(["constant", "cosine", "step"], "multi_power", noise=1e-4, every=100)
    fit = scaling.fit(runs, "progress")
    found = left_out(fit)
    other = scaling.fit(runs.select("run != 'cosine'"), "progress")
    rows = design(runs.select("run == 'cosine'"), fit.law, fitting=True)
    error = np.log(rows.loss) - Target(other, runs.select("run == 'cosine'")).middle
    k = found.what.index("run 'cosine'")
    assert found.error[k] == pytest.approx(np.mean(np.abs(error)), rel=0.3)


def test_how_runs_are_thinned_hardly_matters():
    """Ten times the rows: the same stretch and half-width, as a curve counts as few rows either way."""
    names = ["constant", "cosine", "step"]
    few, many = (scaling.fit(made(names, "multi_power", 2e-4, every=k), "progress") for k in (60, 6))
    assert left_out(many).stretch == pytest.approx(left_out(few).stretch, rel=0.25)
    ends = [f.predict(PLANS["wsd"], steps=[6000]).iloc[0] for f in (few, many)]
    width = [p["upper"] - p["lower"] for p in ends]
    assert width[1] == pytest.approx(width[0], rel=0.35)


@pytest.mark.parametrize("law", ["progress", "annealing"])
def test_a_loaded_fit_predicts_at_once_the_same_numbers(tmp_path, monkeypatch, law):
    fit = scaling.fit(made(["constant", "cosine", "step"]), law)
    fit.save(tmp_path / "fit.json")
    first = fit.predict(PLANS["wsd"])
    loaded = scaling.load(tmp_path / "fit.json")
    monkeypatch.setattr(room, "refit", None)  # nothing is refitted
    second = loaded.predict(PLANS["wsd"])
    pd.testing.assert_frame_equal(first, second, rtol=1e-9)
    assert second.attrs["interval"] == first.attrs["interval"] and "leaving out run" in second.attrs["interval"]


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("scaled", [1.0] * 9, "as many numbers"),
        ("noise", -1.0, "0 or more"),
        ("wider", 0.5, "1 or more"),
        ("misfit", "much", "must be a number"),
    ],
)
def test_damaged_misses_are_refused(tmp_path, field, value, said):
    path = edited(tmp_path / "fit.json", ("left_out", field), value, "multi_power_5")
    with pytest.raises(DataError, match=said):
        scaling.load(path)


def test_beyond_the_longest_run_a_deviation_counts_in_full():
    """What runs of one length show of each other narrows intervals up to that length, and by less and less beyond it."""
    one = LeftOut(("a",), (0.01,), (0.1,), False, length=4000.0)
    within, q, spread = one.stretch, student.ppf(0.95, 3.0), np.hypot(0.004, 0.001)
    assert within < 1
    half = one.half(np.full(4, 0.004), 0.9, np.array([2000.0, 4000.0, 12000.0, 4e9]))
    assert half == pytest.approx(q * spread * np.array([within, within, within + (1 - within) * 2 / 3, 1.0]))
    missed = replace(one, scaled=(3.0,))  # a law that misses more keeps that
    assert missed.half(np.full(2, 0.004), 0.9, np.array([4000.0, 12000.0])) == pytest.approx(missed.stretch * q * spread)


def test_few_far_rows_do_not_widen_intervals():
    runs = made(["constant", "cosine", "step"])
    spiked = runs.frame.copy()
    spiked.loc[[20, 70, 130], "loss"] *= 1.5
    plans = {name: runs.schedules[name] for name in runs.names}
    plain, far = (left_out(scaling.fit(Runs.from_frame(f, schedule=plans), "progress")) for f in (runs.frame, spiked))
    assert far.noise == pytest.approx(plain.noise, rel=0.3)


def test_backtests_of_schedules_have_the_same_intervals():
    runs = made(["constant", "cosine", "step", "wsd"], "multi_power", noise=2e-4)
    found = scaling.backtest(runs, "progress", by="schedule", interval="calibrated").frame
    part = found[found["cutoff"] == "without wsd"]
    fit = scaling.fit(runs.select("run != 'wsd'"), "progress")
    theirs = fit.predict(runs.select("run == 'wsd'"))
    ours = np.log(part["upper"] / part["lower"]).to_numpy()
    np.testing.assert_allclose(ours, np.log(theirs["upper"] / theirs["lower"]).to_numpy(), rtol=0.05)


def test_a_row_that_is_open_by_more_than_a_factor_of_two_each_way_is_no_forecast():
    """One short cooldown says next to nothing of a run fifty times as long; of several curves no row is so wide."""
    step = np.arange(10, 401, 10)
    lr = np.where(step < 340, 1e-3, 1e-3 * (401 - step) / 60)
    loss = 2 + 0.3 * (10 * np.cumsum(lr) + 0.01) ** -0.5 - 0.1 * (1 - lr / 1e-3)
    loss += 1e-3 * np.random.default_rng(0).normal(size=len(step))
    alone = scaling.fit(Runs.from_frame(pd.DataFrame({"run": "a", "step": step, "lr": lr, "loss": loss})), "progress")
    far = alone.predict("constant:peak=1e-3,steps=20000")
    wide = far["upper"] > 4 * far["lower"]
    assert wide.iloc[-1] and not far["ok"][wide & (far["step"] > 0.04 * 400)].any()
    assert any("wider than a factor of 2 each way, which is no forecast" in said for said in far.attrs["why"])
    for law in TRUTH:
        healthy = scaling.fit(made(["constant", "cosine", "wsd"], law), law).predict(PLANS["long"])
        assert not any("factor of 2" in said for said in healthy.attrs["why"])
