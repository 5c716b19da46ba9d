"""`scaling fit --law loss_to_loss --source ... --target ...`: the relation between two data sets."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from scaling.cli import output
from scaling.cli.options import Printing, Reading, UsageError

if TYPE_CHECKING:
    import pandas as pd

RELATION = "loss_to_loss"


def fit_relation(
    source: Sequence[str], target: Sequence[str], reading: Reading, strict: bool, printing: Printing
) -> int:
    """Print the relation; exit code 4 under --strict where its fit is not trustworthy."""
    from scaling.transfer import relate

    if not (source and target):
        raise UsageError(f"--law {RELATION} needs both --source and --target")
    found = relate(_side(source, reading), _side(target, reading))
    assert found.fit is not None and found.pairs is not None
    if printing.json:
        output.document({
            "law": RELATION, "values": {k: getattr(found, k) for k in ("K", "kappa", "E0", "E1")},
            "errors": found.fit.errors().to_dict(), "how": found.how, "r2": found.r2, "ok": found.fit.ok,
            "pairs": len(found.pairs), "account": found.pairs.attrs["account"], "warnings": found.warnings,
        })  # fmt: skip
    else:
        print(found)
    if not found.fit.ok:
        output.warning("this fit is not trustworthy: " + "; ".join(found.fit.verdict.failures))
    return 4 if strict and not found.fit.ok else 0


def _side(paths: Sequence[str], reading: Reading) -> Any:
    """A saved fit, a table of N, D and loss, or logs."""
    import scaling

    if len(paths) == 1 and Path(paths[0]).suffix == ".json":
        return scaling.load(paths[0])
    tables = [_table(Path(path), reading) for path in paths]
    if all(table is not None for table in tables):
        import pandas as pd

        return pd.concat(tables, ignore_index=True)  # type: ignore[arg-type]
    return reading.read(list(paths), quiet=True)


def _table(path: Path, reading: Reading) -> pd.DataFrame | None:
    import pandas as pd

    if path.suffix.lower() != ".csv" or not path.is_file():
        return None
    names = {there: here for here, there in (reading.columns() | {"loss": reading.loss or "loss"}).items()}
    header = pd.read_csv(path, nrows=0).rename(columns=names)
    if not {"N", "D", "loss"} <= set(header):
        return None
    frame = pd.read_csv(path).rename(columns=names)
    return frame if reading.where is None else frame.query(reading.where)
