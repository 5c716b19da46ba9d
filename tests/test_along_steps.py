"""Intervals of laws of steps that read no learning rate, against closed forms and fits of their own."""

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy.stats import norm
from scipy.stats import t as student

import scaling
from scaling import document
from scaling.design.inputs import design
from scaling.errors import DataError
from scaling.intervals import along_steps as room
from scaling.intervals.along_steps import AlongSteps, Beside, along_steps, as_curves
from scaling.intervals.target import Target

STEP = np.arange(50.0, 4001.0, 50.0)
LAW = scaling.laws["power_law_offset"].using(x="step")


def curve(noise=3e-3, seed=0, step=STEP, bend=0.0):
    """E + A / x^a, which bends down late where asked to."""
    loss = 2 + 8 * step**-0.4 - bend * np.log1p(step / 500)
    return pd.DataFrame({"step": step, "loss": loss * np.exp(noise * np.random.default_rng(seed).standard_normal(len(step)))})


@pytest.mark.parametrize("level", [0.5, 0.9])
def test_ends_by_hand(level):
    """Three of ten parts believe the curve, a tenth later rows: their mean, and their scatter beside the law's own."""
    plain, late = {"E": 2.0, "A": 4.0, "a": 0.5}, {"E": 1.9, "A": 4.0, "alpha": 0.5}
    found = AlongSteps(
        ("",) * 4, (0.0,) * 4, 10.0, 1000.0, 0.01, 0.005, 9.0, (Beside(True, plain, 0.3), Beside(False, late, 0.1))
    )
    rows, middle, sd = design({"step": [400.0, 4000.0]}, LAW, fitting=False), np.log([2.3, 2.1]), np.array([0.02, np.nan])
    off = np.array([[0, 0], np.log(2 + 4 / np.sqrt([400, 4000])) - middle, np.log(1.9 + 4 / np.sqrt([400, 4000])) - middle])
    centre = np.array([0.6, 0.3, 0.1]) @ off
    scatter = np.array([0.6, 0.3, 0.1]) @ (off - centre) ** 2
    own = (0.5 * np.array([0.02, 1.0])) ** 2 + 0.001**2 + 0.005**2  # what is not determined is off by a factor e at most
    behind = student.cdf(-np.abs(centre) / np.sqrt(own + scatter + 0.01**2), 12)  # the prediction, which the interval holds
    tail = np.clip(level + behind, 0.5, 0.5 + level / 2)
    half = np.hypot(student.ppf(tail, 12) * np.sqrt(own + scatter), norm.ppf(tail) * 0.01)
    low, high = found.ends(LAW, True, rows, middle, sd, level)
    np.testing.assert_allclose(low, np.minimum(middle + centre - half, middle))
    np.testing.assert_allclose(high, np.maximum(middle + centre + half, middle))
    alone = replace(found, beside=(), slope=0.02)  # nothing else to compare with: its misses per ln of steps
    low, high = alone.ends(LAW, True, design({"step": [4000.0, 1.0]}, LAW, fitting=False), middle, np.zeros(2), level)
    drift, tail = np.sqrt(0.001**2 + 0.005**2 + (0.5 * 0.02 * np.log([4.0, 10.0])) ** 2), 0.5 + level / 2
    np.testing.assert_allclose(high - low, 2 * np.hypot(student.ppf(tail, 12) * drift, norm.ppf(tail) * 0.01))


@pytest.mark.parametrize("level", [0.2, 0.6, 0.9])
def test_an_interval_that_reaches_back_to_the_prediction_holds_its_level(level):
    """The curve beside is believed almost alone, far below: the loss lies around it and never at the prediction."""
    apart = AlongSteps(("",) * 20, (0.0,), 1.0, 1e3, 0.01, 0.0, 0.0, (Beside(True, {"E": 1.9, "A": 1e-9, "a": 0.5}, 1 - 1e-9),))
    rows, middle = design({"step": [400.0]}, LAW, fitting=False), np.log([2.3])
    low, high = apart.ends(LAW, True, rows, middle, np.zeros(1), level)
    there = np.log(1.9) + np.hypot(0.01, 0.001) * np.random.default_rng(0).standard_normal(20_000)
    inside = np.mean((low <= there) & (there <= high))
    assert high == middle and inside == pytest.approx(max(level, 0.5), abs=0.02)


def test_plain_curves_show_what_a_law_misses():
    """Where there are none, what neighbours share counts instead; of curves left out their misses always do."""
    assert along_steps(scaling.fit(curve(bend=0.05), "power_law:x=step")).misfit == 0
    assert along_steps(scaling.fit(surface(), "kaplan_steps")).misfit > 0


def test_a_law_far_off_counts_as_off_by_three_tenths():
    """Of the loss itself where losses are no logarithms; one that cannot be asked there counts so, too."""
    rows, middle = design({"step": [400.0]}, LAW, fitting=False), np.array([2.0])
    for E in (50.0, np.inf):
        far = AlongSteps(("",), (0.0,), 1.0, 1e3, 0.0, 0.0, 0.0, (Beside(True, {"E": E, "A": 1.0, "a": 0.5}, 0.5),))
        low, high = far.ends(LAW, False, rows, middle, np.zeros(1), 0.9)
        half = student.ppf(0.95, 3) * np.sqrt(0.3**2 + 0.002**2)
        assert (low[0], high[0]) == (pytest.approx(2.3 - half), pytest.approx(2.3 + half))


def test_misses_and_beliefs_are_those_of_fits_without_the_rows():
    """Every part against a fit of its own, the plain curve of all rows among them."""
    rows = curve(bend=0.02)
    fit = scaling.fit(rows, "power_law:x=step", objective="log_squares")
    found, length = along_steps(fit), STEP.max()
    assert found.what == tuple(f"what follows step {length / share:.4g}" for share in room.SHARES)
    own, plain = [], []
    for share, error in zip(room.SHARES, found.error, strict=True):
        before = rows["step"] <= length / share
        off = [
            np.log(rows["loss"]) - np.log(scaling.fit(rows[before], law, objective="log_squares").predict(rows)["prediction"])
            for law in ("power_law:x=step", "power_law_offset:x=step")
        ]
        own.append(np.mean(off[0][~before] ** 2))
        plain.append(np.mean(off[1][~before] ** 2))
        assert error == pytest.approx(np.mean(np.abs(off[0][~before])), rel=0.2)
    share = 1 - sum(one.share for one in found.beside)
    first = next(one for one in found.beside if one.curve)
    assert first.share / share == pytest.approx(np.mean(own) / np.mean(plain), rel=0.3)
    whole = scaling.fit(rows, LAW, objective="log_squares").values
    assert constants(first) == pytest.approx((whole["E"], whole["A"], whole["alpha"]), rel=0.05)
    assert len(found.beside) == 5 and all("alpha" in one.values for one in found.beside if not one.curve)


def constants(one):
    return one.values["E"], one.values["A"], one.values["a"]


def test_a_plain_curve_is_not_asked_twice():
    assert sum(one.curve for one in along_steps(scaling.fit(curve(), LAW)).beside) == 2
    held = scaling.fit(curve(), LAW, fixed={"alpha": 0.3})
    assert sum(one.curve for one in along_steps(held).beside) == 4
    assert all(one.values["alpha"] == 0.3 for one in along_steps(held).beside if not one.curve)


@pytest.mark.parametrize("objective", ["log_huber", "squares"])
def test_a_law_that_is_right_is_covered(objective):
    inside = []
    for seed in range(6):
        rows = curve(seed=seed)
        found = scaling.fit(rows[rows["step"] <= 1500], LAW, objective=objective).predict(rows[rows["step"] > 1500])
        inside.append(np.mean((found["lower"] <= found["loss"]) & (found["loss"] <= found["upper"])))
        assert "calibrated by predicting 6 parts" in found.attrs["interval"] and "2.67x the steps" in found.attrs["interval"]
    assert 0.83 <= np.mean(inside) <= 1.0


def surface():
    N, S = (x.ravel() for x in np.meshgrid([1e7, 3e7, 1e8], np.geomspace(1e3, 1e5, 30), indexing="ij"))
    loss = scaling.laws["kaplan_steps"](N, S, N_c=6e13, alpha_N=0.077, S_c=2e3, alpha_S=0.76)
    return pd.DataFrame({"N": N, "S": S, "loss": loss * np.exp(3e-3 * np.random.default_rng(0).standard_normal(len(N)))})


def test_rows_alike_in_all_but_the_step_are_one_curve():
    fit = scaling.fit(surface(), "kaplan_steps")
    found = along_steps(fit)
    assert found.what[-3:] == ("curve 'N = 1e+07'", "curve 'N = 3e+07'", "curve 'N = 1e+08'")
    assert not any(one.curve for one in found.beside) and found.slope > 0
    assert "no other law beside it" in fit.predict({"N": [1e8], "S": [1e6]}).attrs["interval"]
    named = surface().assign(run=np.repeat(["a", "b", "c"], 30))
    assert set(as_curves(design(named, fit.law, fitting=True)).frame["run"]) == {"a", "b", "c"}


@pytest.mark.parametrize(("table", "law"), [(curve(), LAW), (surface(), "kaplan_steps"), (curve()[:5], LAW)])
def test_a_loaded_fit_predicts_at_once_the_same_numbers(tmp_path, monkeypatch, table, law):
    fit, rows = scaling.fit(table, law), table.drop(columns="loss").iloc[-3:] * 2
    fit.save(tmp_path / "fit.json")
    first, loaded = fit.predict(rows), scaling.load(tmp_path / "fit.json")
    monkeypatch.setattr(room, "refit", None)  # nothing is refitted
    pd.testing.assert_frame_equal(loaded.predict(rows), first)
    assert loaded.predict(rows).attrs["interval"] == first.attrs["interval"]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("error", [0.1]),
        ("noise", -1.0),
        ("first", 0.0),
        ("length", 1.0),
        ("beside", [{"curve": True, "values": {}, "share": 0.1}]),
    ],
)
def test_a_damaged_file_is_refused(tmp_path, name, value):
    scaling.fit(curve(), LAW).save(tmp_path / "fit.json")
    saved = json.loads((tmp_path / "fit.json").read_text())

    def changed(part):
        return {k: ({**v, name: value} if k == "steps" else changed(v)) if isinstance(v, dict) else v for k, v in part.items()}

    del saved["sha256"]
    (tmp_path / "fit.json").write_text(json.dumps(document.signed(changed(saved))))
    with pytest.raises(DataError, match="steps"):
        scaling.load(tmp_path / "fit.json")


def test_too_few_rows_fall_back_and_say_so():
    found = scaling.fit(curve()[:5], LAW).predict({"step": [500.0]})
    assert "too few rows" in found.attrs["interval"] and np.isfinite(found["upper"]).all()


def test_the_bounds_of_a_backtest_are_those_of_a_prediction_from_the_rows_before():
    rows = curve()
    found = scaling.backtest(rows, LAW, interval="calibrated", fractions=(0.5,)).frame
    before = rows["step"] < found["step"].min()
    known = scaling.fit(rows[before], LAW).predict(rows[~before])
    width, wanted = (np.log(x["upper"] / x["lower"]).to_numpy() for x in (found, known))
    assert np.median(width / wanted) == pytest.approx(1, abs=0.1)


def test_runs_left_out_of_a_law_of_sizes_have_the_bounds_of_its_drift():
    rows = (
        surface().assign(run=np.repeat(["a", "b", "c"], 30), step=lambda t: t["S"], D=lambda t: 1e5 * t["S"]).drop(columns="S")
    )
    plain, found = (
        scaling.backtest(rows, "chinchilla", by="schedule", interval=name).frame for name in ("delta", "calibrated")
    )
    assert (found["lower"] < found["prediction"]).all() and (found["prediction"] < found["upper"]).all()
    assert not np.allclose(found["upper"], plain["upper"])


def test_a_target_reads_its_rows():
    fit = scaling.fit(curve(), LAW)
    target = Target(fit, {"step": [8000.0]})
    low, high = room.bounds(fit, target.rows, target.middle, 0.9)
    row = fit.predict({"step": [8000.0]}).iloc[0]
    assert (np.exp(low[0]), np.exp(high[0])) == (pytest.approx(row["lower"]), pytest.approx(row["upper"]))
