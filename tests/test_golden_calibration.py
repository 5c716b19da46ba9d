"""Golden numbers of the calibration's smaller parts: lines that no other test would miss, each broken by `make mutants`."""

import numpy as np
import pandas as pd
import pytest
from scipy.special import ndtri

import scaling
from scaling.design.cuts import Cut
from scaling.intervals import calibrate as room
from scaling.intervals.calibrate import Calibration, Member, bounds, calibrate, words
from scaling.intervals.rivals import Rival

LAW = scaling.laws["power_law"].using(x="N")


class Known:
    """Fits whose prediction and variance are given."""

    def __init__(self, mu, v):
        self.mu, self.v = np.array(mu, float), np.array(v, float)

    def model(self, rows):
        return rows

    def predict(self, model):
        return self.mu[None], self.v[None]


def member(label="own", late=False, mu=(0.0,), v=(1.0,)):
    return Member(Rival(LAW, {}, label), late, Known(mu, v), 5, 1.0, 1.0, 1.0, 0.0, 1e9, 0.9)  # type: ignore[arg-type]


def found(*members, by="compute", cutoffs=5, reach=20.0):
    return Calibration(list(members), cutoffs, np.log(reach), edge=3.0, by=by, sign=1, coverage=0.876)


@pytest.mark.parametrize(
    ("one", "asked", "said"),
    [
        (
            found(member(), member(late=True), member("broken"), member("broken", late=True), member("offset")),
            np.log(10),
            "calibrated on 5 backtests, with rival laws (broken; offset); checked up to 20x in compute, you ask for 10x; "
            "in those backtests 88% lie inside",
        ),
        (
            found(member(), member(late=True), by="size"),
            np.log(40),
            "calibrated on 5 backtests, no rival law; checked up to 20x in model size, you ask for 40x; "
            "in those backtests 88% lie inside; beyond the longest backtest the error is assumed to grow with distance",
        ),
        (
            found(member(), member("other"), by="width", reach=1.0),
            -1.0,
            "calibrated on 5 backtests, with rival laws (other); checked up to 1x in width, you ask for 1x; "
            "in those backtests 88% lie inside",
        ),
        (
            found(member(), by=None, cutoffs=3),
            0.0,
            "calibrated on 3 backtests, no rival law; checked up to 20x, you ask for 1x; in those backtests 88% lie inside",
        ),
        (
            found(member(), cutoffs=2),
            0.0,
            "delta method plus row noise, assumes the law is exact: too few rows to hold some back for backtests",
        ),
        (found(), 0.0, "delta method plus row noise, assumes the law is exact: too few rows to hold some back for backtests"),
    ],
)
def test_what_an_interval_rests_on_is_said(one, asked, said):
    assert words(one, np.array([0.0, 3.0 + asked]), 0.9) == said


def miss(error, variance, distance, tail=2.0):
    n = len(error)
    cut = Cut("", np.zeros(n, bool), np.ones(n, bool), np.array(distance, float))
    return room._miss(np.array(error, float), np.array(variance, float), cut, tail)


def test_a_miss_by_hand():
    out = miss([0.2, -0.4, 0.1, 0.3], [0.04, 0.01, 0.0, 0.09], [0.1, 0.5, 0.01, -0.2])
    np.testing.assert_allclose(out.scaled, [0.5, 2.0, 0.1 / 1e-6 / 2, 0.5])  # a bar of nothing is the digits of the log
    np.testing.assert_allclose(out.drift, [2.0, 0.8, 0.1 / 0.05])  # near the edge 0.05 counts, within it nothing
    assert out.error == pytest.approx((0.04 + 0.16 + 0.01 + 0.09) / 4) and out.reach == 0.5
    assert miss([0.1], [0.04], [0.0]).drift.size == 0


@pytest.mark.parametrize(("error", "variance"), [(np.nan, 0.04), (0.2, np.inf), (0.2, np.nan), (0.2, 1.0), (0.2, 1.5)])
def test_rows_that_could_not_be_predicted_do_not_count(error, variance):
    """One in ten is left out; of more the backtest says nothing. A law that is off by a factor e predicts nothing either."""
    ten = miss([0.2] * 9 + [error], [0.04] * 9 + [variance], [1.0] * 9 + [7.0])
    assert len(ten.scaled) == len(ten.drift) == 9 and ten.reach == 1.0
    assert miss([0.2] * 8 + [error], [0.04] * 8 + [variance], [1.0] * 9) is None


def test_members_without_a_finite_prediction_have_no_voice():
    good = member(mu=[1.0, 2.0], v=[0.04, 0.04])
    bad = [member(mu=[1.0, np.nan], v=[0.04, 0.04]), member(mu=[1.0, 2.0], v=[0.04, np.inf])]
    for members in ([good], [good, *bad], [*bad, good]):
        low, high = bounds(found(*members), lambda law: None, np.zeros(2), np.array([1.0, 2.0]), 0.9)
        np.testing.assert_allclose(high, np.array([1.0, 2.0]) + 0.2 * ndtri(0.95), rtol=1e-8)
        np.testing.assert_allclose(low, np.array([1.0, 2.0]) - 0.2 * ndtri(0.95), rtol=1e-8)
    low, high = bounds(found(*bad), lambda law: None, np.zeros(2), np.zeros(2), 0.9)
    assert low.shape == high.shape == (2,) and np.isnan([low, high]).all()


def test_quantiles_of_mixtures_differ_from_row_to_row():
    """Two rows far apart: each has its own ends to search between."""
    weights, middles = np.array([0.5, 0.5]), np.array([[0.0, 100.0], [0.5, 101.0]])
    ends = room._quantile(weights, middles, np.full((2, 2), 0.1), 0.5)
    np.testing.assert_allclose(ends, [0.25, 100.5], atol=1e-9)


N = np.geomspace(1e6, 1e9, 40)
TABLE = pd.DataFrame({"N": N, "width": N[::-1], "loss": 500 / N**0.4 * np.exp(0.01 * np.cos(7 * np.arange(40)))})


def told(**settings):
    fit = scaling.fit(TABLE, LAW, objective="log_squares")
    params = tuple(LAW.params.values())
    made = calibrate(fit.design.frame, LAW, fit.design, fit.loss, fixed={}, params=params, seed=0, **settings)
    one = made.members[0]
    return made.by, made.edge, one.error, one.stretch, one.reach, one.dof


def test_what_the_rows_are_ordered_by():
    natural = told()
    assert natural[0] == "N" and natural[1] == pytest.approx(np.log(1e9)) and told(by="schedule") == natural
    down = told(by="width")
    assert down[0] == "width" and down[1] == pytest.approx(np.log(1e9)) and down[2] != natural[2]
    assert told(sign=-1)[1] == pytest.approx(-np.log(1e6))


def test_some_of_the_rows_and_many_of_them(monkeypatch):
    every, some = told(), told(rows=np.arange(0, 40, 2))
    assert some[1] == pytest.approx(np.log(N[38])) and some != every
    # more rows than are worth their time are thinned evenly from the first to the last, each counting for several
    monkeypatch.setattr(room, "MOST_ROWS", 14)
    thin = np.linspace(0, 39, 14).round().astype(int)
    assert thin[-1] == 39 and told() == told(rows=thin) != every
    assert told()[5] == pytest.approx(38.0)  # 14 rows stand for 40, of which the law takes 2
    monkeypatch.setattr(room, "MOST_ROWS", 40)
    assert told() == every
