"""Backtests, calibrated intervals, comparison of laws: on exact test beds and on public data."""

import numpy as np
import pandas as pd
import pytest

import scaling
from scaling.design.inputs import design
from scaling.errors import ArgumentError, DataError, FitError
from scaling.intervals.calibration import direction
from scaling.intervals.distance import extrapolation
from scaling.intervals.target import Target


def surface(seed=0, noise=0.004, n=12):
    N, ratio = (x.ravel() for x in np.meshgrid(np.geomspace(2e7, 2e10, n), [5.0, 10, 20, 40, 80], indexing="ij"))
    loss = scaling.laws["chinchilla"](N, N * ratio, E=1.8, A=480.0, B=2100.0, alpha=0.347, beta=0.367)
    loss = loss * np.exp(noise * np.random.default_rng(seed).standard_normal(len(N)))
    frame = pd.DataFrame({"N": N, "D": N * ratio, "loss": loss})
    small = frame["N"] * frame["D"] <= np.quantile(frame["N"] * frame["D"], 0.6)
    return frame[small], frame[~small]


def test_calibrated_is_the_default_and_says_how_it_was_checked():
    small, large = surface()
    fit = scaling.fit(small, "chinchilla", objective="log_squares")
    found = fit.predict(large)
    assert "calibrated on" in found.attrs["interval"] and "you ask for" in found.attrs["interval"]
    assert (found["lower"] < found["prediction"]).all() and (found["prediction"] < found["upper"]).all()
    wide = np.log(found["upper"] / found["lower"]).median()
    plain = fit.predict(large, interval="delta")
    assert 1.0 < wide / np.log(plain["upper"] / plain["lower"]).median() < 2.0  # the law may drift, and others say otherwise
    pd.testing.assert_frame_equal(found, fit.predict(large))


def test_exact_law_is_covered():
    inside = []
    for seed in range(8):
        small, large = surface(seed)
        p = scaling.fit(small, "chinchilla", objective="log_squares").predict(large)
        inside.append(((p["lower"] <= p["loss"]) & (p["loss"] <= p["upper"])).mean())
    assert 0.8 < np.mean(inside) <= 1.0


def test_too_few_rows_fall_back_and_say_so():
    small, large = surface(n=3)
    fit = scaling.fit(small[:7], "chinchilla")  # of eight a backtest would have six
    found = fit.predict(large)
    assert "assumes the law is exact" in found.attrs["interval"]
    assert np.isfinite(found["upper"]).all()


def test_saved_fit_predicts_the_same(tmp_path):
    small, large = surface()
    fit = scaling.fit(small, "chinchilla")
    fit.save(tmp_path / "fit.json")
    pd.testing.assert_frame_equal(fit.predict(large), scaling.load(tmp_path / "fit.json").predict(large), rtol=1e-9)


@pytest.mark.parametrize("interval", ["delta", "bootstrap", "conformal", "profile"])
def test_other_intervals_by_name(interval):
    small, large = surface()
    found = scaling.fit(small, "chinchilla", objective="log_squares").predict(large.iloc[:3], interval=interval)
    assert (found["lower"] < found["prediction"]).all() and (found["prediction"] < found["upper"]).all()
    assert (found["upper"] / found["lower"] < 1.2).all()


def test_unknown_interval():
    small, large = surface()
    with pytest.raises(ArgumentError, match="calibrated, delta"):
        scaling.fit(small, "chinchilla").predict(large, interval="magic")


def test_backtest_frame_and_metrics():
    small, large = surface()
    found = scaling.backtest(pd.concat([small, large]), "chinchilla", objective="log_squares")
    assert {"cutoff", "horizon", "truth", "prediction", "lower", "upper"} <= set(found.frame)
    assert (found.frame["horizon"] > 1).all()
    metrics = found.metrics()
    assert metrics.loc["all", "cutoffs"] == 8
    assert 0.6 < metrics.loc["all", "coverage"] <= 1.0
    assert "by compute" in str(found)
    by_size = scaling.backtest(pd.concat([small, large]), "chinchilla", by="size")
    assert by_size.by == "size" and len(by_size.frame)


def test_calibrated_bounds_of_a_backtest_are_those_of_a_prediction_from_the_rows_before():
    rows = pd.concat(surface(), ignore_index=True)
    for law in ("chinchilla", "over_training"):
        table = rows if law == "chinchilla" else rows.assign(M=rows["D"] / rows["N"])
        found = scaling.backtest(table, law, interval="calibrated", fractions=(0.5, 0.7)).frame
        C = 6 * rows["N"] * rows["D"]
        for label, part in found.groupby("cutoff"):
            small = float(label) * 1.001 >= C
            known = scaling.fit(table[small], law).predict(table[~small])
            part, known = (x.sort_values("prediction") for x in (part, known))
            width, wanted = (np.log(x["upper"] / x["lower"]).to_numpy() for x in (part, known))
            assert part["prediction"].to_numpy() == pytest.approx(known["prediction"].to_numpy(), rel=1e-3)
            assert np.median(width / wanted) == pytest.approx(1, abs=0.25)  # one of cutoffs that nearly coincide is refitted
            assert ((known["lower"] <= known["prediction"]) & (known["prediction"] <= known["upper"])).all()
        by_size = scaling.backtest(table, law, interval="calibrated", by="size").frame
        assert ((by_size["lower"] < by_size["prediction"]) & (by_size["prediction"] < by_size["upper"])).all()


@pytest.mark.parametrize(
    "wrong",
    [{"fractions": []}, {"fractions": [2.0]}, {"fractions": 0.5}, {"level": 90}, {"interval": "bootstrap"}, {"by": "colour"}],
)
def test_backtests_that_cannot_be_made_are_refused(wrong):
    error, said = (FitError, wrong["by"]) if "by" in wrong else (ArgumentError, next(iter(wrong)))
    with pytest.raises(error, match=said):
        scaling.backtest(surface()[0], "chinchilla", **wrong)


def test_a_target_that_begins_a_little_lower_is_still_tested_upwards():
    small, large = surface()
    fit = scaling.fit(small, "chinchilla")
    low = pd.DataFrame({"N": [1e7], "D": [5e7]})
    mixed = pd.concat([low, large[["N", "D"]]])
    assert direction(Target(fit, mixed)) == 1
    assert direction(Target(fit, low)) == -1


def test_bootstrap_replicates_are_drawn_once(monkeypatch):
    small, large = surface()
    fit = scaling.fit(small, "chinchilla")
    first = fit.predict(large, interval="bootstrap")
    monkeypatch.setattr("scaling.engine.fitted.bootstrap", None)  # a second draw would fail
    pd.testing.assert_frame_equal(fit.predict(large, interval="bootstrap"), first)
    assert fit.predict(large, interval="bootstrap", level=0.5)["upper"].iloc[0] < first["upper"].iloc[0]


def test_compare_ranks_by_held_out_error():
    frame = pd.concat(surface())
    frame = frame.assign(x=frame["N"])
    table = scaling.compare(frame, ["power_law:x=N", "chinchilla"], holdout="compute")
    assert list(table.index) == ["chinchilla", "power_law:x=N"]
    assert table.loc["chinchilla", "difference"] == 0 and table.loc["power_law:x=N", "difference"] > 0
    assert np.isfinite(table[["aicc", "bic", "se"]].to_numpy()).all()
    broken = scaling.compare(frame, ["chinchilla", "annealing"], holdout=0.3)
    assert np.isnan(broken.loc["annealing", "error"]) and broken.loc["annealing", "reason"]


def test_compare_holds_out_the_same_rows_of_all_laws():
    frame = pd.concat(surface())
    table = scaling.compare(frame, ["power_law_offset:x=D", "chinchilla"])
    assert table.attrs["holdout"] == "cutoffs along compute, late ones first"
    pd.testing.assert_frame_equal(table, scaling.compare(frame, ["power_law_offset:x=D", "chinchilla"], holdout="compute"))
    assert scaling.compare(frame, ["power_law:x=N", "power_law:x=D"], holdout=0.2).attrs["holdout"].endswith("by compute")
    tokens = scaling.compare(frame.assign(tokens=frame["D"]), ["power_law:x=N", "chinchilla"], holdout="tokens")
    by_D = scaling.compare(frame, ["power_law:x=N", "chinchilla"], holdout="D")
    np.testing.assert_allclose(tokens["error"], by_D["error"])
    with pytest.raises(FitError, match=r"different columns .N, z.; say holdout="):
        scaling.compare(frame.assign(z=frame["D"]), ["power_law:x=N", "power_law:x=z"])


def test_compare_leaves_out_what_only_one_law_fits():
    """The rows in the warm-up, which a law of schedules has not, must not decide."""
    plan = scaling.schedule("cosine:peak=3e-4,steps=3000,warmup=500")
    law, step = scaling.laws["annealing"], np.arange(520, 3001, 20)
    loss = law(*law.hooks.features(step, plan, **law.conventions).values(), L0=3.0, A=0.5, alpha=0.5, C=0.4)
    rows = pd.DataFrame({"run": "a", "step": step, "loss": loss * (1 + 1e-3 * np.cos(step**2))})
    wild = pd.DataFrame({"run": "a", "step": [100, 200], "loss": [9.0, 7.0]})
    laws = ["annealing", "power_law_offset:x=step"]
    with_, without = (scaling.compare(scaling.Runs.from_frame(f, schedule=plan), laws) for f in (pd.concat([wild, rows]), rows))
    assert with_.attrs["holdout"] == "cutoffs along steps, late ones first"
    np.testing.assert_allclose(with_["error"], without["error"], rtol=1e-6)


@pytest.mark.parametrize(
    ("laws", "holdout", "said"),
    [
        ([], None, "at least one law"),
        (["chinchilla", "chinchilla"], None, "given twice"),
        (["chinchilla"], [1], r"holdout=\[1\]: give a fraction"),
        (["chinchilla"], 1.5, "between 0 and 1"),
        (["chinchilla"], "tokns", "no such column; say compute, size, tokens"),
        (["annealing"], None, "no law could be compared: annealing"),
    ],
)
def test_comparisons_that_cannot_be_made_are_refused(laws, holdout, said):
    with pytest.raises(FitError if "no law" in said else ArgumentError, match=said):
        scaling.compare(surface()[0], laws, holdout)


def test_a_wrong_objective_is_no_fault_of_the_laws_compared():
    with pytest.raises(ArgumentError, match="unknown objective 'l2'"):
        scaling.compare(surface()[0], ["chinchilla", "power_law:x=N"], objective="l2")


def test_mistakes_in_steps_and_horizons_are_answered():
    small = surface()[0]
    with pytest.raises(ArgumentError, match="horizons=5 must be ratios"):
        scaling.backtest(small, "chinchilla").metrics(horizons=5)
    plan = scaling.schedule("wsd:peak=3e-4,steps=100")
    for wrong in ("x", ["a", 2]):
        with pytest.raises(DataError, match="must be step labels"):
            design(plan, scaling.laws["annealing"], fitting=False, steps=wrong)


def test_what_shows_in_no_printed_digit_is_no_extrapolation():
    law = scaling.laws["chinchilla"]
    seen, same, far = (design({"N": n, "D": n}, law, fitting=False) for n in ([1e7, 1e9], [0.995e7, 1.005e9], [1.1e9]))
    assert extrapolation(seen, same) == "inside the range of the data"
    assert "1.1x beyond the largest parameters seen" in extrapolation(seen, far)


def test_curves_are_covered_where_the_delta_method_fails():
    """A curve in the area under the rate, fitted up to 10k steps, predicted up to 40k: the error is the law's, not noise."""
    step = np.arange(2176, 40_001, 128)
    noise = 2e-3 * np.random.default_rng(0).normal(size=len(step))
    rows = pd.DataFrame({"step": step, "loss": 2.78 + 0.6 * (3e-4 * (step - 1080)) ** -0.45 + noise})
    small, large = rows[rows["step"] <= 10_000], rows[rows["step"] > 10_000]
    fit = scaling.fit(small, "power_law_offset:x=step", objective="squares")
    covered = {}
    for interval in ("calibrated", "delta"):
        p = fit.predict(large, interval=interval)
        covered[interval] = ((p["lower"] <= p["loss"]) & (p["loss"] <= p["upper"])).mean()
    assert covered["calibrated"] > 0.8 > 0.3 > covered["delta"]


def test_a_bound_that_no_number_holds_is_infinite_and_no_warning():
    """Once the page of one falling curve warned of an overflow in exp."""
    step = np.arange(50, 4001, 50)
    lr = 1e-3 * np.where(step < 200, step / 200, 0.1 + 0.45 * (1 + np.cos(np.pi * (step - 200) / 3800)))
    noise = np.random.default_rng(5).normal(0, 0.003, len(step))
    loss = (2.8 + 3.1 / (50 * np.cumsum(lr) + 0.05) ** 0.35 - 0.25 * (1 - lr / 1e-3)) * np.exp(noise)
    runs = scaling.Runs.from_frame(pd.DataFrame({"run": "a", "step": step, "lr": lr, "loss": loss}))
    found = scaling.backtest(runs, "functional", interval="calibrated").frame
    assert (found["lower"] <= found["prediction"]).all() and (found["prediction"] <= found["upper"]).all()
    wide = scaling.fit(pd.DataFrame({"x": [1.0, 2, 4, 8, 16], "loss": [3.0, 2.5, 2.2, 2, 1.9]}), "power_law_offset").loss
    assert wide.back(np.array([0.0, 1e4])).tolist() == [1.0, np.inf]
