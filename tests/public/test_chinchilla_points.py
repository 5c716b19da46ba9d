"""The points of analyzing-chinchilla: golden numbers of the replication (arXiv:2404.10102) and of what it plans."""

import numpy as np
import pandas as pd
import pytest

import scaling
from scaling.engine.losses import Loss
from scaling.engine.solver import minimise
from scaling.fits import guess, lmfit_model
from scaling.logs import formats

OPTIMUM, RSS = 0.0010182740178006, 0.0832038076933
NAMES = ("E", "A", "B", "alpha", "beta")
OTHER = {  # objective, delta: values, tolerance
    ("squares", 1e-3): ((1.88281, 567.81, 7581.85, 0.35762, 0.42762), 2e-5),
    ("log_squares", 1e-3): ((1.86455, 593.32, 4875.64, 0.36025, 0.40588), 2e-5),
    ("log_huber", 1e-5): ((1.8167, 481.4, 2081.4, 0.3477, 0.3658), 5e-3),
}
PUBLISHED = {"hoffmann2022_rounded": 0.00412101, "hoffmann2022": 0.00123116, "besiroglu2024": 0.00101874}
SPREAD = {"A": 124.494, "B": 1293.17, "E": 0.025657, "alpha": 0.0153975, "beta": 0.0205942}


def test_points_of_the_chinchilla_figure(shared_data, subtests):
    path = shared_data / "analyzing-chinchilla/data/svg_extracted_data.csv"
    figure = formats.chinchilla_figure(path)
    assert len(figure) == 245 and figure["loss"].max() == pytest.approx(5.0056, abs=1e-3)
    raw = pd.read_csv(path)
    raw = raw[raw["loss"] < sorted(raw["loss"])[-5]]
    N = raw["Model Size"]
    epoch = pd.DataFrame({"N": N, "D": raw["Training FLOP"] / (6 * N), "loss": raw["loss"]})
    assert len(epoch) == 240
    law = scaling.laws["chinchilla"]
    fit = scaling.fit(epoch, law)
    with subtests.test("global optimum from no start"):
        assert fit.objective == pytest.approx(OPTIMUM, rel=1e-9)
        logs = [np.log(fit.values[k]) for k in "ABE"] + [fit.values["alpha"], fit.values["beta"]]
        np.testing.assert_allclose(logs, [6.16924637, 7.67015673, 0.59730681, 0.34731050, 0.36717243], atol=1e-6)
        assert fit.ok and fit.verdict.agree == 8
        assert "tied to alpha" in fit.summary().loc["A", "note"]
    for (objective, delta), (values, tolerance) in OTHER.items():
        with subtests.test("other objectives", objective=objective, delta=delta):
            other = scaling.fit(epoch, law, objective=objective, delta=delta)
            np.testing.assert_allclose([other.values[k] for k in NAMES], values, rtol=tolerance)
            if objective == "squares":
                assert other.objective == pytest.approx(RSS, rel=1e-9)
    for name, objective in PUBLISHED.items():
        with subtests.test("published constants have the published objective", name=name):
            r = np.log(law.published[name](epoch["N"], epoch["D"])) - np.log(epoch["loss"])
            assert Loss("huber", True, 1e-3).value(r.to_numpy()).sum() == pytest.approx(objective, rel=1e-5)
    with subtests.test("their 4000 resamples, drawn as they drew them: standard errors to three digits"):
        sorted_fit = scaling.fit(epoch.sort_index(), law)
        np.random.seed(42)  # noqa: NPY002 - the protocol's own generator
        order = sorted_fit.design.frame.index.get_indexer(epoch.index)
        picks = np.stack([np.bincount(order[np.random.choice(240, 240)], minlength=240) for _ in range(4000)])  # noqa: NPY002
        model, loss = sorted_fit.model(sorted_fit.design), sorted_fit.loss
        start = np.tile(sorted_fit.t, (4000, 1))
        found = minimise(model, loss.link(sorted_fit.design.loss), start, picks.astype(float), loss)
        assert found.converged.all()
        spread = dict(zip(fit.coordinates.names, fit.coordinates.to_params(found.t).std(0, ddof=1), strict=True))
        for name, se in SPREAD.items():
            assert spread[name] == pytest.approx(se, rel=1e-3), name
            assert fit.errors()[name] == pytest.approx(se, rel=0.45), name
    with subtests.test("prediction at 7e10 and 1.4e12"):
        out = fit.predict({"N": [7e10], "D": [1.4e12]}, interval="delta")
        assert out["prediction"][0] == pytest.approx(1.97337, abs=1e-5)
        assert "4.33x beyond the largest parameters seen" in out.attrs["extrapolation"]
    for objective in ("log_huber", "log_squares"):
        with subtests.test("units do not matter", objective=objective):
            here = scaling.fit(epoch, law, objective=objective)
            far = scaling.fit(epoch.assign(N=epoch["N"] * 1e24, D=epoch["D"] / 1e24), law, objective=objective)
            one = here.predict({"N": [7e10], "D": [1.4e12]})
            other = far.predict({"N": [7e34], "D": [1.4e-12]})
            for column in ("prediction", "lower", "upper"):
                # bounds hear farseer too, which counts D in tokens
                np.testing.assert_allclose(other[column], one[column], rtol=1e-8 if column == "prediction" else 1e-4)
    with subtests.test("lmfit reaches the same numbers from our guess"):
        start = guess(law, epoch)
        result = lmfit_model(law).fit(epoch["loss"], start, N=epoch["N"], D=epoch["D"])
        assert result.chisqr == pytest.approx(RSS, rel=1e-9)
        assert scaling.fit(epoch, law, params=start).objective == pytest.approx(OPTIMUM, rel=1e-9)
    with subtests.test("plans: D / N at 5.88e23: 80 % (9.9, 29.0), at 1e26 (6.4, 31.5)"):
        rows = scaling.plan(fit, [5.88e23, 1e26], level=0.8, replicates=2000, interval="bootstrap")
        assert rows["tokens_per_param"][0] == pytest.approx(17.911, abs=1e-3)
        assert rows["tokens_per_param"][1] == pytest.approx(15.528, abs=1e-3)
        for row, (low, high) in enumerate([(9.9, 29.0), (6.4, 31.5)]):
            assert rows["tokens_per_param_lower"][row] == pytest.approx(low, rel=0.06)
            assert rows["tokens_per_param_upper"][row] == pytest.approx(high, rel=0.06)
