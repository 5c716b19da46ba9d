"""Language families of known truth with 1 % noise: are gammas and shares found, how often does the own-share check cry wolf?

`python -m benchmarks.transfer.simulated [SEEDS]` prints counts over seeds beside what they should be. The truth has the gammas
that the paper's printed normalised losses imply at uniform shares; every family's loss follows its own share alone.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping

import numpy as np
import pandas as pd

import scaling
from scaling.planning.shares import least_sum
from scaling.procedures.independence import DOUBT, independence

GAMMA = {"a": 0.0825, "b": 0.1028, "c": 0.15, "d": 0.0825, "e": 0.0781}
BEST = np.array([0.16460599, 0.20773148, 0.30775736, 0.16460599, 0.15529918])  # of the normalised sum of losses
SHARES = {name: f"p_{name}" for name in GAMMA}
SIZES, TOKENS = (8.5e7, 3.97e8, 8.1e8, 1.2e9), (5e9, 1.5e10, 5e10)


def families(seed: int, noise: float = 0.01, mixtures: int = 8, sizes=SIZES, pull: float = 0.0) -> pd.DataFrame:
    """Runs over sizes, tokens and mixtures with columns N, D, p_<family>, loss_<family>.

    `pull` > 0 breaks the hypothesis: part of the next family's share counts as one's own.
    """
    rng = np.random.default_rng(seed)
    drawn = np.maximum(rng.dirichlet(np.full(len(GAMMA), 3.0), mixtures - 1), 0.02)
    p = np.vstack([np.full(len(GAMMA), 1 / len(GAMMA)), drawn / drawn.sum(1, keepdims=True)])
    N, D, which = (x.ravel() for x in np.meshgrid(sizes, TOKENS, np.arange(mixtures), indexing="ij"))
    out = {"N": N, "D": D, **{f"p_{name}": p[which, i] for i, name in enumerate(GAMMA)}}
    alone = 0.9 + 300 / N**0.34 + 400 / D**0.28
    for i, (name, gamma) in enumerate(GAMMA.items()):
        counted = p[which, i] + pull * p[which, (i + 1) % len(GAMMA)]
        out[f"loss_{name}"] = alone * counted**-gamma * np.exp(noise * rng.normal(size=len(N)))
    return pd.DataFrame(out)


def of(rows: pd.DataFrame, name: str) -> pd.DataFrame:
    """One family's rows: its share as p, its loss as loss."""
    return rows.assign(p=rows[f"p_{name}"], loss=rows[f"loss_{name}"])


def recovered(seed: int, **how) -> Mapping[str, float]:
    """Of one seed: gammas within two standard errors (of 5), and the largest error of an optimal share."""
    rows = families(seed)
    fits = {name: scaling.fit(of(rows, name), "multilingual", **how) for name in GAMMA}
    inside = sum(abs(f.values["gamma"] - GAMMA[n]) < 2 * f.errors()["gamma"] for n, f in fits.items())
    shares = least_sum(np.ones(len(GAMMA)), np.array([f.values["gamma"] for f in fits.values()])).p
    return {"gammas": inside, "worst": float(np.abs(shares - BEST).max())}


def checked(seed: int, **truth) -> tuple[str, float]:
    """Verdict and p-value of the own-share check for family b on two sizes."""
    found = independence(of(families(seed, sizes=SIZES[::2], **truth), "b"), "b", SHARES)
    return found.verdict, found.p_value


def main(seeds: int = 200) -> None:
    for how in ({"objective": "log_huber"}, {"objective": "log_squares"}):
        found = pd.DataFrame([recovered(seed, **how) for seed in range(seeds // 4)])
        total = 5 * len(found)
        print(f"{how['objective']}: gammas within 2 standard errors {found['gammas'].sum():.0f} of {total} (95.4 %: "
              f"{0.954 * total:.0f}); all shares within 0.01 of the optimum in {(found['worst'] < 0.01).sum()} of "
              f"{len(found)} seeds, median of the worst {found['worst'].median():.4f}")  # fmt: skip
    quiet = [checked(seed) for seed in range(seeds)]
    alarms = sum(v == "coupled" for v, _ in quiet)
    below = sum(p < DOUBT for _, p in quiet)
    print(f"own-share check, hypothesis true: coupled in {alarms} of {seeds} ({alarms / seeds:.1%}; allowed 5 %); "
          f"p < {DOUBT:g} in {below} ({below / seeds:.1%}; nominal {DOUBT:.0%})")  # fmt: skip
    broken = [checked(seed, pull=1.0)[0] for seed in range(seeds // 10)]
    print(f"own-share check, a neighbour's share counts in full: coupled in {broken.count('coupled')} of {len(broken)}")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:2]))
