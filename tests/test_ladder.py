"""One law for a ladder: its value by hand, its units, what it is fitted to, what it forecasts and what it refuses."""

import numpy as np
import pandas as pd
import pytest

import scaling
from scaling.design import ladders
from scaling.design.folds import folds
from scaling.design.inputs import design
from scaling.errors import ArgumentError, DataError, FitError, LawError
from scaling.formula import Prior
from scaling.planning import best_schedule, plan_next

LAW = scaling.laws["ladder"]
TRUTH = {
    "E": 1.2, "R_ref": 1.4, "w": 0.55, "ag": 0.3, "tilt": 1.1, "g": 0.35, "z": 0.45, "r": -0.45, "mp": 0.62, "np": 0.5,
    "cp": -0.8, "s": 0.45, "s_ref": 0.25, "k": 0.3, "C": 400.0, "e0": 2.2, "t0": 60.0,
}  # fmt: skip
SIZES, SCHEDULES = (1e7, 3e7, 1e8, 3e8), ("cosine:final=0.1", "wsd:decay=0.2,final=0.1", "constant:")


def run(N, text, steps, *, peak=1e-3, B=1e5, warmup=100):
    """Facts and schedule of a run; text names shape and settings."""
    plan = scaling.schedule(text, peak=peak, steps=steps, warmup=warmup)
    return {"N": N, "B": B, "plan": plan, "name": f"{N:g}-{text}-{steps}-{peak:g}-{B:g}"}


def by_hand(one, step, units, p):
    """Formula of the paper file, update by update, without blocks."""
    rates, peak = one["plan"].rates, one["plan"].peak
    u, at = rates / peak, step - 1
    done = np.cumsum(u**0.85) * one["B"] / units["T_ref"]
    n, b = one["N"] / units["N_ref"], one["B"] / units["B_ref"]
    P = peak / units["peak_ref"] * n ** p["z"]
    T, update = done[at], one["B"] / units["T_ref"]
    x = P ** p["mp"] * b ** p["r"] * T**2 / (T + p["t0"] * update)
    Y = p["w"] * n ** (-p["ag"] / p["g"]) + (1 - p["w"]) * x ** (-p["ag"] * p["tilt"] / p["g"])
    h = lambda v: v / (1 + v / p["e0"])
    noise = h(1.0)
    for k in range(one["plan"].warmup, at + 1):
        since = done[at] - done[k - 1]
        noise -= (h(u[k - 1]) - h(u[k])) * (1 - (1 + p["C"] * P ** p["cp"] * since * max(u[k], 1e-3) ** -0.5) ** -0.5)
    return p["E"] + p["R_ref"] * Y ** p["g"] + p["s_ref"] * P ** p["np"] * b ** -p["s"] * Y ** (p["g"] * p["k"]) * noise


def made(runs, truth=TRUTH, noise=0.0, rows=20, block=4096, units=None):
    """Runs with the losses of the law itself."""
    units = units or {"N_ref": 5e7, "B_ref": 1e5, "T_ref": 1e9, "peak_ref": 1e-3}
    frames, rng = [], np.random.default_rng(5)
    law = LAW.using(**units, block=block)
    for one in runs:
        steps = np.unique(np.linspace(150, one["plan"].steps, rows).round().astype(int))
        inputs = law.hooks.features(steps, one["plan"], one["N"], one["B"], **law.conventions)
        loss = law(*inputs.values(), **truth) * np.exp(noise * rng.standard_normal(len(steps)))
        frames.append(pd.DataFrame({"run": one["name"], "step": steps, "lr": one["plan"].rates[steps - 1], "loss": loss}))
    facts = {one["name"]: {"n_params": one["N"], "batch_tokens": one["B"]} for one in runs}
    return scaling.Runs.from_frame(pd.concat(frames), facts=facts, schedule={one["name"]: one["plan"] for one in runs})


LADDER = [run(N, text, steps) for N in SIZES for text in SCHEDULES for steps in (2000, 5000)]
LADDER += [run(N, "cosine:final=0.1", 3000, peak=peak) for N in SIZES[:2] for peak in (5e-4, 2e-3)]
LADDER += [run(N, "cosine:final=0.1", 2500, B=B) for N in SIZES[:2] for B in (2e5, 4e5)]


@pytest.fixture(scope="module")
def fit():
    return scaling.fit(made(LADDER, noise=3e-4), "ladder")


def test_value_is_the_formula_summed_update_by_update():
    units = {"N_ref": 4e7, "B_ref": 2e5, "T_ref": 3e8, "peak_ref": 8e-4}
    law = LAW.using(**units, block=1)
    for one in (
        run(1e8, "wsd:decay=0.3,final=0.1", 400, peak=2e-3, warmup=20),
        run(1e7, "cosine:final=0", 300, B=3e5, warmup=10),
    ):
        steps = np.array([40, 150, 299])
        inputs = law.hooks.features(steps, one["plan"], one["N"], one["B"], **law.conventions)
        wanted = [by_hand(one, step, units, TRUTH) for step in steps]
        assert law(*inputs.values(), **TRUTH) == pytest.approx(wanted, rel=1e-12)
        coarse = LAW.using(**units)
        inputs = coarse.hooks.features(steps, one["plan"], one["N"], one["B"], **coarse.conventions)
        assert coarse(*inputs.values(), **TRUTH) == pytest.approx(wanted, rel=1e-4)  # in blocks


def test_one_size_one_peak_without_transient_is_the_schedule_law_with_concave_progress():
    plan = scaling.schedule("wsd:peak=2e-3,steps=800,warmup=50,decay=0.3,final=0.1")
    steps = np.array([300, 600, 800])
    law = LAW.using(N_ref=1e8, B_ref=1e5, T_ref=1e5, peak_ref=2e-3, q=1.0, block=1)
    inputs = law.hooks.features(steps, plan, 1e8, 1e5, **law.conventions)
    p = {**TRUTH, "t0": 1e-12, "g": 1.0, "k": 0.0, "w": 0.3, "e0": 1e12}
    ours = law(*inputs.values(), **p)
    theirs = scaling.laws["multi_power_5"].using(block=1)
    bg, eta = p["ag"] * p["tilt"], 2e-3
    known = theirs.hooks.features(steps, plan, **theirs.conventions)
    values = {
        "L0": p["E"] + p["R_ref"] * 0.3 + p["s_ref"], "A": p["R_ref"] * 0.7 * eta**bg, "alpha": bg,
        "B": p["s_ref"] / eta, "C": p["C"] / eta**0.5,
    }  # fmt: skip
    assert ours == pytest.approx(theirs(*known.values(), **values), rel=1e-9)


def test_units_are_those_of_the_runs_and_peaks_that_go_with_sizes_are_usual_there():
    alone = [run(N, "cosine:final=0.1", 1500, peak=1e-3 * (N / 1e8) ** -0.33, B=1e5 * (N / 1e8) ** 0.5) for N in SIZES]
    runs = made(alone)
    law = ladders.in_units(LAW, runs)
    assert law.conventions["peak_rule"] == pytest.approx(-0.33) and law.conventions["batch_rule"] == pytest.approx(0.5)
    assert law.conventions["N_ref"] == pytest.approx(np.exp(np.log(SIZES).mean()))
    assert law.hooks.usual(1e9, **law.conventions) == pytest.approx({"B": 1e5 * 10**0.5, "peak": 1e-3 * 10**-0.33})
    assert law.params["E"].prior == Prior(0.5 * float(runs.frame["loss"].min()), 0.7, "half of the lowest loss")
    several = ladders.in_units(LAW, made([*alone, run(SIZES[0], "cosine:final=0.1", 1500, peak=4e-3)]))
    assert several.conventions["peak_rule"] == 0


def test_a_curve_counts_four_rows_of_which_the_late_ones_are_fitted_and_a_final_one():
    runs = made([run(N, "constant:", 2000) for N in (*SIZES, 5e7, 2e8, 4e8, 6e8)], rows=200)
    one = design(runs, ladders.in_units(LAW, runs), fitting=True)
    assert one.weights.sum() == pytest.approx(8 * ladders.CURVE) and np.ptp(one.weights) < 1e-12
    assert one.frame["step"].min() >= 1000 and len(one) <= 8 * ladders.ROWS
    rows = runs.frame[runs.frame["run"] == runs.names[0]]
    late = rows[rows["step"] >= 1000].reset_index(drop=True)
    first = one.frame[one.frame["run"] == runs.names[0]].iloc[0]
    at = int(late.index[late["step"] == first["step"]][0])
    assert first["loss"] == pytest.approx(np.exp(np.log(late["loss"][: 2 * at + 1]).mean()))
    few = made([run(N, "constant:", 2000) for N in SIZES])
    assert design(few, ladders.in_units(LAW, few), fitting=True).frame["step"].min() < 500
    assert ladders.weights(np.array([0, 0, 1, 2, 2, 2, 2, 2])) == pytest.approx([1, 1, 1, 0.8, 0.8, 0.8, 0.8, 0.8])


def test_recovers_what_its_own_data_determine_and_forecasts_what_nobody_ran(fit):
    assert fit.ok, fit.warnings
    for name, within in {"r": 0.05, "mp": 0.05, "tilt": 0.15, "E": 0.3}.items():
        assert fit.values[name] == pytest.approx(TRUTH[name], abs=within * max(1, abs(TRUTH[name]))), name
    far = [
        run(1e9, "wsd:decay=0.3,final=0.1", 8000),
        run(3e8, "cosine:final=0.1", 5000, peak=2e-3),
        run(1e8, "constant:", 5000, B=4e5),
    ]
    runs = made(far)
    found = fit.predict(runs)
    assert np.abs(found["prediction"] / found["loss"] - 1).max() < 5e-3
    assert ((found["lower"] <= found["loss"]) & (found["loss"] <= found["upper"])).mean() > 0.85
    assert (
        "calibrated by leaving out the largest size" in found.attrs["interval"]
        and "the highest peak" in found.attrs["interval"]
    )
    total = found[["irreducible", "size and tokens", "noise"]].sum(axis=1)
    assert total.to_numpy() == pytest.approx(found["prediction"].to_numpy())


def test_a_run_is_described_by_size_tokens_and_schedule(fit):
    one = run(1e9, "wsd:decay=0.3,final=0.1", 8000)
    rows = fit.predict(made([one]))
    told = {"N": 1e9, "tokens": 8e8, "schedule": "wsd:decay=0.3,final=0.1,warmup=100", "batch": 1e5, "peak": 1e-3}
    curve = fit.predict(told)
    assert len(curve) == 400 and curve["step"].iloc[-1] == 8000
    assert curve["prediction"].iloc[-1] == pytest.approx(rows["prediction"].iloc[-1], rel=1e-12)
    as_table = fit.predict(pd.DataFrame([told, {**told, "N": 1e8, "tokens": 4e8}]))
    assert as_table["prediction"].tolist()[0] == curve["prediction"].iloc[-1] and as_table["step"].tolist() == [8000, 4000]
    many = pd.DataFrame([{**told, "N": N} for N in np.geomspace(1e7, 1e9, 13)])  # in the order of the table, not of names
    assert (np.diff(fit.predict(many)["prediction"]) < 0).all()
    assert fit.predict(told, steps=[500, 8000])["prediction"].iloc[-1] == curve["prediction"].iloc[-1]
    usual = fit.predict({"N": 1e9, "tokens": 8e8, "schedule": "constant:warmup=100"})  # batch and peak as usual there
    law = fit.law.conventions
    assert usual["lr"].iloc[-1] == pytest.approx(law["peak_ref"]) and usual["B"].iloc[-1] == pytest.approx(law["B_ref"])


@pytest.mark.parametrize(
    ("told", "said"),
    [
        ({"N": 1e9, "schedule": "cosine:"}, "how long it runs is not told; add tokens, or steps"),
        ({"N": 1e9, "tokens": 1e9, "schedule": "cosine:steps=10"}, "and 1e+09 are told"),
        ({"N": 1e9, "tokens": 1e9, "schedule": "cosin:"}, "unknown schedule 'cosin'"),
        ({"tokens": 1e9, "schedule": "cosine:"}, "need N too"),
        ({"N": -1e9, "tokens": 1e9, "schedule": "cosine:"}, "number of parameters is not known"),
        ({"N": "1B", "tokens": 1e9, "schedule": "cosine:"}, "N='1B' is no number"),
        ("cosine:peak=1e-3,steps=1000", "needs more than a schedule"),
    ],
)
def test_a_run_that_is_not_told_whole_is_refused(fit, told, said):
    with pytest.raises(DataError, match=said.replace("+", r"\+")):
        fit.predict(told)


def finals(runs):
    """A table of finals, as people keep them."""
    ends = made(runs).frame.groupby("run", sort=False).tail(1).set_index("run")["loss"]
    return pd.DataFrame(
        [
            {"run": f"final {one['name']}", "N": one["N"], "D": one["plan"].steps * one["B"], "batch": one["B"],
             "peak": one["plan"].peak, "schedule": one["plan"], "loss": ends[one["name"]]}
            for one in runs
        ]
    )  # fmt: skip


def test_finals_alone_curves_alone_or_both():
    table, far = finals(LADDER), made([run(1e9, "cosine:final=0.1", 5000)])
    alone = scaling.fit(table, "ladder")
    assert len(alone.design) == len(LADDER) and alone.design.weights.tolist() == [1.0] * len(LADDER)
    both = scaling.fit([table[: len(table) // 2], made(LADDER[len(LADDER) // 2 :])], "ladder")
    for fit in (alone, both):
        found = fit.predict(far).iloc[-1]
        assert found["prediction"] == pytest.approx(found["loss"], rel=0.01)
    with pytest.raises(DataError, match="in several of these"):
        scaling.fit([table, table], "ladder")


@pytest.mark.parametrize(("factor", "told"), [(10.0, "10 times"), (0.1, "a tenth of")])
@pytest.mark.parametrize("which", [3, 14, 24])
def test_a_run_whose_tokens_are_told_wrong_is_named(which, factor, told):
    name, runs = LADDER[which]["name"], made(LADDER, noise=3e-4)
    facts = runs.facts.assign(batch_tokens=runs.facts["batch_tokens"].astype(float))
    facts.loc[name, "batch_tokens"] *= factor
    fit = scaling.fit(runs.with_facts(facts), "ladder")
    (text,) = [text for text in fit.warnings if "law of the others" in text]
    assert text.startswith("1 run does") and f"run {name}, step" in text and f"its batch_tokens were {told} what" in text
    assert not fit.ok


def test_what_is_missing_is_named():
    runs = made(LADDER[:6])
    with pytest.raises(DataError, match="number of parameters is not known"):
        scaling.fit(scaling.Runs.from_frame(runs.frame), "ladder")
    no_batch = runs.with_facts(runs.facts.drop(columns="batch_tokens"))
    assert any("tokens an update takes" in note for note in scaling.fit(no_batch, "ladder").design.notes)


def test_one_size_is_no_ladder():
    fit = scaling.fit(made([one for one in LADDER if one["N"] == SIZES[0]]), "ladder")
    assert not fit.ok and any("all runs have one size" in said for said in fit.warnings)


def test_beyond_the_runs_what_a_prior_alone_says_is_no_forecast():
    short = [run(N, text, 600) for N in SIZES[:3] for text in SCHEDULES]
    fit = scaling.fit(made(short, noise=2e-2), "ladder")
    assert {"E", "r", "mp"} <= set(fit.verdict.from_prior)
    found = fit.predict(
        made([run(1e8, "constant:", 6000), run(1e8, "constant:", 600, peak=3e-3), run(3e7, "cosine:final=0.5", 600)])
    )
    last = found.groupby("run", sort=False).tail(1)
    assert last.set_index("run")["ok"].to_dict() == {
        run(1e8, "constant:", 6000)["name"]: False, run(1e8, "constant:", 600, peak=3e-3)["name"]: False,
        run(3e7, "cosine:final=0.5", 600)["name"]: True,
    }  # fmt: skip
    assert any("E is known from its prior alone" in why for why in found.attrs["why"])
    assert any("mp is known from its prior alone" in why for why in found.attrs["why"])


def test_runs_without_a_drop_of_the_rate_cannot_say_what_annealing_saves():
    constant = scaling.fit(made([run(N, "constant:", steps) for N in SIZES for steps in (2000, 5000)], noise=3e-4), "ladder")
    assert not constant.ok and any("rate" in said for said in constant.verdict.failures)


def test_the_schedule_of_a_run_may_be_a_file_of_all_its_rates(fit, tmp_path):
    one = run(1e9, "wsd:decay=0.3,final=0.1", 8000)
    path = tmp_path / "rates.csv"
    pd.DataFrame({"step": np.arange(1, 8001), "lr": one["plan"].rates}).to_csv(path, index=False)
    told = {"N": 1e9, "schedule": str(path), "batch": 1e5}
    wanted = fit.predict(made([one]))["prediction"].iloc[-1]
    for more in ({}, {"tokens": 8e8}, {"steps": 8000}):
        assert fit.predict({**told, **more})["prediction"].iloc[-1] == pytest.approx(wanted, rel=1e-6)
    for wrong in ({"steps": 9000}, {"tokens": 9e8}):
        with pytest.raises(DataError, match="are told"):
            fit.predict({**told, **wrong})


def test_what_is_left_out_to_see_how_far_the_law_carries():
    made_ = design(runs := made(LADDER), ladders.in_units(LAW, runs), fitting=True)
    parts = {part.what: part for part in folds(made_)}
    assert [*parts] == [
        "the largest size", "the two largest sizes", "the longest runs", "the largest size and the longest runs",
        "the highest peak", "the largest batch",
    ]  # fmt: skip
    frame = made_.frame
    assert set(frame["N"][parts["the largest size"].test]) == {SIZES[-1]}
    assert set(frame["peak"][parts["the highest peak"].test]) == {2e-3}
    both = parts["the largest size and the longest runs"]
    assert not (both.train & both.test).any() and set(frame["N"][both.train]) == set(SIZES[:-1])
    two = made([run(N, "constant:", 1000) for N in SIZES[:2]])
    assert folds(design(two, ladders.in_units(LAW, two), fitting=True)) == []


def test_a_saved_fit_forecasts_the_same(fit, tmp_path):
    told = {"N": 1e9, "tokens": 8e8, "schedule": "cosine:warmup=100", "batch": 1e5, "peak": 1e-3}
    wanted = fit.predict(told)
    fit.save(tmp_path / "ladder.json")
    again = scaling.load(tmp_path / "ladder.json")
    found = again.predict(told)
    pd.testing.assert_frame_equal(found, wanted, rtol=1e-9)
    assert found.attrs == wanted.attrs


def test_the_order_of_runs_is_nothing(fit):
    other = scaling.fit(made(LADDER[::-1], noise=0.0), "ladder"), scaling.fit(made(LADDER, noise=0.0), "ladder")
    assert other[0].values == pytest.approx(other[1].values, rel=1e-4)


def test_needs_rates():
    frame = made(LADDER[:6]).frame.drop(columns="lr")
    with pytest.raises((DataError, FitError), match=r"learning rates|schedule"):
        scaling.fit(frame.assign(n_params=1e8, batch_tokens=1e5), "ladder")


def test_a_plan_gives_size_tokens_and_schedule(fit):
    found = scaling.plan(fit, [3e17, 3e18])
    assert (np.diff(found["N"]) > 0).all() and (np.diff(found["loss"]) < 0).all()
    for row in found.itertuples():
        assert row.flops == pytest.approx(6 * row.N * row.D, rel=0.01) and row.steps * row.batch_tokens == pytest.approx(row.D)
        assert row.flat_N_lower <= row.N <= row.flat_N_upper and row.loss_lower < row.loss < row.loss_upper
        told = {"N": row.N, "steps": row.steps, "batch": row.batch_tokens, "peak": row.lr, "schedule": row.schedule}
        assert fit.predict(told)["prediction"].iloc[-1] == pytest.approx(row.loss, rel=1e-12)
        for other in ("constant:warmup=50", "cosine:final=0.1,warmup=50", "wsd:decay=0.1,final=0.1,warmup=50"):
            assert fit.predict({**told, "schedule": other})["prediction"].iloc[-1] > row.loss * (1 - 1e-6)
        for factor in (0.5, 2.0):  # the same compute at another size
            moved = {**told, "N": row.N * factor, "steps": round(row.steps / factor)}
            assert fit.predict(moved)["prediction"].iloc[-1] > row.loss
    held = scaling.plan(fit, 3e17, N=3e7)
    assert held["N"][0] == 3e7 and held["loss"][0] > found["loss"][0]
    for wrong, said in (({"loss": 2.0}, "do not go with it"), ({"N": 1e8}, "is for budgets")):
        with pytest.raises(ArgumentError, match=said):
            scaling.plan(fit, **wrong)
    with pytest.raises(FitError, match="make no run of 50"):
        scaling.plan(fit, 1e6)


def test_a_plan_offers_no_cooldown_that_the_runs_do_not_show():
    from scaling.planning.ladders import shapes

    cosines = scaling.fit(
        made([run(N, "cosine:final=0.2", steps) for N in SIZES for steps in (2000, 5000)], noise=2e-2), "ladder"
    )
    assert shapes(cosines) == ["cosine:final=0.2"]


def test_next_chooses_among_runs_of_several_sizes(fit):
    plans = {"small": (1e8, 3000), "large": (6e8, 3000), "done": (SIZES[0], 2000)}
    pool = pd.DataFrame(
        [
            {
                "run": name,
                "n_params": N,
                "batch_tokens": 1e5,
                "schedule": f"cosine:final=0.1,peak=1e-3,steps={steps},warmup=100",
            }
            for name, (N, steps) in plans.items()
        ]
    )
    target = pool.iloc[[1]].assign(run="far", n_params=2e9)
    chosen = plan_next(fit, pool, target, 1e20)
    assert chosen["run"].iloc[0] == "large" and chosen["flops"].iloc[0] == pytest.approx(6 * 6e8 * 3e8)
    assert any("'done' is left out" in said for said in chosen.attrs["warnings"])
    assert chosen["target_sd"].iloc[-1] < chosen.attrs["target_sd"]
    with pytest.raises(DataError, match="reaches target 'far' itself"):
        plan_next(fit, target.assign(run="same"), target, 1e20)


def test_what_is_noted_of_many_runs_is_said_once():
    """Once a ladder of six curves began with six notes that differed in the name of the run alone."""
    step = np.arange(50, 2001, 50)
    parts = [
        pd.DataFrame(
            {"run": f"N{k}", "step": step, "lr": 1e-3 * np.minimum(step / 200, 1), "loss": 3 + 5 / step**0.4 + 0.1 * k}
        )
        for k in range(5)
    ]
    runs = scaling.Runs.from_frame(pd.concat(parts), facts={f"N{k}": {"n_params": 10.0 ** (6 + k)} for k in range(5)})
    said = [note for note in design(runs, scaling.laws["ladder"], fitting=True).notes if "are not logged" in note]
    assert len(said) == 1 and said[0].startswith("runs 'N0', 'N1', 'N2' and 2 more: rates before step 50")
    (alone,) = [note for note in design(runs["N0"], scaling.laws["ladder"], fitting=True).notes if "are not logged" in note]
    assert alone.startswith("run 'N0': rates before step 50")


def test_a_search_of_a_schedule_under_a_ladder_says_who_gives_it(fit):
    with pytest.raises(LawError, match=r"scaling\.plan\(fit, flops=\.\.\.\) gives all three"):
        best_schedule(fit, 3000)
    assert "schedule" in scaling.plan(fit, flops=1e17)
