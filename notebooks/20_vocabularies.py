# ---
# jupyter:
#   jupytext:
#     text_representation: {extension: .py, format_name: percent}
#   kernelspec: {display_name: Python 3, language: python, name: python3}
# ---
# %% [markdown]
# # Vocabularies
# `runs/vocabularies`: byte-pair vocabularies of 256 (bytes) to 2,048 tokens at four widths and three lengths, one seed. The
# peak rate was chosen at d16 alone, before another width was trained, and d32 is held out. A loss a token says nothing across
# vocabularies; nats a byte do, and so does what is left of the loss a token after that of a unigram model.
# %%
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

import scaling
from scaling.training.corpus import read_corpus

root = Path.cwd() if (Path.cwd() / "runs").exists() else Path.cwd().parent
facts = pd.read_csv(root / "runs/vocabularies/runs.csv", index_col="run_id")
text = read_corpus("python").sources[0]
share = np.bincount(text.train, minlength=256) + 1
seen = np.bincount(text.validation, minlength=256)
of_bytes = -(seen * np.log(share / share.sum())).sum() / seen.sum()  # the unigram model where a token is a byte
rows = pd.DataFrame({"width": facts["d_model"], "updates": facts["steps"], "V": facts["vocab"].astype(float)})
rows["N"] = facts["n_params_nonemb"].astype(float)
rows["characters"] = facts["tokens"] * facts["bytes_per_token"].fillna(1.0)
rows["token"], rows["byte"] = facts["final_loss"], facts["final_loss_byte"].fillna(facts["final_loss"])
rows["unigram"] = facts["unigram_loss"].fillna(of_bytes)
rows["loss"] = rows["token"] - rows["unigram"]
rows.pivot(index=["width", "updates"], columns="V", values="byte").round(3)
# %%
fig, axes = plt.subplots(1, 2, figsize=(10, 4), sharey=True)
for ax, (title, some) in zip(
    axes, {"1,600 updates": rows[rows["updates"] == 1600], "width 24": rows[rows["width"] == 24]}.items(), strict=True
):
    for label, line in some.groupby("width" if title != "width 24" else "updates"):
        line = line.sort_values("V")
        name = f"width {label}" if title != "width 24" else f"{label:,} updates"
        ax.plot(line["V"], line["byte"], "o-", label=name)
    ax.set_xscale("log", base=2)
    ax.set_xticks(rows["V"].unique(), [f"{v:,.0f}" for v in rows["V"].unique()])
    ax.minorticks_off()
    ax.set(title=title, xlabel="tokens in the vocabulary")
    ax.legend(frameon=False)
axes[0].set(ylabel="final loss, nats a byte")
fig.tight_layout()
# %% [markdown]
# Nats a byte fall with the vocabulary, but for width 32 at 400 updates, which is best with 1,024 tokens: a token of a larger
# one is more text, so the same number of updates reads more of it. Larger models are not always ahead, one seed each: at 400
# updates width 24 is behind width 16 with the two largest vocabularies, and with 512 tokens width 32 is behind width 24 at
# every length.
#
# Three laws of the loss less that of a unigram model, fitted to the three smaller widths. Which one to believe was settled
# there, before d32 was looked at: fitted to d12 and d16, the form whose data term grows with the vocabulary forecasts the
# longer runs of d24 best.
# %%
told, far = {}, rows[rows["width"] == 32]
tasks = {
    "d24 from d12, d16, %": (rows["width"] < 24, (rows["width"] == 24) & (rows["updates"] >= 800)),
    "d32, %": (rows["width"] < 32, rows["width"] == 32),
}
inputs = ["N", "V", "characters"]
for law in ("vocabulary", "vocabulary_data", "vocabulary_bowl"):
    told[law] = {}
    for name, (near, held) in tasks.items():
        fit = scaling.fit(rows.loc[near, [*inputs, "loss"]], law, objective="squares")
        out = fit.predict(rows.loc[held, inputs])
        error = 100 * (out["prediction"].to_numpy() - rows.loc[held, "loss"]) / rows.loc[held, "token"]
        told[law] |= {f"{name} mean": error.abs().mean(), f"{name} worst": error.abs().max()}
    inside = (out["lower"].to_numpy() < far["loss"]) & (far["loss"] < out["upper"].to_numpy())
    told[law] |= {"inside 90 %": inside.sum(), "of": len(far), "trusted": fit.ok}
pd.DataFrame(told).T.convert_dtypes().round(2)
# %% [markdown]
# Errors are in per cent of the loss a token. The chosen law misses d32 by 2.7 % in the mean and 5.2 % at worst: twelve runs of
# one seed, of which two at d24 do not belong by its own word, say no more. The other two want a limit at minus several
# hundred nats, and say themselves that they are not to be trusted. Eleven of twelve runs are inside the interval.
