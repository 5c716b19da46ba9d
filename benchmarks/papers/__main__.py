"""`python -m benchmarks.papers`: published number, our number, difference, for the golden numbers of size laws."""

from __future__ import annotations

import os
import sys
import warnings
from pathlib import Path

import pandas as pd

from benchmarks.papers import data, formulas

ROOT = Path(__file__).resolve().parents[2]


def shared() -> Path | None:
    """Root of the public data, if there."""
    places = [Path(os.environ["SCALING_DATA"])] if "SCALING_DATA" in os.environ else []
    places += [ROOT.parent / "shared/data", ROOT.parent.parent / "shared/data"]
    return next((p for p in places if p.is_dir()), None)


def main() -> int:
    warnings.simplefilter("ignore")
    rows = list(formulas.numbers())
    root = shared()
    if root is None:
        print("public data not found: only formulas and published constants are compared (set SCALING_DATA)", file=sys.stderr)
    else:
        rows += data.numbers(root)
    table = pd.DataFrame(rows, columns=["paper", "number", "published", "ours", "tolerance"])
    table["difference"] = table["ours"] / table["published"] - 1
    table["ok"] = table["difference"].abs() <= table["tolerance"]
    shown = table.assign(
        published=[f"{x:.9g}" for x in table["published"]],
        ours=[f"{x:.9g}" for x in table["ours"]],
        difference=[f"{x:+.1e}" for x in table["difference"]],
        ok=["" if x else "NO" for x in table["ok"]],
    ).drop(columns="tolerance")
    print(shown.to_string(index=False))
    print(f"\n{table['ok'].sum()} of {len(table)} numbers agree within their tolerance")
    return 0 if table["ok"].all() else 1


if __name__ == "__main__":
    sys.exit(main())
