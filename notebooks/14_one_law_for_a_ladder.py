# ---
# jupyter:
#   jupytext:
#     text_representation: {extension: .py, format_name: percent}
#   kernelspec: {display_name: Python 3, language: python, name: python3}
# ---
# %% [markdown]
# # One law for a ladder: sizes, lengths, batches, peak rates and schedules at once
# People train ladders of small models, each with its own schedule, and want the loss curve of the big run. `ladder` reads the
# whole curves of all of them. Here: 58 tiny runs of [runs/ladder](../runs), of which 44 are fitted; the largest size, the
# longest length and the highest peak are held out.
# %%
import matplotlib.pyplot as plt
import numpy as np

import scaling

runs = scaling.read("runs/ladder")
small = runs.select("d_model < 96 and steps < 12800 and peak_lr < 0.01")
fit = scaling.fit(small, "ladder")
fit

# %% [markdown]
# The verdict says which constants came from what is known beforehand: many ladders show no second batch, peak or drop. An
# interval rests on what the law missed when the largest size, the longest runs and the like were left out.
# %%
held = {
    "largest and longest": "d96-long-cosine",
    "largest": "d96-cosine",
    "longest": "d48-long-wsd30",
    "highest peak": "d24-cosine-peak0.016",
}
for what, name in held.items():
    end = fit.predict(runs[name]).iloc[-1]
    print(f"{what:<20} {end['prediction']:.3f} [{end['lower']:.3f}, {end['upper']:.3f}] measured {end['loss']:.3f} "
          f"({end['prediction'] / end['loss'] - 1:+.1%}), trusted to 1 %: {bool(end['ok'])}")  # fmt: skip

# %% [markdown]
# A run that nobody has made is told by size, tokens and schedule; batch and peak are as usual for the size unless told.
# %%
planned = {"N": 1e5, "tokens": 6e6, "peak": 8e-3, "batch": 1024}
for schedule in ("cosine:warmup=100,final=0.1", "wsd:warmup=100,decay=0.3,final=0.1", "constant:warmup=100"):
    curve = fit.predict({**planned, "schedule": schedule})
    line = plt.plot(curve["step"], curve["prediction"], label=schedule.partition(":")[0])[0]
    plt.fill_between(curve["step"], curve["lower"], curve["upper"], color=line.get_color(), alpha=0.15)
plt.ylim(1.45, 2.2)
plt.legend()
plt.xlabel("step")
plt.ylabel("loss (nats a byte)")
plt.show()

# %% [markdown]
# Finals alone do too: a table with N, D, batch, peak and schedule, one row a run. `chinchilla_outer` on the same finals, which
# knows neither schedules nor peaks, beside it.
# %%
ends = small.frame.dropna(subset=["loss"]).groupby("run").tail(1).set_index("run")
facts = small.facts.loc[ends.index]
finals = facts[["n_params", "batch_tokens", "schedule", "tokens"]].assign(loss=ends["loss"]).reset_index()
from_finals = scaling.fit(finals, "ladder")
outer = scaling.fit(finals.rename(columns={"n_params": "N", "tokens": "D"}), "chinchilla_outer")
far = runs.select("d_model == 96")
last = far.frame.groupby("run").tail(1).set_index("run")
sizes = {"N": far.facts["n_params"][last.index].to_numpy(float), "D": far.facts["tokens"][last.index].to_numpy(float)}
whole, alone = (f.predict(far).groupby("run").tail(1).set_index("run")["prediction"] for f in (fit, from_finals))
for name, predicted in {"whole curves": whole, "finals alone": alone}.items():
    print(f"{name:<16} {np.abs(predicted / last['loss'] - 1).mean():.1%}")
print(f"chinchilla_outer {np.abs(outer.predict(sizes)['prediction'].to_numpy() / last['loss'].to_numpy() - 1).mean():.1%}")
