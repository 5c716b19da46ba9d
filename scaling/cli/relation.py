"""`scaling fit --law loss_to_loss --source ... --target ...`: the relation between two data sets."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from scaling.cli import output
from scaling.cli.options import Printing, Reading, UsageError, number, saved_fit

if TYPE_CHECKING:
    import pandas as pd

    from scaling.transfer import Relation

RELATION = "loss_to_loss"


def fit_relation(
    source: Sequence[str],
    target: Sequence[str],
    reading: Reading,
    saved: Path | None,
    plot: Path | None,
    strict: bool,
    printing: Printing,
) -> int:
    """Print the relation, save and draw it if asked to; exit code 4 under --strict where its fit is not trustworthy."""
    import scaling
    from scaling.transfer import relate

    if not (source and target):
        raise UsageError(f"--law {RELATION} needs both --source and --target")
    found = relate(_side(source, reading), _side(target, reading))
    assert found.fit is not None and found.pairs is not None
    document = {
        "law": RELATION, "values": found.values, "errors": found.fit.errors().to_dict(), "how": found.how,
        "r2": found.r2, "ok": found.ok, "pairs": len(found.pairs), "account": found.pairs.attrs["account"],
        "warnings": found.warnings,
    }  # fmt: skip
    draw = scaling.plots.relation if plot is not None else None
    return output.fitted(found, document, found.fit.verdict.failures, draw, saved, plot, strict, printing)


def predict_relation(
    found: Relation,
    paths: Sequence[str],
    inputs: dict[str, str],
    level: float,
    saved: Path | None,
    reading: Reading,
    printing: Printing,
) -> None:
    """Print the target loss at one source loss, --x, or at the last losses of logged source runs."""
    if bool(paths) == bool(inputs) or not set(inputs) <= {"x"}:
        raise UsageError(f"a saved {RELATION} is predicted for one of: logs of source runs, or --x (the source loss)")
    target: Any
    if paths:
        target = _side(paths, reading)
        if not hasattr(target, "frame"):
            target = target.rename(columns={"loss": "x"})
    else:
        try:
            target = {"x": number(inputs["x"])}
        except ValueError as wanted:
            raise UsageError(f"--x {inputs['x']}: must be {wanted}") from None
    rows = found.predict(target, level=level)
    said = {key: rows.attrs[key] for key in ("interval", "extrapolation")}
    if not printing.json:
        print(f"{RELATION}   {found.law.formula}\n\n{output.table(rows)}\n")
        print("\n".join(f"{key}: {text}" for key, text in said.items()))
    if saved is not None:
        rows.to_csv(saved, index=False)
        output.notes([f"saved {saved}"], quiet=printing.quiet)
    if printing.json:
        output.document({"law": RELATION, "level": level, **said, "predictions": rows, "saved": saved})
    if not found.ok:
        output.warning("the fit is not trustworthy: " + "; ".join(found.warnings))


def _side(paths: Sequence[str], reading: Reading) -> Any:
    """A saved fit, a table of N, D and loss, or logs."""

    if len(paths) == 1 and Path(paths[0]).suffix == ".json":
        return saved_fit(paths[0])
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
