"""Laws of size, tokens, learning rate and batch, and the settings they recommend: a grid of runs with a known truth."""

import json
import re

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest

mpl.use("Agg")
import matplotlib.pyplot as plt

import scaling
from scaling import Runs, plots
from scaling.cli import main
from scaling.errors import ArgumentError, DataError
from scaling.procedures import settings, step_law
from tests.test_recovery import verdict_of

TRUE = {
    "A": 4e4, "a": 0.37, "B": 2e6, "b": 0.51, "g": 0.24, "K": 0.5, "alpha": 0.57, "beta": 0.23, "r": 0.25, "K_B": 5.0,
    "nu": -0.1, "gamma": 0.55, "c": 0.4, "k": 0.5, "c_B": 0.3, "k_B": 0.1, "s": 0.13,
}  # fmt: skip
law, quadratic = scaling.laws["configuration"], scaling.laws["configuration_quadratic"]


def best(N, D):
    """Worked out from the formula's exponents, not by the code's function."""
    batch = TRUE["K_B"] * D ** TRUE["gamma"] * N ** TRUE["nu"]
    return TRUE["K"] * D ** TRUE["beta"] / N ** TRUE["alpha"], batch


@pytest.fixture(scope="module")
def grid():
    """Factors of two around rounded settings, so that no row lies on the optimum; noise of .1 %."""
    rng, rows = np.random.default_rng(0), []
    for N in (6e7, 2e8, 6e8):
        for D in (2e9, 8e9, 3.2e10):
            lr, batch = (2.0 ** np.round(np.log2(x)) for x in best(N, D))
            rows += [(N, D, lr * 2.0**i, batch * 2.0**j) for i in range(-3, 4) for j in range(-2, 3)]
    table = pd.DataFrame(rows, columns=["N", "D", "lr", "batch"])
    return table.assign(loss=law(*table.to_numpy().T, **TRUE) * np.exp(1e-3 * rng.normal(size=len(rows))))


@pytest.fixture(scope="module")
def found(grid):
    return settings(grid, replicates=60)


@pytest.fixture(autouse=True)
def closed():
    yield
    plt.close("all")


def test_a_bowl_costs_nothing_at_the_best_settings_and_more_on_one_side():
    N, D = 3e8, 1e10
    lr, batch = best(N, D)
    base = (TRUE["A"] / N ** TRUE["a"] + TRUE["B"] / D ** TRUE["b"]) ** TRUE["g"]
    assert law(N, D, lr, batch, **TRUE) == pytest.approx(base, rel=1e-12)
    cost = lambda lr, batch: (law(N, D, lr, batch, **TRUE) / base - 1) * D ** TRUE["s"]
    assert cost(lr * np.e, batch) == pytest.approx(0.4 * (np.exp(0.5) - 1.5) / 0.25, rel=1e-9)
    assert cost(lr / np.e, batch) == pytest.approx(0.4 * (np.exp(-0.5) - 0.5) / 0.25, rel=1e-9)
    # the best rate follows the batch
    assert cost(lr * 4**0.25, 4 * batch) == pytest.approx(0.3 * (4**0.1 - 1 - 0.1 * np.log(4)) / 0.01, rel=1e-9)
    even = {**TRUE, "k": 0.0}
    assert (law(N, D, lr * np.e, batch, **even) / base - 1) * D ** TRUE["s"] == pytest.approx(0.2, rel=1e-9)


def test_the_quadratic_form_is_a_parabola_in_logarithms():
    values = dict.fromkeys(quadratic.params, 0.0) | {"z": 1.0, "z_N": -0.1, "z_lrB": 0.02, "z_DD": 0.03, "z_BB": 0.05}
    at = quadratic(1e9 * np.e, 2e10 * np.e**2, 2e-3 * np.e, 5e5 / np.e, **values)
    assert np.log(at) == pytest.approx(1 - 0.1 - 0.02 + 0.03 * 4 + 0.05, rel=1e-12)


def test_bowls_are_found_from_every_start_whatever_the_seed(grid):
    fits = [scaling.fit(grid, law, seed=seed) for seed in range(4)]
    for fit in fits:
        assert fit.ok, fit.warnings
        assert fit.verdict.agree >= fit.verdict.tried / 2 > 1
        assert fit.objective == pytest.approx(fits[0].objective, rel=1e-9)
    for name in ("a", "b", "alpha", "beta", "gamma", "r", "k"):
        assert fits[0].values[name] == pytest.approx(TRUE[name], abs=0.08), name


def test_where_the_quadratic_form_is_no_bowl_the_law_is_found_all_the_same():
    """Draws whose paraboloid is a saddle over these settings: its best lay so far off that every start was no number."""
    assert [verdict_of(scaling.laws["configuration"], seed) for seed in (5, 6, 11)].count("recovered") >= 2


def test_settings_are_recommended_with_what_they_may_cost(found, grid):
    N, D = 1.2e9, 5e10  # beyond the grid
    told = found.recommend(N, D).iloc[0]
    lr, batch = best(N, D)
    assert told["lr_lower"] < told["lr"] < told["lr_upper"] and told["batch_lower"] < told["batch"] < told["batch_upper"]
    assert told["lr"] == pytest.approx(lr, rel=0.1) and told["batch"] == pytest.approx(batch, rel=0.15)
    truth = law(N, D, told["lr"], told["batch"], **TRUE) / law(N, D, lr, batch, **TRUE) - 1
    assert 0 <= truth < told["regret_upper"] < 2e-3 and told["regret"] < told["regret_upper"]
    assert told["times_beyond"] == pytest.approx(N * D / (6e8 * 3.2e10))
    assert told["lr_other"] == pytest.approx(lr, rel=0.5) and told["batch_other"] == pytest.approx(batch, rel=0.5)
    assert found.groups == 9 and found.of == len(grid) and found.at_edge == 0
    assert 0 <= found.backtest < 5e-3
    assert step_law.regret(found, grid).mean() < 2e-3
    assert list(found.recommend([1e8, 1e9], 2e10)["N"]) == [1e8, 1e9]


def test_rows_far_above_the_best_of_their_group_do_not_count_and_that_is_said(grid, found):
    near = grid["loss"] / grid.groupby(["N", "D"])["loss"].transform("min") - 1
    assert found.rows == (near <= 0.1).sum() == len(found.fit.data)
    few = settings(grid, 0.02, replicates=1)
    assert few.rows == (near <= 0.02).sum() < found.rows
    assert f"{few.rows} of {len(grid)}, those within 0.02" in str(few)
    whole = settings(grid, np.inf, replicates=1)
    assert whole.rows == len(grid) and "all" in str(whole).splitlines()[1]
    cut = settings(grid[grid["lr"] <= grid.groupby(["N", "D"])["lr"].transform("median")], replicates=1)
    assert cut.at_edge and "edge of their grid" in str(cut)


def test_what_is_no_grid_is_refused(grid):
    with pytest.raises(DataError, match="missing batch"):
        settings(grid.drop(columns="batch"))
    with pytest.raises(DataError, match="only 2 sizes"):
        settings(grid[(grid["N"] == 2e8) & (grid["D"] < 1e10)])
    with pytest.raises(DataError, match="positive"):
        settings(grid.assign(lr=0.0))
    with pytest.raises(ArgumentError, match="within"):
        settings(grid, 0.0)
    with pytest.raises(ArgumentError, match="replicates"):
        settings(grid, replicates=0)
    with pytest.raises(ArgumentError, match="above 0"):
        settings(grid, replicates=1).recommend(1e9, 0.0)
    with pytest.raises(ArgumentError, match="level"):
        settings(grid, replicates=1).recommend(1e9, 2e10, level=1.5)
    assert settings(pd.concat([grid, grid.head(3).assign(loss=np.nan)]), replicates=1).of == len(grid)


def test_groups_that_span_no_area_have_no_measured_cost(grid):
    line = grid[(grid["N"] < 6e8) | (grid["lr"] == grid.groupby(["N", "D"])["lr"].transform("median"))]
    found = settings(line, replicates=1)
    costs = step_law.regret(found, line)
    assert costs[6e8].isna().all() and costs.drop(index=6e8).notna().all()


def test_runs_are_a_grid_of_their_last_rows(grid):
    some = grid.iloc[::2].reset_index(drop=True)
    rows = [
        {"run": f"r{i}", "step": step, "lr": one["lr"] * (1.0 if step < 20 else 0.1), "loss": one["loss"] + (step < 20),
         "n_params": one["N"], "tokens": one["D"] * step / 20, "batch_tokens": one["batch"]}
        for i, one in some.iterrows() for step in (1, 10, 20)
    ]  # fmt: skip
    found = settings(Runs.from_frame(pd.DataFrame(rows)), replicates=1)
    assert found.fit.values == pytest.approx(settings(some, replicates=1).fit.values, rel=1e-6)


def test_bowls_are_drawn_with_their_optimum_and_its_drift(found):
    axes = plots.bowls(found)
    assert list(axes) == ["lr", "batch", "lr*", "batch*"]
    stars = [line for line in axes["lr"].lines if line.get_marker() == "*"]
    assert len(stars) == 7
    N, D = 6e7, 2e9
    rows = found.fit.data
    group = rows[(rows["N"] == N) & (rows["D"] == D)]
    at = group.loc[group["loss"].idxmin(), "batch"]
    lr, batch = found.best(N, D)
    wanted = lr * (at / batch) ** found.bowls.values["r"]
    assert stars[0].get_xdata()[0] == pytest.approx(wanted, rel=0.05)  # the nearest point of the line
    points = axes["lr"].lines[0].get_xdata()
    np.testing.assert_allclose(points, np.sort(group.loc[group["batch"] == at, "lr"]))
    drift = [line for line in axes["batch*"].lines if line.get_marker() == "None"]
    assert len(drift) == 3
    x, y = drift[0].get_data()
    assert np.log(y[1] / y[0]) / np.log(x[1] / x[0]) == pytest.approx(found.bowls.values["gamma"], rel=1e-6)
    one = plots.bowls(found, ax=plt.figure().add_subplot())
    assert list(one) == ["lr"]


def test_settings_on_the_command_line(grid, tmp_path, capsys):
    path, saved = tmp_path / "grid.csv", tmp_path / "fit.json"
    grid.to_csv(path, index=False)
    command = ["settings", str(path), "--N", "1B", "--D", "20B", "--D", "50B", "--replicates", "20", "--json"]
    assert main([*command, "-o", str(saved), "--plot", str(tmp_path / "bowls.png")]) == 0
    told = json.loads(capsys.readouterr().out)
    lr, batch = best(1e9, 2e10)
    assert [row["D"] for row in told["settings"]] == [2e10, 5e10]
    assert told["settings"][0]["lr"] == pytest.approx(lr, rel=0.1) and told["settings"][0]["batch"] == pytest.approx(
        batch, rel=0.15
    )
    assert scaling.load(saved).law.name == "configuration" and (tmp_path / "bowls.png").stat().st_size > 10_000
    assert main(["settings", str(path), "--N", "1B", "--D", "20B", "--replicates", "20"]) == 0
    out = capsys.readouterr().out
    assert "verdict      OK" in out and "lr* ∝ D^0.2" in out
    assert re.search(r"^1B +20B +0\.00\d+ \(", out, re.M) and "e+" not in out  # as people write them
    assert main(["settings", str(path), "--N", "1B", "--D", "20B", "--within", "0"]) == 2


def with_a_limit(seed, lean, noise=2e-3):
    """Bowls on a loss with a limit, which neither form has, around rates and batches that drift by known powers."""
    rng, rows = np.random.default_rng(seed), []
    for N in (1e7, 3e7, 1e8):
        for D in (20 * N, 60 * N):
            lr, batch = best_with_a_limit(N, D)
            for rate in 2e-3 * 2.0 ** np.arange(-3, 4):
                for tokens in 2.0 ** np.arange(16, 21):
                    y = np.log(tokens / batch)
                    x = np.log(rate / lr) - 0.3 * y
                    rise = 0.024 * ((np.expm1(lean * x) - lean * x) / lean**2 if lean else x * x / 2) + 0.008 * y * y
                    rows.append((N, D, rate, tokens, (1.7 + 400 / N**0.34 + 410 / D**0.28) * (1 + rise)))
    table = pd.DataFrame(rows, columns=["N", "D", "lr", "batch", "loss"])
    return table.assign(loss=table["loss"] * np.exp(noise * rng.normal(size=len(table))))


def best_with_a_limit(N, D):
    return 2e-3 * (N / 1e8) ** -0.3 * (D / 2e9) ** 0.1, 2.5e5 * (D / 2e9) ** 0.4


@pytest.mark.parametrize(("seed", "lean"), [(0, 0.0), (1, 0.0), (2, 0.6)])
def test_settings_owe_nothing_to_how_the_loss_falls(seed, lean):
    """The law alone puts g at its edge and the batch off by a factor of 2.6, outside its own interval."""
    found = settings(with_a_limit(seed, lean), replicates=40)
    N, D = 1e9, 2e10  # ten times the largest of the grid
    row, (lr, batch) = found.recommend(N, D).iloc[0], best_with_a_limit(N, D)
    assert found.ok
    assert row["lr"] == pytest.approx(lr, rel=0.06) and row["batch"] == pytest.approx(batch, rel=0.12)
    for name in ("lr", "batch"):
        assert row[f"{name}_lower"] < row[name] < row[f"{name}_upper"]
    assert lean == 0 or found.bowls.law is law  # an uneven bowl: the quadratic form misses the rate by a quarter
    assert found.errors[found.bowls.law.name] == min(found.errors.values()) < 3e-3


def test_settings_do_not_depend_on_the_order_of_rows_and_name_copies_and_rows_without_a_loss(grid):
    found = settings(grid, replicates=2)
    mixed = grid.sample(frac=1, random_state=0)
    other = settings(mixed, replicates=2)
    assert other.backtest == found.backtest and other.bowls.values == found.bowls.values
    assert np.array_equal(other.recommend(1e9, 2e10), found.recommend(1e9, 2e10)) and not found.notes
    odd = grid.copy()
    odd.loc[[3, 7], "loss"] = np.nan
    told = settings(pd.concat([odd, odd.loc[[11]]], ignore_index=True), replicates=1)
    assert told.of == len(grid) - 2
    assert told.notes == (
        "2 rows without a loss, not counted: row 3 and row 7", f"1 row there twice, counted once: row {len(grid)}",
    )  # fmt: skip


def test_a_plan_takes_the_best_rate_and_batch_of_every_size(found):
    """There the law is one of size and tokens alone, whose optimum at a budget is known by hand."""
    C, p = 1e20, TRUE
    plan = scaling.plan(found.fit, flops=C, replicates=20).iloc[0]
    N = (p["a"] * p["A"] / (p["b"] * p["B"]) * (C / 6) ** p["b"]) ** (1 / (p["a"] + p["b"]))
    assert plan["N"] == pytest.approx(N, rel=0.15)
    assert plan["loss"] == pytest.approx((p["A"] / N ** p["a"] + p["B"] / (C / 6 / N) ** p["b"]) ** p["g"], rel=0.01)
    held = scaling.plan(found.fit, flops=C, replicates=0, inputs={"lr": 1e-3, "batch": 1e6}).iloc[0]
    assert held["loss"] > plan["loss"]


def test_a_fit_at_an_edge_can_be_saved_and_loaded(tmp_path):
    """The logarithm of the edge and back was a rounding beyond it, and the file called damaged."""
    fit = scaling.fit(with_a_limit(0, 0.0), law)
    assert fit.values["g"] == 3.0
    fit.save(tmp_path / "fit.json")
    assert scaling.load(tmp_path / "fit.json").values == fit.values


def test_a_grid_is_read_under_any_name_of_size_tokens_and_loss(grid):
    named = grid.rename(columns={"N": "params", "D": "tokens", "loss": "final_loss"})
    one, other = (settings(rows, replicates=20) for rows in (grid, named))
    assert one.fit.values == other.fit.values
