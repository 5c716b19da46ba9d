"""auto leaves out the smallest rows where they do harm, and only there."""

import numpy as np
import pandas as pd
import pytest

import scaling
from scaling.judging.contest import contest
from scaling.judging.larger import larger


def bent(harm: float, noise: float = 0.001) -> pd.DataFrame:
    """A law of sizes and tokens from which small sizes depart, by `harm` at 3e7 parameters and less beyond."""
    rng = np.random.default_rng(3)
    N, ratio = (x.ravel() for x in np.meshgrid(np.geomspace(1e7, 4e9, 12), [5.0, 10, 20, 40, 80], indexing="ij"))
    D = N * ratio
    law = (1.8 + 480 * N**-0.34 + 1800 * D**-0.36) * (1 + harm * (N / 3e7) ** -0.7)
    loss = law * np.exp(noise * rng.standard_normal(len(N)))
    return pd.DataFrame({"N": N, "D": D, "loss": loss})


def parts(rows: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    small = rows["N"] * rows["D"] <= np.quantile(rows["N"] * rows["D"], 0.75)
    return rows[small].reset_index(drop=True), rows[~small].reset_index(drop=True)


def test_harmful_rows_are_left_out_and_named():
    known, far = parts(bent(0.04))
    fit = scaling.fit(known)
    assert len(fit.design) < len(known)
    kept = fit.data["N"] * fit.data["D"]
    assert kept.min() > (known["N"] * known["D"]).sort_values().iloc[len(known) - len(fit.design) - 1]
    (said,) = (line for line in fit.choice.left if "left out" in line)
    assert said.startswith(f"the smallest {len(known) - len(fit.design)} of {len(known)} rows by compute")
    error = [
        np.mean(np.abs(found.predict(far)["prediction"] / far["loss"] - 1)) for found in (fit, scaling.fit(known, fit.law.name))
    ]
    assert error[0] < 0.5 * error[1]


def test_rows_of_the_law_itself_stay():
    known, _ = parts(bent(0.0, noise=0.0))
    assert len(scaling.fit(known).design) == len(known)


def test_rows_that_the_user_chose_are_all_fitted():
    known, _ = parts(bent(0.04))
    assert len(scaling.fit(known, where="N > 0").design) == len(known)


def test_a_saved_fit_keeps_what_was_left_out(tmp_path):
    known, far = parts(bent(0.04))
    fit = scaling.fit(known)
    fit.save(tmp_path / "fit.json")
    again = scaling.load(tmp_path / "fit.json")
    assert again.choice.left == fit.choice.left
    pd.testing.assert_frame_equal(again.predict(far), fit.predict(far))


def test_the_order_of_rows_does_not_matter():
    known, far = parts(bent(0.04))
    one, other = (scaling.fit(rows).predict(far)["prediction"] for rows in (known, known.sample(frac=1, random_state=1)))
    assert np.allclose(one, other, rtol=1e-6)


@pytest.mark.parametrize("rows", [6, 14, 24])
def test_few_rows_stay(rows):
    known = bent(0.04).sample(rows, random_state=2)
    assert len(scaling.fit(known).design) == rows


def sweep(harm: float, noise: float, seed: int) -> pd.DataFrame:
    """Six budgets of eight sizes under a law from which the two smallest budgets depart, by `harm` at 2e7 parameters."""
    rng = np.random.default_rng(seed)
    C, tilt = (x.ravel() for x in np.meshgrid(np.geomspace(2e17, 1e19, 6), np.linspace(-1.1, 1.1, 8), indexing="ij"))
    N = np.sqrt(C / 120) * np.exp(tilt)
    D = C / (6 * N)
    loss = (1.7 + 400 * N**-0.33 + 500 * D**-0.31) * np.exp(harm * (C < 8e17) * (N / 2e7) ** -1.0)
    return pd.DataFrame({"N": N, "D": D, "loss": loss * np.exp(noise * rng.standard_normal(len(N)))})


def test_another_law_may_be_better_without_the_smallest_rows():
    """With them one that did not make them errs least, without them the one that did, which a tie leaves standing."""
    known = sweep(0.08, 2e-4, 0)  # by much, so that it errs less at one cutoff after the other
    fit, found = scaling.fit(known), scaling.compare(known)
    assert found.index[0] != "chinchilla" and found.loc["chinchilla", "error"] > 1.25 * found["error"].iloc[0]
    assert fit.law.name == "chinchilla" == fit.choice.chosen and fit.choice.rival == found.index[0]
    (said,) = (line for line in fit.choice.left if "left out" in line)
    assert "with them over_training is off by" in said and "chinchilla without by" in said
    far = {"N": [8e8], "D": [1.6e10]}
    truth = 1.7 + 400 * 8e8**-0.33 + 500 * 1.6e10**-0.31
    (row,) = fit.predict(far).itertuples()
    assert row.prediction == pytest.approx(truth, rel=2e-3) and row.lower < truth < row.upper


def test_cutoffs_that_leave_few_rows_do_not_judge_a_fit_to_the_larger_rows():
    known = sweep(0.03, 2e-4, 0)
    found = contest(known, ["chinchilla", "farseer", "chinchilla_outer"], None, objective="log_huber", delta=1e-3, seed=0)
    part = larger(found, min(found.trials, key=found.error), "compute")
    assert len(part.made) < len(known) and len(part.tests) == len(part.cutoffs) == len(part.trial.scores) < len(found.counts)
    assert min(cut.train.sum() for cut in part.tests) >= 4 * len(found.fits[part.label].t)
    others = [(label, other) for label, other in found.trials.items() if label != part.label]
    for trial, (label, other) in zip(part.beside(found), others, strict=True):
        assert trial.fits.t[-1] == pytest.approx(other.fits.t[-1]) and len(trial.fits.t) == len(part.tests) + 1
        for f, cutoff in enumerate(part.cutoffs):  # what it said at the same cutoff
            np.testing.assert_array_equal(trial.error[f], other.error[cutoff])
            assert trial.scores[f] == pytest.approx(np.mean(np.abs(trial.relative[f, found.tests[label][cutoff].test])))


@pytest.mark.parametrize("noise", [1e-3, 0.02])
def test_noise_leaves_no_rows_out(noise):
    left = [len(scaling.fit(sweep(0.0, noise, seed)).design) < 48 for seed in range(6)]
    assert sum(left) <= 1
