# ---
# jupyter:
#   jupytext:
#     text_representation: {extension: .py, format_name: percent}
#   kernelspec: {display_name: Python 3, language: python, name: python3}
# ---
# %% [markdown]
# # Two schedules for a running job
# A run whose learning rate is still to fall looks worse than it is: annealing will win loss that no smooth curve through
# the past knows of. `scaling.forecast` fits one law of schedules to the log, under what eight models of three sources have in
# common, and to finished runs as well if there are any.
#
# The job: the largest of our own tiny models, three times as long as its short runs, stopped at half of its way.
# %%
import scaling
from scaling.running import choose, then

runs = scaling.read("runs/curves")
whole = runs["d48-long"]
rows = whole.frame
truth = rows["loss"].iloc[-1]
live = scaling.Runs.from_frame(rows[rows["step"] <= 4800], facts={"n_params": 70_896}, schedule=whole.schedules["d48-long"])
print(scaling.forecast(live))
print(f"\ntruth {truth:.4f}")
# %% [markdown]
# Finished runs of smaller models tell what annealing saves in this family. Each size has constants of its own, which differ
# from the job's as sizes do; all are fitted at once.
# %%
small = runs.select("run in ['d24-cosine', 'd24-wsd-1sqrt', 'd24-long', 'd32-cosine', 'd32-wsd-1sqrt', 'd32-long']")
found = scaling.forecast(live, small)
print(found)
print(f"\ntruth {truth:.4f}")
# %%
ax = scaling.plots.running(found)
ax.plot(found.last, truth, marker="o", markerfacecolor="none", color="#d55e00", linestyle="none", label="what happened")
_ = ax.legend(loc="upper right")
# %% [markdown]
# ## What if the rate fell otherwise?
# The past stays as it was logged; from now on another schedule. Is it better to decay as planned, over all that is left, or
# now, and to stop early?
# %%
PEAK = "wsd:peak=8e-3,warmup=160,final=0.1,shape=1-sqrt"
plans = [f"{PEAK},steps=9600,decay=1920", f"{PEAK},steps=9600,decay=4800", f"{PEAK},steps=6400,decay=1600"]
compared = choose(live, plans, small)
print(compared)
# %%
axes = scaling.plots.choices(compared)
# %% [markdown]
# One of them alone is a forecast like any other: `scaling.forecast(then(live, plan), small)`, on the command line
# `scaling forecast live.csv --then ...`, several of them compared.
# %%
print(scaling.forecast(then(live, plans[2]), small).end)
