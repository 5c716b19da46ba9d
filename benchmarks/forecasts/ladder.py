"""The ladder law: `python -m benchmarks.forecasts ladder`, and what was held out of runs/ladder: `... held-out`.

On OLMo-ladder (A: <= 760M forecasts 1.3B; B: <= 370M forecasts 760M and 1.3B; C: <= 5x forecasts 10x; D: <= 760M and <= 2x
forecasts 1.3B at 5x and 10x) a final is the mean signed error of a curve's last three rows, in %. On runs/ladder the largest
size, the longest length and the highest peak are held out. They are read only where `held-out` is named.
"""

import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd

import scaling
from benchmarks.forecasts import Bar
from scaling.formula import Prior

HERE = Path(__file__).parents[2]
COLUMN = "eval/c4_en-validation/CrossEntropyLoss"
SIZES = {"190M": 190_354_176, "370M": 371_262_464, "760M": 758_220_288, "1B": 1_279_395_840}  # without embeddings
PROTOCOLS = {  # fitted, forecast, bar in %
    "A": ("n_params < 1e9", "n_params > 1e9", 0.10),
    "B": ("n_params < 4e8", "n_params > 4e8", 0.15),
    "C": ("xC <= 5", "xC > 5", 0.18),
    "D": ("n_params < 1e9 and xC <= 2", "n_params > 1e9 and xC >= 5", 0.50),
}
WAYS = {"default": None, "r -.4 +- .1": {"r": Prior(-0.4, 0.1)}, "r flat on [-1, 0]": {"r": Prior(-0.5, np.inf)}}
SMALL = "d_model < 96 and peak_lr < 0.01 and steps < 12800"  # of runs/ladder: nothing held out
HELD = {
    "largest size": "d_model == 96 and steps < 12800",
    "longest": "d_model < 96 and steps == 12800",
    "largest and longest": "d_model == 96 and steps == 12800",
    "highest peak": "peak_lr > 0.01",
}


def olmo(data: Path) -> scaling.Runs:
    """The public ladder with its sizes, second runs in place of first ones at 1x."""
    runs = scaling.read(data / "OLMo-ladder/ladder-runs", loss=COLUMN)
    runs = runs.select(f"run not in {[f'{size}-1xC' for size in SIZES]}")
    names = [name.removesuffix("-rerun").split("-") for name in runs.names]
    facts = runs.facts.assign(n_params=[SIZES[size] for size, _ in names], xC=[float(x.removesuffix("xC")) for _, x in names])
    return runs.with_facts(facts)


def timed(make):
    """What a call gives, and its CPU seconds."""
    start = time.process_time()
    return make(), time.process_time() - start


def finals(found: pd.DataFrame) -> pd.Series:
    """Mean signed error in % of the last three rows of each run."""
    error = 100 * np.log(found["prediction"] / found["loss"])
    return error.groupby(found["run"], sort=False).apply(lambda e: e.tail(3).mean())


def late(found: pd.DataFrame) -> float:
    """Root mean square error in % over the second half of every run."""
    error = 100 * np.log(found["prediction"] / found["loss"])
    return float(np.sqrt(np.mean([np.mean(e.iloc[len(e) // 2 :] ** 2) for _, e in error.groupby(found["run"])])))


def outer(given: scaling.Runs, asked: scaling.Runs) -> float:
    """Mean |error| in % of chinchilla_outer on the finals: the hard baseline."""

    def ends(runs: scaling.Runs) -> pd.DataFrame:
        rows = runs.frame.dropna(subset=["loss"]).groupby("run")
        loss, tokens = rows["loss"].apply(lambda x: x.tail(3).mean()), rows["tokens"].last()
        return pd.DataFrame({"N": runs.facts["n_params"][loss.index], "D": tokens, "loss": loss}).reset_index()

    rows, there = ends(given), ends(asked)
    found = scaling.fit(rows, "chinchilla_outer").predict(there, interval="delta")
    return float((100 * np.log(found["prediction"] / there["loss"])).abs().mean())


def bars(data: Path, failures: list[str]) -> Iterator[Bar]:
    """One law for sizes, lengths, batches and schedules: finals of the public ladder, and what it costs on our own."""
    yield from _public(data, failures)
    fit, small = fitted()
    yield from _cost(fit, small)


def _public(data: Path, failures: list[str]) -> Iterator[Bar]:
    """Protocols A to D."""
    runs = olmo(data)
    print("OLMo-ladder, c4: mean |error| of finals in %, rms of the second halves, r, E, ok, CPU s; chinchilla_outer beside")
    for name, (given, asked, bar) in PROTOCOLS.items():
        small, large = runs.select(given), runs.select(asked)
        for way, params in WAYS.items():
            fit, seconds = timed(lambda small=small, params=params: scaling.fit(small, "ladder", params=params))
            found = fit.predict(large)
            inside = np.mean((found["lower"] <= found["loss"]) & (found["loss"] <= found["upper"]))
            error, rms = float(finals(found).abs().mean()), late(found)
            r, se = fit.values["r"], fit.errors()["r"]
            print(f"  {name} {way:<18} {error:.3f} (bar {bar:.2f})  rms {rms:.3f}  rows inside 90 % {inside:.2f}  "
                  f"r {r:.2f} +- {se:.2f}  E {fit.values['E']:.2f}  ok {fit.ok}  {seconds:.2f} s")  # fmt: skip
            if way == "default":
                yield f"ladder, OLMo {name}: mean |error| of finals", f"<= {bar:.2f} %", f"{error:.3f} %", error <= bar
                if name == "A":
                    yield "ladder, OLMo A: rms of whole 1.3B curves", "<= 0.15 %", f"{rms:.3f} %", rms <= 0.15
                failures += [f"ladder, OLMo {run}: {e:+.2f} %" for run, e in finals(found).items() if abs(e) > bar]
        print(f"  {name} chinchilla_outer   {outer(small, large):.3f}")


def fitted() -> tuple[scaling.Fit, scaling.Runs]:
    """The fit of runs/ladder without what is held out, and these runs."""
    small = scaling.read(HERE / "runs/ladder").select(SMALL)
    return scaling.fit(small, "ladder"), small


def _cost(fit: scaling.Fit, small: scaling.Runs) -> Iterator[Bar]:
    """CPU seconds on runs/ladder."""
    told = {"N": 2e5, "tokens": 1e7, "schedule": "cosine:warmup=100,final=0.1"}
    _, first = timed(lambda: fit.predict(told))
    _, second = timed(lambda: fit.predict(told))
    thirty = small.select(f"run in {list(small.names)[:30]}")
    _, cost = timed(lambda: scaling.fit(thirty, "ladder"))
    said = ", ".join(f"{k} {v:.3g}" for k, v in fit.values.items())
    print(f"runs/ladder, {len(small)} curves: residual {100 * fit.cov.noise:.2f} %, ok {fit.ok}; {said}; from priors: "
          f"{', '.join(fit.verdict.from_prior)}")  # fmt: skip
    yield "ladder, CPU seconds of a fit of 30 curves", "<= 3", f"{cost:.2f}", cost <= 3
    yield "ladder, CPU seconds of the first calibrated predict", "<= 1", f"{first:.2f}", first <= 1
    yield "ladder, CPU seconds of the second", "<= 0.05", f"{second:.3f}", second <= 0.05


def held_out(data: Path, failures: list[str]) -> Iterator[Bar]:
    """The largest size, longest length and highest peak of runs/ladder, which were never fitted."""
    fit, small = fitted()
    runs = scaling.read(HERE / "runs/ladder")
    for what, query in HELD.items():
        found = fit.predict(runs.select(query))
        for run, rows in found.groupby("run", sort=False):
            end = rows.iloc[-1]
            error, inside = end["prediction"] / end["loss"] - 1, end["lower"] <= end["loss"] <= end["upper"]
            rows = rows[rows["prediction"].notna()]
            whole = np.mean((rows["lower"] <= rows["loss"]) & (rows["loss"] <= rows["upper"]))
            print(f"  {what:<20} {run:<22} {end['prediction']:.4f} [{end['lower']:.4f}, {end['upper']:.4f}] measured "
                  f"{end['loss']:.4f}; rows inside {whole:.2f}, rms late {late(rows):.2f} %")  # fmt: skip
            said = f"{error:+.2%}, {'inside' if inside else 'OUTSIDE'}, ok {end['ok']}"
            yield f"held out, {run}", "1 %, or inside and not ok", said, bool(abs(error) <= 0.01 or (inside and not end["ok"]))
        print(f"  {what:<20} chinchilla_outer on finals {outer(small, runs.select(query)):.2f} %")
