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
# # Critical batch, and the whole trajectory
#
# A larger batch needs fewer steps but more tokens for the same loss: (S / S_min - 1)(E / E_min - 1) = 1
# (arXiv:1812.06162). The critical batch E_min / S_min grows as the loss falls, B_star / L^(1 / alpha_B)
# (arXiv:2001.08361), so the loss curve at any batch size solves an implicit equation. Its six constants can be had from
# small runs (arXiv:2403.06563). Here the runs are simulated, so that the truth is known; its constants were not read in
# the paper, and serve as numbers only.

# %%
import os
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

import scaling
from scaling.planning import batch, trajectory

law = scaling.laws["kaplan_trajectory"]
truth = dict(law.published["su2024"])
rng = np.random.default_rng(0)
curves = []
for N in (1e6, 3e6, 1e7, 3e7, 6e7):
    for B in (3e4, 1e5, 3e5, 1e6, 4e6) if N == 1e7 else (5e5,):
        S = np.geomspace(1e3, 3e5, 40)
        loss = law(N, B, S, **truth) * np.exp(0.003 * rng.normal(size=40))
        curves.append(pd.DataFrame({"run": f"{N:g} at {B:g}", "N": N, "B": B, "S": S, "loss": loss}))
curves = pd.concat(curves, ignore_index=True)
sizes = np.array([1e6, 3e6, 1e7, 3e7, 6e7])
converged = pd.DataFrame({"N": sizes, "loss": (truth["N_c"] / sizes) ** truth["alpha_N"]})

# %% [markdown]
# ## Step by step, then jointly
#
# Converged losses give N_c and alpha_N; one size at several batches gives the critical batch at every loss; with it
# steps become S_min and give S_c and alpha_S. The joint fit of all rows uses the data better.

# %%
steps = trajectory.unravel(curves, converged)
joint, fit = trajectory.joint(curves, objective="log_squares")
pd.DataFrame({"truth": truth, "step by step": steps.values, "jointly": joint.values, "standard error": fit.errors()})

# %%
fig, (left, right) = plt.subplots(1, 2, figsize=(10, 4))
left.loglog(steps.levels["L"], steps.levels["B_crit"], "o", label="measured at loss levels")
L = np.geomspace(steps.levels["L"].min(), steps.levels["L"].max())
left.loglog(L, joint.critical_batch(L), label="fit")
left.set(xlabel="loss", ylabel="critical batch, tokens")
left.legend(frameon=False)
S = np.geomspace(1e3, 1e6)
for B in (1e5, 1e6, 1e7):
    right.semilogx(S, joint.loss(1e9, B, S), label=f"{B:g} tokens")
    right.semilogx(S, law(1e9, B, S, **truth), "k:", lw=1)
right.set(xlabel="steps", ylabel="loss of 1e9 parameters")
right.legend(title="batch", frameon=False)

# %% [markdown]
# The dotted lines are the truth, for a model 17 times the largest fitted. What it costs to reach a loss:

# %%
target, N = 2.9, 1e9
rows = [(B, joint.steps_to(target, N, B), joint.tokens_to(target, N, B)) for B in (1e5, 1e6, 1e7)]
table = pd.DataFrame(rows, columns=["batch", "steps", "tokens"])
table.assign(wasted=batch.steps_and_examples(table["steps"], table["batch"], joint.critical_batch(target))["wasted"])

# %% [markdown]
# ## The definition decides the exponent
#
# Public measurements, if present: steps to a target loss at nine batches for five sizes (arXiv:2410.21676). The paper's
# definition, 20 % more steps than linear scaling from batch 256, grows as N^0.47; E_min / S_min of the same data as N^0.62.

# %%
places = [Path(os.environ.get("SCALING_DATA", "../shared/data")), Path("../shared/data"), Path("../../shared/data")]
found = next((p / "critical-batch-size/steps_to_target.csv" for p in places if p.is_dir()), None)
if found is not None:
    runs = pd.read_csv(found).rename(columns={"batch_sequences": "B"})
    millions = runs.groupby("model", sort=False)["params_million"].first()
    for definition in batch.DEFINITIONS:
        factor, exponent = batch.power_of_size(millions, batch.critical_batches(runs, definition)["B_crit"])
        print(f"{definition}: {factor:.2f} N^{exponent:.4f}, N in millions, sequences of 512 tokens")
