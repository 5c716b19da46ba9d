"""What to train with a budget, from a law over runs: size, tokens and schedule, batch and peak as usual for the size."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from scaling.counting import compute
from scaling.errors import ArgumentError, FitError
from scaling.fits import Fit
from scaling.planning import asked

SIZES, AROUND = 24, 7  # sizes asked of every schedule; between the neighbours of the best, then
LEAST, MOST = 2.0, 500.0  # tokens per parameter that are asked
FEWEST, MANY = 50, 10**7  # updates of a run that is one, and that are planned for: their rates are held in memory
TOGETHER = 2 * 10**6  # updates of runs that are predicted at once
WARMUP = 0.01  # of a run
FLAT = 1e-3  # a loss within this fraction of the best counts as equally good
DECAYS = (0.1, 0.2, 0.3)  # of a run, at its end


def shapes(fit: Fit) -> list[str]:
    """Schedules to choose among: those whose drops the runs show, down to the lowest rate that any of them had."""
    low = min((float(part.min()) for part in [fit.design.inputs["drops"].low] if len(part)), default=1.0)
    final = f"final={round(max(low, 0.0), 2):g}"
    if low >= 1:
        return ["constant:"]
    found = [f"cosine:{final}"]
    # cosines alone do not say how soon a drop takes effect, which is all that a short cooldown lives by
    return found if "C" in fit.verdict.from_prior else found + [f"wsd:decay={part:g},{final}" for part in DECAYS]


def plan_runs(
    fit: Fit, flops: float | Sequence[float] | None, *, N: float | None = None, D: float | None = None, level: float = 0.9
) -> pd.DataFrame:
    """The best size, tokens and schedule for each budget; arguments and columns as in `scaling.plan`.

    Raises
    ------
    ArgumentError : no budget, or both size and tokens held. FitError : a budget that makes no run.
    """
    if flops is None:
        raise ArgumentError(
            f"a plan from '{fit.law.name}' is for budgets: plan(fit, flops=...), with N= or D= held, or neither."
        )
    rows = [_best(fit, C, N, D, level) for C in asked.budgets(flops)]
    out = pd.DataFrame(rows)
    why = [said for row in out.pop("why") for said in row]
    out.attrs.update(law=fit.law.name, counts="as in the data of the fit", cost="C = 6 N D", why=list(dict.fromkeys(why)))
    out.attrs["interval"], out.attrs["extrapolation"] = rows[0]["interval"], "; ".join(dict.fromkeys(out.pop("extrapolation")))
    return out.drop(columns="interval")


def _runs(fit: Fit, C: float, sizes: np.ndarray, texts: Sequence[str]) -> pd.DataFrame:
    """Runs of a budget that have enough updates, one per size and schedule."""
    assert fit.law.hooks.usual is not None
    usual = fit.law.hooks.usual(sizes, **fit.law.conventions)
    B, peak, D = np.broadcast_to(usual["B"], sizes.shape), np.broadcast_to(usual["peak"], sizes.shape), C / compute(sizes, 1.0)
    steps = np.round(D / B)
    rows: list[dict[str, Any]] = []
    for n, s, b, p in zip(sizes, steps, B, peak, strict=True):
        if FEWEST <= s <= MANY:
            told = {"N": n, "D": s * b, "steps": int(s), "batch": b, "peak": p}
            rows += [{**told, "schedule": f"{text}{',' * ('=' in text)}warmup={int(WARMUP * s)}"} for text in texts]
    if not rows and (steps > MANY).any():
        raise _too_long(fit, C, float(B.max()))
    if not rows:
        raise FitError(
            f"{C:.3g} FLOP make no run of {FEWEST} updates or more at the batch usual for its size, {B.min():,.0f} tokens; "
            "plan for more."
        )
    found = pd.DataFrame(rows)
    found.attrs["cut"] = bool((steps > MANY).any())
    return found


def _too_long(fit: Fit, C: float, batch: float) -> FitError:
    """The answer to a budget whose runs would be far longer than any."""
    return FitError(
        f"{C:.3g} FLOP would take over {MANY:,} updates at the batch that is usual for its size in these runs, up to "
        f"{batch:,.0f} tokens: '{fit.law.name}' knows no other batch. Plan for less compute, or from a law of size and tokens, "
        "such as chinchilla/besiroglu2024."
    )


def _losses(fit: Fit, runs: pd.DataFrame) -> np.ndarray:
    """The final losses of runs, as many at once as have room."""
    parts = runs.groupby((runs["steps"].cumsum() // TOGETHER).to_numpy(), sort=False)
    return np.concatenate([fit.predict(part, interval="delta")["prediction"].to_numpy(float) for _, part in parts])


def _best(fit: Fit, C: float, N: float | None, D: float | None, level: float) -> dict[str, Any]:
    held = N if N is not None else None if D is None else C / compute(D, 1.0)
    low, high = (np.sqrt(C / compute(1.0, 1.0) / per) for per in (MOST, LEAST))
    sizes, texts = np.geomspace(low, high, SIZES) if held is None else np.array([held]), shapes(fit)
    runs = _runs(fit, C, sizes, texts)
    loss = _losses(fit, runs)
    best = int(loss.argmin())
    cut = runs.attrs["cut"]
    if held is None:
        step = (high / low) ** (1 / (SIZES - 1))
        near = runs["N"][best] * step ** np.linspace(-1, 1, AROUND)
        text = texts[best % len(texts)]
        more = _runs(fit, C, near, [text])
        cut |= more.attrs["cut"]
        runs, loss = pd.concat([runs, more], ignore_index=True), np.append(loss, _losses(fit, more))
        best = int(loss.argmin())
    if cut and runs["N"][best] == runs["N"].min():  # the best may be smaller, and longer
        raise _too_long(fit, C, float(runs["batch"].max()))
    one = runs.iloc[best]
    end = fit.predict(runs.iloc[[best]], level=level)
    good = runs["N"][loss <= loss[best] * (1 + FLAT)]
    return {
        "flops": C, "N": one["N"], "D": one["D"], "tokens_per_param": one["D"] / one["N"], "loss": end["prediction"][0],
        "loss_lower": end["lower"][0], "loss_upper": end["upper"][0], "ok": bool(end["ok"][0]),
        "flat_N_lower": good.min(), "flat_N_upper": good.max(), "steps": one["steps"], "batch_tokens": one["batch"],
        "lr": one["peak"], "schedule": one["schedule"], "why": end.attrs["why"], "interval": end.attrs["interval"],
        "extrapolation": end.attrs["extrapolation"],
    }  # fmt: skip
