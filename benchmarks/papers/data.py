"""Golden numbers of public data: (paper, what, published, ours, relative tolerance)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd

import scaling
from benchmarks.papers.formulas import Row
from scaling.engine.solver import minimise
from scaling.logs import formats
from scaling.procedures import batch, step_law
from scaling.procedures.chain import Chain


def numbers(root: Path) -> Iterator[Row]:
    yield from _replication(root)
    yield from _over_training(root)
    yield from _farseer(root)
    steps = pd.read_csv(root / "critical-batch-size/steps_to_target.csv").rename(columns={"batch_sequences": "B"})
    N = steps.groupby("model", sort=False)["params_million"].first()
    for how, factor, exponent in (
        ("overhead", 93.1968, 0.468278),
        ("ratio", 146.10, 0.6191),
        ("overhead_small", 29.22, 0.6191),
    ):
        ours = batch.power_of_size(N, batch.critical_batches(steps, how)["B_crit"])
        yield "Zhang", f"critical batch, {how}: factor", factor, ours[0], 1e-4
        yield "Zhang", f"critical batch, {how}: exponent", exponent, ours[1], 1e-4
    yield from _step_law(root)


def _replication(root: Path) -> Iterator[Row]:
    raw = pd.read_csv(root / "analyzing-chinchilla/data/svg_extracted_data.csv")
    whole = pd.DataFrame({"N": raw["Model Size"], "D": raw["Training FLOP"] / (6 * raw["Model Size"]), "loss": raw["loss"]})
    kept = whole[whole["loss"] < sorted(whole["loss"])[-5]]
    fit = scaling.fit(kept, "chinchilla")
    yield "Besiroglu", "objective, 240 rows", 0.0010182740178006, fit.objective, 1e-9
    for name, value in {"A": 477.826, "B": 2143.417, "E": 1.817218, "alpha": 0.34731050, "beta": 0.36717243}.items():
        yield "Besiroglu", f"global optimum, {name}", value, fit.values[name], 1e-5
    squares = scaling.fit(kept, "chinchilla", objective="squares")
    yield "Besiroglu", "residual sum of squares", 0.0832038076933, squares.objective, 1e-9
    for name, value in {"E": 1.88281, "A": 567.81, "B": 7581.85, "alpha": 0.35762, "beta": 0.42762}.items():
        yield "Besiroglu", f"least squares, {name}", value, squares.values[name], 2e-5
    logs = scaling.fit(kept, "chinchilla", objective="log_squares")
    for name, value in {"E": 1.86455, "A": 593.32, "B": 4875.64, "alpha": 0.36025, "beta": 0.40588}.items():
        yield "Besiroglu", f"least squares of logs, {name}", value, logs.values[name], 2e-5
    absolute = scaling.fit(kept, "chinchilla", delta=1e-5)
    for name, value in {"E": 1.8167, "A": 481.4, "B": 2081.4, "alpha": 0.3477, "beta": 0.3658}.items():
        yield "Besiroglu", f"Huber 1e-5, {name}", value, absolute.values[name], 5e-3 if name in "AB" else 1e-3
    np.random.seed(42)  # noqa: NPY002 - the authors' own generator and resamples
    order = fit.design.frame.index.get_indexer(kept.index)
    picks = [np.bincount(order[np.random.choice(240, 240)], minlength=240) for _ in range(4000)]  # noqa: NPY002
    start = np.tile(fit.t, (4000, 1))
    found = minimise(fit.model(fit.design), fit.loss.link(fit.design.loss), start, np.array(picks, float), fit.loss)
    spread = dict(zip(fit.coordinates.names, fit.coordinates.to_params(found.t).std(0, ddof=1), strict=True))
    for name, value in {"A": 124.494, "B": 1293.17, "E": 0.025657, "alpha": 0.0153975, "beta": 0.0205942}.items():
        yield "Besiroglu", f"standard error of 4000 resamples, {name}", value, spread[name], 0.01
    C = 6 * kept["N"] * kept["D"]
    below = scaling.fit(kept[C < 1e21], "chinchilla", objective="squares")
    yield "ml-scalefit", "residual sum of squares, C < 1e21", 0.062414, below.objective, 1e-5
    order = np.argsort((whole["N"] * whole["D"]).to_numpy(), kind="stable")
    for q, laws in ((0.6, (1.32, 1.96)), (0.8, (1.38, 1.26))):
        cut = round(q * len(whole))
        train, test = whole.iloc[order[:cut]], whole.iloc[order[cut:]]
        for law, published in zip(("chinchilla", "chinchilla_outer"), laws, strict=True):
            rows = scaling.fit(train, law).predict(test)
            ours = 100 * (rows["prediction"] / rows["loss"] - 1).abs().mean()
            yield "More is Better", f"rolling origin {q}, {law}: error %", published, ours, 0.02


def _over_training(root: Path) -> Iterator[Row]:
    runs = []
    for path in (root / "scaling/exp_data/models").glob("*.json"):
        saved = json.loads(path.read_text())
        facts = saved["hyperparameters"]
        loss = next(r["loss"] for r in saved["results"] if "c4_val" in r["val_data"][0])
        N = float(facts["params"])
        runs.append((path.stem.split("-")[0], facts["chinchilla_multiplier"], N, facts["tokens"] / N, loss))
    table = pd.DataFrame(runs, columns=["data", "multiplier", "N", "M", "loss"])
    for data, over, errors, constants in (
        ("c4_original", 4.0, (-4.2952, 1.4979), {"E": 1.50826, "a": 113.693, "b": 189.516, "eta": 0.242472}),
        ("rpj", 32.0, (0.7320, 0.7103), {"E": 1.83665, "a": 166.211, "b": 366.687, "eta": 0.272851}),
    ):
        here = table[table["data"] == data]
        five = here[((here["multiplier"] == 1) & (here["N"] < 1e9)) | ((here["multiplier"] == 16) & (here["N"] < 2e7))]
        fit = scaling.fit(five[["N", "M", "loss"]], "over_training", objective="squares")
        for name, value in constants.items():
            yield "Gadre", f"{data}: {name}", value, fit.values[name], 1e-4
        for (low, multiplier), error in zip(((6e9, 1.0), (1e9, over)), errors, strict=True):
            row = here[(here["N"] > low) & (here["N"] < 2 * low) & (here["multiplier"] == multiplier)].iloc[0]
            ours = 100 * (fit.predict({"N": row["N"], "M": row["M"]})["prediction"][0] / row["loss"] - 1)
            yield "Gadre", f"{data}: error % at {row['N']:.2g}, x{multiplier:g}", error, ours, 5e-4
    runs = formats.over_training(root / "scaling/exp_data")
    runs = runs[runs["data"] == "rpj"].assign(M=lambda r: r["M"].round()).set_index(["model", "M"], drop=False)
    five = [("d=96_l=8_h=4", 20), ("d=512_l=8_h=4", 20), ("d=576_l=24_h=8", 20), ("d=1024_l=24_h=8", 20)]
    five, far = [*five, ("d=96_l=8_h=4", 320)], [("open_lm_7b", 20), ("open_lm_1b", 640)]
    exact = runs.assign(M=runs["D"] / runs["N"])
    six = exact.loc[[*five, ("open_lm_1b", 20)]].reset_index(drop=True)
    chain = Chain(
        scaling.fit(exact.loc[five].reset_index(drop=True), "over_training", objective="squares"),
        scaling.fit(six.assign(L=six["loss"], loss=six["err_17"]), "downstream_error", objective="squares"),
    )
    far = exact.loc[far].reset_index(drop=True)
    ours = 100 * (chain.predict(far)["prediction"].to_numpy() / far["err_17"].to_numpy() - 1)
    yield "Gadre", "rpj: downstream error % at 6.9e+09, x1", 0.0464, ours[0], 5e-3
    yield "Gadre", "rpj: downstream error % at 1.4e+09, x32", 3.6365, ours[1], 5e-4


def _farseer(root: Path) -> Iterator[Row]:
    table = pd.read_parquet(root / "scalebench/farseer_scaling_law/train-00000-of-00001.parquet")[["N", "D", "loss"]]
    error = lambda prediction: 100 * np.abs(prediction / table["loss"].to_numpy() - 1).mean()
    constants = scaling.laws["farseer"].published["li2025"]
    yield "Farseer", "published constants: error %", 0.226, error(constants(table["N"], table["D"]).to_numpy()), 0.01
    for law, published in (("chinchilla", 0.672), ("farseer", 0.140)):
        fit = scaling.fit(table, law, objective="log_squares")
        yield "Farseer", f"{law} refit: error %", published, error(fit.predict(table)["prediction"].to_numpy()), 0.01


def _step_law(root: Path) -> Iterator[Row]:
    table = pd.read_parquet(root / "scalebench/lr_bsz_scaling_law/train-00000-of-00001.parquet")
    table = table.rename(columns={"bsz": "batch", "data_size": "D", "non_embedding_param_size": "N", "lm_loss": "loss"})
    found = step_law.fit_lr_batch(table.assign(batch=table["batch"] * 2048), replicates=0)
    yield "Step Law", "near-optimal rows", 231, len(found.rows), 0
    yield "Step Law", "exponent of N (published fit)", 0.713, found.values["alpha"], 0.0299 / 0.713
    yield "Step Law", "exponent of D (published fit)", 0.307, found.values["beta"], 0.0191 / 0.307
    yield "Step Law", "exponent of the batch (published fit)", 0.571, found.values["gamma"], 0.0187 / 0.571
