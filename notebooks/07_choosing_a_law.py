# ---
# jupyter:
#   jupytext:
#     text_representation: {extension: .py, format_name: percent}
#   kernelspec: {display_name: Python 3, language: python, name: python3}
# ---
# %% [markdown]
# # Choosing a law by what it predicts
# A law is used far outside the data it was fitted to, so it is judged there: fit the small part, predict the large part.
# %%
import numpy as np
import pandas as pd

import scaling

N, ratio = (x.ravel() for x in np.meshgrid(np.geomspace(2e7, 2e10, 12), [5.0, 10, 20, 40, 80], indexing="ij"))
truth = scaling.laws["chinchilla"](N, N * ratio, E=1.8, A=480.0, B=2100.0, alpha=0.347, beta=0.367)
loss = truth * np.exp(0.004 * np.random.default_rng(0).standard_normal(len(N)))
data = pd.DataFrame({"N": N, "D": N * ratio, "loss": loss})
# %% [markdown]
# Held-out error comes first, with the standard error of the difference to the best; AICc and BIC stand beside it.
# %%
scaling.compare(data, ["chinchilla", "power_law:x=N", "power_law_offset:x=N"], holdout="compute")
# %% [markdown]
# The backtest behind it, by how far it reaches beyond the largest row fitted. The delta method's bounds assume that the
# law is exact, which it is here.
# %%
print(scaling.backtest(data, "chinchilla"))
# %% [markdown]
# A forecast carries how it was checked.
# %%
fit = scaling.fit(data, "chinchilla")
forecast = fit.predict({"N": [70e9], "D": [1.4e12]})
print(forecast.attrs["interval"])
print(forecast)
# %% [markdown]
# The same backtest as a figure, for the law that made the data and for one that leaves out the tokens: errors against how far
# beyond the largest run fitted they lie, with the intervals they should lie in, and the share that does.
# %%
import matplotlib.pyplot as plt

figure, axes = plt.subplots(2, 2, figsize=(11, 6), sharex="col", height_ratios=(1, 0.4), layout="constrained")
for name, (error, coverage) in zip(["chinchilla", "power_law_offset:x=N"], axes.T, strict=True):
    scaling.plots.backtest(scaling.backtest(data, name), ax={"error": error, "coverage": coverage})
