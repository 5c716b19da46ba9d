"""Golden numbers of the learning-rate laws on the authors' public curves (arXiv:2503.12811, arXiv:2408.11029)."""

import numpy as np
import pandas as pd
import pytest

import scaling
from scaling.design.inputs import design
from scaling.errors import FitError

TRAIN = ["cosine_24000", "constant_24000", "wsdcon_9"]
TEST = ["constant_72000", "cosine_72000", "wsd_20000_24000", "wsdld_20000_24000", "wsdcon_3", "wsdcon_18"]


@pytest.fixture(scope="module")
def curves(shared_data):
    folder = shared_data / "MultiPowerLaw/loss_curve_repo"

    def read(size, names):
        return scaling.read([folder / f"csv_{size}" / f"{n}.csv" for n in names], warmup=2160)

    return read


def scores(runs, prediction):
    """MAE, RMSE, WorstE, final error: per curve, then the mean over curves, as the authors score."""
    out = []
    frame = runs.frame.assign(error=prediction - runs.frame["loss"].to_numpy())
    for _, rows in frame.groupby("run"):
        e, L = rows["error"].to_numpy(), rows["loss"].to_numpy()
        out.append((np.abs(e).mean(), np.sqrt((e**2).mean()), (np.abs(e) / L).max(), abs(e[-1]) / L[-1]))
    return np.mean(out, axis=0)


@pytest.mark.parametrize(
    ("size", "mae", "rmse", "worst", "last"),
    [
        (
            25,
            0.00376,
            0.00465,
            0.00409,
            {
                "constant_72000": 3.26026,
                "cosine_72000": 3.20184,
                "wsd_20000_24000": 3.26694,
                "wsdld_20000_24000": 3.26742,
                "wsdcon_3": 3.40001,
                "wsdcon_18": 3.39716,
            },
        ),
        (
            100,
            0.00435,
            0.00592,
            0.00583,
            {
                "constant_72000": 2.93298,
                "cosine_72000": 2.86176,
                "wsd_20000_24000": 2.93601,
                "wsdld_20000_24000": 2.93662,
                "wsdcon_3": 3.07710,
                "wsdcon_18": 3.07062,
            },
        ),
    ],
)
def test_published_constants_score_as_published(curves, size, mae, rmse, worst, last):
    runs = curves(size, TEST)
    constants = scaling.laws["multi_power"].published[f"luo2025_{size}M"]
    law = scaling.laws["multi_power"].using(**constants.conventions, block=1)
    made = design(runs, law, fitting=False)
    prediction = law(*made.inputs.values(), **constants)
    np.testing.assert_allclose(scores(runs, prediction)[:3], [mae, rmse, worst], atol=1e-5)
    ends = made.frame.assign(prediction=prediction).groupby("run")["prediction"].last()
    for run, value in last.items():
        # rates between logged rows are interpolated linearly, which costs 1.3e-5 on the exponential decay
        assert ends[run] == pytest.approx(value, abs=1.5e-5), run


GOLDEN = {  # spec/annealing.md G3: our own fits with warm-up counted as it was
    ("multi_power_5", 25): {"L0": 3.15212, "A": 0.52070, "alpha": 0.50413, "B": 443.41, "C": 1.3531},
    ("multi_power_5", 100): {"L0": 2.78285, "A": 0.59961, "alpha": 0.44805, "B": 525.98, "C": 1.6622},
    ("annealing", 25): {"L0": 3.15829, "A": 0.51358, "alpha": 0.51338, "C": 0.40191},
}


@pytest.mark.parametrize("law", ["multi_power_5", "annealing"])
def test_three_curves_predict_six_others(curves, law):
    found = []
    for size in (25, 100):
        fit = scaling.fit(curves(size, TRAIN), law)
        assert fit.ok, fit
        for name, value in GOLDEN.get((law, size), {}).items():
            assert fit.values[name] == pytest.approx(value, rel=1e-2 if name == "C" else 2e-3), (size, name)
        test = curves(size, TEST)
        found.append(scores(test, fit.predict(test)["prediction"].to_numpy()))
    mae, rmse, *_ = np.mean(found, axis=0)
    if law == "multi_power_5":
        assert rmse <= 0.0055 and mae <= 0.0045
    else:
        assert rmse <= 0.0070


def test_tissue_example_refit(shared_data):
    """The 40 points of the script beside arXiv:2408.11029: peak 2e-4, 500 warm-up steps counted at the peak."""
    path = shared_data / "lr-annealing-example/curves.csv"
    if not path.exists():
        pytest.skip(f"{path} is absent")
    steps = np.arange(20001)
    cosine = np.where(steps > 500, 1e-4 * (1 + np.cos(np.pi * (steps - 500) / 19500)), 2e-4)
    tables = {"cosine": scaling.schedule(cosine, first=0), "constant": scaling.schedule(np.full(20001, 2e-4), first=0)}
    points = pd.read_csv(path)
    rows = [r.assign(run=name, lr=tables[name].rates[r["step"]]) for name, r in points.groupby("curve")]
    law = scaling.laws["annealing"]
    parts = []
    for r in rows:
        made = law.hooks.features(r["step"].to_numpy(), tables[r["run"].iloc[0]], **law.conventions)
        parts.append(pd.DataFrame({**made, "loss": r["loss"].to_numpy()}))
    assert parts[1]["S2"].max() == pytest.approx(0.197474, abs=1e-6) or parts[0]["S2"].max() == pytest.approx(
        0.197474, abs=1e-6
    )
    from scaling.formula import Exponent, Positive, Real

    @scaling.law("arXiv:2408.11029", name="annealing_table")
    def annealing_table(S1, S2, *, L0: Positive, A: Positive, alpha: Exponent, C: Real):
        """L = L0 + A / S1^alpha - C S2"""
        return L0 + A / S1**alpha - C * S2

    try:
        table = pd.concat(parts).assign(S2=lambda d: d["S2"] + 1e-300)
        fit = scaling.fit(table, annealing_table)
    finally:
        scaling.laws.remove("annealing_table")
    published = law.published["example_refit"]
    for name in ("L0", "A", "alpha", "C"):
        assert fit.values[name] == pytest.approx(published[name], abs=1e-3), name
    assert fit.objective == pytest.approx(1.6292e-5, rel=1e-3)


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
    near, exact = (
        law(*design(plan, law.using(block=b), fitting=False, steps=steps).inputs.values(), **p) for b in (64, 1)
    )
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
