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
# # Small proxies: how much a wrong learning rate costs
#
# Wortsman et al. (arXiv:2309.14322) found that instabilities of large models can be seen in small ones at high learning
# rates. Their measure is the sensitivity: the mean, over seven rates from 3e-4 to 3e-1, of the final loss above the best
# one, a diverged run counting as one that never learned. `runs/rates` has such a grid: two sizes, with and without
# normalised queries and keys, 400 updates of 1,024 bytes each, one seed (`scaling sweep runs/rates.toml`).

# %%
from pathlib import Path

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.colors import LogNorm

import scaling
from scaling.procedures.sensitivity import sensitivity_by_size
from scaling.training import RunSpec
from scaling.training.corpus import read_corpus
from scaling.training.probes import Bench, sharpness

root = Path.cwd() if (Path.cwd() / "runs").exists() else Path.cwd().parent
facts = scaling.read(root / "runs/rates").facts
names = {"n_params_nonemb": "N", "peak_lr": "lr", "final_loss": "loss", "initial_loss": "initial_loss"}
grid = facts[[*names, "qk_norm"]].rename(columns=names)
table = pd.concat({str(norm): sensitivity_by_size(rows) for norm, rows in grid.groupby("qk_norm")}, names=["normalised"])
table.round(3)

# %%
fig, (left, right) = plt.subplots(1, 2, figsize=(10, 4))
for (norm, N), rows in grid.groupby(["qk_norm", "N"]):
    rows = rows.sort_values("lr")
    style, how = ("o-", "normalised") if str(norm) == "True" else ("s--", "plain")
    left.semilogx(rows["lr"], rows["loss"], style, label=f"{N:,}, {how}")
left.set(xlabel="peak learning rate", ylabel="final loss, nats a byte")
left.legend(title="parameters in blocks", frameon=False)
for norm, rows in table.groupby("normalised"):
    style, how = ("o-", "normalised") if norm == "True" else ("s--", "plain")
    N = [f"{n:,}" for n in rows.index.get_level_values("N")]
    right.plot(N, rows["sensitivity"], style, color="C0", label=f"over all rates, {how}")
    right.plot(N, rows["above_optimum"], style, color="C1", label=f"at or above the best rate, {how}")
right.set(xlabel="parameters in blocks", ylabel="sensitivity, nats a byte", ylim=(0, None))
right.margins(x=0.3)
right.legend(frameon=False, fontsize=8)
fig.tight_layout()

# %% [markdown]
# Normalised queries and keys lower the sensitivity at both sizes. Without them the mean over all rates does not grow with
# size here: after 400 updates the lowest rates are still far from done, which makes up most of it, and less so in the
# larger model. Over the rates at or above the best one, where instability shows, it does grow.

# %% [markdown]
# ## The best rate over width
# Under the standard parametrisation (sp) the best rate falls with the width, so a rate tuned on a small model is wrong for
# a large one. muP (arXiv:2203.03466) scales weights, rates and logits so that it stays. `runs/widths`: four widths, 100
# updates of 1,024 bytes, two seeds of the two smaller widths; a line per width, its best rate marked.

# %%
facts = scaling.read(root / "runs/widths").facts
fig, axes = plt.subplots(1, 2, figsize=(10, 4), sharex=True, sharey=True)
for ax, (rules, rows) in zip(axes, facts.groupby("parametrization"), strict=True):
    for width, of_width in rows.groupby("d_model"):
        loss = of_width.groupby("peak_lr")["final_loss"].mean()
        (line,) = ax.semilogx(loss.index, loss, ".-", label=f"width {width}")
        ax.plot(loss.idxmin(), loss.min(), "o", color=line.get_color())
    ax.set(title=rules, xlabel="peak learning rate")
axes[0].set(ylabel="final loss, nats a byte")
axes[1].legend(frameon=False)
fig.tight_layout()

# %% [markdown]
# ## Loss and sharpness over width and rate
# The same runs under sp, trained again at three widths up to where their cooldown begins: there the largest eigenvalue of the
# Hessian as AdamW sees it, P^-1/2 H P^-1/2 on 16 windows, over the 38 / rate at which its steps stop shrinking the steepest
# direction (1: the edge of stability). Left the final loss of the whole run.

# %%
corpus = read_corpus("python")
runs = facts[(facts["parametrization"] == "sp") & (facts["d_model"] <= 64) & (facts["seed"] == 0)]
edges = {}
for name, run in runs.iterrows():
    spec = RunSpec(
        schedule=run["schedule"], d_model=run["d_model"], n_head=run["n_head"], batch=16, weight_decay=0.0, base_width=256
    )
    bench = Bench(spec, corpus)
    bench.train(70)
    edges[name] = sharpness(bench, bench.windows(16), preconditioned=True) * run["peak_lr"] / 38
cells = runs.assign(edge=pd.Series(edges)).astype({"d_model": int, "peak_lr": float})
fig, axes = plt.subplots(1, 2, figsize=(10, 3.6))
for ax, (column, title, norm) in zip(
    axes,
    [("final_loss", "final loss, nats a byte", None), ("edge", "sharpness over the edge of stability", LogNorm())],
    strict=True,
):
    table = cells.pivot(index="d_model", columns="peak_lr", values=column).astype(float)
    image = ax.imshow(table, origin="lower", aspect="auto", cmap="viridis", norm=norm)
    middle = image.norm.vmin + (image.norm.vmax - image.norm.vmin) / 2 if norm is None else 1
    for row, width in enumerate(table.index):
        for column_at, rate in enumerate(table.columns):
            value = table.loc[width, rate]
            color = "black" if value > middle else "white"
            ax.text(column_at, row, f"{value:.2f}" if value < 10 else f"{value:.0f}", ha="center", va="center", color=color)
    ax.set_xticks(range(len(table.columns)), [f"{rate:g}" for rate in table.columns])
    ax.set_yticks(range(len(table.index)), table.index)
    ax.set(title=title, xlabel="peak learning rate", ylabel="width")
fig.tight_layout()

# %% [markdown]
# At every width all rates up to 0.008 keep the sharpness below half of the edge, and 0.032 is beyond it everywhere, where the
# loss is well above its best. In between the edge is not what decides: width 64 does best at 0.004 and loses at 0.008 already,
# well below it. One seed, 70 updates; the sharpness of 16 windows.
