"""When a fit says OK: each kind of table that no one should trust is answered, and healthy tables are left alone."""

import numpy as np
import pandas as pd
import pytest

import scaling
from benchmarks.verdict import families
from scaling.design.inputs import design
from scaling.errors import DataError

NOISE = 0.003
TARGET = {"N": [1e10], "D": [4e11]}


def table(n=30, kind="random", noise=NOISE, seed=0):
    return families.surface(np.random.default_rng(seed), n, kind, noise)


def truth(N, D):
    return 1.82 + 482 / N**0.348 + 2085 / D**0.366


def on_a_line(n=16, noise=0.002, seed=0):
    N = np.geomspace(1e7, 1e9, n)
    loss = truth(N, 20 * N) * np.exp(noise * np.random.default_rng(seed).normal(size=n))
    return pd.DataFrame({"N": N, "D": 20 * N, "loss": loss})


@pytest.mark.parametrize("seed", range(20, 30))
def test_healthy_tables_are_left_alone(seed):
    case = families.good(seed)
    fit = scaling.fit(case.table, case.law)
    lines = [said for said in fit.warnings if "lie on the line" in said]
    assert fit.ok and fit.warnings == lines and bool(lines) == (case.kind == "good line")
    assert fit.predict(case.table)["ok"].all()


@pytest.mark.parametrize("seed", [*range(38, 57), 59])
def test_no_bad_table_passes_in_silence(seed):
    case = families.bad(seed)
    fit = scaling.fit(case.table, case.law)
    named = fit.design.frame.index[fit.findings.strange]
    assert not fit.ok or (len(case.planted) and set(case.planted) <= set(named)), fit
    assert fit.ok or not fit.predict(case.table)["ok"].any() or case.law == "multi_power_5"


def test_on_the_line_of_all_runs_a_forecast_holds_and_off_it_none():
    fit = scaling.fit(on_a_line(), "chinchilla")
    assert fit.ok and "D = 20 N" in fit.warnings[0] and "D/N = 60 or 6.7 would decide" in fit.warnings[0]
    N = np.array([3e9, 3e9, 3e9, 3e9])
    D = np.array([20.0, 30.0, 200.0, 2.0]) * N
    out = fit.predict({"N": N, "D": D})
    assert out["ok"].tolist() == [True, True, False, False]
    assert "rows 2, 3: off the line D = 20 N" in out.attrs["why"][0]
    assert ((out["lower"] <= truth(N, D)) & (truth(N, D) <= out["upper"])).all()
    width = (out["upper"] - out["lower"]) / out["prediction"] / 2
    assert width[0] < 4 * 0.002 and width[2] > 10 * width[0]


def test_a_line_that_is_left_by_enough_says_nothing():
    rows = on_a_line(24, noise=0.0005)
    rows["D"] *= np.tile([0.6, 1.0, 1.7], 8)
    rows["loss"] = truth(rows["N"], rows["D"]) * np.exp(0.0005 * np.random.default_rng(1).normal(size=24))
    assert not any("line" in said for said in scaling.fit(rows, "chinchilla").warnings)


@pytest.mark.parametrize(("spoil", "cause"), [
    (lambda d, k: d.loc[k, "loss"] * 10, "10 times what they should be"),
    (lambda d, k: d.loc[k, "loss"] / np.log(2), "in bits, not nats"),
    (lambda d, k: d.loc[k, "loss"] * 1.5, "all about 1.5 times"),
])  # fmt: skip
def test_losses_that_do_not_belong_are_named_with_their_cause_and_a_remedy(spoil, cause):
    rows, k = table(40), [3, 11, 25]
    rows.loc[k, "loss"] = spoil(rows, k)
    fit = scaling.fit(rows, "chinchilla")
    said = next(w for w in fit.warnings if "not belong" in w)
    assert "3 rows do not belong" in said and cause in said and all(f"row {row} " in said for row in k)
    assert cause in str(fit)
    where = said.split('where="')[1].split('"')[0]
    mended = scaling.fit(rows, "chinchilla", where=where)
    assert len(mended.data) == 37 and mended.ok and not mended.warnings


@pytest.mark.parametrize("column", ["vocab", "Vocab size", "V"])
def test_rows_of_another_vocabulary_are_told_as_such(column):
    """A smaller vocabulary costs less a token: once its rows were as if in nats, and the others in bits."""
    rows, k = table(40), [3, 11, 25]
    rows.loc[k, "loss"] *= np.log(2)
    rows[column] = np.where(rows.index.isin(k), 1000, 50257)
    said = next(w for w in scaling.fit(rows, "chinchilla").warnings if "not belong" in w)
    assert "of other vocabularies, 1,000 tokens and not 50,257: losses a token" in said and "nats" not in said
    rows[column] = np.where(rows.index.isin([3, 4, 5]), 1000, 50257)  # which is no reason
    assert any("in nats, not bits" in w for w in scaling.fit(rows, "chinchilla").warnings)


def test_swapped_columns_and_units_are_recognised():
    rows = table(40)
    rows.loc[[4, 9], ["N", "D"]] = rows.loc[[4, 9], ["D", "N"]].to_numpy()
    assert any("N and D were swapped" in said for said in scaling.fit(rows, "chinchilla").warnings)
    rows = table(40)
    rows.loc[[4, 9, 20], "D"] /= 1e9
    assert any("D were 1e-9 of what it should be" in said for said in scaling.fit(rows, "chinchilla").warnings)
    rows = table(40)
    rows.loc[::2, "N"] /= 1e6
    fit = scaling.fit(rows, "chinchilla")
    assert not fit.ok and any("units of 1e+06" in said for said in fit.warnings)


def test_rows_that_move_the_forecast_make_it_untrustworthy():
    rows = table(40)
    last = rows["N"].mul(rows["D"]).nlargest(2).index
    rows.loc[last, "loss"] *= 0.9
    fit = scaling.fit(rows, "chinchilla", objective="log_squares")
    assert not fit.ok and any("moves a forecast of a 6x larger run" in said for said in fit.warnings)
    assert not fit.predict(TARGET)["ok"][0]


@pytest.mark.parametrize("scale", [1e-6, 1e-3, 1e3, 1e6])
@pytest.mark.parametrize("objective", ["log_huber", "log_squares", "huber"])
def test_weights_are_relative(scale, objective):
    rows = table(30).assign(weight=np.random.default_rng(1).uniform(0.5, 2, 30))
    one = scaling.fit(rows, "chinchilla", objective=objective)
    other = scaling.fit(rows.assign(weight=scale * rows["weight"]), "chinchilla", objective=objective)
    np.testing.assert_allclose(other.errors(), one.errors(), rtol=1e-9)
    for interval in ("calibrated", "delta"):
        ends = [fit.predict(TARGET, interval=interval)[["lower", "upper"]] for fit in (one, other)]
        np.testing.assert_allclose(ends[1], ends[0], rtol=1e-9)


def test_copies_count_once():
    rows = table(24)
    copies = pd.concat([rows] * 20, ignore_index=True)
    np.testing.assert_allclose(scaling.fit(copies, "chinchilla").errors(), scaling.fit(rows, "chinchilla").errors(), rtol=1e-6)
    assert design(copies, scaling.laws["chinchilla"], fitting=True).weights.sum() == pytest.approx(24)


def test_exact_data_have_intervals_of_zero_width():
    fit = scaling.fit(table(40, noise=0.0), "chinchilla", objective="log_squares")
    out = fit.predict(TARGET)
    assert fit.ok and out["ok"][0] and out["lower"][0] == out["upper"][0] == pytest.approx(out["prediction"][0], rel=1e-12)
    assert "of zero width" in out.attrs["interval"]


def test_negative_losses_are_told_what_to_do():
    rows = table(30)
    with pytest.raises(DataError, match="objective='squares'"):
        scaling.fit(rows.assign(loss=rows["loss"] - 6), "chinchilla")
    for objective in ("squares", "huber", "soft_l1", "student_t"):
        assert scaling.fit(rows, "chinchilla", objective=objective, delta=0.01).ok


def test_without_backtests_a_bound_does_not_narrow():
    """Six rows of E + A / x^a whose fit ends at E = 0: the interval still holds the truth."""
    x, inside = np.geomspace(1e3, 1e5, 6), []
    for seed in range(30):
        loss = (2.0 + 30 / x**0.3) * np.exp(0.01 * np.random.default_rng(seed).normal(size=6))
        out = scaling.fit(pd.DataFrame({"x": x, "loss": loss}), "power_law_offset").predict({"x": [1e7]})
        inside.append(out["lower"][0] <= 2.0 + 30 / 1e7**0.3 <= out["upper"][0])
    assert np.mean(inside) >= 0.85


def test_rows_keep_their_verdict_when_a_fit_is_saved(tmp_path):
    fit = scaling.fit(on_a_line(), "chinchilla")
    fit.save(tmp_path / "fit.json")
    again = scaling.load(tmp_path / "fit.json")
    far = {"N": [3e9, 3e9], "D": [6e10, 6e11]}
    pd.testing.assert_frame_equal(again.predict(far), fit.predict(far))
    assert again.predict(far).attrs["why"] == fit.predict(far).attrs["why"]


def test_infinite_slopes_are_an_answer():
    from scaling.synthetic import runs_of

    law = scaling.laws["mixture_joint"]
    rows = runs_of(law, {name: p.start for name, p in law.params.items()}, 60, size=0.003)
    assert not scaling.fit(rows, law).ok


@pytest.mark.parametrize("seed", range(4))
def test_runs_of_few_budgets_are_no_line_of_size_and_ratio(seed):
    C, spread = (x.ravel() for x in np.meshgrid(3e16 * 2.2 ** np.arange(3), np.linspace(-1.3, 1.3, 4), indexing="ij"))
    N = np.sqrt(C / 120) * np.exp(spread)
    loss = truth(N, C / 6 / N) * np.exp(0.002 * np.random.default_rng(seed).normal(size=12))
    fit = scaling.fit(pd.DataFrame({"N": N, "D": C / 6 / N, "loss": loss}), "over_training")
    out = fit.predict({"N": [4e8], "D": [8e9]})
    assert "lie on the line" not in str(fit) and np.isfinite(out["upper"]).all() and out["ok"].all()


def test_a_grid_of_two_by_two_is_no_line_and_a_line_may_have_other_inputs():
    rng = np.random.default_rng(3)
    law = scaling.laws["multilingual"]
    N = np.repeat([2e7, 7e7], 24)
    p = np.tile([0.05, 0.1, 0.4, 0.7], 12)
    made = {"E": 1.0, "A": 400.0, "B": 1100.0, "alpha": 0.34, "beta": 0.37, "gamma": 0.1}
    for D, on_line in ((np.tile(np.repeat([1.5e9, 3e9], 4), 6), False), (20 * np.geomspace(2e7, 2e9, 48), True)):
        N_ = np.geomspace(2e7, 2e9, 48) if on_line else N
        table = pd.DataFrame({"N": N_, "D": D, "p": p})
        table["loss"] = law(N_, D, p, **made) * np.exp(rng.normal(0, 0.004, 48))
        fit = scaling.fit(table, law)
        assert ("lie on the line" in str(fit)) is on_line
        if on_line:
            far = pd.DataFrame({"N": [1e10, 1e10], "D": [2e11, 2e11], "p": [0.05, 0.7]})
            got, truth = fit.predict(far), law(far["N"], far["D"], far["p"], **made)
            assert got["ok"].all() and ((got["lower"] < truth) & (truth < got["upper"])).all()


def test_outliers_of_every_size_leave_no_gap_and_are_named():
    """As the five points of Hoffmann et al.'s figure: the furthest by 40 deviations, the next by 30, 20, 12 and 8."""
    rng = np.random.default_rng(5)
    N, D = 10 ** rng.uniform(7, 10, 200), 10 ** rng.uniform(9, 12, 200)
    exact = scaling.laws["chinchilla"].published["besiroglu2024"](N, D)
    noise = 0.005 * rng.normal(size=200)
    noise[:5] = 0.005 * np.array([40, 30, 20, 12, 8])
    fit = scaling.fit(pd.DataFrame({"Model Size": N, "training tokens": D, "loss": exact * np.exp(noise)}), "chinchilla")
    assert "5 rows do not belong: row 0 (+20 %, +39 sd), row 1 (+14.8 %" in str(fit) and fit.ok
    assert "N is column 'Model Size'" in str(fit) and "D is column 'training tokens'" in str(fit)
    heavy = [np.exp(0.005 * rng.standard_t(4, 200)) for _ in range(10)]
    fits = [scaling.fit(pd.DataFrame({"N": N, "D": D, "loss": exact * tail}), "chinchilla") for tail in heavy]
    assert all(fit.ok for fit in fits) and sum(fit.findings.strange.size for fit in fits) <= 5  # of 2000 rows


@pytest.mark.parametrize(("name", "asked"), [("N", {"N": 1.0, "D": 4e11}), ("D", {"N": 1e10, "D": 4e17})])
def test_forecasts_in_other_units_than_the_rows_fitted_are_not_ok(name, asked):
    fit = scaling.fit(table(), "chinchilla")
    out = fit.predict({k: [v, TARGET[k][0]] for k, v in asked.items()})
    assert list(out["ok"]) == [False, True]
    assert f"row 0: the rows fitted have {name}" in out.attrs["why"][0] and "units" in out.attrs["why"][0]
