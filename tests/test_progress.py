"""`progress` against its definition, update by update, and against scipy's solver on the same rows."""

import numpy as np
import pandas as pd
import pytest
from scipy.optimize import least_squares

import scaling
from scaling.design.inputs import design
from scaling.logs import Runs
from scaling.papers.luo2025 import untold
from scaling.schedules import drops as rooms
from tests.test_apart import curve as simulated

HOUSE = "runs/curves"
PLANS = (
    "wsd:peak=3e-3,steps=900,warmup=50,decay=0.3,shape=linear,final=0",
    "cosine:peak=3e-3,steps=700,warmup=20,final=0.1",
    "two_stage:peak=3e-3,steps=600,warmup=30,switch=300,then=1e-3",
)
TRUTH = {"L0": 2.5, "A": 9.0, "alpha": 0.45, "B": 0.21, "C": 0.09, "e0": 3.1, "k": 0.2}


def by_definition(rates, step, warm, *, L0, A, alpha, B, C, e0, k, q=0.8):
    """The formula as it is written, in rates of 1e-3 and sums of one update after the other."""
    eta = np.asarray(rates) / 1e-3
    eta_0 = e0 * np.sqrt(eta.max())
    h = eta / (1 + eta / eta_0)
    Q, saved = sum(eta[j] ** q for j in range(step)), 0.0
    for j in range(warm, step):
        since = sum(eta[i] ** q for i in range(j, step))
        pace = max(eta[j], 1e-3 * eta.max()) ** (q - 0.5)
        saved += (h[j - 1] - h[j]) * (1 - (1 + C * since / pace) ** -0.5)
    return L0 + A / Q**alpha - B / Q ** (k * alpha) * saved


@pytest.mark.parametrize("text", PLANS)
def test_the_law_is_its_definition(text):
    plan, law = scaling.schedule(text), scaling.laws["progress"].using(block=1)
    steps = np.array([plan.warmup, 310, plan.last])
    made = design(plan, law, fitting=False, steps=steps)
    expected = [by_definition(plan.rates, s, plan.warmup, **TRUTH) for s in steps]
    np.testing.assert_allclose(law(*made.inputs.values(), **TRUTH), expected, rtol=1e-12)
    coarse = scaling.laws["progress"]
    there = design(plan, coarse, fitting=False, steps=steps)
    np.testing.assert_allclose(coarse(*there.inputs.values(), **TRUTH), expected, rtol=1e-5)


@pytest.mark.parametrize("text", PLANS)
def test_it_reduces_to_multi_power_5(text):
    plan = scaling.schedule(text)
    ours = scaling.laws["progress"].using(q=1.0, block=1)
    theirs = scaling.laws["multi_power_5"].using(block=1)
    steps = np.arange(plan.warmup, plan.last + 1, 7)
    mine, other = (design(plan, law, fitting=False, steps=steps).inputs.values() for law in (ours, theirs))
    A, B, C, alpha = 0.6, 450.0, 1.7, 0.48
    units = {"A": A * 1e-3**-alpha, "B": B * 1e-3, "C": C * 1e-3**0.5}
    found = ours(*mine, L0=2.0, alpha=alpha, e0=np.inf, k=0.0, **units)
    np.testing.assert_allclose(found, theirs(*other, L0=2.0, A=A, alpha=alpha, B=B, C=C), rtol=1e-13)


def test_what_annealing_saves_is_linear_noise_by_parts():
    """At q = 1, k = 0, e0 infinite and a kernel K without rates, sum_j d_j [1 - K(Q - Q_j-1)] is h(peak) - sum K' eta."""
    plan = scaling.schedule(PLANS[0])
    law = scaling.laws["progress"].using(q=0.5, block=1)  # q - 1/2 = 0: no rate in the kernel
    made = design(plan, law, fitting=False, steps=[plan.last])
    saved = law(*made.inputs.values(), **{**TRUTH, "L0": 0.0, "A": 1e-300, "k": 0.0, "e0": np.inf, "B": 1.0})
    eta = plan.rates / 1e-3
    Q = np.cumsum(eta**0.5)
    K = (1 + TRUTH["C"] * (Q[-1] - np.append(0.0, Q[:-1]))) ** -0.5  # of an update's noise, what is left
    noise = np.sum(np.diff(np.append(K, 1.0))[plan.warmup - 1 :] * eta[plan.warmup - 1 :])
    peak = eta[plan.warmup - 1] * (1 - K[plan.warmup - 1])
    assert -saved[0] == pytest.approx(peak - noise, rel=1e-10)


def curves(truth=TRUTH):
    """Three runs without noise, the rate of every update and the loss of every tenth."""
    frames = []
    for text in PLANS:
        plan, law = scaling.schedule(text), scaling.laws["progress"]
        steps = np.arange(plan.warmup + 20, plan.last + 1, 10)
        loss = pd.Series(law(*design(plan, law, fitting=False, steps=steps).inputs.values(), **truth), index=steps)
        every = np.arange(1, plan.last + 1)
        frames.append(pd.DataFrame({"run": text, "step": every, "lr": plan.rates, "loss": loss.reindex(every).to_numpy()}))
    return Runs.from_frame(pd.concat(frames, ignore_index=True))


def test_exact_curves_give_the_constants_whatever_was_known_before():
    fit = scaling.fit(curves(), "progress")
    assert fit.values == pytest.approx(TRUTH, rel=1e-5)
    assert not fit.verdict.from_prior and fit.ok


def test_scipy_finds_the_same_optimum():
    """Own runs with the fit's defaults: Huber residuals of ln loss, and a row per prior at the strength that was found."""
    names = [f"{HOUSE}/d32-{k}.csv" for k in ("constant", "cosine", "two-stage", "wsd-linear", "wsd-1sqrt")]
    fit = scaling.fit(scaling.read(names), "progress", min_step=800)
    law, made, y = fit.law, fit.design, np.log(fit.design.loss)
    strength, order = fit.coordinates.strength, ["L0", "A", "alpha", "B", "C", "e0", "k"]

    def rows(x):
        values = dict(zip(order, [*np.exp(x[:2]), x[2], *np.exp(x[3:6]), x[6]], strict=True))
        r = np.log(law(*made.inputs.values(), **values)) - y
        a = np.abs(r)
        huber = np.where(a <= 1e-3, a, np.sqrt(np.abs(2e-3 * a - 1e-6))) * np.sign(r)
        return np.append(huber, np.sqrt(strength) * np.array([(x[5] - np.log(4.84)) / 0.5, (x[6] - 0.15) / 0.1]))

    start = np.array([0.5, 3.0, 0.6, -2.0, -2.0, 1.5, 0.15])
    found = least_squares(rows, start, method="lm", xtol=1e-14, ftol=1e-14, max_nfev=20000)
    best = np.array([*np.log([fit.values["L0"], fit.values["A"]]), fit.values["alpha"]])
    at = [*best, *np.log([fit.values[n] for n in ("B", "C", "e0")]), fit.values["k"]]
    assert (rows(np.array(at)) ** 2).sum() <= (found.fun**2).sum() * (1 + 1e-6)
    np.testing.assert_allclose(at, found.x, atol=2e-3)
    assert fit.ok and fit.verdict.from_prior == ("k",)


def test_one_cosine_tells_nothing_of_annealing_and_says_what_would():
    cosine = scaling.fit(scaling.read(f"{HOUSE}/d32-cosine.csv"), "progress", min_step=400)
    assert not cosine.ok and "add a run that holds its rate" in cosine.warnings[0]
    assert {"e0", "k"} <= set(cosine.verdict.from_prior)
    wsd = scaling.fit(scaling.read(f"{HOUSE}/d32-wsd-linear.csv"), "progress", min_step=400)
    assert not any("falls all along" in said for said in wsd.warnings)


def test_two_lengths_of_a_cosine_tell_progress_from_annealing():
    law = scaling.laws["progress"]

    def asked(*texts):
        plans = [scaling.schedule(text) for text in texts]
        made = [design(p, law, fitting=False, steps=np.arange(60, p.last + 1, 20)).inputs for p in plans]
        drops = type(made[0]["drops"]).concatenate([m["drops"] for m in made])
        return untold(np.concatenate([m["Q"] for m in made]), drops)

    one, other = (f"cosine:peak=3e-3,steps={n},warmup=50,final=0.1" for n in (1000, 3000))
    assert asked(one) and not asked(one, other)
    assert "no drop" in asked("constant:peak=3e-3,steps=500,warmup=50")[0]
    assert not asked("wsd:peak=3e-3,steps=1000,warmup=50,decay=0.2")


def test_sums_in_parts_are_sums_of_all(monkeypatch):
    plan = scaling.schedule(PLANS[0])
    law = scaling.laws["progress"].using(block=1)
    steps = np.arange(100, plan.last + 1, 3)
    whole = design(plan, law, fitting=False, steps=steps).inputs["drops"]
    expected = whole.sum(lambda d, eta, S: d * np.sqrt(S))
    monkeypatch.setattr(rooms, "PART", 100)
    parts = design(plan, law, fitting=False, steps=steps).inputs["drops"]
    assert len(parts._parts) > 50
    np.testing.assert_allclose(parts.sum(lambda d, eta, S: d * np.sqrt(S)), expected, rtol=1e-12)
    two = parts.sums(lambda part: [part.d * part.S, np.stack([part.d, part.high - part.low])])
    np.testing.assert_allclose(two[0], whole.sum(lambda d, eta, S: d * S), rtol=1e-12)
    level = np.sqrt(1e-3 * plan.peak) / 1e-3  # unit in which high and low are counted
    np.testing.assert_allclose(two[1][0], two[1][1] * level, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("size", [1, 7, 64])
def test_blocks_keep_the_rates_before_and_after(size):
    plan = scaling.schedule(PLANS[0])
    blocks = plan.blocks(size)
    assert blocks.high.max() == pytest.approx(plan.peak) and (blocks.high - blocks.drop).min() == pytest.approx(plan.rates[-1])
    np.testing.assert_allclose(blocks.high[1:], (blocks.high - blocks.drop)[:-1], rtol=1e-12)
    rising = scaling.schedule(np.tile([3.0, 1.0, 2.0], 50)).blocks(size)
    assert (rising.high >= 0).all() and (rising.high - rising.drop >= -1e-12).all()


@pytest.mark.parametrize(
    "text",
    [
        "wsd:peak=3e-4,steps=20000,warmup=300,decay=0.2,final=0",
        "cosine:peak=3e-4,steps=20000,warmup=300,final=0.1",
        "two_stage:peak=3e-4,steps=20000,warmup=300,switch=9000,then=3e-5",
        "multi_step:peak=3e-4,steps=20000,warmup=300,milestones=7000/7100/15000,factors=0.5/0.5/0.5",
    ],
)
def test_many_rows_are_interpolated_between_nodes_about_as_well_as_blocks(text):
    plan, law = scaling.schedule(text), scaling.laws["progress"]
    steps = np.arange(plan.warmup, plan.last + 1)
    many = law(*(made := law.hooks.features(steps, plan, **law.conventions)).values(), **TRUTH)
    assert len(made["drops"].count) < 3000 < len(made["drops"]) == len(steps)
    some = np.r_[0 : len(steps) : 37, len(steps) - 1]
    few = np.concatenate(  # few enough to be summed at, each
        [law(*law.hooks.features(part, plan, **law.conventions).values(), **TRUTH) for part in np.array_split(steps[some], 2)]
    )
    exact = law.using(block=1)
    best = np.concatenate(
        [exact(*exact.hooks.features(p, plan, **exact.conventions).values(), **TRUTH) for p in np.array_split(steps[some], 2)]
    )
    error = np.abs(few - best).max()
    assert np.abs(many[some] - best).max() <= max(2 * error, 1e-5)
    chosen = made["drops"][some]
    np.testing.assert_allclose(
        chosen.sum(lambda d, eta, S: d * S), made["drops"].sum(lambda d, eta, S: d * S)[some], rtol=1e-12
    )
    both = type(chosen).concatenate([made["drops"], chosen])
    expected = np.append(made["drops"].sum(lambda d, eta, S: d), chosen.sum(lambda d, eta, S: d))
    np.testing.assert_allclose(both.sum(lambda d, eta, S: d), expected, rtol=1e-12)


@pytest.mark.parametrize("seed", range(3))
def test_savings_as_sudden_as_can_be_told_are_no_fault(seed):
    """Curves of a quadratic loss, whose noise goes at once with the rate: C grows without limit, and was not trusted."""
    shapes = ("constant", "cosine", "wsd")
    runs = pd.concat([simulated(1e6, shape, 3000, 10 * seed + k, noise=1e-3) for k, shape in enumerate(shapes)])
    fit = scaling.fit(runs, "progress")
    assert fit.ok, fit.warnings
    assert fit.values["C"] > 1e4 and any("C is beyond what these data can tell" in said for said in fit.warnings)
    for shape in shapes[1:]:
        end = simulated(1e6, shape, 5000, 0, noise=0.0)
        assert fit.predict(end)["prediction"].iloc[-1] == pytest.approx(end["loss"].iloc[-1], rel=0.01)
