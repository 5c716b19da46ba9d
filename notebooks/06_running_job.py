# ---
# jupyter:
#   jupytext:
#     text_representation: {extension: .py, format_name: percent}
#   kernelspec: {display_name: Python 3, language: python, name: python3}
# ---
# %% [markdown]
# # Forecasting a running job
# A run whose learning rate is still to fall looks worse than it is: annealing will win loss that no smooth curve through
# the past knows of. What helps is the planned schedule, and a finished smaller run.
# %%
import numpy as np
import pandas as pd

import scaling

PLAN = "wsd:peak=3e-4,steps=6000,warmup=300,decay=0.2,shape=linear,final=0.1"
law = scaling.laws["multi_power_5"]


def made_up(name, L0, done, seed):
    """A run with known truth: a multi-power law plus noise, evaluated every 50 steps up to `done`."""
    steps = np.arange(350, 6001, 50)
    inputs = law.hooks.features(steps, scaling.schedule(PLAN), **law.conventions)
    loss = law(*inputs.values(), L0=L0, A=0.6, alpha=0.45, B=500.0, C=1.6)
    loss = loss + 1e-3 * np.random.default_rng(seed).standard_normal(len(steps))
    frame = pd.DataFrame({"run": name, "step": steps, "loss": np.where(steps <= done, loss, np.nan)})
    return scaling.Runs.from_frame(frame, schedule=PLAN), loss[-1]


small, _ = made_up("small", 3.2, 6000, 0)
live, truth = made_up("large", 2.8, 3600, 1)
# %% [markdown]
# Three fifths are done and the rate has not fallen yet. Alone, the run's own prefix must borrow what annealing does:
# %%
print(scaling.forecast(live))
# %% [markdown]
# With the finished small run on the same schedule, the forecast is an affine map of its curve.
# %%
found = scaling.forecast(live, small)
print(found)
print(f"truth {truth:.4f}")
# %%
ax = scaling.plots.running(found)
ax.plot(found.last, truth, marker="o", markerfacecolor="none", color="#d55e00", linestyle="none", label="what happened")
_ = ax.legend(loc="upper right")
