"""Calibrated intervals against closed forms: a law of one free parameter, whose backtests can be done by hand."""

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
import pytest
from scipy.special import ndtri
from scipy.stats import norm
from scipy.stats import t as student

import scaling
from scaling.design.inputs import design
from scaling.intervals.calibrate import Calibration, Member, bounds, calibrate
from scaling.intervals.calibration import drifting
from scaling.intervals.distance import extrapolation
from scaling.intervals.rivals import Rival, rivals
from scaling.intervals.target import Target

N = np.geomspace(1e6, 1e9, 30)
FRACTIONS = (0.4, 0.5, 0.6, 0.7, 0.8)


def trial(loss, x="step"):
    """The calibration of A / N^0.5 fitted to ln loss, and the same by hand: ln A is a mean, its error that of a mean."""
    law, y = scaling.laws["power_law"].using(x=x), np.log(loss)
    fit = scaling.fit(pd.DataFrame({x: N, "loss": loss}), law, objective="log_squares", fixed={"alpha": 0.5})
    params = tuple(p for p in law.params.values() if p.name == "A")
    found = calibrate(
        law, fit.design, fit.loss, fixed={"alpha": 0.5}, params=params, seed=0
    )  # fmt: skip
    o, level = np.log(N), y + 0.5 * np.log(N)
    votes, squares, drifts, scaled, reach = [], [], [], [], 0.0
    for fraction in FRACTIONS:
        at = np.quantile(o, fraction)
        seen = o <= at + 1e-12
        n = seen.sum()
        variance = level[seen].var(ddof=1) * (1 + 1 / n)
        e, d = np.abs(level[~seen] - level[seen].mean()), o[~seen] - at
        z = e / np.sqrt(variance) / (student.ppf(0.95, n - 1) / ndtri(0.95))
        votes.append(np.sqrt(np.mean(z**2)))
        squares.append(np.mean(e**2))
        scaled.append(z)
        drifts.append(e / np.maximum(d, 0.05))
        reach = max(reach, d.max())
    stretch = max(1.0, np.median(votes))
    hand = {
        "stretch": stretch,
        "error": np.median(squares),
        "drift": 0.5 * np.median(np.concatenate(drifts)) / 0.6745,  # half of the sd that a median of |e| / d stands for
        "reach": reach,
        "dof": 29.0,
        "cutoffs": 5,
        "coverage": np.mean(np.concatenate(scaled) <= stretch * ndtri(0.95)),
    }
    return fit, found, hand, np.median(votes)


def bent():
    """A law that is nearly right: its exponent drifts with size."""
    return 500 * N ** -(0.5 - 0.004 * np.log(N / 1e6)) * np.exp(0.002 * np.cos(7 * np.arange(30)))


def settling():
    """Losses that scatter less the larger the run, so that every backtest misses by less than its bar."""
    return 500 * N**-0.5 * np.exp(0.05 * np.cos(7 * np.arange(30)) * np.exp(-np.arange(30) / 8))


@pytest.mark.parametrize(("loss", "widened"), [(bent(), True), (settling(), False)])
def test_belief_stretch_and_drift_of_a_member_by_hand(loss, widened):
    _, found, hand, median = trial(loss)
    assert (median > 1) == widened
    member = found.members[0]
    for name, value in hand.items():
        assert getattr(member, name) == pytest.approx(value, rel=1e-6), name
    assert (found.cutoffs, found.edge, found.sign) == (5, pytest.approx(np.log(1e9)), 1)
    assert found.coverage == member.coverage and found.reach == member.reach


@dataclass
class Known:
    """Fits whose prediction and variance are given."""

    mu: np.ndarray
    v: np.ndarray

    def model(self, rows):
        return rows

    def predict(self, model):
        return self.mu[None], self.v[None]


def member(mu, v, *, error=1.0, stretch=1.0, drift=0.0, dof=1e9):
    rival = Rival(scaling.laws["power_law"], {}, "")
    fits = Known(np.array(mu, float), np.array(v, float))
    return Member(rival, False, fits, 5, 1.0, error, stretch, drift, dof, 0.9)  # type: ignore[arg-type]


def ends(members, o, middle, level=0.9):
    found = Calibration(members, 5, reach=1.0, edge=2.0, by="step", sign=1, coverage=0.9)
    return bounds(found, lambda law: None, np.array(o, float), np.array(middle, float), level)


@pytest.mark.parametrize("level", [0.5, 0.9])
def test_one_member_gives_its_own_stretched_and_drifting_bar(level):
    """Up to edge + reach = 3 only the stretched bar; beyond, drift per unit of distance is added in squares."""
    one = member([0.0, 0.0, 0.0], [0.04, 0.04, 9.0], stretch=1.5, drift=0.3, dof=7.0)
    low, high = ends([one], [2.5, 5.0, 2.0], np.zeros(3), level)
    bar = 1.5 * np.array([0.2, 0.2, 1.0]) * student.ppf(0.5 + level / 2, 7) / ndtri(0.5 + level / 2)  # at most a factor e
    half = np.hypot(bar, [0.0, 0.3 * 2.0, 0.0]) * ndtri(0.5 + level / 2)
    np.testing.assert_allclose(high, half, rtol=1e-9)
    np.testing.assert_allclose(low, -half, rtol=1e-9)


def test_members_are_believed_in_proportion_to_one_over_their_squared_error():
    """The ends cut 5 % off the mixture 0.8 N(0, 0.1) + 0.2 N(1, 0.2): errors 1 and 4."""
    mixed = [member([0.0], [0.01], error=1.0), member([1.0], [0.04], error=4.0)]
    low, high = ends(mixed, [2.0], [0.5])
    for q, end in ((0.05, low[0]), (0.95, high[0])):
        assert 0.8 * norm.cdf(end / 0.1) + 0.2 * norm.cdf((end - 1) / 0.2) == pytest.approx(q, abs=1e-8)
    for middle in (-9.0, 9.0):  # the prediction lies inside, whatever the mixture says
        wide = ends(mixed, [2.0], [middle])
        assert (wide[0][0], wide[1][0]) == (min(low[0], middle), max(high[0], middle))


def test_the_calibrated_interval_is_that_of_its_members():
    """`predict` asks every member, weighs and widens: the same from the members' own predictions, mixed by hand."""
    fit, found, _, _ = trial(bent())
    big = 1e11
    row = fit.predict(pd.DataFrame({"step": [big]})).iloc[0]
    beyond = np.log(big) - np.log(1e9) - found.reach
    assert beyond > 0 and len(found.members) > 1
    weights, mu, sd = [], [], []
    for one in found.members:
        middle, v = (x[0, 0] for x in one.fits.predict(one.fits.model(design({"step": [big]}, one.rival.law, fitting=False))))
        bar = one.stretch * np.sqrt(v) * student.ppf(0.95, one.dof) / ndtri(0.95)
        weights.append(1 / one.error)
        mu.append(middle)
        sd.append(np.hypot(bar, one.drift * beyond))
    weights = np.array(weights) / sum(weights)
    for q, end in ((0.05, row["lower"]), (0.95, row["upper"])):
        assert weights @ norm.cdf((np.log(end) - mu) / sd) == pytest.approx(q, abs=1e-6)


@pytest.mark.parametrize("x", ["step", "N"])
def test_a_target_is_read_once_per_law(monkeypatch, x):
    """Prediction, components, interval and distance share the rows: one reading by the law and one by each rival law."""
    fit, *_ = trial(bent(), x)
    rows = pd.DataFrame({x: [1e10]})
    fit.predict(rows)
    read = []
    monkeypatch.setattr("scaling.intervals.target.design", lambda d, law, **k: read.append(law) or design(d, law, **k))
    fit.predict(rows)
    asked = {fit.law, *(r.law for r in rivals(fit.law, fit.fixed))}
    if x == "N":
        asked = {fit.law, *(other.law for other in drifting(fit).others)}
    assert len(read) == len(set(read)) and set(read) <= asked and fit.law in read


def test_moments_of_a_target_are_the_delta_method_and_the_noise():
    fit, *_ = trial(bent(), "N")
    target = Target(fit, {"N": [1e7, 1e10]})
    np.testing.assert_allclose(target.deviation(), target.value * fit.cov.noise / np.sqrt(30), rtol=1e-8)
    np.testing.assert_allclose(target.noise(), target.value * fit.cov.noise, rtol=1e-12)
    np.testing.assert_allclose(np.exp(target.middle), target.value, rtol=1e-12)
    lost = replace(fit, cov=replace(fit.cov, condition=1e8, root=1e6 * fit.cov.root))
    assert np.isnan(Target(lost, {"N": [1e7]}).deviation()).all()


@pytest.mark.parametrize("what", ["tokens", "n_params", "steps"])
def test_the_only_input_orders_the_rows_whatever_it_is(what):
    """A table with a column x, by which a law of one input is extrapolated, whatever its convention says that x is."""
    law = scaling.laws["power_law"].using(x=what)
    fit = scaling.fit(pd.DataFrame({"x": N, "loss": bent()}), law)
    row = fit.predict({"x": [1e10]}).iloc[0]
    assert row["lower"] < row["prediction"] < row["upper"]


def test_distance_counts_from_the_edge_of_the_data():
    fit, *_ = trial(bent(), "N")
    said = extrapolation(fit.design, Target(fit, {"N": [5e5, 4e9]}).rows)
    assert said == "4x beyond the largest x seen; below the smallest x seen (5e+05 < 1e+06)"
