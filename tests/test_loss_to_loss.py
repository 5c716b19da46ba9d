"""Loss-to-loss prediction (arXiv:2411.12925): pairs of runs, relations and their algebra, laws seen through them."""

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import minimize_scalar

import scaling
from benchmarks.transfer import inside_sweep
from scaling.errors import ArgumentError, DataError, FitError
from scaling.logs import formats
from scaling.transfer import Relation, pair, relate
from scaling.transfer.relation import slopes
from tests import layouts

mpl.use("Agg")
EDU = "fineweb-edu-100b"


WEB, CODE = "slimpajama-chunk1", "starcoder"


@pytest.fixture(scope="module")
def sweep(tmp_path_factory):
    return formats.loss_to_loss(layouts.sweep(tmp_path_factory.mktemp("sweep") / "sweep.csv"))


@pytest.fixture(scope="module")
def joint(sweep):
    return {name: scaling.fit(rows, "kaplan_offset") for name, rows in sweep.groupby("data")}


def test_the_table_is_what_it_says(sweep, tmp_path):
    assert sweep["data"].value_counts().to_dict() == {EDU: 42, WEB: 42, CODE: 36}
    np.testing.assert_allclose(sweep["C"], 6 * sweep["N"] * sweep["D"], rtol=1e-12)
    assert {"run", "n_layers", "c4_val", "starcoder_val", "hellaswag_test"} <= set(sweep) and "flops" not in sweep
    for name, rows in sweep.groupby("data"):  # a run's loss is that on the validation set of its own data
        np.testing.assert_array_equal(rows[f"{name.replace('-', '_')}_val"], rows["loss"])
    (tmp_path / "other.csv").write_text("id,data,params\n1,a,2\n")
    with pytest.raises(DataError, match="no column 'tokens'"):
        formats.loss_to_loss(tmp_path / "other.csv")


def test_joint_laws_find_the_truth(joint):
    fit = joint[EDU]
    for name, value in layouts.SOURCE.items():
        assert abs(fit.values[name] - value) < 3 * fit.errors()[name], name
    assert all(f.ok for f in joint.values())


def test_optimal_split_is_the_minimum(joint):
    v, law = joint[EDU].values, scaling.laws["kaplan_offset"]
    best = law.hooks.optimum(1e21, **v)
    found = minimize_scalar(
        lambda x: law(np.exp(x), 1e21 / 6 / np.exp(x), **v), bounds=(15, 30), method="bounded", options={"xatol": 1e-10}
    )
    assert np.exp(found.x) == pytest.approx(best["N"], rel=1e-4)
    assert best["loss"] == pytest.approx(found.fun, rel=1e-12)


def test_pairs_of_data_sets(sweep, joint):
    """Slope and factor are those of a line through the logs of the reducible losses, and near what the files were made with."""
    pairs = {(EDU, WEB): 42, (EDU, CODE): 36, (WEB, CODE): 36, (CODE, WEB): 36}
    for (a, b), n in pairs.items():
        E0, E1 = (layouts.RELATED[name][2] for name in (a, b))
        found = relate(joint[a], joint[b], E0=E0, E1=E1)
        slope, intercept = np.polyfit(np.log(found.pairs["x"] - E0), np.log(found.pairs["loss"] - E1), 1)
        assert (found.kappa, found.K) == (pytest.approx(slope, rel=1e-9), pytest.approx(np.exp(intercept), rel=1e-9))
        assert len(found.pairs) == n and found.r2 > 0.999
        if a == EDU:
            K, kappa, _ = layouts.RELATED[b]
            assert found.kappa == pytest.approx(kappa, rel=5e-3) and pytest.approx(K, rel=5e-3) == found.K
            own = relate(joint[a], joint[b])  # with the irreducible losses of our own fits
            assert own.kappa == pytest.approx(kappa, rel=0.05) and own.r2 > 0.999


def test_train_to_test(sweep, joint):
    rows = sweep[sweep["data"] == EDU]
    found = relate(joint[EDU], rows.assign(loss=rows["hellaswag_test"]), E0=0.0, E1=0.0)
    assert (found.kappa, found.K) == pytest.approx((1.08, 0.9), rel=5e-3) and found.r2 > 0.999


def test_few_points_translate_a_whole_law(sweep, joint):
    few = sweep[(sweep["C"].between(5e17, 2e19)) & sweep["n_layers"].isin((8, 12))]
    for target in (WEB, CODE):
        whole = sweep[sweep["data"] == target]
        found = relate(joint[EDU], few[few["data"] == target]).translate(joint[EDU])
        loss, value = whole["loss"], found(whole["N"], whole["D"])
        direct = scaling.laws["kaplan_offset"](whole["N"], whole["D"], **found.values)
        np.testing.assert_allclose(direct, value, rtol=1e-12)
        assert 1 - ((loss - value) ** 2).sum() / ((loss - loss.mean()) ** 2).sum() > 0.995
        band = found.predict(whole, level=0.9)
        assert band["loss"].between(band["lower"], band["upper"]).mean() >= 0.85


def test_neither_irreducible_loss_known(sweep):
    """The optimum lies on a flat ridge: as good as a grid over both, and said to be undetermined."""
    found = relate(sweep[sweep["data"] == EDU], sweep[sweep["data"] == WEB])
    x, y = (found.pairs[c].to_numpy() for c in ("x", "loss"))
    best = np.inf
    for E0 in np.linspace(0, x.min(), 60, endpoint=False):
        for E1 in np.linspace(0, y.min(), 60, endpoint=False):
            kappa, lnK = np.polyfit(np.log(x - E0), np.log(y - E1), 1)
            best = min(best, ((np.exp(lnK) * (x - E0) ** kappa + E1 - y) ** 2).sum())
    assert found.fit.objective <= best * 1.001
    assert "E0 and E1 estimated" in found.how and "do not determine" in " ".join(found.warnings)


def test_minima_inside_a_sweep_are_those_of_the_law(sweep):
    """Parabolas at every budget, and their minima carried to the top one with an irreducible loss, and without."""
    rows, law = sweep[sweep["data"] == EDU], scaling.laws["kaplan_offset"]
    minima = inside_sweep.minima(rows)
    for C, loss in zip(minima["C"], minima["loss"], strict=True):
        assert loss == pytest.approx(law.hooks.optimum(C, **layouts.SOURCE)["loss"], rel=5e-3)
    with_E, without, truth = inside_sweep.method_a(rows, 4)
    assert truth == minima["loss"].iloc[-1] and abs(with_E) < 1 < abs(without)


def test_the_pairing_says_what_it_left_out(sweep):
    a, b = sweep[sweep["data"] == EDU], sweep[sweep["data"] == CODE]
    pairs = pair(a, b.assign(D=b["D"].where(b.index != b.index[0], 1.0)))
    assert len(pairs) == 35
    assert "35 pairs of 42 source and 36 target runs; 7 source runs without partner" in pairs.attrs["account"]
    unpaired = pd.DataFrame(pairs.attrs["unpaired"])["side"].value_counts().to_dict()
    assert unpaired == {"source": 7, "target": 1}
    with pytest.raises(DataError, match="share their size and tokens"):
        pair(sweep, b)
    with pytest.raises(DataError, match="no run of the source"):
        pair(a.assign(N=1.0), b)
    with pytest.raises(DataError, match="missing D"):
        pair(a[["N", "loss"]], b)  # D would follow from C


numbers = st.floats(0.3, 3.0)


@given(numbers, numbers, numbers, numbers)
def test_algebra(K, kappa, K2, kappa2):
    x = np.linspace(2.0, 6.0, 7)
    there = Relation(K, kappa, 1.5, 0.7)
    np.testing.assert_allclose(there.inverse(there(x)), x, rtol=1e-9)
    further = Relation(K2, kappa2, 0.7, 1.1)
    np.testing.assert_allclose(there.then(further)(x), further(there(x)), rtol=1e-9)
    with pytest.raises(FitError, match="do not join"):
        further.then(there)
    with pytest.raises(FitError, match="no data behind"):
        there.predict(x)


def test_translation_of_the_chinchilla_form_is_a_composition(sweep):
    source = scaling.fit(sweep[sweep["data"] == EDU], "chinchilla")
    found = relate(source, sweep[sweep["data"] == WEB]).translate(source)
    with pytest.raises(FitError, match="not of its own form"):
        _ = found.values
    assert np.isfinite(found(1e9, 2e10))


def test_optimal_size_survives_translation(joint):
    found = relate(joint[EDU], joint[CODE]).translate(joint[EDU])
    optimum = scaling.laws["kaplan_offset"].hooks.optimum
    for C in (1e18, 1e20, 1e24):
        assert optimum(C, **found.values)["N"] == pytest.approx(optimum(C, **joint[EDU].values)["N"], rel=1e-10)


def test_figure_is_a_line_in_reducible_losses(joint):
    found = relate(joint[EDU], joint[CODE])
    ax = scaling.plots.relation(found)
    x, y = ax.lines[1].get_data()
    slope = np.diff(np.log(y)) / np.diff(np.log(x))
    np.testing.assert_allclose(slope, found.kappa, rtol=1e-9)
    legend = ax.get_legend().get_texts()[1].get_text()
    assert f"{found.E0:.4g}" in ax.get_xlabel() and f"slope {found.kappa:.3f}" in legend


def simulated(noise=1e-3, seed=0):
    """Rows of a source and a target whose laws are related exactly, with noise; and the relation's true constants."""
    rng = np.random.default_rng(seed)
    N, D = (x.ravel() for x in np.meshgrid([1e7, 4e7, 1.6e8, 6e8], [1e9, 4e9, 1.6e10]))
    values = {"E": 1.5, "A": 7e7, "B": 9e8, "alpha": 0.41, "beta": 0.45}
    source = scaling.laws["kaplan_offset"](N, D, **values)
    target = 0.8 * (source - 1.5) ** 1.1 + 0.9
    rows = [pd.DataFrame({"N": N, "D": D, "loss": y * np.exp(noise * rng.normal(size=len(N)))}) for y in (source, target)]
    return (*rows, {"K": 0.8, "kappa": 1.1, "E0": 1.5, "E1": 0.9})


def test_errors_of_the_irreducible_losses_are_in_the_interval():
    """Far below the losses seen, where a wrong E0 or E1 costs most, 90 % intervals hold about 90 % of true losses."""
    inside, alone = [], []
    for seed in range(24):
        a, b, truth = simulated(2e-3, seed)
        found = relate(*(scaling.fit(rows, "kaplan_offset", objective="log_squares") for rows in (a, b)))
        x = 1.9 if found.E0 < 1.9 else found.E0 + 0.1
        far = found.predict([x])
        true = truth["K"] * (x - truth["E0"]) ** truth["kappa"] + truth["E1"]
        inside.append(far["lower"].iloc[0] < true < far["upper"].iloc[0])
        exact = Relation(**found.values, how=found.how, fit=found.fit, pairs=found.pairs).predict([x])
        alone.append(exact["lower"].iloc[0] < true < exact["upper"].iloc[0])
    assert set(found.carried) == {"E0", "E1"} and "included" in far.attrs["interval"]
    assert "counted as exact" in exact.attrs["interval"] and "1 of 1" in far.attrs["extrapolation"]
    assert np.mean(inside) >= 0.85 and np.mean(alone) < np.mean(inside)


def test_what_a_wrong_irreducible_loss_does_is_what_refitting_says():
    a, b, _ = simulated()
    x, h = np.array([2.0, 2.5]), 1e-5
    for target in (scaling.fit(b, "kaplan_offset"), b):  # both irreducible losses known; one of them
        source = scaling.fit(a, "kaplan_offset")
        found = relate(source, target)
        for name, moved in found.carried.items():
            held = {"E0": found.E0} if target is b else {"E0": found.E0, "E1": found.E1}
            up, down = (relate(a, b, **{**held, name: held[name] + s * h})(x) for s in (1, -1))
            error = (source if name == "E0" else target).errors()["E"]
            slope = (up - down) / (2 * h) * error
            # to first order in the residuals where E1 is free
            np.testing.assert_allclose(slopes(found.values, x) @ np.array(moved), slope, rtol=0.15)


def test_a_relation_survives_saving(tmp_path):
    a, b, _ = simulated()
    for found in (relate(a, b), relate(scaling.fit(a, "kaplan_offset"), scaling.fit(b, "kaplan_offset"))):
        found.save(tmp_path / "relation.json")
        again = scaling.load(tmp_path / "relation.json")
        assert isinstance(again, Relation) and str(again) == str(found)
        pd.testing.assert_frame_equal(again.predict([2.0, 2.5]), found.predict([2.0, 2.5]))
        assert again.pairs.attrs == found.pairs.attrs and again.ok == found.ok
    found.inverse.save(tmp_path / "relation.json")
    assert scaling.load(tmp_path / "relation.json")(1.3) == found.inverse(1.3)
    with pytest.raises(DataError, match="not above the irreducible loss"):
        found.predict([0.5])
    with pytest.raises(DataError, match="column x"):
        found.predict({"L": 2.0})


def test_losses_and_floors_that_cannot_be_are_refused():
    N, D = (x.ravel() for x in np.meshgrid(np.geomspace(1e7, 1e9, 4), np.geomspace(1e9, 1e11, 4)))
    web = pd.DataFrame({"N": N, "D": D, "loss": 2 + 1e3 / N**0.4 + 1e3 / D**0.4})
    code = web.assign(loss=1 + 0.8 * (web["loss"] - 2) ** 1.1)
    for bad in (0.0, -1.0, np.inf, "abc"):
        with pytest.raises(DataError, match=r"column 'loss', row 3: .* is not a positive number"):
            pair(web, code.assign(loss=[bad if i == 3 else x for i, x in enumerate(code["loss"])]))
    with pytest.raises(DataError, match="column 'N', row 0"):
        pair(web.assign(N=np.nan), code)
    some = pair(web, code.assign(loss=code["loss"].where(code.index > 1)))
    assert len(some) == 14 and some.attrs["account"].endswith("2 target rows without a loss")
    with pytest.raises(DataError, match=r"no pair lies above.*swapped"):
        relate(web, code, E0=9.0, E1=1.0)
    for E0 in (-1.0, np.nan):
        with pytest.raises(ArgumentError, match=r"E0=.* must be 0 or more"):
            relate(web, code, E0=E0, E1=1.0)
    with pytest.raises(ArgumentError, match="level=2"):
        relate(web, code, E0=2.0, E1=1.0).predict([2.5], level=2)


def test_a_verdict_beside_open_irreducible_losses_holds_between_the_losses_of_the_pairs():
    N = np.geomspace(1e6, 1e9, 25)
    source = pd.DataFrame({"N": N, "D": 20 * N, "loss": 1.7 + 400 / N**0.34 + 410 / (20 * N) ** 0.28})
    scatter = np.exp(3e-3 * np.random.default_rng(0).normal(size=25))
    target = source.assign(loss=0.9 + 1.1 * (source["loss"] - 1.7) ** 0.9 * scatter)
    found = relate(source, target)
    assert found.ok and "do not determine" in found.warnings[-1]
    assert str(found).startswith("verdict      OK between the losses of these pairs alone:")
    assert str(relate(source, target, E0=1.7, E1=0.9)).startswith("verdict      OK:")


def test_tables_are_paired_under_any_name_of_their_columns():
    N = np.geomspace(1e6, 1e9, 12)
    source = pd.DataFrame({"params": N, "tokens": 20 * N, "val_loss": 1.7 + 400 / N**0.34})
    target = source.assign(val_loss=0.9 + 1.1 * (source["val_loss"] - 1.7) ** 0.9)
    named = {"params": "N", "tokens": "D", "val_loss": "loss"}
    assert relate(source, target).values == relate(source.rename(columns=named), target.rename(columns=named)).values


def paired(kappa, noise, seed):
    """Source and target losses of twenty runs, the latter by a relation of a known truth."""
    sizes = {"N": np.geomspace(1e7, 1e9, 20), "D": np.geomspace(1e9, 1e11, 20)}
    x = np.linspace(2.3, 3.6, 20)
    y = (1.1 * (x - 1.6) ** kappa + 1.9) * np.exp(noise * np.random.default_rng(seed).standard_normal(20))
    return pd.DataFrame({**sizes, "loss": x}), pd.DataFrame({**sizes, "loss": y})


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("noise", [1e-6, 1e-4, 1e-3])
def test_on_a_straight_line_irreducible_losses_are_open_wherever_the_fit_ends(noise, seed):
    """Where kappa = 1, K E0 and E1 are one number: the curvature at E0 = 2.3, the lowest loss, once said +-.06."""
    found = relate(*paired(1.0, noise, seed))
    assert np.isinf(found.errors["E0"]) and any("do not determine E0" in said for said in found.warnings)
    assert "OK:" not in str(found) and (found.table() is None or "E0" not in found.table().index)


@pytest.mark.parametrize(("kappa", "noise"), [(0.8, 1e-6), (1.3, 1e-6), (0.8, 1e-4), (1.3, 1e-4), (0.8, 1e-3)])
def test_the_error_of_an_irreducible_loss_is_that_of_its_profile(kappa, noise):
    found = [relate(*paired(kappa, noise, seed)) for seed in range(12)]
    away = np.array([abs(one.E0 - 1.6) / one.errors["E0"] for one in found])
    assert np.mean(away < 2) > 0.75 and (noise > 1e-4 or all(np.isfinite(one.errors["E0"]) for one in found))
    assert noise > 1e-6 or not any("do not determine" in said for one in found for said in one.warnings)


def test_a_relation_that_is_loaded_has_the_same_errors(tmp_path):
    made = relate(*paired(0.8, 1e-3, 3))
    made.save(tmp_path / "relation.json")
    assert scaling.load(tmp_path / "relation.json").errors.to_dict() == pytest.approx(made.errors.to_dict(), nan_ok=True)
