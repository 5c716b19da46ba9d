"""The page of a running job: its forecast, and how the forecasts went so far; written anew whenever the log has grown."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from scaling import plots
from scaling.report.page import Part, figure, framed, or_why, shown, typed
from scaling.running import Update


def watched(updates: Sequence[Update], command: str) -> str:
    """A page of what looks at a growing log have shown, the newest first.

    Parameters
    ----------
    updates : at least one, oldest first. command : that makes the page again.
    """
    last = updates[-1]
    made = next((update.forecast for update in reversed(updates) if update.forecast is not None), None)
    title = f"{'a running job' if made is None else made.run}: {last.state} at step {last.step:,}"
    parts = [("Now", shown(Part([("state", last.line())])))]
    if made is not None:
        said = "Logged losses, and the forecast of the rest with its interval."
        parts += [
            ("Forecast", shown(Part(made.head(), trusted=made.ok))),
            ("The curve", or_why(lambda: figure(plots.running(made), said))),
        ]
    parts.append(("Forecasts so far", shown(Part([], _history(updates)))))
    if made is not None:
        parts.append(("Constants", shown(Part([], made.constants))))
    parts.append(("Make it again", typed(command)))
    return framed(title, parts)


def _history(updates: Sequence[Update]) -> pd.DataFrame:
    rows = []
    for update in reversed(updates):
        end = {} if update.forecast is None else update.forecast.end
        known = {name: end.get(name) for name in ("prediction", "lower", "upper")}
        rows.append({"step": update.step, "of": update.last, "loss": update.loss, **known, "state": update.state})
    return pd.DataFrame(rows).set_index("step")
