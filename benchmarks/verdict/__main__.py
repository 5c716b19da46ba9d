"""`python -m benchmarks.verdict`: false OKs and false alarms, over generated families and over the tables of papers."""

from __future__ import annotations

import argparse
import sys
import time
import warnings
from pathlib import Path

import numpy as np
import pandas as pd

import scaling
from benchmarks.papers.__main__ import shared
from benchmarks.verdict.families import Case, bad, good
from scaling.engine.verdict.examine import examine
from scaling.errors import ScalingError
from scaling.logs import formats

BARS = {"false OK": 0.03, "false alarm": 0.02, "named in good sets": 0.05}
FEW = 5  # rows planted up to which all should be named


def asked(case: Case) -> dict[str, object]:
    """What the verdict says of a case."""
    start = time.process_time()
    try:
        fit = scaling.fit(case.table, case.law, **case.options)
    except ScalingError as refused:
        return {"kind": case.kind, "good": case.good, "ok": False, "named": 0, "share": np.nan, "said": str(refused)}
    cost = time.process_time() - start
    start = time.process_time()
    examine(fit.near, fit.cov.weakest)
    cost = (time.process_time() - start) / cost
    named = set(fit.design.frame.index[fit.findings.strange])
    planted = set(map(int, case.planted))
    hit = len(named & planted) / len(planted) if planted else np.nan
    said = "; ".join(fit.warnings)
    return {
        "kind": case.kind, "good": case.good, "ok": fit.ok, "named": len(named), "planted": len(planted), "hit": hit,
        "share": cost, "said": said,
    }  # fmt: skip


def public(root: Path) -> list[tuple[str, str, pd.DataFrame]]:
    """Tables of papers at hand: (name, law, rows)."""
    raw = pd.read_csv(root / "analyzing-chinchilla/data/svg_extracted_data.csv")
    N = raw["Model Size"]
    epoch = pd.DataFrame({"N": N, "D": raw["Training FLOP"] / (6 * N), "loss": raw["loss"]})
    found = [
        ("Besiroglu, 240 rows", "chinchilla", epoch[epoch["loss"] < sorted(epoch["loss"])[-5]]),
        ("Besiroglu, all 245", "chinchilla", epoch),
    ]
    over = formats.over_training(root / "scaling/exp_data")
    for data, rows in over.groupby("data"):
        found.append((f"Gadre {data}", "over_training", rows.reset_index(drop=True)))
    farseer = pd.read_parquet(root / "scalebench/farseer_scaling_law/train-00000-of-00001.parquet")
    found.append(("Farseer", "farseer", farseer[["N", "D", "loss"]]))
    found.append(("Farseer", "chinchilla", farseer[["N", "D", "loss"]]))
    for path in sorted((root / "isoflops").rglob("*.csv")):
        table = pd.read_csv(path).rename(columns={"params": "N", "tokens": "D"})
        apart = [c for c in ("source", "condition", "experiment", "dataset", "group") if c in table]
        if {"N", "D", "loss"} <= set(table):
            parts = table.groupby(apart) if apart else [(path.stem, table)]
            found += [(str(name), "chinchilla", part[["N", "D", "loss"]].reset_index(drop=True)) for name, part in parts]
    return found


def main() -> int:
    warnings.simplefilter("ignore")
    options = argparse.ArgumentParser(prog="python -m benchmarks.verdict")
    options.add_argument("--seeds", type=int, default=0, help="first seed")
    options.add_argument("--bad", type=int, default=400)
    options.add_argument("--good", type=int, default=200)
    given = options.parse_args()
    cases = [*map(good, range(given.seeds, given.seeds + given.good)), *map(bad, range(given.seeds, given.seeds + given.bad))]
    rows = pd.DataFrame(map(asked, cases))
    rows["false OK"] = ~rows["good"] & rows["ok"] & (rows["named"] == 0)
    rows["false alarm"] = rows["good"] & ~rows["ok"]
    columns = ["ok", "named", "hit", "share", "false OK", "false alarm"]
    shown = rows.groupby(["good", "kind"])[columns].mean().assign(sets=rows.groupby(["good", "kind"]).size())
    print(shown.round(3).to_string())
    few = rows[(rows["planted"] > 0) & (rows["planted"] <= FEW)]
    clean = rows[rows["good"]]
    measured = {
        "false OK": rows.loc[~rows["good"], "false OK"].mean(), "false alarm": clean["false alarm"].mean(),
        "named in good sets": (clean["named"] > 0).mean(),
    }  # fmt: skip
    print()
    for what, value in measured.items():
        print(f"{what:24} {value:6.1%}   bar {BARS[what]:.0%}")
    print(f"{'all planted rows named':24} {(few['hit'] == 1).mean():6.1%}   bar 90% ({len(few)} sets of one to five)")
    print(f"{'planted rows named':24} {few['hit'].mean():6.1%}")
    print(
        f"{'cost, share of the fit':24} {rows['share'].median():6.1%}   median; of good sets at most {clean['share'].max():.1%}"
    )
    if (root := shared()) is None:
        print("public data not found: only generated families were asked", file=sys.stderr)
    else:
        print()
        for name, law, table in public(root):
            told = asked(Case(name, law, table, True))
            print(f"{name} ({law}, {len(table)} rows): {'OK' if told['ok'] else 'NOT TRUSTWORTHY'}; {told['said']}"[:240])
    return 0 if all(value <= BARS[what] for what, value in measured.items()) else 1


if __name__ == "__main__":
    sys.exit(main())
