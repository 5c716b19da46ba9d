"""Forecasts of running jobs: the law, its fit with references, what it says and what it refuses."""

import gc
import weakref

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from scipy.stats import kstest

import scaling
from scaling.errors import ArgumentError, DataError
from scaling.running import Live, References, checked, choose, then
from scaling.running.beliefs import FAMILY, carried, widening
from scaling.running.hierarchy import Curve, Hierarchy
from scaling.running.path import NAMES, Path
from scaling.running.prefix import Prefix, scatter
from tests.test_apart import curve as simulated

PLAN = "wsd:peak=3e-4,steps=4000,warmup=200,decay=0.2,shape=linear,final=0.1"
X = np.array([2.8, -1.5, -0.6, -1.6, 6.6, 0.8, 0.15, -5.2])
PLANS = (
    PLAN,
    "cosine:peak=3e-4,steps=24000,warmup=2160,final=0.1",
    "wsd:peak=2e-3,steps=3000,warmup=100,decay=0.5,final=0",
    "two_stage:peak=8e-3,steps=3200,warmup=160,switch=2100,then=2.4e-3",
    "cosine_restarts:peak=1e-3,steps=3000,warmup=100,cycles=2,final=0.1",
)


def curve(plan=PLAN, x=X, steps=None, horizon=None):
    schedule = scaling.schedule(plan)
    steps = np.arange(250, schedule.last + 1, 50) if steps is None else steps
    return steps, Path(schedule, steps, None if horizon is None else scaling.schedule(horizon))(np.asarray(x))[0]


def run(done, shift=0.0, seed=0, name="run", plan=PLAN, noise=5e-4, x=X):
    steps, loss = curve(plan, x)
    loss = loss + shift + noise * np.random.default_rng(seed).standard_normal(len(steps))
    frame = pd.DataFrame({"run": name, "step": steps, "loss": np.where(steps <= done, loss, np.nan)})
    return scaling.Runs.from_frame(frame, schedule=plan), loss[-1]


@pytest.mark.parametrize("plan", PLANS)
def test_the_law_is_its_formula_and_its_slopes_are_its_own(plan):
    """Every update summed on its own, against blocks; slopes against differences."""
    schedule = scaling.schedule(plan)
    steps = np.unique(np.linspace(schedule.warmup + 5, schedule.last, 57).astype(int))
    path = Path(schedule, steps)
    L0, A, alpha, N, C, q, k, eta_0 = X[0], *np.exp(X[1:5]), X[5], X[6], np.exp(X[7])
    u = schedule.rates / schedule.peak
    Q, h = np.cumsum(np.maximum(u, 1e-3) ** q), u / (1 + u * schedule.peak / eta_0)
    want = []
    for at in schedule.index(steps):
        j = np.arange(schedule.warmup, at + 1)
        G = 1 - (1 + C * (Q[at] - Q[j - 1]) / (schedule.steps * np.sqrt(np.maximum(u[j], 1e-3)))) ** -0.5
        noise = 1 / (1 + schedule.peak / eta_0) - ((h[j - 1] - h[j]) * G).sum()
        p = Q[at] / Q[-1]
        want.append(L0 + A * p**-alpha + N * p ** (-k * alpha) * noise)
    value, by = path(X)
    assert np.abs(value - want).max() < 2e-4
    for name, slope, e in zip(NAMES, by.T, np.eye(8), strict=True):
        apart = (path(X + 1e-6 * e)[0] - path(X - 1e-6 * e)[0]) / 2e-6
        assert slope == pytest.approx(apart, abs=1e-8), name


def test_constants_in_other_units_are_the_same_curve():
    short, long = (scaling.schedule(PLAN.replace("4000", steps)) for steps in ("4000", "9000"))
    steps = np.arange(300, 4001, 100)
    there, J = carried(X, short, long)
    assert Path(short, steps, long)(there)[0] == pytest.approx(Path(short, steps)(X)[0], abs=1e-12)
    for e in np.eye(8):
        apart = (carried(X + 1e-6 * e, short, long)[0] - carried(X - 1e-6 * e, short, long)[0]) / 2e-6
        assert J @ e == pytest.approx(apart, abs=1e-7)
    sizes = widening(4.0, 1.0)
    assert np.linalg.eigvalsh(sizes).min() > 0 and (np.diag(widening(64.0, 1.0)) > np.diag(sizes))[1:].all()
    assert (np.diag(widening(np.nan, 1.0)) == np.diag(sizes)).all()
    assert (np.diag(widening(1.0, 2.0)) > np.diag(widening(1.0, 1.0)))[:3].all()


def test_intervals_hold_where_the_model_holds():
    """Constants from the family, a drift and noise as assumed: truths fall evenly into the predicted distribution."""
    plan, rng, where = scaling.schedule("wsd:peak=1e-3,steps=2000,warmup=100,decay=0.5,final=0"), np.random.default_rng(1), []
    steps = np.arange(400, 2001, 20)
    path, rows = Path(plan, steps), (steps <= 1400).sum()
    belief = FAMILY.belief(1e-3, 3.0)
    for _ in range(60):
        x = np.r_[2.5, rng.normal(belief.mean[1:], FAMILY.sd[1:])]
        drift = np.cumsum(rng.normal(0, np.sqrt(np.diff(path.drift, prepend=path.drift[0]))))
        loss = path(x)[0] * np.exp(drift + rng.normal(0, 1.5e-3, len(steps)))
        known = Curve(Path(plan, steps[:rows]), loss[:rows], np.full(rows, 1.1e-3 * 3))
        middle, covariance = Hierarchy([known], belief).ahead([Path(plan, steps[-1:])])
        where.append((np.log(loss[-1]) - middle[0]) / np.hypot(np.sqrt(covariance[0, 0]), 1.5e-3))
    assert kstest(where, "norm").pvalue > 0.01 and 0.8 < np.std(where) < 1.25


def test_a_reference_on_the_same_schedule_sharpens_the_end():
    live, truth = run(2000)
    alone = scaling.forecast(live)
    found = scaling.forecast(live, run(4000, shift=0.4, seed=1, name="small")[0])
    width = lambda f: f.end["upper"] - f.end["lower"]
    assert found.end["prediction"] == pytest.approx(truth, abs=0.01)
    assert found.end["lower"] < truth < found.end["upper"] and width(found) < 0.6 * width(alone)
    assert found.step == 2000 and found.last == 4000 and "at step 2000 of 4000" in str(found)
    assert str(found).startswith("verdict") and "1 reference" in found.method
    assert found.to_dict()["end"] == found.end
    assert alone.end["lower"] < truth < alone.end["upper"]


def test_what_decays_save_is_assumed_without_references_and_said():
    live, _ = run(2000)
    assert any("assumed from other models" in w for w in scaling.forecast(live).warnings)
    assert not scaling.forecast(run(3900)[0]).warnings  # it has been seen
    steady = run(2000, plan="constant:peak=3e-4,steps=4000,warmup=200")[0]
    assert not scaling.forecast(steady).warnings  # nothing will be saved
    assert not scaling.forecast(live, run(4000, shift=0.4, seed=1, name="small")[0]).warnings


def test_the_past_is_forecast_from_its_own_beginning():
    check = scaling.forecast(run(3000)[0]).check
    assert check["from"] == 1900 and check["lower"] < check["measured"] < check["upper"]
    short = scaling.forecast(run(700)[0])
    assert not short.check and "too short" in str(short) and np.isfinite(short.end["lower"])


def test_references_are_learned_from_once_and_kept_by_nobody_else():
    live, _ = run(2000)
    finished = _sizes()
    kept = weakref.ref(finished)
    references = References(finished)
    one, other = (scaling.forecast(live, given) for given in (references, finished))
    assert str(one) == str(other) and references.groups(FAMILY) is references.groups(FAMILY)
    del finished, references
    gc.collect()
    assert kept() is None


@pytest.mark.parametrize(("given", "said"), [(None, "NoneType"), ("live.csv", "str"), (3, "int")])
def test_what_is_no_run_is_refused(given, said):
    with pytest.raises(DataError, match=f"not {said}; scaling.read"):
        scaling.forecast(given)
    live, _ = run(2000)
    if given is not None:
        with pytest.raises(DataError, match="references=: Runs or a DataFrame"):
            scaling.forecast(live, given)
    with pytest.raises(ArgumentError, match="between 0 and 1"):
        scaling.forecast(live, level=90)
    with pytest.raises(DataError, match="reference 'old': its schedule is unknown"):
        Live(PLAN, pd.DataFrame({"run": "old", "step": range(1, 30), "loss": np.linspace(3, 2, 29)}))


def test_refusals():
    live, _ = run(4000)
    with pytest.raises(DataError, match="over"):
        scaling.forecast(live)
    with pytest.raises(DataError, match="evaluated rows"):
        scaling.forecast(run(400)[0])
    with pytest.raises(DataError, match="schedule is unknown"):
        scaling.forecast(pd.DataFrame({"step": range(1, 30), "loss": np.linspace(3, 2, 29)}))


def test_a_log_that_contradicts_its_plan_is_refused_and_the_remedy_works():
    live, _ = run(2000)
    rows = live.frame.dropna().assign(lr=lambda f: scaling.schedule(PLAN).rates[f["step"] - 1])
    other = "cosine:peak=3e-4,steps=4000,warmup=200"
    with pytest.raises(DataError, match=r"logged rate at step 350 is 0.0003, .* has 0.00029.*--then"):
        scaling.forecast(scaling.Runs.from_frame(rows, schedule=other))
    found = scaling.forecast(then(scaling.Runs.from_frame(rows), other))
    assert found.last == 4000 and found.frame["lr"].iloc[-1] < 1e-6
    late = rows.assign(lr=np.r_[0.0, rows["lr"].to_numpy()[:-1]])  # a log that names the rate of the update before
    assert scaling.forecast(scaling.Runs.from_frame(late.iloc[1:], schedule=PLAN)).ok


def test_another_schedule_takes_over_after_the_present():
    live, _ = run(2000)
    joined = then(live, PLAN.replace("4000", "3000"))
    plan = joined.schedules["run"]
    assert plan.last == 3000 and (plan.rates[:2000] == scaling.schedule(PLAN).rates[:2000]).all()
    assert (plan.rates[2000:] == scaling.schedule(PLAN.replace("4000", "3000")).rates[2000:]).all()
    assert joined.frame.dropna().equals(live.frame.dropna())
    with pytest.raises(DataError, match=r"at step 2000 and .* ends at 1500; give steps= of the whole run"):
        then(live, PLAN.replace("4000", "1500"))
    with pytest.raises(DataError, match="for one run, these are 2"):
        then(_sizes(), PLAN)


def test_schedules_are_compared_with_the_chance_that_each_is_lowest():
    live, _ = run(2000)
    plans = [PLAN, PLAN.replace("decay=0.2", "decay=0.4"), PLAN.replace("4000", "3000")]
    found = choose(live, plans)
    alone = scaling.forecast(then(live, plans[1])).end
    assert found.frame.loc[plans[1], "prediction"] == alone["prediction"]
    assert found.frame["lowest"].sum() == pytest.approx(1) and found.frame["lowest"].idxmax() in found.head()[0][1]
    assert found.frame.loc[plans[2], "lowest"] < 0.05 and found.run == "run"  # a thousand updates fewer
    two = choose(live, plans[:2]).frame["lowest"]
    assert (two > 0.02).all()  # the ends differ by less than is known
    assert set(found.curves["then"]) == set(plans) and found.to_dict()["forecasts"][PLAN]["last"] == 4000
    axes = scaling.plots.choices(found)
    assert len(axes["loss"].lines) == 5 and len(axes["lr"].lines) == 4
    plt.close("all")
    with pytest.raises(ArgumentError, match="two different ones"):
        choose(live, [PLAN, PLAN])


def test_chances_are_those_of_the_truth():
    """The same future twice, once a little longer: the longer one is lower as often as it is."""
    live, _ = run(2000)
    near = [PLAN, PLAN.replace("steps=4000", "steps=4010")]
    assert 0.5 < choose(live, near).frame["lowest"].iloc[1] < 0.95


def test_live_counts_rows_and_survives_bad_losses():
    rows = run(1500)[0].frame.dropna()
    one = Live(PLAN)
    found = [one(int(s), x) for s, x in zip(rows["step"], rows["loss"], strict=True)]
    assert found[0] is None and found[-1] is not None and one.last is found[-1]
    for bad, said in (({"level": 90}, "between 0 and 1"), ({"every": 0}, "1 or more")):
        with pytest.raises(ArgumentError, match=said):
            Live(PLAN, **bad)
    live = Live(PLAN)
    with pytest.raises(DataError, match="give a number"):
        live(1, "x")
    for k, (s, x) in enumerate(zip(rows["step"], rows["loss"], strict=True)):
        found = live(int(s), np.inf if k == 3 else x)
    assert found is not None and np.isnan(live.losses[3])


def test_scatter_counts_rows_and_what_wanders_but_no_trend():
    rng = np.random.default_rng(0)
    x = np.linspace(0, 1, 1200)
    trend, white = 3 - x + 0.5 * x**2, 0.01 * rng.standard_normal(1200)
    assert sum(scatter(trend)) < 1e-6
    assert np.hypot(*scatter(trend + white)) == pytest.approx(0.01, rel=0.15)
    wander = 0.02 * np.repeat(rng.standard_normal(12), 100)
    row, slow = scatter(trend + white + wander)
    assert row == pytest.approx(0.01, rel=0.15) and slow > 0.01


def test_a_log_of_every_step_has_intervals_of_a_row_and_of_the_mean():
    plan = scaling.schedule(PLAN)
    steps = np.arange(1, 4001)
    clean = np.r_[np.full(200, 9.0), Path(plan, steps[200:])(X)[0]]
    loss = clean + 0.05 * np.random.default_rng(0).standard_normal(4000)
    runs = scaling.Runs.from_frame(
        pd.DataFrame({"run": "run", "step": steps, "loss": np.where(steps < 3601, loss, np.nan)}), schedule=plan
    )
    prefix = Prefix.of(runs, "run")
    step, mean, noise = prefix.means()
    assert len(step) <= 110 and prefix.noise == pytest.approx(0.05, rel=0.1) and noise[0] < 0.3 * 0.05
    assert mean == pytest.approx(clean[step - 1], abs=4 * noise[0])
    found, end = scaling.forecast(runs), scaling.forecast(runs).end
    assert found.step == 3600 and end["prediction"] == pytest.approx(clean[-1], abs=0.02)
    assert end["mean_lower"] < clean[-1] < end["mean_upper"]
    assert 0.16 < end["upper"] - end["lower"] < 0.3 and end["mean_upper"] - end["mean_lower"] < 0.1
    assert "for the mean of many" in str(found)
    assert "for the mean of many" not in str(scaling.forecast(run(2000)[0]))


def test_means_do_not_reach_across_a_jump_of_the_rate():
    plan = scaling.schedule(np.r_[np.full(1501, 1e-3), np.full(1499, 1e-4)])
    prefix = Prefix("run", 1 + np.arange(2900), np.r_[np.full(1501, 3.0), np.full(1399, 2.0)], plan)
    step, loss, _ = prefix.means()
    assert set(loss) == {2.0, 3.0} and (np.diff(step) > 0).all()


def test_a_loss_that_does_not_follow_its_schedule_is_told():
    steps = np.arange(250, 3601, 50)
    frame = pd.DataFrame({"run": "run", "step": steps, "loss": np.where(steps < 2000, 5.0, 1.0)})
    found = scaling.forecast(scaling.Runs.from_frame(frame, schedule=PLAN))
    assert found.warnings[0].startswith("do not trust this") and not found.ok and "NOT TRUSTWORTHY" in str(found)
    assert not any("do not trust" in w for w in scaling.forecast(run(3600)[0]).warnings)
    frame = run(2000)[0].frame
    frame.loc[frame["step"].between(1850, 2000), "loss"] = 9.0
    found = scaling.forecast(scaling.Runs.from_frame(frame, schedule=PLAN))
    assert found.warnings[0].startswith("do not trust this") and found.end["lower"] >= 0


def test_a_loss_that_rises_at_a_constant_rate_is_told():
    steps = np.arange(10, 510, 10)  # of a network that learns by heart: a law follows it so far, and every end is possible
    frame = pd.DataFrame({"step": steps, "loss": 2.95 + 0.9 * (1 - np.exp(-steps / 300))})
    for done in (130, 250, 500):
        found = scaling.forecast(
            scaling.Runs.from_frame(frame[frame["step"] <= done], schedule="constant:peak=1e-3,steps=2500")
        )
        assert "the loss has risen by" in found.warnings[0] and not found.ok
    restarted = scaling.forecast(run(1900, plan=PLANS[4])[0])  # its rate rises, and so may its loss
    assert not any("has risen" in said for said in restarted.warnings)


@pytest.mark.parametrize("plan", PLANS)
@pytest.mark.parametrize("size", [1e-3, 1e3])
def test_losses_that_no_law_follows_have_a_finite_answer(plan, size):
    """exp(-10 t) falls through every power law; rises, constants and pure noise are as bad."""
    schedule = scaling.schedule(plan)
    steps = np.unique(np.linspace(schedule.warmup + 1, 0.6 * schedule.last, 40).astype(int))
    t, noise = steps / schedule.last, np.random.default_rng(0).standard_normal(len(steps))
    for loss, ok in ((np.exp(-10 * t), False), (1 + t, None), (np.ones(len(t)), None), (np.exp(noise), None)):
        rows = pd.DataFrame({"run": "run", "step": steps, "loss": size * loss})
        found = scaling.forecast(scaling.Runs.from_frame(rows, schedule=schedule))
        end = found.end
        assert 0 < end["lower"] <= end["mean_lower"] <= end["prediction"] <= end["mean_upper"] <= end["upper"] < np.inf
        assert ok is None or found.ok == ok


def _sizes(known=True, shifts=(0.3, 0.6)):
    plan = PLAN.replace("decay=0.2", "decay=0.3")
    parts = [run(4000, shift=shift, seed=k, name=f"small-{k}", plan=plan)[0] for k, shift in enumerate(shifts)]
    both = scaling.Runs.from_frame(pd.concat([p.frame for p in parts]), schedule=plan)
    return both.with_facts(both.facts.assign(n_params=[1e6, 2e6])) if known else both


def test_sizes_and_peaks_have_constants_of_their_own():
    live, truth = run(2000)
    found = scaling.forecast(live, _sizes())
    assert "2 references in 2 groups" in found.method and found.end["prediction"] == pytest.approx(truth, abs=0.01)
    unknown = scaling.forecast(live, _sizes(known=False))
    assert any("are not of one model" in w and "log n_params" in w for w in unknown.warnings)
    assert unknown.end["lower"] < truth < unknown.end["upper"]
    alike = scaling.forecast(live, _sizes(known=False, shifts=(0.3, 0.3)))
    assert not alike.warnings and "groups" not in alike.method
    other = scaling.Runs.from_frame(run(4000, name="small")[0].frame, schedule=PLAN.replace("3e-4", "6e-4"))
    assert any("peak rate of 0.0006 and this run has 0.0003" in w for w in scaling.forecast(live, other).warnings)


def test_what_the_schedule_assumes_is_told():
    live, _ = run(2000)
    rows = live.frame[lambda f: f["step"] >= 1000].assign(lr=lambda f: scaling.schedule(PLAN).rates[f["step"] - 1])
    assert any("a linear warm-up" in w for w in scaling.forecast(rows).warnings)


def test_rates_of_zero_and_losses_of_every_size_are_fine():
    x = np.r_[0.02, X[1] - 3, X[2], X[3] - 3, X[4:]]
    live, truth = run(1500, plan="wsd:peak=2e-3,steps=3000,warmup=100,decay=0.6,final=0", noise=2e-5, x=x)
    found = scaling.forecast(live)
    assert found.ok and found.end["lower"] > 0 and found.end["prediction"] == pytest.approx(truth, rel=0.2)


def test_the_figure_of_a_running_job():
    live, _ = run(2000)
    found = scaling.forecast(live, run(4000, shift=0.4, seed=1, name="small")[0])
    ax = scaling.plots.running(found)
    solid, dashed = (line for line in ax.lines if line.get_color() == "#0072b2")
    assert solid.get_xdata()[-1] == dashed.get_xdata()[0] == 2000 and dashed.get_xdata()[-1] == 4000
    assert ax.child_axes and "end of data" in [t.get_text() for t in ax.texts]
    plt.close("all")


def stopped(share, seed, shape="cosine", heat=0.045):
    """A job of another kind than all families: a tenth of the noise that annealing takes away in them; and where it ends."""
    job, end = (simulated(1e6, shape, 4000, seed, noise=noise, heat=heat) for noise in (3e-3, 0.0))
    return job.assign(loss=job["loss"].where(job["step"] <= 4000 * share)), end["loss"].iloc[-1]


def test_a_job_unlike_its_families_is_believed_to_be_by_its_own_earlier_steps(monkeypatch):
    jobs = [stopped(share, seed) for share in (0.5, 0.8) for seed in range(3)]
    inside = lambda: sum(
        found["lower"] <= end <= found["upper"] for job, end in jobs for found in [scaling.forecast(job).end]
    )  # fmt: skip
    assert inside() >= 5
    monkeypatch.setattr(checked, "WIDER", ())
    assert inside() <= 1


def test_a_job_whose_checks_fail_is_not_trusted_and_one_whose_checks_hold_is_as_it_was(monkeypatch):
    job, _ = stopped(0.8, 1)
    monkeypatch.setattr(checked, "WIDER", ())
    said = scaling.forecast(job)
    assert not said.ok and "missed it by" in said.warnings[0] and "NOT TRUSTWORTHY" in str(said)
    assert said.check["measured"] > said.check["upper"]
    healthy, _ = stopped(0.5, 0, shape="wsd", heat=0.45)
    held = scaling.forecast(healthy)
    assert held.ok and held.check["lower"] < held.check["measured"] < held.check["upper"]
