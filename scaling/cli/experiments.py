"""`scaling plan --pool`: which runs to make next."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from scaling.cli import output
from scaling.cli.options import Printing, UsageError, number, saved_fit

if TYPE_CHECKING:
    import pandas as pd

    from scaling.formula import Law


def experiments_plan(
    fit: str | None, pool: Sequence[str], target: Sequence[str], budget: float | None, cost: str | None, branch: bool,
    seed: int, printing: Printing,
) -> None:  # fmt: skip
    """Print the runs of `pool` to make, in order, and the error of the target's prediction expected after each."""
    from scaling.formula import find
    from scaling.planning.experiments import plan_next

    if fit is None or not target or budget is None:
        raise UsageError("plan --pool needs a fit or the name of a law, --target and --budget")
    source: Any = saved_fit(fit) if Path(fit).suffix == ".json" or Path(fit).exists() else fit
    law = find(getattr(source, "law", source))
    could, wanted = (_runs(texts, option, law) for texts, option in ((pool, "--pool"), (target, "--target")))
    runs = plan_next(source, could, wanted, budget, cost=cost, branch=branch, seed=seed)
    facts = {**{str(k): v for k, v in runs.attrs.items()}, "spent": float(runs["cost"].sum())}
    for text in facts["warnings"]:
        output.warning(text)
    if printing.json:
        output.document({**facts, "runs": runs})
        return
    if len(runs):
        shown = runs.drop(columns="target_sd").map(lambda x: f"{x:.4g}" if isinstance(x, float) else x)
        print(f"{output.table(shown.assign(target_error=[f'{100 * sd:.2g} %' for sd in runs['target_sd']]))}\n")
    after = runs["target_sd"].iloc[-1] if len(runs) else facts["target_sd"]
    print(
        f"error of the target's prediction: {_percent(facts['target_sd'])} now, {_percent(after)} expected after "
        f"{len(runs)} runs for {facts['spent']:.3g} of {budget:.3g}{' ' * bool(facts['unit'])}{facts['unit']}\n"
        f"believed now: losses scatter by {_percent(facts['noise'])}, the law is off by {_percent(facts['misfit'])}; "
        "plan again as losses come in"
    )


def _percent(sd: float) -> str:
    return f"{100 * sd:.2g} %" if sd < 1 else "more than 100 %"


def _runs(texts: Sequence[str], option: str, law: Law) -> Any:
    """A table with one run a row; for laws of schedules also schedules as text, or logs with the rows to come."""
    import scaling

    paths, whole = [Path(text) for text in texts], law.over_schedules
    if whole and all(":" in text and not Path(text).exists() for text in texts):
        return texts
    if whole and (len(paths) > 1 or paths[0].is_dir() or "step" in _table(paths[0])):
        return scaling.read(paths)
    if len(paths) > 1:
        raise UsageError(f"{option} is given {len(paths)} times; law '{law.name}' takes one CSV with one run a row")
    return _table(paths[0])


def _table(path: Path) -> pd.DataFrame:
    import pandas as pd

    from scaling.errors import DataError

    try:
        frame = pd.read_csv(path)
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: cannot be read as CSV with one row per run: {error}") from None
    for name in frame.columns[[not pd.api.types.is_numeric_dtype(frame[c]) for c in frame]]:
        with suppress(ValueError):  # a column of words is for the reader
            frame[name] = [number(str(x)) for x in frame[name]]  # 7B, 2T
    return frame
