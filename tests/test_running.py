"""Forecasts of running jobs."""

import gc
import sys
import types
import weakref

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

import scaling
from scaling.errors import ArgumentError, DataError, MissingExtra
from scaling.running import Live, References, methods, trainer_callback

PLAN = "wsd:peak=3e-4,steps=4000,warmup=200,decay=0.2,shape=linear,final=0.1"
OWN = "own prefix with the published kernel"
TRUE = {"L0": 2.8, "A": 0.6, "alpha": 0.45, "B": 500.0, "C": 1.6}


def run(done, shift=0.0, seed=0, name="run", plan=PLAN):
    steps = np.arange(250, 4001, 50)
    loss = scaling.laws["multi_power_5"](
        *scaling.laws["multi_power_5"]
        .hooks.features(steps, scaling.schedule(plan), **scaling.laws["multi_power_5"].conventions)
        .values(),
        **{**TRUE, "L0": TRUE["L0"] + shift},
    )
    loss = loss + 5e-4 * np.random.default_rng(seed).standard_normal(len(steps))
    frame = pd.DataFrame({"run": name, "step": steps, "loss": np.where(steps <= done, loss, np.nan)})
    return scaling.Runs.from_frame(frame, schedule=plan), loss[-1]


def test_same_schedule_reference_gives_the_end():
    live, truth = run(2000)
    finished, _ = run(4000, shift=0.4, seed=1, name="small")
    found = scaling.forecast(live, finished)
    assert found.method == "affine map of small"
    assert found.end["prediction"] == pytest.approx(truth, abs=0.004)
    assert found.end["lower"] < truth < found.end["upper"]
    assert found.step == 2000 and found.last == 4000
    assert found.to_dict()["end"] == found.end
    assert "at step 2000 of 4000" in str(found)


def test_without_references_the_kernel_is_assumed_and_said():
    live, truth = run(2000)
    found = scaling.forecast(live)
    assert found.method == "own prefix with the published kernel"
    assert any("assumed" in w for w in found.warnings)
    assert abs(found.end["prediction"] - truth) < 0.08
    # what annealing saves is known within a factor only, and a stronger one saves without limit
    end = found.end
    assert end["prediction"] - end["lower"] > 1.5 * (end["upper"] - end["prediction"]) > 0.1


def test_the_method_is_decided_on_references_with_a_twin(monkeypatch):
    live, _ = run(2000)
    parts = [run(4000, shift=0.4 + k, seed=k, name=f"small-{k}")[0].frame for k in (1, 2)]
    finished = scaling.Runs.from_frame(pd.concat(parts), schedule=PLAN)
    finished = finished.with_facts(finished.facts.assign(n_params=[1e6, 2e6]))
    references = References(finished)
    tried = references.errors(5)
    assert set(tried) == {"affine map", "kernel", OWN} and len(tried) == 2
    assert tried["affine map"].mean() < 0.005 and tried["kernel"].mean() < 0.005 < tried[OWN].mean()
    assert scaling.forecast(live, references).method.startswith(str(tried.mean().idxmin()))
    monkeypatch.setattr(References, "errors", lambda *_: tried.assign(**{"affine map": 0.0}))
    assert scaling.forecast(live, finished).method == "affine map of small-1"


def test_references_are_learned_from_once_and_kept_by_nobody_else():
    live, _ = run(2000)
    finished = _sizes()
    kept = weakref.ref(finished)
    references = References(finished)
    one, other = (scaling.forecast(live, given) for given in (references, finished))
    assert str(one) == str(other) and references.kernels is references.kernels
    del finished, references
    gc.collect()
    assert kept() is None
    assert Live(PLAN, _sizes()).references.kernels[0]


def test_sizes_that_print_alike_are_two_methods():
    live, _ = run(2000)
    sizes = _sizes()
    alike = sizes.with_facts(sizes.facts.assign(n_params=[1_000_000.0, 1_000_100.0]))
    assert sum(name.startswith("kernel") for name in scaling.forecast(live, alike).errors.index) == 2


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


def test_live_and_trainer_callback(monkeypatch):
    live, _ = run(1500)
    rows = live.frame.dropna()
    one = Live(PLAN)
    found = [one(int(s), x) for s, x in zip(rows["step"], rows["loss"], strict=True)]
    assert found[0] is None and found[-1] is not None and one.last is found[-1]
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(MissingExtra):
        trainer_callback(PLAN)
    monkeypatch.setitem(sys.modules, "transformers", types.SimpleNamespace(TrainerCallback=object))
    callback = trainer_callback(PLAN, every=2)
    state = types.SimpleNamespace(global_step=0, log_history=[])
    for s, x in zip(rows["step"], rows["loss"], strict=True):
        state.global_step = int(s)
        callback.on_evaluate(None, state, None, metrics={"eval_loss": x})
    assert state.log_history and {"forecast", "forecast_lower"} <= set(state.log_history[-1])


def test_scatter_counts_rows_and_what_wanders_but_no_trend():
    rng = np.random.default_rng(0)
    x = np.linspace(0, 1, 1200)
    trend, white = 3 - x + 0.5 * x**2, 0.01 * rng.standard_normal(1200)
    assert methods.Prefix.of(_log(trend), "run").noise < 1e-6
    assert methods.scatter(trend + white) == pytest.approx(0.01, rel=0.15)
    wander = 0.02 * np.repeat(rng.standard_normal(12), 100)
    assert methods.scatter(trend + white + wander) > 0.015


def _log(loss, plan="constant:peak=3e-4,steps=4000"):
    return scaling.Runs.from_frame(pd.DataFrame({"run": "run", "step": 1 + np.arange(len(loss)), "loss": loss}), schedule=plan)


def test_a_log_of_every_step_is_forecast_from_means():
    law, plan = scaling.laws["multi_power_5"], scaling.schedule(PLAN)
    steps = np.arange(4000)
    inputs = law.hooks.features(steps[200:], plan, **law.conventions).values()
    loss = np.r_[np.full(200, 9.0), law(*inputs, **TRUE)] + 0.05 * np.random.default_rng(0).standard_normal(4000)
    frame = pd.DataFrame({"run": "run", "step": steps, "loss": np.where(steps < 3601, loss, np.nan)})
    runs = scaling.Runs.from_frame(frame, schedule=plan)
    prefix = methods.Prefix.of(runs, "run")
    assert len(prefix.step) <= methods.ROWS and prefix.noise == pytest.approx(0.05, rel=0.1)
    found = scaling.forecast(runs)
    assert found.step == 3600
    assert found.end["prediction"] == pytest.approx(float(law(*inputs, **TRUE)[-1]), abs=0.01)
    assert 0.15 < found.end["upper"] - found.end["lower"] < 0.5


def test_means_do_not_reach_across_a_jump_of_the_rate():
    plan = scaling.schedule(np.r_[np.full(1501, 1e-3), np.full(1499, 1e-4)])
    step, loss = methods.means(1 + np.arange(3000), np.r_[np.full(1501, 3.0), np.full(1499, 2.0)], plan)
    assert set(loss) == {2.0, 3.0} and (np.diff(step) > 0).all()


@pytest.mark.parametrize("size", [0.3, 1.0, 3.0])
def test_half_a_decay_shows_what_the_other_half_saves(size):
    """The published kernel is where the search begins, not where it ends: noiseless rows decide."""
    law, plan = scaling.laws["multi_power"], scaling.schedule(PLAN)
    steps = np.arange(250, 4000, 25)
    kernel = methods.published_kernel()
    values = {"L0": 2.8, "A": 0.6, "alpha": 0.45}
    values |= methods.replace(kernel, ratio=size * kernel.ratio).at(0.6 * 0.3**-0.45, 3e-4)
    inputs = lambda s: law.hooks.features(s, plan, **law.conventions).values()
    prefix = methods.Prefix("run", steps, law(*inputs(steps), **values), plan).until(3600)
    end = np.array([plan.last])
    assert methods.own(prefix, kernel)(end) == pytest.approx(law(*inputs(end), **values), abs=1e-3)


def test_a_loss_that_does_not_follow_its_schedule_is_told():
    steps = np.arange(250, 3601, 50)
    frame = pd.DataFrame({"run": "run", "step": steps, "loss": np.where(steps < 2000, 5.0, 1.0)})
    found = scaling.forecast(scaling.Runs.from_frame(frame, schedule=PLAN))
    assert found.warnings[0].startswith("do not trust this")
    assert not any("do not trust" in w for w in scaling.forecast(run(3600)[0]).warnings)


def _sizes(known=True):
    plan = PLAN.replace("decay=0.2", "decay=0.3")
    parts = [run(4000, shift=shift, seed=k, name=f"small-{k}", plan=plan)[0] for k, shift in enumerate((0.3, 0.6))]
    both = scaling.Runs.from_frame(pd.concat([p.frame for p in parts]), schedule=plan)
    return both.with_facts(both.facts.assign(n_params=[1e6, 2e6])) if known else both


def test_references_of_two_sizes_have_a_kernel_each():
    live, truth = run(2000)
    found = scaling.forecast(live, _sizes())
    assert set(found.errors.index) >= {f"kernel of the references of {n} parameters" for n in ("1e+06", "2e+06")}
    assert found.method.startswith("kernel") and found.end["prediction"] == pytest.approx(truth, abs=0.01)
    unknown = scaling.forecast(live, _sizes(known=False))
    assert unknown.method == OWN and any("not of one model" in w for w in unknown.warnings)


def test_what_the_schedule_assumes_is_told():
    live, _ = run(2000)
    rows = live.frame[lambda f: f["step"] >= 1000].assign(lr=lambda f: scaling.schedule(PLAN).rates[f["step"] - 1])
    assert any("a linear warm-up" in w for w in scaling.forecast(rows).warnings)


def test_too_few_rows_have_no_interval():
    live, _ = run(600)
    found = scaling.forecast(live)
    assert np.isnan(found.end["lower"]) and "no interval yet" in str(found) and not found.cuts
    sparse = run(4000)[0].frame.iloc[[*range(20), 50, 51]].copy()  # two rows in the later half
    assert np.isfinite(scaling.forecast(scaling.Runs.from_frame(sparse, schedule=PLAN)).end["lower"])


def test_a_twin_is_known_by_its_rates_wherever_its_log_begins_and_ends():
    twin = run(3950, shift=0.4, name="small")[0].frame.dropna(subset="loss")
    twin["lr"] = scaling.schedule(PLAN).rates[twin["step"] - 1]
    live, truth = run(2000)
    found = scaling.forecast(live, scaling.Runs.from_frame(twin.iloc[3:]))
    assert found.method == "affine map of small" and found.end["prediction"] == pytest.approx(truth, abs=0.01)


def test_a_reference_at_another_peak_is_told():
    live, _ = run(2000)
    other = scaling.Runs.from_frame(run(4000, name="small")[0].frame, schedule=PLAN.replace("3e-4", "6e-4"))
    assert any("another peak" in w for w in scaling.forecast(live, other).warnings)


def test_a_run_that_has_just_diverged_is_told():
    frame = run(2000)[0].frame
    frame.loc[frame["step"].between(1850, 2000), "loss"] = 9.0
    found = scaling.forecast(scaling.Runs.from_frame(frame, schedule=PLAN))
    assert found.warnings[0].startswith("do not trust this") and found.end["lower"] >= 0


def test_live_checks_its_settings_at_once_and_survives_bad_losses(monkeypatch):
    for bad, said in (({"level": 90}, "between 0 and 1"), ({"every": 0}, "1 or more")):
        with pytest.raises(ArgumentError, match=said):
            Live(PLAN, **bad)
    live = Live(PLAN)
    with pytest.raises(DataError, match="give a number"):
        live(1, "x")
    rows = run(1500)[0].frame.dropna()
    for k, (s, x) in enumerate(zip(rows["step"], rows["loss"], strict=True)):
        found = live(int(s), np.inf if k == 3 else x)
    assert found is not None and np.isnan(live.losses[3])


def test_the_callback_goes_on_after_a_resume_and_never_raises(monkeypatch):
    monkeypatch.setitem(sys.modules, "transformers", types.SimpleNamespace(TrainerCallback=object))
    rows = run(1500)[0].frame.dropna()
    logged = [{"step": int(s), "eval_loss": x} for s, x in zip(rows["step"], rows["loss"], strict=True)]
    state = types.SimpleNamespace(global_step=1550, log_history=[{"step": 1, "loss": 9.0}, *logged])
    callback = trainer_callback(PLAN)
    callback.on_train_begin(None, state, None)
    with pytest.warns(UserWarning, match="no forecast at step 1550"):
        callback.on_evaluate(None, state, None, metrics={"eval_loss": "x"})
    state.global_step = 1600
    callback.on_evaluate(None, state, None, metrics={"eval_loss": logged[-1]["eval_loss"]})
    assert "forecast" in state.log_history[-1]


def test_the_figure_of_a_running_job():
    live, _ = run(2000)
    found = scaling.forecast(live, run(4000, shift=0.4, seed=1, name="small")[0])
    ax = scaling.plots.running(found)
    solid, dashed = (line for line in ax.lines if line.get_color() == "#0072b2")
    assert solid.get_xdata()[-1] == dashed.get_xdata()[0] == 2000 and dashed.get_xdata()[-1] == 4000
    assert ax.child_axes and "end of data" in [t.get_text() for t in ax.texts]
    assert not scaling.plots.running(scaling.forecast(live)).child_axes  # its band is wide enough to be seen
    plt.close("all")
