# ---
# jupyter:
#   jupytext:
#     formats: ipynb,py:percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Fit a few short runs, predict a long one
#
# A training loss curve depends on the whole learning-rate schedule. The law `progress` writes it as a
# power law in what the rates have moved so far, minus what each drop of the rate has won since. Fitted to a few short
# runs, it predicts a run nobody has made yet, under another schedule and three times as long. This notebook does so with
# the curves in `runs/`, which `scaling train` made, and compares the prediction with what happened.

# %%
from pathlib import Path

import scaling

root = Path.cwd() if (Path.cwd() / "runs").exists() else Path.cwd().parent
runs = scaling.read(root / "runs").select("d_model == 32")
runs

# %% [markdown]
# One run has `role == "long"`. The fit does not see it. The first quarter of the short runs is left out, since the law
# describes what follows the first transient, and the threshold of the Huber loss follows the scatter of the residuals.

# %%
short, long = runs.select("role == 'short'"), runs.select("role == 'long'")
fit = scaling.fit(short, "progress", min_step=800, delta="mad")
fit

# %% [markdown]
# The report says first whether the fit can be trusted: how many starts ended at the same optimum, how well the data
# determine the parameters, and what was left out. Residuals of a curve are correlated, so its rows count as fewer.

# %%
axes = scaling.plots.curve(fit)

# %% [markdown]
# ## The loss at a target step
#
# A schedule can be given as text. Here is the loss at three steps of the long run's schedule, with its parts: the
# irreducible loss, the power law in progress, and what annealing has won.

# %%
plan = long.schedules[long.names[0]]
target = fit.predict(plan.text, steps=[3200, 7680, 9600])
print(target.attrs["interval"])
print(target.attrs["extrapolation"])
target.drop(columns="run").round(4)

# %% [markdown]
# ## The extrapolation, and what happened
#
# Solid where there were data, dashed past the last fitted step. The hollow markers are the run that was forecast.

# %%
ax = scaling.plots.forecast(fit, long)

# %%
end = fit.predict(long).iloc[-1]
error = end["prediction"] / end["loss"] - 1
print(
    f"step {end['step']:.0f}: predicted {end['prediction']:.4f} ({end['lower']:.4f} to {end['upper']:.4f}), "
    f"measured {end['loss']:.4f}, error {error:+.2%}"
)

# %% [markdown]
# ## Which schedule would have been better?
#
# The same fit answers for schedules nobody has run. All of these have the length of the long run.

# %%
steps = plan.steps
for text in (
    f"constant:peak=8e-3,warmup=160,steps={steps}",
    f"cosine:peak=8e-3,warmup=160,steps={steps},final=0.1",
    f"wsd:peak=8e-3,warmup=160,steps={steps},decay=0.2,shape=1-sqrt,final=0.1",
    f"wsd:peak=8e-3,warmup=160,steps={steps},decay=0.4,shape=1-sqrt,final=0.1",
):
    last = fit.predict(text, steps=steps).iloc[0]
    print(f"{last['prediction']:.4f} ({last['lower']:.4f} to {last['upper']:.4f})  {text}")
