# ---
# jupyter:
#   jupytext:
#     text_representation: {extension: .py, format_name: percent}
#   kernelspec: {display_name: Python 3, language: python, name: python3}
# ---
# %% [markdown]
# # Learning-rate annealing: two curves predict any schedule, and the best one
# A long run at constant rate shows what more steps bring, one that steps its rate down shows what annealing brings.
# %%
import numpy as np
import pandas as pd

import scaling
from scaling.planning.schedules import best_schedule

law = scaling.laws["progress"]
TRUE = {"L0": 2.8, "A": 20.0, "alpha": 0.48, "B": 0.9, "C": 0.08, "e0": 4.0, "k": 0.15}


def made_up(plan, seed):
    plan = scaling.schedule(plan)
    steps = np.arange(500, plan.steps + 1, 50)
    loss = law(*law.hooks.features(steps, plan, **law.conventions).values(), **TRUE)
    loss = loss + 1e-3 * np.random.default_rng(seed).standard_normal(len(steps))
    return pd.DataFrame({"run": plan.text, "step": steps, "lr": plan.rates[steps - 1], "loss": loss})


constant = made_up("constant:peak=3e-4,steps=8000,warmup=400", 0)
lowered = made_up("wsd:peak=3e-4,steps=6000,warmup=400,decay=0.3,shape=exponential,final=0.1", 1)
# the logs begin after the warm-up, so its length must be said: the area under the rates counts from the first update
runs = scaling.Runs.from_frame(pd.concat([constant, lowered]), warmup=400)
fit = scaling.fit(runs, "progress")
print(fit)
# %% [markdown]
# The same constants predict a cosine, which nobody ran:
# %%
cosine = fit.predict("cosine:peak=3e-4,steps=12000,warmup=400,final=0.1", steps=[4000, 8000, 12000])
print(cosine.attrs["interval"])
print(cosine[["step", "prediction", "lower", "upper"]])
# %% [markdown]
# What half saturates the noise (e0) and how noise shrinks (k) two runs hardly say: the fit takes them from its priors, and
# says so. The same constants say which schedule of 12,000 updates ends lowest.
# %%
print(best_schedule(fit, 12_000, warmup=400))
# %% [markdown]
# The cosine in a picture: dashed past the last fitted step, with the band of its interval.
# %%
ax = scaling.plots.forecast(fit, "cosine:peak=3e-4,steps=12000,warmup=400,final=0.1")
