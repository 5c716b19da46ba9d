"""Every law, noiseless data drawn from its domains: the parameters to six digits, or told that they are not determined."""

import numpy as np
import pandas as pd
import pytest

import scaling
from scaling.design.inputs import design
from tests.test_laws import LAWS, inputs_for

PLANS = (
    "constant:peak=3e-3,steps=3000,warmup=100",
    "cosine:peak=3e-3,steps=2500,warmup=100,final=0.1",
    "two_stage:peak=3e-3,steps=2500,warmup=100,switch=1000,then=1.5e-3",
    "wsd:peak=3e-3,steps=2000,warmup=100,decay=0.3,shape=linear,final=0.1",
)
SEEDS = 12


def truth_of(law, rng):
    """Values spread over the domains: scales within a factor of 2 of the plain start, the rest within a factor of 1.5."""
    out = {}
    for name, p in law.params.items():
        width = np.log(2.0) if p.domain.log else np.log(1.5)
        value = p.start * np.exp(rng.uniform(-width, width)) if p.start else rng.uniform(-0.3, 0.3)
        inside = 1e-3 * min(abs(p.domain.hi - p.start), abs(p.start - p.domain.lo), 1.0)
        out[name] = float(np.clip(value, p.domain.lo + inside, p.domain.hi - inside))
    return out


def noiseless(law, truth, seed):
    """Data of the law, and the law as it is to be fitted."""
    if not law.over_schedules:
        inputs = inputs_for(law, 120, seed=seed)
        loss = np.broadcast_to(law(*inputs.values(), **truth), (120,))
        return pd.DataFrame({**inputs, "loss": loss}), law
    law = law.using(**({"block": 1} if "block" in law.conventions else {}))
    frames = []
    for text in PLANS:
        plan = scaling.schedule(text)
        steps = np.unique(np.geomspace(120, plan.steps, 50).astype(int))
        made = design(plan, law, fitting=False, steps=steps)
        loss = law(*made.inputs.values(), **truth)
        frames.append(pd.DataFrame({"run": text, "step": steps, "lr": plan.rates[steps - 1], "loss": loss}))
    return pd.concat(frames), law


def fitted_to(law, data, **settings):
    """Runs of these plans are fitted as such, losses that no logarithm has by their squares."""
    if law.over_schedules:
        facts = pd.DataFrame({"schedule": PLANS}, index=pd.Index(PLANS, name="run"))
        data = scaling.Runs.from_frame(data, facts=facts)
    return scaling.fit(data, law, **settings)


def verdict_of(law, seed):
    """'recovered', 'flagged', 'unusable' (values far from any the law is made for), or what went wrong."""
    truth = truth_of(law, np.random.default_rng(1000 + seed))
    data, fitted = noiseless(law, truth, 2000 + seed)
    plain, _ = noiseless(law, {k: p.start for k, p in law.params.items()}, 2000 + seed)
    loss, usual = data["loss"], plain["loss"]
    positive = bool((usual > 0).all())  # all but losses against those of a unigram model
    if not np.isfinite(loss).all() or (positive and loss.min() <= 0) or loss.abs().max() >= 100 * usual.abs().max():
        return "unusable"
    fit = fitted_to(fitted, data, objective="log_huber" if positive else "squares", seed=seed)
    worst = max(abs(fit.values[k] / v - 1) if v else abs(fit.values[k]) for k, v in truth.items())
    if worst <= 1e-6:
        return "recovered"
    flags = ("not determined", "weakly determined", "fitted as zero", "at the edge of the allowed range")
    if any(flag in w for flag in flags for w in fit.warnings):
        return "flagged"
    return f"seed {seed}: off by {worst:.1e}, ok={fit.ok}, objective {fit.objective:.1e}, {fit.warnings}, truth {truth}"


@pytest.mark.slow
@pytest.mark.parametrize("law", [p for p in LAWS if not p.values[0].hooks.facts])  # these need runs of several kinds
def test_recovers_what_it_was_made_with(law):
    found = [verdict_of(law, seed) for seed in range(SEEDS)]
    wrong = [f for f in found if f not in ("recovered", "flagged", "unusable")]
    assert not wrong, "\n".join(wrong)
    assert found.count("recovered") >= SEEDS // 3, found
