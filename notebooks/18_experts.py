# ---
# jupyter:
#   jupytext:
#     text_representation: {extension: .py, format_name: percent}
#   kernelspec: {display_name: Python 3, language: python, name: python3}
# ---
# %% [markdown]
# # Mixtures of experts
# `runs/experts`: four sizes with 1, 4 and 16 experts in every block, each byte through one of them, so that all models of a
# size cost the same for each byte; two lengths, one seed. d32 is held out. A bias for each expert keeps the loads even without
# a term in the loss (arXiv:2408.15664).
# %%
from pathlib import Path

import matplotlib.pyplot as plt
import pandas as pd

import scaling

root = Path.cwd() if (Path.cwd() / "runs").exists() else Path.cwd().parent
facts = scaling.read(root / "runs/experts").facts
names = {"experts": "E", "final_loss": "loss"}
rows = facts.rename(columns=names)[[*names.values(), "d_model", "steps", "n_params"]].astype(float)
rows["N"] = rows["d_model"].map(rows[rows["E"] == 1].groupby("d_model")["n_params"].first())  # of the dense model
table = rows.pivot(index=["d_model", "steps"], columns="E", values="loss")
table.round(3)
# %% [markdown]
# At these sizes experts hardly pay: .02 to .04 nats with four of them at widths 24 and 32, nothing or worse elsewhere. The law
# `experts` finds an exponent of zero for E, and its verdict is that this cannot be trusted; that it forecasts the held-out
# size all the same is the work of N alone.
# %%
told = {}
for steps, some in rows.groupby("steps"):
    fit = scaling.fit(some.loc[some["d_model"] < 32, ["N", "E", "loss"]], "experts")
    far = some[some["d_model"] == 32].sort_values("E")
    error = 100 * (fit.predict(far[["N", "E"]])["prediction"].to_numpy() / far["loss"].to_numpy() - 1)
    told[steps] = dict(zip((f"error at E = {E:.0f}, %" for E in far["E"]), error.round(2), strict=True))
    told[steps] |= {"exponent of E": round(fit.values["b"], 4), "trusted": fit.ok}
pd.DataFrame(told).T.rename_axis("updates")
# %% [markdown]
# Why: a router needs some hundred updates until the loads are even. In the first, most bytes ask for the same expert, and the
# largest load comes to four fifths of the way to all of them (`max_vio` = E - 1); with 16 experts at width 16 it is still at
# three fifths after 100 updates, a quarter of the shorter runs.
# %%
fig, (left, right) = plt.subplots(1, 2, figsize=(10, 4))
for E, some in rows[rows["steps"] == 800].groupby("E"):
    some = some.sort_values("N")
    left.plot(some["N"], some["loss"], "o-", label=f"{E:.0f} expert{'s' if E > 1 else ''}")
left.set(xscale="log", xlabel="parameters of the dense model", ylabel="loss after 800 updates, nats a byte")
left.legend(frameon=False)
for E in (4, 16):
    for width, style in ((16, "--"), (32, "-")):
        curve = pd.read_csv(root / f"runs/experts/curves/d{width}-800steps-experts{E}.csv")
        right.plot(curve["step"], curve["max_vio"] / (E - 1), style, label=f"{E} experts, width {width}")
right.set(xlabel="update", ylabel="max_vio over its largest", ylim=(0, 1))
right.legend(frameon=False)
fig.tight_layout()
