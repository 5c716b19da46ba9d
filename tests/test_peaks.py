"""`peaks`: its formula update by update, runs of several peaks fitted together, the peak nobody ran, and the best one."""

import numpy as np
import pandas as pd
import pytest

import scaling
from scaling.design.folds import folds
from scaling.design.inputs import design
from scaling.errors import LawError
from scaling.logs import Runs
from scaling.planning import best_peak

TRUTH = {
    "L0": 2.2, "R_ref": 0.5, "alpha": 0.45, "r": -0.5, "mp": 0.6, "np": 0.5, "cp": -0.9, "s": 0.5, "s_ref": 0.25, "k": 0.2,
    "C": 400.0, "e0": 2.5,
}  # fmt: skip
UNITS = {"B_ref": 1.0, "T_ref": 1000.0, "peak_ref": 2e-3}
PLAN = "wsd:steps=1200,warmup=60,decay=0.4,shape=linear,final=0.1"


def made_up(peaks, texts, noise=0.0, seed=0):
    """Runs of known truth, one per peak and schedule, the loss at every tenth update."""
    law, rng, frames = scaling.laws["peaks"].using(**UNITS), np.random.default_rng(seed), []
    for peak in peaks:
        for text in texts:
            plan = scaling.schedule(text, peak=peak)
            steps = np.arange(10, plan.last + 1, 10)
            made = law.hooks.features(steps, plan, 1.0, **law.conventions)
            loss = law(*made.values(), **TRUTH) * np.exp(noise * rng.normal(size=len(steps)))
            every = np.arange(1, plan.last + 1)
            loss = pd.Series(loss, index=steps).reindex(every).to_numpy()
            frames.append(pd.DataFrame({"run": f"{text} {peak}", "step": every, "lr": plan.rates, "loss": loss}))
    return Runs.from_frame(pd.concat(frames, ignore_index=True))


def test_it_is_its_formula():
    law = scaling.laws["peaks"].using(**UNITS, block=1)
    plan = scaling.schedule(PLAN, peak=5e-3)
    u, P, b, v, q = plan.rates / 5e-3, 2.5, 4.0, TRUTH, 0.8
    h, expected, steps = u / (1 + u / v["e0"]), [], [500, 900, 1200]
    for step in steps:
        T = sum(u[j] ** q for j in range(step)) * b / 1000
        noise = 1 / (1 + 1 / v["e0"])
        for j in range(plan.warmup, step):
            since = sum(u[i] ** q for i in range(j, step)) * b / 1000
            G = 1 - (1 + v["C"] * P ** v["cp"] * since * u[j] ** (0.5 - q)) ** -0.5
            noise -= (h[j - 1] - h[j]) * G
        R = v["R_ref"] * (P ** v["mp"] * b ** v["r"] * T) ** -v["alpha"]
        expected.append(v["L0"] + R + v["s_ref"] * P ** v["np"] * b ** -v["s"] * (R / v["R_ref"]) ** v["k"] * noise)
    made = law.hooks.features(np.array(steps), plan, b, **law.conventions)
    np.testing.assert_allclose(law(*made.values(), **TRUTH), expected, rtol=1e-12)


def test_peaks_are_fitted_together_and_one_that_nobody_ran_is_forecast():
    runs = made_up((1e-3, 2e-3, 4e-3), (PLAN, "cosine:steps=2000,warmup=60,final=0.1"), noise=5e-4)
    fit = scaling.fit(runs, "peaks")
    assert fit.ok and {"r", "s"} <= set(fit.verdict.from_prior)  # one batch says nothing of batches
    target = made_up((3e-3,), ("wsd:steps=2500,warmup=60,decay=0.2,shape=linear,final=0.1",))
    found = fit.predict(target).dropna(subset="loss").query("step > 500")
    assert np.abs(found["prediction"] / found["loss"] - 1).max() < 2e-3
    assert ((found["lower"] < found["loss"]) & (found["loss"] < found["upper"])).mean() > 0.95
    assert "the highest peak" in found.attrs["interval"] and "the lowest peak" in found.attrs["interval"]
    one = fit.predict("wsd:peak=3e-3,steps=2500,warmup=60,decay=0.2,shape=linear,final=0.1", steps=[2500])
    assert one["prediction"].iloc[0] == pytest.approx(found["prediction"].iloc[-1], rel=1e-12)


def test_two_peaks_leave_one_out_at_a_time():
    made = design(made_up((1e-3, 4e-3), (PLAN, "cosine:steps=2000,warmup=60")), scaling.laws["peaks"], fitting=True)
    parts = {part.what: part for part in folds(made)}
    assert set(parts) == {"the longest runs", "the highest peak", "the lowest peak"}
    assert (made.frame["peak"].to_numpy()[parts["the lowest peak"].test] == 1e-3).all()


def test_the_best_peak_of_a_length():
    """Rates that are held end lowest at a lower peak than rates that fall: noise goes with the peak."""
    fit = scaling.fit(made_up((1e-3, 2e-3, 4e-3), (PLAN, "cosine:steps=2000,warmup=60,final=0.1"), noise=2e-4), "peaks")
    law = scaling.laws["peaks"].using(**UNITS)

    def truth(text, peak):
        plan = scaling.schedule(text, peak=peak)
        return law(*law.hooks.features(np.array([plan.last]), plan, 1.0, **law.conventions).values(), **TRUTH)[0]

    asked = np.geomspace(2e-4, 2e-2, 200)
    text = "wsd:steps=1600,warmup=60,decay=0.3,shape=linear,final=0"
    known = asked[np.argmin([truth(text, peak) for peak in asked])]
    found = best_peak(fit, text)
    assert found.flat[0] <= known <= found.flat[1] and found.loss == pytest.approx(truth(text, known), rel=1e-3)
    held = best_peak(fit, "constant:steps=1600,warmup=60")
    assert held.peak < found.peak and "best peak" in str(held)
    if not 1e-3 <= held.peak <= 4e-3:
        assert "no instability" in held.warnings[0]
    assert found.compared["peak"].is_monotonic_increasing and found.to_dict()["peak"] == found.peak


def test_laws_and_runs_of_one_peak_are_refused():
    one = scaling.fit(made_up((1e-3,), (PLAN, "constant:steps=1200,warmup=60")), "progress")
    with pytest.raises(LawError, match="knows one peak"):
        best_peak(one, "constant:steps=1600,warmup=60")
    same = scaling.fit(made_up((1e-3,), (PLAN, "cosine:steps=2000,warmup=60")), "peaks")
    with pytest.raises(LawError, match=r"all runs have the peak 0\.001"):
        best_peak(same, "constant:steps=1600,warmup=60")
