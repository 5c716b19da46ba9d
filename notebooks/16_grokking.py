# ---
# jupyter:
#   jupytext:
#     text_representation: {extension: .py, format_name: percent}
#   kernelspec: {display_name: Python 3, language: python, name: python3}
# ---
# %% [markdown]
# # A curve that must not be extrapolated
# A small network that learns to add modulo 23 knows its training pairs by heart long before it knows the others: their
# loss rises, stays high, and then falls to nothing (grokking; the delay is set by the scale of the output and by how far
# features have to move, arXiv:2310.06110). Nothing in the early curve says when, or that it will. A forecast is worth
# something only if it says so itself.
# %%
import matplotlib.pyplot as plt
import pandas as pd
import torch

import scaling

P, WIDTH, UPDATES, RATE = 23, 64, 3000, 3e-3
torch.set_num_threads(1)
generator = torch.Generator().manual_seed(0)
pairs = torch.cartesian_prod(torch.arange(P), torch.arange(P))
shuffled = torch.randperm(P * P, generator=generator)
seen, unseen = shuffled[: 3 * P * P // 5], shuffled[3 * P * P // 5 :]
inputs = torch.nn.functional.one_hot(pairs, P).float().flatten(1)
first, second = (
    (torch.randn(rows, columns, generator=generator) / rows**0.5).requires_grad_()
    for rows, columns in ((2 * P, WIDTH), (WIDTH, P))
)
optimiser = torch.optim.AdamW([first, second], lr=RATE, weight_decay=0.3, betas=(0.9, 0.98))


def loss(rows):
    return torch.nn.functional.cross_entropy((inputs[rows] @ first).square() @ second, pairs[rows].sum(1) % P)


curve = []
for step in range(1, UPDATES + 1):
    optimiser.zero_grad()
    known = loss(seen)
    known.backward()
    optimiser.step()
    if step % 10 == 0:
        with torch.no_grad():
            curve.append({"step": step, "known": float(known), "loss": float(loss(unseen))})
curve = pd.DataFrame(curve)
curve.iloc[[9, 29, 59, 99, 149, -1]].round(4)
# %% [markdown]
# Forecasts of the end from the first twentieth, tenth, fifth and two fifths of the run, without references.
# %%
told = {}
for share in (0.05, 0.1, 0.2, 0.4):
    so_far = curve[curve["step"] <= share * UPDATES]
    run = scaling.Runs.from_frame(so_far[["step", "loss"]], schedule=f"constant:peak={RATE},steps={UPDATES}")
    told[share] = scaling.forecast(run)
ends = {share: found.end | {"ok": found.ok, "why": found.warnings[0][:60]} for share, found in told.items()}
table = pd.DataFrame(ends).T.assign(truth=curve["loss"].iloc[-1])
assert not table["ok"].any()  # each says that it is not to be trusted
table
# %%
fig, ax = plt.subplots(figsize=(7, 4))
ax.semilogy(curve["step"], curve["known"].clip(lower=1e-4), color="0.6", label="pairs it learns from")
ax.semilogy(curve["step"], curve["loss"], label="pairs it never saw")
for share, found in told.items():
    ax.plot(found.last, found.end["prediction"], "x", color="#d55e00")
    beside = (-52, -3 if share < 0.4 else -14)
    ax.annotate(f"from {share:.0%}", (found.last, found.end["prediction"]), textcoords="offset points", xytext=beside)
ax.set(xlabel="update", ylabel="loss, nats")
_ = ax.legend(frameon=False, loc="lower left", bbox_to_anchor=(0.3, 0.08))
# %% [markdown]
# The first three are off by factors of hundreds, the fourth, with most of the fall behind it, is close inside an interval of
# four orders of magnitude. All four say "not trustworthy": the law of schedules misses even what it was shown. A run like
# this cannot be forecast from its loss; it can only be watched.
