"""Intervals over sizes by hand: noise, parameters, drift per distance, the other laws; kept with a fit."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.stats import t as student

import scaling
import scaling.formula
from scaling.design.cuts import cuts
from scaling.design.order import beyond, measures
from scaling.intervals import drift as room
from scaling.intervals.calibration import drifting, telling
from scaling.intervals.drift import half_width
from scaling.intervals.target import Target
from scaling.intervals.trials import weights

N = np.geomspace(1e6, 1e9, 40)
LOSS = 500 * N ** -(0.5 - 0.004 * np.log(N / 1e6)) * np.exp(0.002 * np.cos(7 * np.arange(40)))
TABLE = pd.DataFrame({"N": N, "loss": LOSS})


@pytest.fixture(scope="module")
def fit():
    law = scaling.laws["power_law"].using(x="N")
    return scaling.fit(TABLE, law, objective="log_squares", fixed={"alpha": 0.5})


def test_the_drift_of_a_law_by_hand(fit):
    """ln A is a mean, its error that of a mean: every backtest can be done with a pencil."""
    found, o, y = drifting(fit), np.log(N), np.log(LOSS)
    level = y + 0.5 * o
    slope = -np.polyfit(o, y, 1)[0]
    rest = np.sort(np.abs(level - level.mean()))
    noise = np.median(rest[1:]) / 0.6745
    tests = cuts(o)
    misses = []
    for cut in tests:
        seen, test = cut.train, cut.test
        sd2 = level[seen].var(ddof=1) / seen.sum()
        h = np.maximum(o[test] - o[seen].max(), 0.05)
        e = level[test] - level[seen].mean()
        apart = np.zeros(test.sum())
        for other in found.others:
            if seen.sum() >= 2 * len(other.law.params):
                theirs = scaling.fit(TABLE[seen], other.law, objective="log_squares")
                said = np.log(theirs.predict(TABLE[test], interval="delta")["prediction"])
                apart += other.share * np.clip(y[test] - said - e, -0.3, 0.3) ** 2
        misses.append((e**2 - 0.5**2 * sd2 - noise**2 - 0.5**2 * apart) @ h / (h @ h))  # their line on distance through none
    w = weights(tests)
    own = max(w @ misses / w.sum(), 0.0)
    tau2 = max((0.5 * (0.15 * slope) ** 2 + w.sum() * own) / (0.5 + w.sum()), own)
    assert found.tau == pytest.approx(np.sqrt(tau2), rel=1e-3) and found.noise == pytest.approx(noise, rel=1e-5)
    assert found.cutoffs == 8 and found.dof == pytest.approx(min(23 + w.sum(), 60))
    assert found.edges == pytest.approx([np.log(1e9)]) and found.by == "N"
    assert sum(other.share for other in found.others) < 1


def test_the_interval_adds_its_parts_in_squares(fit):
    found, big = drifting(fit), 1e11
    row = fit.predict({"N": [big]}, level=0.8).iloc[0]
    middle, h = np.log(row["prediction"]), np.log(big / 1e9)
    sd2 = (np.log(LOSS) + 0.5 * np.log(N)).var(ddof=1) / 40
    apart = sum(o.share * np.clip(np.log(o.law(np.array([big]), **o.values))[0] - middle, -0.3, 0.3) ** 2 for o in found.others)
    s = np.sqrt(0.5**2 * sd2 + found.noise**2 + found.tau**2 * h + 0.5**2 * apart)
    half = student.ppf(0.9, found.dof) * s
    assert np.log(row["upper"]) - middle == pytest.approx(half, rel=1e-5)
    assert middle - np.log(row["lower"]) == pytest.approx(half, rel=1e-5)
    near = fit.predict({"N": [1e8]}, level=0.8).iloc[0]
    assert np.log(near["upper"] / near["lower"]) < np.log(row["upper"] / row["lower"])


def test_a_row_is_as_far_as_its_furthest_measure():
    table = pd.DataFrame({"N": [1e8, 2e8], "D": [1e9, 4e9], "loss": [3.0, 2.9]})
    made = scaling.fit(
        pd.concat([table] * 4).assign(loss=np.linspace(3, 2.8, 8), N=np.geomspace(1e8, 2e8, 8), D=np.geomspace(1e9, 4e9, 8)),
        "over_training",
    ).design
    at = measures(made, "compute")
    assert at.shape == (3, 8)
    asked = np.log([[6 * 1e8 * 8e9], [1e8], [8e9]])
    assert beyond(asked, at)[0] == pytest.approx(np.log(2.0))  # D twice, compute the same as the largest


def test_downwards_the_smallest_rows_are_predicted(fit):
    small = fit.predict({"N": [1e5]}).iloc[0]
    assert drifting(fit, -1).edges == pytest.approx([-np.log(1e6)])
    assert small["lower"] < small["prediction"] < small["upper"]


def test_laws_that_cannot_be_asked_or_explode_have_no_voice(fit):
    found, target = drifting(fit), Target(fit, {"N": [1e10]})
    sd = np.zeros(1)
    whole = half_width(found, target.rows, target.under, target.middle, sd, fit.loss, 0.9)
    lost = room.Drift(**{**vars(found), "others": ()})
    assert half_width(lost, target.rows, target.under, target.middle, sd, fit.loss, 0.9) <= whole
    assert all(np.isfinite(list(other.values.values())).all() for other in found.others)


def test_what_an_interval_rests_on_is_said(fit):
    said = fit.predict({"N": [1e12]}).attrs["interval"]
    assert "calibrated on 8 backtests and what " in said and "power_law_offset" in said and "in N, you ask for 1e+03x" in said
    assert "assumed to grow on" in said
    assert "assumed to grow on" not in fit.predict({"N": [2e9]}).attrs["interval"]


def test_laws_without_an_order_say_so():
    law = scaling.laws["mixture_exponential"].using(domains="a/b")
    share = np.linspace(0.1, 0.9, 12)
    loss = law(share, 1 - share, c=2.0, k_a=0.5, t_a=-1.0, t_b=0.5) if "k_a" in law.params else 2 + np.exp(-share)
    table = pd.DataFrame({"r_a": share, "r_b": 1 - share, "loss": loss * np.exp(1e-3 * np.cos(5 * np.arange(12)))})
    said = scaling.fit(table, law).predict(table[["r_a", "r_b"]]).attrs["interval"]
    assert "r_a, r_b have no order" in said or "profile" in said


def test_the_choice_of_a_law_makes_its_interval(monkeypatch):
    M, ratio = (x.ravel() for x in np.meshgrid(np.geomspace(2e7, 1e10, 6), [5.0, 10, 20, 40, 80], indexing="ij"))
    loss = scaling.laws["chinchilla"](M, M * ratio, E=1.8, A=480.0, B=2100.0, alpha=0.347, beta=0.367)
    table = pd.DataFrame({"N": M, "D": M * ratio, "loss": loss * np.exp(0.01 * np.cos(9 * np.arange(30)))})
    fit = scaling.fit(table)
    alone = scaling.fit(table, fit.law).predict({"N": [3e10], "D": [3e11]})
    monkeypatch.setattr("scaling.intervals.calibration.tried", None)  # nothing is refitted
    made = fit.predict({"N": [3e10], "D": [3e11]})
    np.testing.assert_allclose(made[["lower", "upper"]], alone[["lower", "upper"]], rtol=1e-3)


def test_exact_tables_are_covered_whatever_their_noise():
    M, ratio = (x.ravel() for x in np.meshgrid(np.geomspace(2e7, 2e10, 12), [5.0, 20, 80], indexing="ij"))
    truth = scaling.laws["chinchilla"](M, M * ratio, E=1.8, A=480.0, B=2100.0, alpha=0.347, beta=0.367)
    small, inside = M * M * ratio <= np.quantile(M * M * ratio, 0.6), []
    for seed in range(4):
        for noise in (0.004, 0.03):
            table = pd.DataFrame(
                {"N": M, "D": M * ratio, "loss": truth * np.exp(noise * np.random.default_rng(seed).standard_normal(len(M)))}
            )
            p = scaling.fit(table[small], "chinchilla").predict(table[~small])
            inside.append(((p["lower"] <= p["loss"]) & (p["loss"] <= p["upper"])).mean())
    assert 0.8 < np.mean(inside) <= 1.0


def test_a_loaded_fit_predicts_at_once(fit, tmp_path, monkeypatch):
    told = fit.predict({"N": [1e10, 1e12]})
    fit.save(tmp_path / "fit.json")
    again = scaling.load(tmp_path / "fit.json")
    monkeypatch.setattr("scaling.intervals.calibration.tried", None)  # nothing is refitted
    found = again.predict({"N": [1e10, 1e12]})
    pd.testing.assert_frame_equal(told, found, rtol=1e-9)
    assert found.attrs["interval"] == told.attrs["interval"]


def test_a_law_beside_that_is_gone_is_asked_no_more(tmp_path):
    @scaling.law("mine", name="drift_passing")
    def passing(x, *, A: scaling.formula.Positive = 1.0, a: scaling.formula.Exponent = 0.4):
        """L = A / x^a / (1 + 1 / ln x)"""
        return A / x**a / (1 + 1 / np.log(x))

    made = scaling.fit(TABLE, scaling.laws["power_law"].using(x="N"))
    made.save(tmp_path / "fit.json")
    assert "drift_passing" in {o.law.name for o in drifting(made).others}
    scaling.laws.remove("drift_passing")
    again = scaling.load(tmp_path / "fit.json")
    assert "drift_passing" not in again.predict({"N": [1e10]}).attrs["interval"]


def test_an_exploding_forecast_is_refused():
    """Farseer on a small noisy table rises without limit beyond it: no number is printed, and it says why."""
    M, ratio = (x.ravel() for x in np.meshgrid(np.geomspace(1e7, 1e9, 5), [2.0, 8, 32, 128, 512], indexing="ij"))
    truth = scaling.laws["chinchilla"](M, M * ratio, E=1.8, A=480.0, B=2100.0, alpha=0.347, beta=0.367)
    for seed in range(8):
        noise = np.exp(0.05 * np.random.default_rng(seed).standard_normal(len(M)))
        fit = scaling.fit(pd.DataFrame({"N": M, "D": M * ratio, "loss": truth * noise}), "farseer")
        if drifting(fit).explodes:
            break
    else:
        pytest.fail("none of these tables makes farseer explode")
    found = fit.predict({"N": [1e8, 1e11, 1e9], "D": [1e9, 1e10, 1e14]})
    assert np.isfinite(found["prediction"].iloc[0])
    beyond_ = found.iloc[1:]
    assert not beyond_["ok"].any() and "explodes" in " ".join(found.attrs["why"])
    said = beyond_["prediction"].to_numpy()
    assert (np.isnan(said) | (said <= (truth * noise).max())).all()


def test_an_edge_whose_forecasts_held_is_a_note():
    from scaling.engine.verdict.judgement import EDGE, Verdict, settled

    judged = Verdict(True, 8, 8, np.inf, ("q",), 10.0, (f"q is {EDGE}", "two optima"), ("few rows",))
    found = settled(judged, "its forecasts held")
    assert found.failures == ("two optima",)
    assert found.warnings == ("few rows", "q is at the edge of the allowed range; its forecasts held")


def test_rows_may_say_less_than_the_table_that_was_fitted():
    rng = np.random.default_rng(2)
    N, M = np.repeat(np.geomspace(1e7, 1e9, 6), 5), np.tile([5.0, 10, 20, 40, 80], 6)
    whole = pd.DataFrame({"N": N, "D": M * N, "M": M, "C": 6 * M * N**2})
    whole["loss"] = scaling.laws["chinchilla"].published["besiroglu2024"](N, M * N) * np.exp(0.003 * rng.normal(size=30))
    fit = scaling.fit(whole, "over_training")
    more, less = (fit.predict(row) for row in ({"N": [5e9], "M": [20], "D": [1e11]}, {"N": [5e9], "M": [20]}))
    pd.testing.assert_frame_equal(more[["lower", "upper"]], less[["lower", "upper"]])
    bare = scaling.fit(whole[["C", "loss"]], "power_law_offset:x=C")
    assert np.isfinite(bare.predict({"C": [1e21], "N": [1e9]})[["lower", "upper"]].to_numpy()).all()


def test_ends_of_runs_are_predicted_beside_laws_that_read_whole_curves():
    runs = scaling.read(Path(scaling.__file__).parent / "samples/ladder")
    fit = scaling.fit(runs)
    found = fit.predict(runs)
    assert len(found) == len(fit.design) and (found["lower"] < found["upper"]).all()


def grid(bad=None, noise=0.004):
    """A table of sizes and tokens of a known law, with one row a third off."""
    M, ratio = (x.ravel() for x in np.meshgrid(np.geomspace(2e7, 2e9, 8), [5.0, 10, 20, 40, 80], indexing="ij"))
    loss = scaling.laws["chinchilla"](M, M * ratio, E=1.8, A=480.0, B=2100.0, alpha=0.347, beta=0.367)
    loss *= np.exp(noise * np.random.default_rng(1).standard_normal(len(M)))
    if bad is not None:
        loss[bad] *= 0.7
    return pd.DataFrame({"N": M, "D": M * ratio, "loss": loss})


@pytest.mark.parametrize("law", ["chinchilla", "auto"])
@pytest.mark.parametrize("bad", [0, 20, 38, 39])
def test_a_row_that_is_named_is_no_drift(law, bad):
    """Intervals were 4 to 20 times as wide for one row, and widest where it was the largest."""
    asked = {"N": [5e9, 2e10], "D": [1e11, 4e11]}
    fit = scaling.fit(grid(bad), law)
    assert fit.findings.strange.tolist() == [bad]
    found = fit.predict(asked)
    without = scaling.fit(grid().drop(index=bad), law).predict(asked)  # what the rows that belong say
    half, alone = (np.log(p["upper"] / p["lower"]) / 2 for p in (found, without))
    moved = np.abs(np.log(found["prediction"] / without["prediction"]))
    assert (half < 1.2 * alone + 2 * moved).all() and (half > 0.8 * alone).all()
    assert (moved < half).all()


def test_the_interval_holds_what_rows_that_do_not_belong_do_to_the_forecast():
    """Squares follow a row that is a third off: the interval reaches to the forecast without it, which is not to be trusted."""
    fit = scaling.fit(grid(37), "chinchilla", objective="log_squares")
    found, truth = fit.predict({"N": [2e10], "D": [4e11]}).iloc[0], scaling.fit(grid().drop(index=37), "chinchilla")
    assert found["lower"] < truth.predict({"N": [2e10], "D": [4e11]})["prediction"].iloc[0] < found["upper"]
    assert not found["ok"]


def test_rows_that_do_not_belong_beyond_all_others_are_a_break_and_drift():
    """The three largest runs that leave the law together are where something else begins; three among the others are not."""
    asked, table = {"N": [5e9], "D": [1e11]}, grid()
    C = table["N"] * table["D"]
    half = {}
    for name, rows in (("last", C.nlargest(3).index), ("among", C.sort_values().index[[12, 20, 28]])):
        table = grid()
        table.loc[rows, "loss"] *= 0.8
        fit = scaling.fit(table, "chinchilla")
        assert set(fit.findings.strange) == set(rows)
        assert len(telling(fit, "compute")) == (40 if name == "last" else 37)
        found = fit.predict(asked)
        half[name] = np.log(found["upper"] / found["lower"])[0] / 2
    assert half["last"] > 4 * half["among"]


def test_the_names_of_rows_decide_nothing():
    asked, table = {"N": [5e9], "D": [1e11]}, grid(20)
    plain, alike = (scaling.fit(t, "chinchilla").predict(asked) for t in (table, table.set_axis([0] * len(table))))
    pd.testing.assert_frame_equal(plain, alike)
