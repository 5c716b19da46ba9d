"""Choice of the next runs for laws of schedules: a run is a curve, the target the loss at the end of one."""

import numpy as np
import pandas as pd
import pytest

import scaling
from scaling.errors import ScalingError
from scaling.logs import Runs
from scaling.planning.belief import Belief
from scaling.planning.curves import LOOKS, candidates
from scaling.planning.experiments import Purchase, plan_next, sequentially
from scaling.synthetic import runs_of

LAWS = [name for name in scaling.laws if scaling.laws[name].over_schedules and not scaling.laws[name].hooks.facts]
FORM = "peak=3e-4,warmup=1000"
POOL = {
    "constant": f"constant:{FORM},steps=16k",
    "cosine": f"cosine:{FORM},steps=16k,final=0.1",
    "decay": f"wsd:{FORM},steps=16k,decay=0.2,final=0.1",
    "step": f"two_stage:{FORM},steps=16k,switch=8000,then=3e-5",
    "brief": f"constant:{FORM},steps=6k",
    "dip": f"two_stage:{FORM},steps=7k,switch=3000,then=3e-5",
}
TRUNKS = {f"c{k}": f"constant:{FORM},steps={k}k" for k in (8, 9, 10)}
TARGET = f"cosine:{FORM},steps=64k,final=0.1"
TRUTH = {
    "multi_power_5": {"L0": 3.152, "A": 0.52, "alpha": 0.504, "B": 443.4, "C": 1.353},
    "annealing": {"L0": 3.158, "A": 0.5136, "alpha": 0.5134, "C": 0.4019},
}


def made(law, names, seed=0, run=3e-4, row=2e-4):
    """Curves of the truth, each with an error of its own besides that of its rows."""
    rng = np.random.default_rng(seed)
    plans = {name: scaling.schedule({**POOL, **TRUNKS}[name]) for name in names}
    frames = [
        pd.DataFrame({"run": name, "step": (step := np.arange(1100, plan.steps + 1, 100)), "lr": plan.rates[step - 1]})
        for name, plan in plans.items()
    ]
    frame = pd.concat(frames).assign(loss=np.nan)
    exact = runs_of(law, TRUTH[law], Runs.from_frame(frame, schedule=plans), noise="none")
    shared = exact["run"].map({name: run * rng.normal() for name in names})
    loss = exact["exact"] * np.exp(shared + row * rng.normal(size=len(exact)))
    return Runs.from_frame(exact[["run", "step", "lr"]].assign(loss=loss), schedule=plans)


@pytest.mark.parametrize("law", LAWS)
def test_a_run_that_lowers_its_rate_is_what_a_constant_run_lacks(law):
    done = made("multi_power_5", ["constant"])
    for criterion in ("error", "V", "D"):
        plan = plan_next(law, POOL, TARGET, 22_000, done=done, criterion=criterion)
        assert plan["run"].iloc[0] in ("step", "decay", "cosine", "dip")
        # of what a constant run leaves open, a run that lowers its rate leaves less than a quarter, whatever the law
        assert plan["target_sd"].iloc[0] < 0.25 * plan.attrs["target_sd"] and plan["cost"].sum() <= 22_000
        assert plan.attrs["unit"] == "updates" and len(plan.attrs["warnings"]) == 2  # 'constant' has been run, and so 'brief'


@pytest.mark.parametrize("law", LAWS)
def test_from_nothing(law):
    plan = plan_next(law, POOL, TARGET, 40_000)
    assert plan.attrs["target_sd"] > 0.5 and plan["target_sd"].iloc[-1] < 0.2
    assert any(scaling.schedule(POOL[name]).drops().any() for name in plan["run"])
    only = plan_next(law, {"a": POOL["constant"], "b": POOL["brief"]}, TARGET, 40_000)
    assert "no drop of the learning rate" in only.attrs["warnings"][0] and only["target_sd"].iloc[-1] > 0.2


def test_a_curve_counts_as_few_rows_that_share_an_error():
    belief = Belief(scaling.laws["multi_power_5"], *candidates(POOL, TARGET, None, False)[:2])
    assert len(belief.pool) == LOOKS * len(POOL)
    state, bought = Purchase(belief), [3, 0, 3]
    for k in bought:
        before, gain = state.target_sd**2, state.gains(np.array([k]), "error")[0]
        state.buy(k)
        assert before - state.target_sd**2 == pytest.approx(gain, rel=1e-6)
    rows = np.concatenate([np.arange(LOOKS) + LOOKS * k for k in bought])
    J, F = belief.J[rows], belief.F[rows]
    noise = belief.noise**2 * np.kron(np.eye(3), np.eye(LOOKS) + np.ones((LOOKS, LOOKS)))
    S = np.linalg.inv(np.eye(5) + J.T @ np.linalg.solve(noise, J))
    drag = belief.target_J @ S @ J.T @ np.linalg.solve(noise, F) - belief.target_F
    variance = np.einsum("tp,pq,tq->t", belief.target_J, S, belief.target_J)
    assert state.target_sd**2 == pytest.approx(np.mean(variance + belief.misfit**2 * (drag**2).sum(1)), rel=1e-5)


def test_more_logged_rows_are_no_more_runs():
    done = made("multi_power_5", ["constant", "step"])
    few = Runs.from_frame(done.frame.iloc[::5], schedule={n: done.schedules[n] for n in done})
    dense, sparse = (plan_next("multi_power_5", POOL, TARGET, 16_000, done=runs).attrs for runs in (done, few))
    assert dense["target_sd"] == pytest.approx(sparse["target_sd"], rel=0.3)


@pytest.mark.parametrize("law", TRUTH)
def test_chosen_runs_leave_less_error_than_random_and_cheapest(law):
    exact = runs_of(law, TRUTH[law], TARGET, noise="none")["exact"].iloc[-1]
    pool = ["brief", "c8", "c9", "c10", "constant", "decay"]  # most lower nothing
    found = {"error": [], "cheapest": [], "random": []}
    for seed in range(3):
        runs = made(law, pool, seed=seed)
        for criterion, errors in found.items():
            bought, prediction = sequentially(law, runs, TARGET, 18_000, made=[0], criterion=criterion, seed=seed)
            assert "brief" in bought and len(bought) > 1
            errors.append(abs(prediction[0] / exact - 1))
    assert max(found["error"]) < 0.5 * min(np.mean(found["cheapest"]), np.mean(found["random"]))


def test_every_form_of_a_pool_gives_the_same_plan():
    done = made("multi_power_5", ["constant"])
    names = ["cosine", "dip", "brief", "step"]
    plans = {name: scaling.schedule(POOL[name]) for name in names}
    steps = {name: np.arange(1000, plan.steps + 1, 200) for name, plan in plans.items()}
    rows = [pd.DataFrame({"run": n, "step": s, "lr": plans[n].rates[s - 1], "loss": np.nan}) for n, s in steps.items()]
    table = pd.DataFrame({"run": names, "schedule": [POOL[n] for n in names], "price": [16.0, 7.0, 6.0, 16.0]})
    forms = [plans, table, Runs.from_frame(pd.concat(rows), schedule=plans)]
    found = [plan_next("annealing", form, TARGET, 30_000, done=done) for form in forms]
    for plan in found[1:]:
        assert plan["run"].tolist() == found[0]["run"].tolist()
        np.testing.assert_allclose(plan["target_sd"], found[0]["target_sd"], rtol=0.05)
    texts = plan_next("annealing", list(table["schedule"]), scaling.schedule(TARGET), 30, done=done, cost=table["price"])
    priced = plan_next("annealing", table, TARGET, 30, done=done, cost="price")
    assert texts["cost"].tolist() == priced["cost"].tolist()  # a cost belongs to the run given in its place
    assert texts["run"].tolist() == [POOL[n] for n in priced["run"]] and priced.attrs["unit"] == "price"


def test_costs_are_compute_where_size_and_batch_are_known():
    done = made("annealing", ["constant"])
    facts = done.facts.assign(n_params=25e6, batch_tokens=1e5)
    plan = plan_next("annealing", POOL, TARGET, 1e20, done=done.with_facts(facts))
    np.testing.assert_allclose(plan["cost"], 6 * 25e6 * 1e5 * plan["steps"])
    assert plan.attrs["unit"] == "FLOP"
    tokens = plan_next("annealing", POOL, TARGET, 1e12, done=done.with_facts(facts.drop(columns="n_params")))
    assert tokens.attrs["unit"] == "tokens" and tokens["cost"].iloc[0] == 1e5 * tokens["steps"].iloc[0]


def test_branches_cost_and_show_only_what_is_new():
    done = made("annealing", ["constant"])
    pool = {name: POOL[name] for name in ("decay", "step", "cosine")}
    whole, part = (
        plan_next("annealing", pool, TARGET, 50_000, done=done, branch=b, criterion="V").set_index("run") for b in (False, True)
    )
    assert whole.loc["step", "cost"] == 16_000 and part.loc["step", "cost"] == 8_000
    assert part.loc["decay", "cost"] == pytest.approx(3200, abs=20) and part.loc["cosine", "cost"] > 14_000


def test_runs_of_a_fit_and_of_a_saved_one(tmp_path):
    rows = made("annealing", ["constant", "decay"]).frame
    rise = [
        {"run": n, "step": s, "lr": scaling.schedule(POOL[n]).rates[s - 1]} for n in rows["run"].unique() for s in (1, 1000)
    ]
    fit = scaling.fit(pd.concat([pd.DataFrame(rise), rows]), "annealing", min_step=2000)  # without the warm-up, not its rates
    fit.save(tmp_path / "fit.json")
    plans = [plan_next(f, POOL, TARGET, 16_000) for f in (fit, scaling.load(tmp_path / "fit.json"))]
    pd.testing.assert_frame_equal(*plans)
    assert plans[0].attrs["target_sd"] < 0.05
    assert [w.split("'")[1] for w in plans[0].attrs["warnings"]] == ["constant", "decay", "brief"]


def test_play_until_nothing_is_left():
    runs = made("annealing", ["brief", "c8", "c9", "constant", "decay"])
    bought, prediction = sequentially("annealing", runs, TARGET, 1e6, made=[0])
    assert {"brief", "decay"} <= set(bought) and np.isfinite(prediction).all()
    bought, _ = sequentially("annealing", runs, TARGET, 40_000, made=[3], criterion="cheapest")
    assert set(bought) == {"constant", "decay"}  # the others are beginnings of constant


def test_what_answers_nothing_new_is_left_out():
    done = made("annealing", ["constant"])
    plan = plan_next("annealing", {**POOL, "goal": TARGET}, TARGET, 90_000, done=done)
    assert not {"constant", "goal", "brief"} & set(plan["run"])  # brief is the beginning of constant
    assert [w.split("'")[1] for w in plan.attrs["warnings"]] == ["constant", "brief", "goal"]
    tiny = plan_next("annealing", {**POOL, "tiny": "constant:peak=3e-4,steps=30"}, TARGET, 90_000, done=done)
    assert "'tiny' is left out: it ends before step 1100" in tiny.attrs["warnings"][-1]
    known = plan_next("annealing", POOL, POOL["constant"], 16_000, done=done).attrs["warnings"]
    assert any("target" in w and "has been run already" in w for w in known)


@pytest.mark.parametrize(
    "change, match",
    [
        ({"pool": {"a": "wsdd:peak=3e-4,steps=9k"}}, "pool 'a': unknown schedule 'wsdd'; did you mean 'wsd'"),
        ({"pool": {"a": np.nan}}, "pool 'a'"),
        ({"pool": [POOL["cosine"], POOL["cosine"]]}, "twice"),
        ({"pool": {"a": POOL["cosine"].replace("3e-4", "1e-3")}}, "peak learning rates differ"),
        ({"target": TARGET.replace("3e-4", "1e-3")}, "peak learning rates differ"),
        ({"pool": {"a": TARGET}}, "no candidate is left"),
        ({"pool": {"a": POOL["constant"]}}, "has been run already, as 'constant'"),
        ({"pool": pd.DataFrame({"N": [1e6], "D": [1e9]})}, "a column schedule"),
        ({"pool": []}, "pool"),
        ({"pool": None}, "pool"),
        ({"target": {}}, "target"),
        ({"pool": pd.DataFrame({"step": [1, 2], "loss": [3.0, 2.0]})}, "learning rates of run"),
        ({"pool": {"a": "linear:peak=3e-4,steps=2k,warmup=2000"}}, "decay"),
        ({"budget": 1000}, "cheapest run of the pool costs 7e"),
        ({"cost": [1.0, 2.0]}, "6 in all"),
        ({"cost": "price"}, "price"),
        ({"law": "annealing:lam=2"}, "lam"),
    ],
)
def test_wrong_arguments(change, match):
    arguments = {"law": "annealing", "pool": POOL, "target": TARGET, "budget": 16_000, **change}
    with pytest.raises(ScalingError, match=match):
        plan_next(**arguments, done=made("annealing", ["constant"]))


def test_another_model_is_refused():
    done = made("annealing", ["constant"])
    table = pd.DataFrame({"schedule": [POOL["cosine"]], "n_params": [1e8]})
    with pytest.raises(ScalingError, match="n_params differs"):
        plan_next("annealing", table, TARGET, 1e30, done=done.with_facts(done.facts.assign(n_params=25e6)))
