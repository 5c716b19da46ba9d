"""Learning-rate laws: golden numbers of published constants (arXiv:2503.12811, arXiv:2408.11029), and fits of curves."""

import numpy as np
import pandas as pd
import pytest

import scaling
from scaling.design.inputs import design
from scaling.errors import FitError
from scaling.formula import Exponent, Positive, Real
from tests import layouts

TRAIN = ["cosine_24000", "constant_24000", "wsdcon_9"]
TEST = ["constant_72000", "cosine_72000", "wsd_20000_24000", "wsdld_20000_24000", "wsdcon_3", "wsdcon_18"]
LAST = {  # loss at the last logged row of every curve, from the authors' code
    25: (3.26026, 3.20184, 3.26694, 3.26742, 3.40001, 3.39716),
    100: (2.93298, 2.86176, 2.93601, 2.93662, 3.07710, 3.07062),
}


@pytest.mark.parametrize("size", LAST)
def test_published_constants_give_the_published_ends(size):
    constants = scaling.laws["multi_power"].published[f"luo2025_{size}M"]
    law = scaling.laws["multi_power"].using(**constants.conventions, block=1)
    for name, value in zip(TEST, LAST[size], strict=True):
        plan = layouts.replay(name)
        last = 14144 if size == 25 and "wsdcon" in name else layouts.logged(name)[-1]  # the small ones end earlier
        made = design(plan, law, fitting=False, steps=[last])
        assert law(*made.inputs.values(), **constants) == pytest.approx(value, abs=1e-5), name


def test_three_curves_predict_six_others(tmp_path):
    """Curves drawn from the published constants: the law of five parameters forecasts those of seven within their noise."""
    folder = layouts.multi_power(tmp_path / "repo")
    train, test = (scaling.read([folder / f"csv_25/{n}.csv" for n in names], warmup=2160) for names in (TRAIN, TEST))
    for law, most in (("multi_power_5", 0.0045), ("annealing", 0.012)):
        fit = scaling.fit(train, law)
        assert fit.ok, fit
        error = fit.predict(test)["prediction"].to_numpy() - test.frame["loss"].to_numpy()
        assert np.sqrt((error**2).mean()) < most, law


def test_tissue_example_refit():
    """Points made as in the script beside arXiv:2408.11029 (500 warm-up steps at the peak) give its constants back."""
    steps, at = np.arange(20001), np.arange(1000, 20001, 1000)
    cosine = np.where(steps > 500, 1e-4 * (1 + np.cos(np.pi * (steps - 500) / 19500)), 2e-4)
    law = scaling.laws["annealing"]
    published, parts = law.published["example_refit"], []
    for rates in (cosine, np.full(20001, 2e-4)):
        made = law.hooks.features(at, scaling.schedule(rates, first=0), **law.conventions)
        parts.append(pd.DataFrame({**made, "loss": law(*made.values(), **published)}))
    assert parts[0]["S2"].max() == pytest.approx(0.197474, abs=1e-6) and parts[1]["S2"].max() == 0

    @scaling.law("arXiv:2408.11029", name="annealing_table")
    def annealing_table(S1, S2, *, L0: Positive, A: Positive, alpha: Exponent, C: Real):
        """L = L0 + A / S1^alpha - C S2"""
        return L0 + A / S1**alpha - C * S2

    try:
        fit = scaling.fit(pd.concat(parts).assign(S2=lambda d: d["S2"] + 1e-300), annealing_table)
    finally:
        scaling.laws.remove("annealing_table")
    for name in ("L0", "A", "alpha", "C"):
        assert fit.values[name] == pytest.approx(published[name], rel=1e-5), name


@pytest.fixture(scope="module")
def made():
    """Exact curves of multi_power_5 under four schedules."""
    truth = {"L0": 1.3, "A": 0.9, "alpha": 0.45, "B": 60.0, "C": 1.1}
    law = scaling.laws["multi_power_5"].using(block=1)
    frames = []
    for text in (
        "constant:peak=3e-3,steps=3000,warmup=100",
        "cosine:peak=3e-3,steps=2500,warmup=100,final=0.1",
        "wsd:peak=3e-3,steps=2500,warmup=100,decay=0.2,shape=1-sqrt",
    ):
        plan = scaling.schedule(text)
        steps = np.arange(120, plan.steps + 1, 20)
        rows = design(plan, law, fitting=False, steps=steps)
        frames.append(
            pd.DataFrame(
                {
                    "run": text.split(":")[0],
                    "step": steps,
                    "lr": plan.rates[steps - 1],
                    "loss": law(*rows.inputs.values(), **truth),
                    "schedule": text,
                }
            )
        )
    return truth, law, pd.concat(frames, ignore_index=True)


def test_recovers_the_truth_and_forecasts_it(made):
    truth, law, frame = made
    fit = scaling.fit(scaling.Runs.from_frame(frame), law)
    for name, value in truth.items():
        assert fit.values[name] == pytest.approx(value, rel=1e-6), fit
    out = fit.predict("cosine:peak=3e-3,steps=9000,warmup=100", steps=[4500, 9000])
    rows = design("cosine:peak=3e-3,steps=9000,warmup=100", law, fitting=False, steps=[4500, 9000])
    np.testing.assert_allclose(out["prediction"], law(*rows.inputs.values(), **truth), rtol=1e-8)
    assert "3x beyond the largest steps seen" in out.attrs["extrapolation"]


def test_order_of_rows_and_runs_does_not_matter(made):
    _, _, frame = made
    noisy = frame.assign(loss=frame["loss"] * np.exp(0.002 * np.random.default_rng(0).normal(size=len(frame))))
    one = scaling.fit(scaling.Runs.from_frame(noisy), "multi_power_5")
    other = scaling.fit(scaling.Runs.from_frame(noisy.sample(frac=1, random_state=1)), "multi_power_5")
    plan = "cosine:peak=3e-3,steps=9000,warmup=100"
    np.testing.assert_allclose(
        other.predict(plan, steps=9000)["prediction"], one.predict(plan, steps=9000)["prediction"], rtol=1e-8
    )


def test_constant_rate_has_no_drop_and_zero_rate_changes_nothing():
    law = scaling.laws["multi_power"]
    constants = law.published["luo2025_100M"]
    flat = design("constant:peak=3e-4,steps=5000,warmup=200", law, fitting=False, steps=[300, 5000])
    assert not flat.inputs["drops"].d.any()
    plan = scaling.schedule("wsd:peak=3e-4,steps=5000,warmup=200,decay=0.2,shape=linear,final=0.1")
    padded = scaling.schedule(np.concatenate([plan.rates, np.zeros(500)]))
    law1 = law.using(block=1)
    end = design(plan, law1, fitting=False, steps=[5000])
    # the last drop, to zero, has no area behind it and saves nothing
    later = design(padded, law1, fitting=False, steps=[5500])
    assert law(*later.inputs.values(), **constants) == pytest.approx(law(*end.inputs.values(), **constants), rel=1e-12)


def test_rescaling_every_rate_leaves_multi_power_unchanged():
    law, c = scaling.laws["multi_power"], 7.0
    p = dict(law.published["luo2025_25M"])
    q = {**p, "A": p["A"] * c ** p["alpha"], "B": p["B"] / c, "C": p["C"] * c ** (p["gamma"] - 1)}
    plan = scaling.schedule("cosine:peak=3e-4,steps=5000,warmup=200,final=0.1")
    one = design(plan, law, fitting=False, steps=[300, 2500, 5000]).inputs
    other = design(scaling.schedule(plan.rates * c), law, fitting=False, steps=[300, 2500, 5000]).inputs
    np.testing.assert_allclose(law(*other.values(), **q), law(*one.values(), **p), rtol=1e-12)


def test_blocks_of_64_are_close_to_exact():
    law = scaling.laws["multi_power"]
    p = law.published["luo2025_25M"]
    plan = scaling.schedule("cosine:peak=3e-4,steps=24000,warmup=2160,final=0.1")
    steps = np.arange(2176, 24001, 128)
    near, exact = (law(*design(plan, law.using(block=b), fitting=False, steps=steps).inputs.values(), **p) for b in (64, 1))
    assert 0 < np.abs(near - exact).max() < 2e-5


def test_runs_without_a_drop_cannot_teach_annealing(made):
    _, _, frame = made
    flat = scaling.Runs.from_frame(frame[frame["run"] == "constant"])
    for law in ("multi_power_5", "annealing"):
        fit = scaling.fit(flat, law)
        assert not fit.ok and any("no drop of the learning rate" in w for w in fit.warnings)
        assert np.isnan(fit.errors()["C"])
    assert scaling.fit(flat, "power_law_offset:x=step").ok


def test_mixed_peaks_are_refused(made):
    _, _, frame = made
    mixed = frame[frame["run"] != "wsd"].drop(columns="schedule").copy()
    mixed.loc[mixed["run"] == "constant", "lr"] *= 2
    with pytest.raises(FitError, match="different peak learning rates"):
        scaling.fit(scaling.Runs.from_frame(mixed), "multi_power_5")


def test_fit_of_runs_survives_saving(made, tmp_path):
    _, _, frame = made
    fit = scaling.fit(scaling.Runs.from_frame(frame), "multi_power_5")
    fit.save(tmp_path / "fit.json")
    again = scaling.load(tmp_path / "fit.json")
    plan = "wsd:peak=3e-3,steps=6000,warmup=100,decay=0.2,shape=linear"
    pd.testing.assert_frame_equal(again.predict(plan), fit.predict(plan))
    pd.testing.assert_frame_equal(again.bootstrap(3), fit.bootstrap(3))


def test_rows_in_the_warm_up_are_neither_fitted_nor_predicted(made):
    _, _, frame = made
    plan = scaling.schedule("constant:peak=3e-3,steps=3000,warmup=100")
    early = pd.DataFrame({"run": "constant", "step": [0, 1, 50, 99], "lr": [np.nan, *plan.rates[[0, 49, 98]]],
                          "loss": [5.5, 5.4, 4.9, 4.0], "schedule": frame["schedule"].iloc[0]})  # fmt: skip
    runs = scaling.Runs.from_frame(pd.concat([early, frame], ignore_index=True))
    fit = scaling.fit(runs, "multi_power_5")
    assert fit.values == scaling.fit(scaling.Runs.from_frame(frame), "multi_power_5").values
    assert "4 rows lie in the warm-up and are not fitted" in str(fit)
    out = fit.predict(runs["constant"])
    assert len(out) == len(runs["constant"].frame) and out["prediction"].isna().sum() == 4
    assert list(out["step"][:5]) == [0, 1, 50, 99, 120] and out["prediction"][4:].notna().all()


@pytest.mark.parametrize("shuffled", [False, True])
def test_rows_of_a_table_come_back_in_its_order(shuffled):
    """So that df["said"] = fit.predict(df)["prediction"] says of each row what is its own, whatever the names of the runs."""
    steps = np.arange(200, 2001, 50)
    frame = pd.concat(
        [
            pd.DataFrame({"run": run, "step": steps, "lr": 3e-3 * share, "loss": 2 + 5 * steps**-0.5 + 0.1 * share})
            for run, share in (
                ("b", np.where(steps < 900, 1, 0.3)),
                ("a", np.where(steps < 1500, 1, 0.1)),
                ("c", steps / steps),
            )
        ],
        ignore_index=True,
    )
    if shuffled:
        frame = frame.sample(frac=1, random_state=1, ignore_index=True)
    fit = scaling.fit(frame, "multi_power_5")
    out = fit.predict(frame, interval="delta")
    assert out["run"].tolist() == frame["run"].tolist() and out["step"].tolist() == frame["step"].tolist()
    assert out.index.equals(frame.index) and np.allclose(out["loss"], frame["loss"])
    few = frame[frame["run"] != "b"].reset_index(drop=True)
    assert np.allclose(fit.predict(few, interval="delta")["loss"], few["loss"])
