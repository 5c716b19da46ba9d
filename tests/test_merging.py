"""Averages of checkpoints that imitate a decay: exact on steps that stay what they were, and forecast as that decay."""

import json
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest

import scaling
from scaling.cli.app import main
from scaling.errors import LawError, ScheduleError
from scaling.planning import merge
from scaling.schedules import DECAYS
from scaling.training import RunSpec


@pytest.mark.parametrize("shape", DECAYS)
def test_the_average_is_the_decay_it_imitates(shape):
    """Steps drawn at random, checkpoints unevenly apart: the average is the sum of the steps each times its mean decay."""
    rng = np.random.default_rng(0)
    at = np.array([40, 55, 60, 90, 91, 140])
    updates = rng.normal(size=(140, 7))
    theta = np.cumsum(np.vstack([np.zeros(7), updates]), axis=0)
    found = merge(at, shape, final=0.1)
    merged = found.weights["weight"].to_numpy() @ theta[at]
    decay = DECAYS[shape](np.arange(100) / 100, 0.1)
    kept = np.concatenate([np.full(b - a, decay[a - 40 : b - 40].mean()) for a, b in pairwise(at)])
    np.testing.assert_allclose(merged, theta[40] + kept @ updates[40:], rtol=1e-12, atol=1e-12)
    assert found.weights["weight"].sum() == pytest.approx(1, abs=1e-12)


def test_with_a_checkpoint_at_every_step_it_is_the_schedule_itself():
    found = merge(range(10, 21), "linear")
    np.testing.assert_allclose(found.weights["rate"][1:], 1 - np.arange(10) / 10, atol=1e-12)
    np.testing.assert_allclose(found.weights["weight"], np.r_[0.0, np.full(10, 0.1)], atol=1e-12)


@pytest.fixture(scope="module")
def fit():
    """multi_power_5 on noiseless curves of its own, one with a fall."""
    values = {"L0": 2.5, "A": 0.6, "alpha": 0.5, "B": 120.0, "beta": 0.5}
    law = scaling.laws["multi_power_5"]
    values = {k: values.get(k, p.start) for k, p in law.params.items()}
    texts = ("constant:peak=3e-3,steps=3000,warmup=100", "wsd:peak=3e-3,steps=2500,warmup=100,decay=0.3,shape=1-sqrt,final=0.1")
    frames = []
    for text in texts:
        steps = np.unique(np.geomspace(120, scaling.schedule(text).steps, 60).astype(int))
        made = scaling.design.inputs.design(text, law, fitting=False, steps=steps)
        loss = law(*made.inputs.values(), **values)
        frames.append(pd.DataFrame({"run": text, "step": steps, "lr": scaling.schedule(text).rates[steps - 1], "loss": loss}))
    facts = pd.DataFrame({"schedule": texts}, index=pd.Index(texts, name="run"))
    return scaling.fit(scaling.Runs.from_frame(pd.concat(frames), facts=facts), law)


def test_the_forecast_is_that_of_the_imitated_decay(fit):
    trunk = "constant:peak=3e-3,steps=3000,warmup=100"
    every = merge(range(2500, 3001), "1-sqrt", fit=fit, trunk=trunk)
    decayed = fit.predict("wsd:peak=3e-3,steps=3000,warmup=100,decay=500,shape=1-sqrt", steps=[3000])["prediction"].iloc[-1]
    assert every.loss == pytest.approx(decayed, rel=1e-9)
    few = merge([2500, 2625, 2750, 2875, 3000], "1-sqrt", fit=fit, trunk=trunk)
    assert few.lower <= few.loss <= few.upper and few.loss < few.unmerged
    assert len(few.imitated.rates) == 3000 and (few.imitated.rates[:2500] == scaling.schedule(trunk).rates[:2500]).all()
    assert "measure it" in str(few)
    assert few.setting in " ".join(str(few).split()) and RunSpec(schedule=trunk, merge=few.setting).merged.keys() == {
        2500, 2625, 2750, 2875, 3000,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("steps", "options", "said"),
    [
        ([100], {}, "two or more rising"),
        ([100, 10**20], {}, "a run has 100,000,000 updates at most"),
        ([], {}, "got none"),
        ([200, 100], {}, "got 200, 100"),
        ([1.5, 3], {}, "two or more rising"),
        ([1, 2], {"shape": "linaer"}, "did you mean 'linear'"),
        ([1, 2], {"final": 1.0}, "below 1"),
        ([1, 2], {"shape": "exponential"}, "needs final > 0"),
    ],
)
def test_what_no_average_can_do_is_refused(steps, options, said):
    with pytest.raises(ScheduleError, match=said):
        merge(steps, **options)


def test_a_forecast_needs_a_law_of_schedules_and_a_trunk_long_enough(fit):
    with pytest.raises(LawError, match="both fit="):
        merge([1, 2], fit=fit)
    with pytest.raises(ScheduleError, match="the trunk has 50 updates"):
        merge([10, 60], fit=fit, trunk="constant:peak=3e-3,steps=50")
    D = np.geomspace(1e6, 1e9, 9)
    other = scaling.fit(pd.DataFrame({"x": D, "loss": 2 + 30 / D**0.3}), "power_law_offset")
    with pytest.raises(LawError, match="no law of the schedules"):
        merge([1, 2], fit=other, trunk="constant:peak=3e-3,steps=50")


def test_the_command_line_weighs_checkpoints(capsys):
    assert main(["merge", "100", "150", "200", "--shape", "linear", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    weights = [row["weight"] for row in told["weights"]]  # the halves of the decay keep .755 and .255 of the rate
    assert weights == pytest.approx([0.245, 0.5, 0.255], abs=1e-12)
    assert main(["merge", "100"]) == 2
    assert "two or more rising" in capsys.readouterr().err
