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
# # Quantisation and precision
#
# Training in P bits counts as training a smaller model (arXiv:2411.04330); quantising afterwards adds loss that grows
# with the tokens trained on; and a share of the tokens is best spent on quantisation-aware training (arXiv:2509.22935).
# Several constants below were not read in the papers: such presets warn when used.

# %%
import warnings

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

import scaling

warnings.filterwarnings("ignore", message="these constants are not verified")
precision = dict(scaling.laws["precision"].published["kumar2024"])
bits = np.array([3.0, 4.0, 6.0, 8.0, 16.0])
pd.DataFrame({"bits": bits, "share of weights that count": 1 - np.exp(-bits / precision["gamma_w"])}).round(5)

# %% [markdown]
# With one precision P for everything and cost proportional to N D P, the best P maximises (1 - exp(-P/gamma))^3 / P: it is
# 1.9038 gamma at every budget, 5.1 bits for the weights' gamma. The paper's "7 to 8 bits" does not follow from its table.

# %%
P = np.linspace(2, 16, 400)
gain = (1 - np.exp(-P / precision["gamma_w"])) ** 3 / P
fig, (left, right) = plt.subplots(1, 2, figsize=(10, 4))
left.plot(P, gain / gain.max())
left.axvline(P[gain.argmax()], ls=":", color="k")
left.set(xlabel="bits", ylabel="effective size per cost, relative")
S = np.geomspace(3, 2e4, 200)
fraction = scaling.laws["qat_fraction"].published["dremov2025"]
right.semilogx(S, fraction(1.0, S, 8.0))
right.set(xlabel="tokens per byte of quantised weights", ylabel="best share of tokens for QAT")
print(f"best precision: {P[gain.argmax()]:.2f} bits")

# %%
runs = pd.DataFrame({"N": [86e6, 86e6, 7e9], "D": [2.3e9, 1.4e12, 15e12], "bits": 4.0})
runs.assign(share=fraction(runs["N"], runs["D"], runs["bits"])).round(3)

# %% [markdown]
# Damage from quantising afterwards: the longer a model was trained, the more it loses.

# %%
damage = scaling.laws["ptq_damage"].published["kumar2024"]
table = {f"{bits} bits": damage(1e9, np.array([1e10, 1e11, 1e12]), bits) for bits in (3, 4, 5)}
pd.DataFrame(table, index=["1e10 tokens", "1e11", "1e12"]).round(4)

# %% [markdown]
# ## Planning in low precision
#
# The law over N and D at fixed precisions plans like any other.

# %%
given = lambda P: {"P_w": P, "P_a": P, "P_kv": P}
rows = [scaling.plan("precision/kumar2024", 1e21, inputs=given(P)).assign(bits=P) for P in (3.0, 4.0, 8.0, 16.0)]
pd.concat(rows)[["bits", "N", "D", "tokens_per_param", "loss"]].round(4)
