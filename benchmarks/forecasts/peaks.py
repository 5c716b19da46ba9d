"""One law for a model at several peak rates: schedules not fitted at peaks that were, and a peak that nobody ran.

    python -m benchmarks.forecasts peaks

124M models of arXiv:2501.18965 at peaks .0005, .001 and .002. Fitted: a cooldown of 20 % at 15,000 and 25,000 updates of each
peak. Priors come from elsewhere: own tiny runs (runs/ladder without what is held out there) and the 25M and 100M models of
arXiv:2503.12811. Errors are root mean squares in nats after update 3,000, the mean over the predicted curves.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

import scaling
from benchmarks.forecasts import Bar, schedules
from scaling.design.inputs import design
from scaling.formula import Prior

PEAKS = ("0.0005", "0.001", "0.002")
FITTED = ("linear0.2_15000", "linear0.2_25000")
SEEN = tuple(f"{name}_25000" for name in ("linear0.1", "linear0.6", "linear0.9", "sqrt0.2", "cos0", "cos10"))
UNSEEN = tuple(f"{name}_25000" for name in ("linear0.2", "linear0.6", "cos0"))
SCORED = 3000
BARS = {"peaks that were fitted": 0.006, "the lowest from the upper two": 0.008, "the highest from the lower two": 0.013}
FLOORS = {"mp": 0.1, "np": 0.15, "cp": 0.5, "k": 0.1, "e0": 0.2}  # of standard deviations, as in spec/ladder.md


def elsewhere(data: Path) -> dict[str, Prior]:
    """Priors of what other models determine: means over two groups where both do, sd from their spread or the floor."""
    runs = scaling.read(schedules.RUNS.parent / "ladder")
    facts = runs.facts
    wide = {name: Prior(mean, 5.0) for name, mean in (("mp", 0.6), ("np", 0.45), ("cp", -1.0), ("k", 0.15))}
    found: dict[str, list[float]] = {name: [] for name in FLOORS}
    for width in (24, 48):
        inside = (facts["d_model"] == width) & (facts["steps"] <= 6400) & (facts["peak_lr"] <= 8.1e-3)
        fit = scaling.fit(runs.select(f"run in {list(facts.index[inside])}"), "peaks", params=wide)
        for name in ("mp", "np", "cp", "k"):
            found[name].append(fit.values[name])
    free = {"e0": Prior(4.84, 3.0), "k": Prior(0.15, 5.0)}
    folder = data / "MultiPowerLaw/loss_curve_repo"
    public = [scaling.read([folder / f"csv_{size}/{name}.csv" for name in schedules.MPL], warmup=2160) for size in (25, 100)]
    own = [scaling.read([schedules.RUNS / f"{size}-{name}.csv" for name in schedules.OWN]) for size in ("d24", "d32", "d48")]
    for group, first in ((public, None), (own, 801)):
        fits = [scaling.fit(one, "progress", params=free, min_step=first) for one in group]
        peaks = [max(plan.peak for plan in one.schedules.values()) for one in group]
        found["e0"].append(
            float(np.mean([np.log(f.values["e0"] * np.sqrt(1e-3 / p)) for f, p in zip(fits, peaks, strict=True)]))
        )
        if group is public:
            found["k"] = [float(np.mean(found["k"])), float(np.mean([f.values["k"] for f in fits]))]
    means = {name: float(np.mean(values)) for name, values in found.items()}
    sds = {name: max(FLOORS[name], float(np.std(values, ddof=1)) * np.sqrt(1.5)) for name, values in found.items()}
    return {name: Prior(np.exp(means[name]) if name == "e0" else means[name], sds[name], "elsewhere") for name in FLOORS}


def tasks(data: Path) -> Iterator[tuple[str, list[Path], list[Path]]]:
    """What is asked, curves fitted, curves predicted."""
    at = lambda peak, name: data / f"lr-scheduling/lr{peak}_{name}.csv"
    yield next(iter(BARS)), [at(p, n) for p in PEAKS for n in FITTED], [at(p, n) for p in PEAKS for n in SEEN]
    for said, held in zip(list(BARS)[1:], (PEAKS[0], PEAKS[2]), strict=True):
        yield said, [at(p, n) for p in PEAKS if p != held for n in FITTED], [at(held, n) for n in UNSEEN]


def bars(data: Path, failures: list[str]) -> Iterator[Bar]:
    """A peak that nobody ran, and schedules nobody ran at peaks that were."""
    priors = elsewhere(data)
    print("priors from elsewhere:", ", ".join(f"{k} {p.mean:.3g} +- {p.sd:.2g}" for k, p in priors.items()), end="\n\n")
    for said, train, test in tasks(data):
        fit = scaling.fit(scaling.read(train), "peaks", params=priors)
        errors, inside = [], []
        for path in test:
            runs = scaling.read(path)
            made = design(runs, fit.law, fitting=False)
            rows = np.isfinite(made.loss) & (made.frame["step"].to_numpy() > SCORED)
            errors.append(float(np.sqrt(np.mean((fit.law(*made.inputs.values(), **fit.values) - made.loss)[rows] ** 2))))
            found = fit.predict(runs)
            found = found[np.isfinite(found["loss"]) & (found["step"] > SCORED)]
            inside += list((found["loss"] >= found["lower"]) & (found["loss"] <= found["upper"]))
            if errors[-1] > 0.012:
                failures.append(f"{said}, {path.stem}: off by {errors[-1]:.4f}")
        yield f"peaks, {said}", f"<= {BARS[said]:.3f}", f"{np.mean(errors):.4f}", float(np.mean(errors)) <= BARS[said]
        yield f"peaks, {said}: inside 90 %", "0.83 to 0.97", f"{np.mean(inside):.3f}", bool(0.83 <= np.mean(inside) <= 0.97)
