"""Runs that diverged, are copies or follow another law, and doubled rows: named, and the fit of the others as without them."""

import numpy as np
import pandas as pd
import pytest

import scaling
from scaling.design.inputs import design
from scaling.errors import DataError, LawError

MODES = np.exp(np.linspace(0, np.log(1e5), 120))  # of a quadratic loss, SGD on which is exact; no law here is made for it
EVERY, PEAK = 100, 0.02


def curve(N, shape, steps, seed, noise=2e-3, heat=0.45):
    """A run of SGD on a power-law spectrum; heat: noise of its gradients, noise: of the logged loss."""
    t = np.arange(1, steps + 1)
    u = {
        "constant": np.ones(steps),
        "cosine": 0.55 + 0.45 * np.cos(np.pi * np.clip((t - 100) / (steps - 100), 0, 1)),
        "wsd": 1 - 0.9 * np.clip((t - 0.8 * steps) / (0.2 * steps), 0, 1),
    }[shape]
    rates = PEAK * u * np.minimum(1, t / 100)
    eigen, width = MODES**-1.4, np.gradient(MODES)
    bias, variance, losses = MODES**-1.5, np.zeros(len(MODES)), []
    for eta in rates:
        keep = np.clip(1 - 20 * eta * eigen, 0, 1) ** 2
        bias, variance = bias * keep, variance * keep + heat * (20 * eta) ** 2 * eigen
        losses.append(1 + 60 / N**0.3 + (width * bias).sum() + (width * eigen * variance).sum())
    rows = np.arange(EVERY, steps + 1, EVERY)
    loss = np.array(losses)[rows - 1] * np.exp(noise * np.random.default_rng(seed).normal(size=len(rows)))
    facts = {"run": f"n{N:g}{shape}{steps}", "n_params": N, "batch_tokens": 32768}
    return pd.DataFrame({**facts, "step": rows, "lr": rates[rows - 1], "loss": loss})


@pytest.fixture(scope="module")
def clean():
    kinds = [(N, shape, steps) for N in (2.5e5, 5e5, 1e6) for shape in ("constant", "cosine", "wsd") for steps in (2000, 3000)]
    return pd.concat([curve(*kind, seed) for seed, kind in enumerate(kinds)], ignore_index=True)


@pytest.fixture(scope="module")
def ahead():
    return curve(4e6, "cosine", 6000, 0).drop(columns="loss").assign(loss=np.nan)


@pytest.fixture(scope="module")
def without(clean, ahead):
    fit = scaling.fit(clean, "ladder")
    assert fit.ok and not said(fit)
    return end(fit, ahead)


def end(fit, ahead):
    return fit.predict(ahead)["prediction"].iloc[-1]


def said(fit):
    return [text for text in fit.warnings if "law of the others" in text or "does not come back" in text or "belong" in text]


@pytest.mark.parametrize("run", ["n500000wsd3000", "n250000cosine2000", "n1e+06constant3000"])
@pytest.mark.parametrize(("share", "level"), [(0.3, 9.0), (0.67, 3.5), (0.9, 5.0)])
def test_a_diverged_run_is_named_and_the_fit_is_that_of_the_others(clean, ahead, without, run, share, level, tmp_path):
    rows = (clean["run"] == run) & (clean["step"] > share * clean["step"][clean["run"] == run].max())
    clean.assign(loss=clean["loss"].where(~rows, level)).to_csv(tmp_path / "curves.csv", index=False)
    fit = scaling.fit(scaling.read([tmp_path / "curves.csv"]), "ladder")
    (text,) = said(fit)
    assert fit.ok and f"run '{run}'" in text and f"curves.csv:{int(np.flatnonzero(rows)[0]) + 2}" in text
    assert f"last {rows.sum()} rows are left out" in text
    assert end(fit, ahead) == pytest.approx(without, rel=0.01)


@pytest.mark.parametrize("seed", range(4))
def test_doubled_rows_move_a_ladder_little(clean, ahead, without, seed):
    rows = clean.sample(12, random_state=seed).index
    fit = scaling.fit(clean.assign(loss=clean["loss"] * np.where(clean.index.isin(rows), 2.0, 1.0)), "ladder")
    assert fit.ok and end(fit, ahead) == pytest.approx(without, rel=0.025)


@pytest.mark.parametrize("run", ["n500000wsd3000", "n1e+06constant3000"])
@pytest.mark.parametrize(("factor", "cause"), [(1.06, ""), (0.8, ""), (1 / np.log(2), "in bits")])
def test_a_run_off_the_law_of_the_others_is_named(clean, ahead, without, run, factor, cause):
    losses = clean["loss"] * np.where(clean["run"] == run, factor, 1.0)
    fit = scaling.fit(clean.assign(loss=losses), "ladder")
    (text,) = said(fit)
    assert fit.ok and f"run {run}, step" in text and f"where=\"run != '{run}'\"" in text and cause in text
    assert end(fit, ahead) == pytest.approx(without, rel=0.03)


@pytest.mark.parametrize("run", ["n500000cosine3000", "n1e+06constant3000", "n1e+06wsd2000", "n250000cosine2000"])
@pytest.mark.parametrize(("factor", "told"), [(10.0, "10 times"), (0.1, "a tenth of")])
def test_a_run_whose_size_is_told_wrong_is_named_and_a_fit_that_bends_is_not_ok(clean, ahead, without, run, factor, told):
    wrong = clean.assign(n_params=clean["n_params"] * np.where(clean["run"] == run, factor, 1.0))
    fit = scaling.fit(wrong, "ladder")
    (text,) = said(fit)
    assert not fit.ok and text.startswith("1 run does not follow") and f"run {run}, step" in text
    assert f"as if its n_params were {told} what it should be" in text and f"where=\"run != '{run}'\"" in text
    assert end(scaling.fit(wrong, "ladder", where=f"run != '{run}'"), ahead) == pytest.approx(without, rel=0.01)


@pytest.mark.parametrize("seed", range(6))
def test_no_run_of_a_healthy_ladder_is_named(seed):
    """Few or many sizes, lengths and shapes, much or little noise, by row and by run."""
    rng = np.random.default_rng(seed)
    sizes, lengths = 10 ** rng.uniform(5.3, 6.5, rng.integers(2, 5)), rng.integers(15, 40, rng.integers(1, 3)) * 100
    shapes = ("cosine", *rng.choice(["constant", "wsd"], rng.integers(0, 3), replace=False))
    kinds = [(N, shape, steps) for N in sizes for shape in shapes for steps in lengths]
    runs = [curve(*kind, 100 * seed + i, noise=10 ** rng.uniform(-3.5, -1.8)) for i, kind in enumerate(kinds)]
    runs = [one.assign(loss=one["loss"] * np.exp(rng.normal(0, 2e-3))) for one in runs]
    assert not said(scaling.fit(pd.concat(runs, ignore_index=True), "ladder"))


def test_a_copy_of_a_run_is_named_and_counts_once(clean):
    both = pd.concat([clean, clean[clean["run"] == "n500000wsd3000"].assign(run="zz")], ignore_index=True)
    fit, once = scaling.fit(both, "ladder"), scaling.fit(clean, "ladder")
    assert any("run 'zz' are rows of run 'n500000wsd3000' too" in note for note in fit.design.notes)
    assert len(fit.design) == len(once.design)
    assert fit.values["ag"] == pytest.approx(once.values["ag"], rel=0.02)


def test_losses_that_rise_by_little_or_by_noise_have_not_diverged(clean):
    """A last row a seventh too high, and noise of a twentieth."""
    again = curve(1e6, "wsd", 3000, 1)
    again["loss"] *= np.where(again["step"] == 3000, 1.15, 1.0)
    noisy = curve(1e6, "constant", 3000, 2, noise=0.05)
    fit = scaling.fit(pd.concat([clean, again.assign(run="again"), noisy.assign(run="noisy")]), "ladder")
    assert not any("come back" in note for note in fit.design.notes)


def test_tokens_follow_from_steps_and_the_tokens_of_an_update_or_are_asked_for(clean):
    made = design(scaling.Runs.from_frame(clean), scaling.laws["chinchilla"], fitting=True)
    assert set(made.inputs["D"]) == {2000 * 32768, 3000 * 32768} and "step times batch_tokens" in " ".join(made.notes)
    short = design(scaling.Runs.from_frame(clean.rename(columns={"n_params": "N"})), scaling.laws["chinchilla"], fitting=True)
    assert sorted(short.inputs["N"]) == sorted(made.inputs["N"])
    with pytest.raises(DataError, match="tokens, or batch_tokens, the tokens of one update"):
        design(scaling.Runs.from_frame(clean.drop(columns="batch_tokens")), scaling.laws["chinchilla"], fitting=True)


def test_one_model_has_no_size_to_plan(clean):
    fit = scaling.fit(clean[clean["n_params"] == 1e6], "peaks")
    with pytest.raises(LawError, match="no size to plan: fit 'ladder'"):
        scaling.plan(fit, flops=1e17)


def test_rows_of_a_table_without_a_loss_and_copies_are_named():
    N = np.geomspace(1e6, 1e9, 12)
    rows = pd.DataFrame({"N": N, "D": 20 * N[::-1], "loss": 1.7 + 400 / N**0.34 + 410 / (20 * N[::-1]) ** 0.28})
    law = scaling.laws["chinchilla"]
    assert design(rows, law, fitting=True).notes == ()
    odd = pd.concat([rows, rows.iloc[[4]]], ignore_index=True)
    odd.loc[2, "loss"] = np.nan
    assert design(odd, law, fitting=True).notes == (
        "1 of 13 rows has no loss and is not fitted: row 2",
        "rows that repeat another to the last digit, counted once: row 12",
    )  # fmt: skip
    named = design(odd.assign(run=[f"r{k}" for k in range(13)]), law, fitting=True)
    assert [said.rpartition(": ")[2] for said in named.notes] == ["run r2", "run r12"]
    assert design(odd.round(2), law, fitting=True).notes == ("1 of 13 rows has no loss and is not fitted: row 2",)


@pytest.mark.parametrize("heat", [0.05, 0.15])
@pytest.mark.parametrize("known", [0.4, 0.78])
def test_a_decay_to_come_saves_what_a_run_beside_it_shows_not_what_other_families_do(heat, known):
    """Noise of gradients so low that a decay saves .006 and .023 of the loss: language models save .07 to .12."""
    job, beside = curve(1e6, "wsd", 3000, 0, heat=heat), curve(5e5, "wsd", 3000, 5, heat=heat)
    live = job.assign(loss=job["loss"].where(job["step"] <= known * 3000))
    found = scaling.forecast(live, references=scaling.Runs.from_frame(beside)).end
    final = job["loss"].tail(3).mean()
    assert found["mean_lower"] < final < found["mean_upper"]
    assert found["prediction"] == pytest.approx(final, rel=0.008)  # off by .011 to .014 while the family was believed
