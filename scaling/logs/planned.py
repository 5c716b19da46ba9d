"""The schedule behind every run: from a text that the logged rates must confirm, or from those rates."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from scaling.errors import DataError, ScheduleError
from scaling.logs.findings import some
from scaling.schedules import Schedule, schedule
from scaling.words import many

DISTINCT = 20  # rates that tell how they are rounded


@dataclass(frozen=True)
class Plan:
    """What is known about one run's schedule."""

    place: str  # file and run, for messages
    step: np.ndarray  # rows with a logged rate
    lr: np.ndarray
    last: int  # last step label of the run
    source: str | Schedule | None = None  # text or table; None: rebuild from the rows
    override: bool = False  # given by the caller, so it wins over the logged rates
    warmup: int | None = None

    def build(self) -> Schedule:
        if self.source is None:
            return Schedule.from_rows(self.step, self.lr, warmup=self.warmup)
        try:
            table = schedule(self.source)
        except ScheduleError as error:
            raise DataError(f"{self.place}: {error}. Correct it, or pass schedule=...") from None
        labels: tuple[int, ...] = (1, 0) if table.rates[0] else (0, 1)  # the first wins if the rows fit both
        if isinstance(self.source, Schedule):
            labels = (table.first,)
        first = min(labels, key=lambda label: self._distance(table, label))
        table = replace(table, first=first)
        wrong = self._wrong(table, first)
        if wrong.any():
            i = np.flatnonzero(wrong)[0]
            text = (
                f"{self.place}: the logged rate at step {self.step[i]} is {self.lr[i]:.6g}, but the schedule "
                f"{table!r} gives {self._rate(table, first)[i]:.6g} there"
            )
            if not self.override:
                raise DataError(f"{text}. Correct one of them, or decide with schedule=...")
            table = replace(table, notes=(*table.notes, f"{text}; the given schedule is used"))
        if self.last > table.last:
            raise DataError(
                f"{self.place}: the run has step {self.last}, but its schedule {table!r} ends at step "
                f"{table.last}. Give one of `steps={self.last - table.first + 1}` if the run goes on, or pass schedule=..."
            )
        return table

    def _rate(self, table: Schedule, first: int) -> np.ndarray:
        index = self.step - first
        inside = (index >= 0) & (index < table.steps)
        return np.where(inside, table.rates[np.clip(index, 0, table.steps - 1)], np.nan)

    def _distance(self, table: Schedule, first: int) -> tuple[int, float]:
        """How badly the logged rates fit if the first update has label `first`: smaller is better."""
        return int(self._wrong(table, first).sum()), float(np.nansum(abs(self._rate(table, first) - self.lr)))

    def _wrong(self, table: Schedule, first: int) -> np.ndarray:
        """Rows that disagree by more than the four digits a log may be rounded to, or the decimals that it is."""
        wide = 1e-3 * self.lr + 1e-6 * table.peak + 0.501 * _last_decimal(self.lr)
        near: np.ndarray = np.abs(self._rate(table, first) - self.lr) <= wide
        return ~near

    def to_dict(self) -> dict[str, Any]:
        source: Any = self.source
        if isinstance(source, Schedule):
            source = {"rates": source.rates.tolist(), "text": source.text, "first": source.first}
        return {**vars(self), "step": self.step.tolist(), "lr": self.lr.tolist(), "source": source}

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> "Plan":
        source = data["source"]
        if isinstance(source, dict):
            source = Schedule(np.array(source["rates"]), source["text"], source["first"])
        rows = {"step": np.array(data["step"], np.int64), "lr": np.array(data["lr"], np.float64)}
        return cls(**{**data, **rows, "source": source})


def _last_decimal(lr: np.ndarray) -> float:
    """.000001 of rates that are all written with six decimals; 0 of too few to tell, or of more."""
    if len(np.unique(lr)) < DISTINCT:
        return 0.0
    return next((10.0**-k for k in range(4, 9) if np.allclose(lr, np.round(lr, k), rtol=0, atol=1e-13)), 0.0)


class Schedules(Mapping[str, Schedule]):
    """Run -> Schedule for the runs whose rates are known; each is built once, on first use."""

    def __init__(self, plans: dict[str, Plan]) -> None:
        self.plans = plans
        self._built: dict[str, Schedule] = {}

    def __getitem__(self, run: str) -> Schedule:
        if run not in self._built:
            if run not in self.plans:
                raise KeyError(f"run {run!r} has no rates: no lr column, no schedule; pass schedule=...")
            self._built[run] = self.plans[run].build()
        return self._built[run]

    def __contains__(self, run: object) -> bool:
        return run in self.plans

    def __iter__(self) -> Iterator[str]:
        return iter(self.plans)

    def __len__(self) -> int:
        return len(self.plans)

    def __repr__(self) -> str:
        return f"Schedules of {many(len(self), 'run')}: {some(list(self), 8)}"

    def only(self, runs: list[str]) -> "Schedules":
        """The same schedules for some of the runs; what was built stays built."""
        part = Schedules({run: plan for run, plan in self.plans.items() if run in runs})
        part._built = {run: table for run, table in self._built.items() if run in runs}
        return part
