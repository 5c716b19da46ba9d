"""How far a prediction lies outside the data it was learned from, in words."""

from __future__ import annotations

import numpy as np

from scaling.design.inputs import Design

SHOWN = 0.01  # relative excess below which nothing is said, as the printed digits would not show it
LADDER = ("N", "D", "B", "peak")  # what is said of runs of several sizes
NAMES = {
    "N": "parameters", "D": "tokens", "C": "compute", "S1": "learning-rate area", "step": "steps", "lr": "learning rate",
    "B": "batch", "peak": "peak rate",
}  # fmt: skip


def extrapolation(seen: Design, target: Design) -> str:
    """For every input that leaves its range: by which factor; else that all lies inside."""
    parts = []
    own = list(LADDER) if {*LADDER} <= {*seen.frame} - {*seen.inputs} else []
    columns = [c for c in dict.fromkeys(own or ["step", *seen.inputs, "lr"]) if c in seen.frame and c in target.frame]
    for name in columns:
        inside, asked = (d.frame[name].to_numpy(float) for d in (seen, target))
        inside, asked = inside[inside > 0], asked[np.isfinite(asked)]
        if not len(inside) or not len(asked):
            continue
        if asked.max() > inside.max() * (1 + SHOWN):
            parts.append(f"{asked.max() / inside.max():.3g}x beyond the largest {NAMES.get(name, name)} seen")
        low = asked.min()
        if low < inside.min() * (1 - SHOWN):
            parts.append(
                f"below the smallest {NAMES.get(name, name)} seen ({low:.3g} < {inside.min():.3g})"
                if low > 0
                else f"{NAMES.get(name, name)} goes to zero, the smallest seen is {inside.min():.3g}"
            )
    return "; ".join(parts) if parts else "inside the range of the data"
