"""Golden numbers of the calibration's smaller parts: lines that no other test would miss, each broken by `make mutants`."""

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
import pytest
from scipy.special import ndtri
from scipy.stats import t as student

import scaling
from scaling.design.cuts import Cut
from scaling.design.inputs import design
from scaling.engine.losses import Loss
from scaling.intervals import calibrate as room
from scaling.intervals import trials
from scaling.intervals.calibrate import Calibration, Member, bounds, calibrate, words
from scaling.intervals.rivals import Rival, rivals

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
    assert words(one, np.array([0.0, 3.0 + asked])) == said


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
    made = calibrate(LAW, fit.design, fit.loss, fixed={}, params=params, seed=0, **settings)
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
    monkeypatch.setattr(trials, "MOST_ROWS", 14)
    thin = np.linspace(0, 39, 14).round().astype(int)
    assert thin[-1] == 39 and told() == told(rows=thin) != every
    assert told()[5] == pytest.approx(38.0)  # 14 rows stand for 40, of which the law takes 2
    monkeypatch.setattr(trials, "MOST_ROWS", 40)
    assert told() == every


def empty(made, by, edge, sign=1):
    fields = (made.members, made.cutoffs, made.reach, made.by, made.sign)
    assert fields == ([], 0, 0.0, by, sign) and made.edge == pytest.approx(edge) and np.isnan(made.coverage)
    return not made.calibrated


def test_what_cannot_be_calibrated():
    """Inputs without a common order; and rows too few for a backtest of the law itself."""
    law = scaling.laws["encoder_decoder"]
    rows = pd.DataFrame({"N_e": [1e6, 1e7], "N_d": [1e6, 1e7], "loss": [3.0, 2.0]})
    made, loss = design(rows, law, fitting=True), Loss("squares", True, 1.0)
    none = calibrate(law, made, loss, fixed={}, params=tuple(law.params.values()), seed=0, sign=-1)
    assert empty(none, None, 0.0, -1)
    few = design(TABLE[:4], LAW, fitting=True)
    settings = {"fixed": {}, "params": tuple(LAW.params.values()), "seed": 0}
    assert empty(calibrate(LAW, few, loss, **settings), "N", np.log(N[3]))
    assert empty(calibrate(LAW, few, loss, sign=-1, **settings), "N", -np.log(N[0]), -1)


@pytest.fixture
def asked(monkeypatch):
    """Who is backtested, how and on what: every member is believed without a fit."""
    calls = []

    def record(rival, late, made, trial, params):
        calls.append((rival, late, made, trial, params))
        return member(rival.label, late)

    monkeypatch.setattr(room, "_member", record)
    return calls


def test_who_is_backtested(asked):
    """The law with the fit's own parameters, then its rivals with theirs; each on all rows, and on the later half of them."""
    law, fixed = scaling.laws["power_law_offset"].using(x="N"), {"E": 0.01}
    made, params = design(TABLE, law, fitting=True), tuple(p for p in law.params.values() if p.name != "E")
    found = calibrate(law, made, Loss("squares", True, 1.0), fixed=fixed, params=params, seed=3)
    (other,) = rivals(law, fixed)
    assert [(c[0].label, c[1]) for c in asked] == [
        (label, late) for label in ("power_law_offset", other.label) for late in (False, True)
    ]
    assert asked[0][4] is params and asked[1][4] is params
    assert dict(asked[0][0].fixed) == fixed and dict(asked[2][0].fixed) == {"E": 0.01, "alpha": 0.5}
    assert asked[0][3].seed == 3 and asked[0][3].count == 1.0
    assert len(asked[0][3].splits) == 5 and len(found.members) == 4
    # runs that lie side by side, as rows of sizes do, are no schedules to be left out
    runs = TABLE.assign(run=np.repeat(["a", "b"], 20))
    both = design(runs, LAW, fitting=True)
    calibrate(LAW, both, Loss("squares", True, 1.0), fixed={}, params=tuple(LAW.params.values()), seed=0)
    assert len(asked[-1][3].splits) == 5


def test_a_law_reads_the_rows_it_can():
    made = design(TABLE.assign(D=1e9), scaling.laws["chinchilla"], fitting=True)
    assert room.aligned(made, scaling.laws["mt_data"]).inputs.keys() == {"N", "D"}
    assert room.aligned(made, scaling.laws["over_training"]) is None  # wants M


@dataclass
class Refitted:
    """Refits of every part and of all rows (the last), with given predictions (fits, n) and, as variances, `alike` (fits,)."""

    ok: np.ndarray
    alike: np.ndarray
    mu: np.ndarray

    def model(self, made):
        return made

    def predict(self, made):
        return self.mu, np.repeat(self.alike[:, None], self.mu.shape[1], 1)

    def last(self):
        return self


def part(train, test, n):
    at = np.arange(n)
    return Cut("", np.isin(at, train), np.isin(at, test), np.where(np.isin(at, test), 1.0, -1.0))


@pytest.fixture
def backtested(monkeypatch):
    """`_member` on rows of loss 1, refits taken from the test: what was fitted, and the member."""

    def backtest(splits, n=12, *, late=False, ok=None, error=0.2, alike=None, count=2.0, law=LAW, params=2):
        made = design(TABLE[:n].assign(loss=1.0, weight=np.linspace(1, 2, n)), LAW, fitting=True)
        k, asked = len(splits) + 1, {}
        ok, alike = np.ones(k, bool) if ok is None else np.array(ok), np.full(k, 0.04) if alike is None else np.array(alike)

        def refit(law, made, loss, weights, **settings):
            asked.update(weights=weights.copy(), **settings)
            return Refitted(ok, alike, np.full((k, n), -error))

        monkeypatch.setattr(room, "refit", refit)
        trial = room._Trial(Loss("squares", True, 1.0), splits, np.arange(n, dtype=float), count, 5)
        own = tuple(LAW.params.values())[:params] if params else None
        fixed = {} if params else {"alpha": 0.5}
        return asked, room._member(Rival(law, fixed, "own"), late, made, trial, own), made.weights

    return backtest


def test_backtests_that_are_fitted(backtested):
    """Three rows per parameter in the part that is fitted, three in the part that is predicted, and a fit of all rows."""
    splits = [part(range(6), range(6, 9), 12), part(range(5), range(5, 12), 12), part(range(6), range(6, 8), 12)]
    asked, one, weights = backtested(splits)
    np.testing.assert_allclose(asked["weights"], 2 * weights * [splits[0].train, np.zeros(12), np.zeros(12), np.ones(12)])
    assert asked["seed"] == 5 and asked["params"] == tuple(LAW.params.values()) and asked["fixed"] == {}
    assert one.cutoffs == 1 and one.error == pytest.approx(0.04) and one.late is False
    tail = student.ppf(0.95, 6 - 2) / ndtri(0.95)
    assert one.stretch == max(1.0, 0.2 / 0.2 / tail) and one.dof == pytest.approx(2 * weights.sum() - 2)
    loose = backtested(splits, error=0.9)[1]
    assert loose.stretch == pytest.approx(4.5 / tail) and loose.drift == pytest.approx(0.5 * 0.9 / 0.6745)
    assert backtested(splits, ok=[False, True, True, True])[1] is None  # the only part that could be told
    assert backtested(splits, ok=[True, True, True, False])[1] is None and backtested(splits[1:])[1] is None
    asked, held, _ = backtested(splits[:2], params=0)  # a rival that holds one of two: three rows are enough
    assert asked["params"] is None and asked["fixed"] == {"alpha": 0.5} and held.cutoffs == 2
    assert backtested(splits[:1], count=0.01)[1].dof == 1.0


def test_how_alike_rows_are_is_measured_once_on_all_of_them(backtested):
    splits = [part(range(6), range(6, 12), 12)] * 2
    assert backtested(splits, alike=[9.0, 7.0, 0.01], error=0.9)[1].stretch == pytest.approx(
        9.0 / (student.ppf(0.95, 4) / ndtri(0.95))
    )


@pytest.mark.parametrize(("n", "late", "there"), [(2, False, False), (3, False, True), (18, True, False), (19, True, True)])
def test_rows_of_a_member(backtested, n, late, there):
    """One more than parameters, or five for each in the later half; the later half of every part begins at its median."""
    asked, one, weights = backtested([part(range(n - 1), [n - 1] * 3, n)], n, late=late)
    assert bool(asked) == there and one is None  # one row is predicted: too few for a backtest
    if late and there:
        np.testing.assert_allclose(asked["weights"][-1], 2 * weights * (np.arange(19) >= 9))
        asked, one, _ = backtested([part(range(14), range(14, 19), 19)], 19, late=True)
        np.testing.assert_allclose(asked["weights"][0], 2 * weights * np.isin(np.arange(19), range(7, 14)))
        assert one.late is True


def test_parts_that_cannot_show_what_determines_a_law_say_nothing(backtested):
    fussy = replace(LAW, hooks=replace(LAW.hooks, needs=lambda x: "more" if len(x) < 8 else None))
    splits = [part(range(7), range(7, 12), 12), part(range(8), range(8, 12), 12)]
    asked, one, _ = backtested(splits, law=fussy)
    assert one.cutoffs == 1 and not asked["weights"][0].any() and asked["weights"][1].sum() > 0
    assert backtested(splits[:1], law=fussy)[1] is None


def test_every_backtest_has_one_vote():
    fits = Refitted(np.ones(1, bool), np.ones(1), np.ones((1, 1)))
    pooled = np.array([0.5, 1.0, 2.0, 3.0, 4.0, 5.0])
    none = np.array([])
    misses = [room._Miss(pooled[:2], none, 0.04, 0.5), room._Miss(pooled[2:], none, 0.09, 0.25)]
    votes = room._scored(Rival(LAW, {}, "own"), True, fits, misses, 7.0)
    assert votes.stretch == pytest.approx((np.sqrt(0.625) + np.sqrt(13.5)) / 2) and votes.late is True and votes.drift == 0.0
    assert (votes.cutoffs, votes.reach, votes.dof) == (2, 0.5, 7.0) and votes.error == pytest.approx(0.065)
    assert votes.coverage == pytest.approx(np.mean(pooled <= votes.stretch * ndtri(0.95)))
    assert room._scored(Rival(LAW, {}, "own"), False, fits, [room._Miss(pooled[:1], none, 0.0, 0.5)], 7.0).error == 1e-12
    assert room._scored(Rival(LAW, {}, "own"), False, fits, [], 7.0) is None
