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
# # From the loss on one text to the loss on another
#
# Two models of equal size and tokens, trained on two data sets, have losses related by a shifted power law,
# L1 = K (L0 - E0)^kappa + E1 (arXiv:2411.12925), and with `kaplan_offset` as the joint law the relation carries the whole
# law over. **On our own runs (Python code and C++ headers, 11 to 71 thousand parameters) pairs follow such a curve with an
# R2 of 0.994, and yet it misses the next size by 2 to 4 %, more than its interval allows, while each text's own law is
# right within about 1 %. The relation asks that alpha and beta of the two texts differ by one factor, kappa. Here they do
# not: headers gain twice as much from tokens, but less from size. From train to test loss it holds within 1 %.**

# %%
import os
from pathlib import Path

import matplotlib.pyplot as plt
import pandas as pd

import scaling
from scaling.logs import formats
from scaling.transfer import relate

root = Path.cwd() if (Path.cwd() / "runs").exists() else Path.cwd().parent
facts = scaling.read(root / "runs/corpora").facts
runs = facts.assign(N=facts["n_params"].astype(float), D=facts["tokens"].astype(float), loss=facts["final_loss"])
runs["text"] = runs.index.str.split("-").str[0]
seen, far = runs[runs["d_model"] < 64], runs[runs["d_model"] == 64]
runs.pivot_table(index=["text", "N"], columns="D", values="loss").round(3)

# %% [markdown]
# ## Train to train
#
# A joint law for each text, on sizes up to d48; the largest size, d64, is held out. The irreducible losses come from the
# joint laws.


# %%
def of(rows, text, loss="loss"):
    return rows[rows["text"] == text].assign(loss=lambda r: r[loss])[["N", "D", "loss"]]


fits = {text: scaling.fit(of(seen, text), "kaplan_offset") for text in ("python", "headers")}
there = relate(fits["python"], fits["headers"])
there

# %%
fig, (left, right) = plt.subplots(1, 2, figsize=(10, 4.2))
scaling.plots.relation(there, ax=left)
x, y = (of(far, text)["loss"].to_numpy() for text in ("python", "headers"))
left.plot(x - there.E0, y - there.E1, "o", mfc="none", color="k", label="d64, held out")
left.legend()
left.set_title("train to train: Python to headers")
# the same Python models, judged on headers they never saw
test = relate(fits["python"], of(seen, "python", "val_loss_headers"))
scaling.plots.relation(test, ax=right)
z = of(far, "python", "val_loss_headers")["loss"].to_numpy()
right.plot(x - test.E0, z - test.E1, "o", mfc="none", color="k", label="d64, held out")
right.legend()
right.set_title("train to test: Python models on headers")
fig.tight_layout()

# %% [markdown]
# ## The held-out size, three ways
#
# The measured loss on Python through the relation; the translated law, which needs no run of that size at all; and the
# joint law of the headers itself.


# %%
def judged(rows, measured):
    error = 100 * (rows["prediction"].to_numpy() / measured - 1)
    inside = (rows["lower"].to_numpy() < measured) & (measured < rows["upper"].to_numpy())
    width = 50 * (rows["upper"] - rows["lower"]) / rows["prediction"]
    return {"error %": error.round(2), "inside 90 %": f"{inside.sum()}/{len(inside)}", "half width %": width.mean()}


pd.DataFrame({
    "relation, from the measured loss": judged(there.predict(x), y),
    "translated law, from N and D": judged(there.translate(fits["python"]).predict(of(far, "python")), y),
    "headers' own law, from N and D": judged(fits["headers"].predict(of(far, "headers")[["N", "D"]]), y),
    "train to test, from the measured loss": judged(test.predict(x), z),
}).T  # fmt: skip

# %% [markdown]
# Why the first row is off: the exponents of the two joint laws, whose ratios would both be kappa if the relation were exact.

# %%
ratio = {k: fits["headers"].values[k] / fits["python"].values[k] for k in ("alpha", "beta")}
print("ratio of the exponents:", {k: round(v, 2) for k, v in ratio.items()}, f"   kappa of the relation: {there.kappa:.2f}")

# %% [markdown]
# ## Few points
#
# Six runs on the headers (the two largest sizes seen) are too few for a law of five constants. With the Python law, E1 and
# the relation estimated from the pairs, they give one.

# %%
few = of(seen[seen["d_model"] >= 32], "headers")
short = relate(fits["python"], few)
rows = of(runs, "headers")
curve = short.translate(fits["python"])
print(short, "\n")
print(pd.Series(judged(curve.predict(of(far, "headers")[["N", "D"]]), y)).to_string())
print("constants of the translated law:", {k: round(v, 4) for k, v in curve.values.items()})

# %% [markdown]
# ## The authors' runs, if present
#
# 529 runs on six data sets. There the joint laws determine E, kappa is near one between kinds of web text, and six to eight
# runs on a new data set give its whole law.

# %%
places = [Path(os.environ.get("SCALING_DATA", "../shared/data")), Path("../shared/data"), Path("../../shared/data")]
path = next((p / "loss-to-loss-notebooks/data/sweep.csv" for p in places if p.is_dir()), None)
if path is not None:
    sweep = formats.loss_to_loss(path)
    source = scaling.fit(sweep[sweep["data"] == "fineweb-edu-100b"], "kaplan_offset")
    table = {}
    for name, rows in sweep[sweep["data"] != "fineweb-edu-100b"].groupby("data"):
        whole = relate(source, scaling.fit(rows, "kaplan_offset"))
        few = rows[(rows["D"] / rows["N"]).between(16, 23, inclusive="neither") & (rows["n_layers"] != 20)]
        carried = relate(source, few).translate(source)
        loss, value = rows["loss"], carried(rows["N"], rows["D"])
        r2 = 1 - ((loss - value) ** 2).sum() / ((loss - loss.mean()) ** 2).sum()
        table[name] = {"kappa": whole.kappa, "K": whole.K, "R2": whole.r2, "runs": len(few), "R2 of few runs": r2}
    print(pd.DataFrame(table).T.round(4).to_string())
