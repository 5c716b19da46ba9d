# ---
# jupyter:
#   jupytext:
#     text_representation: {extension: .py, format_name: percent}
#   kernelspec: {display_name: Python 3, language: python, name: python3}
# ---
# %% [markdown]
# # Train a ladder of your own
# A sweep file says what varies. Runs that share the beginning of their schedule train it once, so five cooldowns cost
# little more than one long run. Here the sizes are toys, so that it takes a minute; `runs/*.toml` are larger ones.
# %%
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import matplotlib.pyplot as plt

import scaling
from scaling.training import RunSpec
from scaling.training.corpus import read_corpus
from scaling.training.grid import read_sweep
from scaling.training.probes import Bench, coordinate_check, forward_probes, sharpness, slopes
from scaling.training.sweep import costs, sweep

folder = Path(tempfile.mkdtemp())
file = folder / "ladder.toml"
file.write_text("""
[base]
n_layer = 1
batch = 8
eval_tokens = 4096
val_tokens = 16384
[axes]
size = [{name = "d8", d_model = 8}, {name = "d16", d_model = 16}]
schedule = "wsd:peak=1e-2,warmup=20,decay=0.2"
horizon = [{steps = 100}, {steps = 200}, {steps = 400}]
""")
planned = read_sweep(file)
table = costs(planned, folder)
print(f"{table['own_steps'].sum()} updates for {table['steps'].sum()} requested")
table
# %% [markdown]
# `scaling sweep ladder.toml out/` does this in processes; any executor of `concurrent.futures` will do, also that of a
# Dask cluster. It may be stopped and started at any moment: the curves come out the same to the byte.
# %%
with ThreadPoolExecutor(1) as pool:
    sweep(planned, folder, executor=pool, device="cpu")
runs = scaling.read(folder)
fig, ax = plt.subplots()
for name, rows in runs.frame.groupby("run"):
    ax.plot(rows["tokens"], rows["loss"], label=name)
ax.set(xscale="log", xlabel="tokens", ylabel="validation loss, nats a byte")
ax.legend()
plt.show()
# %% [markdown]
# ## Looking inside
# Under the standard parametrisation activations grow with the width, under muP they do not (at widths this small they
# even shrink a little). The slopes are of log activation on log width after six updates.
# %%
corpus = read_corpus("python")
for rules in ("sp", "mup"):
    spec = RunSpec(schedule="constant:peak=1e-2,steps=6", parametrization=rules, base_width=16, d_model=16, batch=8)
    print(rules, slopes(coordinate_check(spec, (16, 32, 64), corpus, updates=6, seeds=(0,))).round(2).to_dict())
# %% [markdown]
# Sharpness (top eigenvalue of the Hessian) against the edge of stability, and the largest attention score.
# %%
bench = Bench(RunSpec(schedule="constant:peak=1e-2,steps=60", d_model=16, batch=8, n_layer=1), corpus)
windows = bench.windows(16)
for step in (20, 40, 60):
    bench.train(20)
    scores = forward_probes(bench, windows)["logit_max/blocks.0.attention"]
    edge = sharpness(bench, windows, preconditioned=True) / (38 / 1e-2)
    print(f"step {step}: {edge:.2f} of the edge, largest score {scores:.2f}")
