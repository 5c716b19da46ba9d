"""Choice of the next experiments: the expected error against plain formulas, known test beds, any law, bad arguments.

Laws of schedules, whose runs are curves, are in test_next_curves.py.
"""

import numpy as np
import pandas as pd
import pytest

import scaling
from scaling.errors import ScalingError
from scaling.planning.belief import Belief
from scaling.planning.experiments import Purchase, plan_next, sequentially
from scaling.synthetic import rf_surface
from tests.test_laws import LAWS, inputs_for

POOL = pd.DataFrame([(N, D) for N in np.geomspace(1e7, 1e9, 6) for D in np.geomspace(3e8, 3e10, 6)], columns=["N", "D"])
TARGET = pd.DataFrame({"N": [7e9, 1e10], "D": [2e11, 2e11]})
BUDGET = 0.1 * 6 * float((POOL["N"] * POOL["D"]).sum())
TRUTH = scaling.laws["chinchilla"].published["besiroglu2024"]


def made(rows, size=0.003, seed=0):
    noise = np.random.default_rng(seed).normal(size=len(rows))
    return rows.assign(loss=TRUTH(rows["N"], rows["D"]) * np.exp(size * noise))


def test_updates_by_one_run_agree_with_all_at_once():
    belief = Belief(scaling.laws["chinchilla"], POOL, TARGET)
    state = Purchase(belief)
    bought = [3, 30, 30, 17]
    for k in bought:
        before, gain = state.target_sd**2, state.gains(np.array([k]), "error")[0]
        state.buy(k)
        assert before - state.target_sd**2 == pytest.approx(gain, rel=1e-6)
    J, F = belief.J[bought], belief.F[bought]
    S = np.linalg.inv(np.eye(5) + J.T @ J / belief.noise**2)
    reach = belief.target_J @ S @ J.T / belief.noise**2
    # mean square over draws of parameters, noise and misfit of (the fit's prediction - truth), all linear
    drag = reach @ F - belief.target_F
    variance = np.einsum("tp,pq,tq->t", belief.target_J, S, belief.target_J)
    assert state.target_sd**2 == pytest.approx(np.mean(variance + belief.misfit**2 * (drag**2).sum(1)), rel=1e-6)


@pytest.mark.parametrize(("exponent", "k"), [(0.0, 35), (0.1, 21), (0.2, 14), (1.0, 0)])
def test_gain_is_divided_by_a_power_of_the_price(exponent, k):
    gains = Purchase(Belief(scaling.laws["chinchilla"], POOL, TARGET)).gains(np.arange(len(POOL)), "error")
    prices = 6 * (POOL["N"] * POOL["D"]).to_numpy()
    first = plan_next("chinchilla", POOL, TARGET, 2 * prices.max(), cost_exponent=exponent).index[0]
    assert first == int(np.argmax(gains / prices**exponent)) == k


def test_a_law_that_is_right_is_sharpened():
    rows = {c: plan_next("chinchilla", POOL, TARGET, BUDGET, criterion=c) for c in ("error", "V", "D")}
    for table in rows.values():
        assert table["cost"].sum() <= BUDGET and table.index.is_unique
        assert table["target_sd"].iloc[-1] < 0.1 * table.attrs["target_sd"]
    assert (np.diff(rows["V"]["target_sd"]) <= 0).all() and (np.diff(rows["error"]["target_sd"]) <= 0).all()


def test_a_law_that_is_wrong_is_fitted_near_the_target():
    """The exact learner of arXiv:2311.14646, which E + A / N^a + B / D^b describes badly, at 5 % of the cost."""
    rows = rf_surface(1.5, 1.3, np.geomspace(32, 8192, 9), np.geomspace(32, 8192, 9))
    rows = rows.assign(cost=rows["N"] * rows["D"]).sort_values("cost", kind="stable", ignore_index=True)
    pool, target = rows.iloc[:64], rows.iloc[64:]
    budget = 0.05 * pool["cost"].sum()

    def error(criterion, seed=0):
        _, prediction = sequentially("chinchilla", pool, target, budget, cost="cost", criterion=criterion, seed=seed)
        return np.sqrt(np.mean((prediction / target["loss"] - 1) ** 2))

    ours = error("error")
    assert ours < error("cheapest") and ours < np.mean([error("random", seed) for seed in range(3)])


def test_few_runs_and_runs_of_a_fit():
    few = plan_next("chinchilla", POOL, TARGET, BUDGET, done=made(POOL.iloc[[0, 7]]))
    assert few.attrs["target_sd"] < plan_next("chinchilla", POOL, TARGET, BUDGET).attrs["target_sd"]
    fit = scaling.fit(made(POOL.iloc[::2]), "chinchilla", fixed={"alpha": TRUTH["alpha"]})
    table = plan_next(fit, POOL, TARGET, BUDGET)
    assert 0 < table["target_sd"].iloc[-1] < table.attrs["target_sd"] < 0.1
    bought, prediction = sequentially("chinchilla", made(POOL), made(TARGET), 0.01 * BUDGET)
    assert len(bought) and np.isfinite(prediction).all()


def test_a_broken_run_does_not_change_the_plan_much():
    runs = made(POOL)
    broken = runs.assign(loss=runs["loss"].where(runs.index != 20, 2 * runs["loss"]))
    clean, spoilt = (plan_next("chinchilla", POOL, TARGET, BUDGET, done=rows).attrs for rows in (runs, broken))
    assert spoilt["target_sd"] < 3 * clean["target_sd"] and spoilt["noise"] < 0.01


def test_target_among_the_runs_made_and_inputs_that_do_not_vary():
    inside = plan_next("chinchilla", POOL, POOL.iloc[:3], BUDGET, done=made(POOL))
    assert inside.attrs["target_sd"] < 0.01 and inside["cost"].sum() <= BUDGET
    one_size = POOL[POOL["N"] == POOL["N"].max()]  # A and alpha have nothing to show themselves by
    table = plan_next("chinchilla", one_size, TARGET, 1e30, done=made(one_size))
    assert 0.01 < table.attrs["target_sd"] < np.inf


@pytest.mark.parametrize("law", [p for p in LAWS if not p.values[0].over_schedules])
def test_any_law(law):
    pool, target = (pd.DataFrame(inputs_for(law, n, seed=n)) for n in (30, 4))
    table = plan_next(law, pool, target, 5.0, cost=1.0)
    assert np.isfinite(table["target_sd"]).all() and len(table) <= 5
    assert table.attrs["target_sd"] > 0.5  # nothing is known yet
    assert table["target_sd"].iloc[-1] < 0.2 * table.attrs["target_sd"] and not table.attrs["warnings"]


@pytest.mark.parametrize(
    "change, match",
    [
        ({"budget": 0.0}, "budget"),
        ({"budget": float("nan")}, "budget"),
        ({"budget": 1.0}, "cheapest run"),
        ({"budget": "much"}, "budget"),
        ({"pool": POOL.iloc[:0]}, "pool"),
        ({"target": TARGET.iloc[:0]}, "target"),
        ({"pool": None}, "pool"),
        ({"target": TARGET.drop(columns="D")}, "D"),
        ({"target": TARGET.assign(D=np.nan)}, "D"),
        ({"cost": "price"}, "price"),
        ({"cost": [1.0, 2.0]}, "36"),
        ({"cost": -1.0}, "positive"),
        ({"cost_exponent": -1.0}, "cost_exponent"),
        ({"criterion": "A"}, "criterion"),
        ({"criterion": ""}, "criterion"),
        ({"law": "chinchila"}, "chinchilla"),
    ],
)
def test_wrong_arguments(change, match):
    arguments = {"law": "chinchilla", "pool": POOL, "target": TARGET, "budget": BUDGET, **change}
    with pytest.raises(ScalingError, match=match):
        plan_next(**arguments)
