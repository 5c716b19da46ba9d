"""Very long curves are fitted as means of neighbouring rows."""

import numpy as np
import pandas as pd
import pytest

import scaling
from scaling.design import neighbours
from scaling.design.candidates import candidates
from scaling.design.inputs import design
from scaling.design.neighbours import LONG, NOISE, group, means
from scaling.logs import Runs

TRUTH = {"L0": 2.9, "A": 6.0, "alpha": 0.5, "B": 0.25, "C": 2e-3, "e0": 4.84, "k": 0.15}


def curve(text, noise=0.01, seed=0, name="a"):
    """Every update of a run of known truth."""
    plan, law = scaling.schedule(text), scaling.laws["progress"]
    step = np.arange(plan.warmup + 1, plan.steps + 1)
    loss = law(*law.hooks.features(step, plan, **law.conventions).values(), **TRUTH)
    loss = loss * np.exp(noise * np.random.default_rng(seed).standard_normal(len(step)))
    return pd.DataFrame({"run": name, "step": step, "lr": plan.rates[step - 1], "loss": loss}), plan


@pytest.mark.parametrize(("rows", "size"), [(1, 1), (LONG, 1), (LONG + 1, 3), (30_000, 3), (30_001, 5), (1_000_000, 101)])
def test_how_many_neighbours(rows, size):
    assert group(rows) == size


@pytest.mark.parametrize(("left", "last"), [(0, []), (1, [9]), (2, [10]), (3, [10])])
def test_a_mean_is_that_of_logarithms_at_the_middle_row(left, last):
    """Nine rows and what is left of them in groups of nine would be one; in groups of three, three and the rest."""
    n = 9 + left if left < 3 else 12
    loss = np.exp(np.random.default_rng(1).standard_normal(n) / 10)
    found = means(pd.DataFrame({"run": "a", "step": np.arange(n) + 100, "loss": loss}), 3)
    assert (found["step"] - 100).tolist() == [1, 4, 7, *last]
    three = np.log(loss[3:6])
    assert found["loss"].iloc[1] == pytest.approx(np.exp(three.mean())) and found[NOISE].iloc[1] == pytest.approx(three.std())


def test_a_spike_is_brought_in_and_what_is_not_positive_is_averaged_as_it_is():
    values = np.array([2.0, 2.01, 1.99, 2.02, 1.98, 2.0, 90.0])
    rows = pd.DataFrame({"run": "a", "step": np.arange(7), "loss": values})
    assert means(rows, 7)["loss"].iloc[0] == pytest.approx(2.0, rel=0.02)
    below = means(rows.assign(loss=[-1.0, -2.0, -3.0, -1.0, -2.0, -3.0, -2.0]), 7)
    assert below["loss"].iloc[0] == -2.0


def test_a_long_curve_gives_back_its_truth_and_the_noise_of_a_row(tmp_path):
    parts = [
        curve(f"{text}peak=1e-3,steps=40k,warmup=400", seed=i, name=f"r{i}")
        for i, text in enumerate(("constant:", "wsd:decay=0.3,"))
    ]
    plans = {f"r{i}": plan for i, (_, plan) in enumerate(parts)}
    runs = Runs.from_frame(pd.concat([rows for rows, _ in parts]), schedule=plans)
    fit = scaling.fit(runs, "progress")
    assert len(fit.design) == 2 * 7920 and any(
        "39,600 rows -> 7,920 means of 5 neighbours" in note for note in fit.design.notes
    )
    assert fit.cov.noise == pytest.approx(0.01, rel=0.03)
    assert fit.values["L0"] == pytest.approx(2.9, abs=0.01) and fit.values["B"] == pytest.approx(0.25, rel=0.2)
    there, plan = curve("cosine:peak=1e-3,steps=40k,warmup=400,final=0.1", seed=9, name="c")
    few = there.iloc[::40]
    found = fit.predict(Runs.from_frame(few, schedule=plan))
    inside = np.mean((found["lower"] <= few["loss"].to_numpy()) & (few["loss"].to_numpy() <= found["upper"]))
    assert 0.87 <= inside <= 0.98  # of rows: the scatter of means would hold three in five
    fit.save(tmp_path / "fit.json")
    again = scaling.load(tmp_path / "fit.json")
    pd.testing.assert_frame_equal(
        again.predict("cosine:peak=1e-3,steps=9k,warmup=400"), fit.predict("cosine:peak=1e-3,steps=9k,warmup=400"), rtol=1e-9
    )


def test_a_shared_trunk_of_long_runs_counts_once():
    rows, plan = curve("constant:peak=1e-3,steps=15k,warmup=400")
    short = rows[rows["step"] <= 12_000].assign(run="b")
    runs = Runs.from_frame(
        pd.concat([rows, short]), schedule={"a": plan, "b": scaling.schedule("constant:peak=1e-3,steps=12k,warmup=400")}
    )
    made = design(runs, scaling.laws["progress"], fitting=True)
    alone = design(Runs.from_frame(rows, schedule=plan), scaling.laws["progress"], fitting=True)
    assert abs(len(made) - len(alone)) <= 1  # the last mean of the shorter run may be of fewer rows
    assert any("shared trunk" in note for note in made.notes)


def test_short_curves_are_fitted_as_they_are():
    rows, plan = curve("constant:peak=1e-3,steps=9k,warmup=400")
    made = design(Runs.from_frame(rows, schedule=plan), scaling.laws["progress"], fitting=True)
    assert len(made) == len(rows) and NOISE not in made.frame


def test_the_means_of_a_long_curve_are_made_once_for_all_laws(monkeypatch):
    rows, plan = curve("cosine:peak=1e-3,steps=15k,warmup=400")
    asked = []
    monkeypatch.setattr(neighbours, "means", lambda *given: asked.append(given) or means(*given))
    runs = Runs.from_frame(rows, schedule=plan)
    allowed = candidates(runs)
    assert len(allowed.laws) > 3 and len(asked) == 1
    for made in allowed.designs.values():
        assert len(made) == -(-14_600 // 3) and any("means of 3 neighbours" in note for note in made.notes)
    other = Runs.from_frame(rows.assign(loss=rows["loss"] + 1), schedule=plan)
    assert design(other, scaling.laws["progress"], fitting=True).loss.min() > made.loss.min() + 0.9
