"""`Schedule`: the rate of every update, with the areas and drops the laws are made of, computed once."""

from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np

from scaling.errors import ScheduleError
from scaling.schedules import rows, text
from scaling.schedules.shapes import MOST_UPDATES


@dataclass(frozen=True)
class Blocks:
    """Rate changes in groups, each standing for up to `size` neighbouring updates (arrays of one length).

    drop: sum of the drops d_k (negative for a rise); high: rate before all of them, high - drop after; log_rate: mean of
    ln eta_k; area: mean of the area before the change (both weighted by |d_k|); first: index of the first update in the block.
    """

    drop: np.ndarray
    high: np.ndarray
    log_rate: np.ndarray
    area: np.ndarray
    first: np.ndarray

    def __len__(self) -> int:
        return len(self.drop)


@dataclass(frozen=True, eq=False, repr=False)
class Schedule:
    """The learning rate of every update of a run; immutable. Make one with `scaling.schedule`.

    Attributes
    ----------
    rates : float64 array (n_updates,), read-only.
    text : canonical text form that parses back to the same table, None for tables without a formula.
    first : step label of rates[0]. 1 where step counts the updates done (lr belongs to the update that led to
        the step, our own logs); 0 where a log's step column is the 0-based index of the update.
    notes : what had to be assumed to build the table.
    """

    rates: np.ndarray
    text: str | None = None
    first: int = 1
    notes: tuple[str, ...] = ()
    _blocks: dict[tuple[int, bool, float, float], Blocks] = field(default_factory=dict, init=False)

    def __post_init__(self) -> None:
        if np.size(self.rates) > MOST_UPDATES:
            raise ScheduleError(f"{np.size(self.rates):,} updates are too many: at most {MOST_UPDATES:,} can be held")
        table = np.array(self.rates, np.float64)
        if table.ndim != 1 or not len(table):
            raise ScheduleError(f"a schedule is one rate per update, shape (n_updates,); got {table.shape}")
        bad = np.flatnonzero(~np.isfinite(table) | (table < 0))
        if len(bad):
            raise ScheduleError(f"the rate of update {bad[0]} is {table[bad[0]]}; rates must be finite and >= 0")
        if self.first not in (0, 1):
            raise ScheduleError(f"first={self.first}: step labels begin at 1 (updates done) or 0 (update index)")
        table.setflags(write=False)
        object.__setattr__(self, "rates", table)

    @classmethod
    def from_rows(cls, step: Any, lr: Any, *, warmup: int | None = None, first: int | None = None) -> "Schedule":
        """Rebuild the table from logged rows; what had to be assumed is in `.notes`.

        Rates between rows are linear, but a switch that is no part of a gradual change stays one step wide
        and happens at the later row. Rates before the first row are a linear warm-up from 0 at step 0: up to
        the first row (an assumption, noted), or, given `warmup`, over that many steps
        (`linspace(0, rate, warmup)`), then constant.

        Parameters
        ----------
        step, lr : columns (n,), steps rising; rows with NaN rate are skipped.
        warmup : number of warm-up updates, if the rows begin after them.
        first : label of the first update; default 0 if a row at step 0 has a rate or given `warmup`, else 1.
        """
        rates, first, notes = rows.table(step, lr, warmup, first)
        return cls(rates, None, first, notes)

    @property
    def steps(self) -> int:
        """Number of updates."""
        return len(self.rates)

    @property
    def last(self) -> int:
        """Step label of the last update."""
        return self.first + self.steps - 1

    @property
    def peak(self) -> float:
        return float(self.rates.max())

    @cached_property
    def warmup(self) -> int:
        """Number of leading updates of the rising part, its top included; 0 without a rise at the start.

        It may rise in stairs, none of them longer than a quarter of it.
        """
        change = np.diff(self.rates)
        falls = np.flatnonzero(change < 0)
        rises = np.flatnonzero(change[: falls[0] if len(falls) else None] > 0)
        if not len(rises):
            return 0
        stairs = np.diff(rises, prepend=-1)
        if stairs.max() <= max(1, rises[-1] / 4):
            return int(rises[-1]) + 2
        flat = np.flatnonzero(change <= 0)
        return int(flat[0]) + 1 if flat[0] else 0

    @cached_property
    def area(self) -> np.ndarray:
        """Learning-rate area S1: sum of the rates up to and including each update, shape (n_updates,)."""
        return _frozen(np.cumsum(self.rates))

    def progress(self, power: float) -> np.ndarray:
        """Sum of the rates to a power, up to and including each update, shape (n_updates,); power 1 is `area`."""
        return self.area if power == 1 else _frozen(np.cumsum(self.rates**power))

    def drops(self, warmup_in_ld: bool = False) -> np.ndarray:
        """d_k = rates[k-1] - rates[k], d_0 = 0, shape (n_updates,); 0 over warm-up unless `warmup_in_ld`."""
        return self._drops[bool(warmup_in_ld)]

    @cached_property
    def _drops(self) -> tuple[np.ndarray, np.ndarray]:
        every = np.append(0.0, -np.diff(self.rates))
        later = np.where(np.arange(self.steps) < self.warmup, 0.0, every)
        return _frozen(later), _frozen(every)

    def blocks(self, size: int = 64, warmup_in_ld: bool = False, floor: float = 1e-3, power: float = 1.0) -> Blocks:
        """Rate changes compressed to blocks. Rises and drops never share one, and a one-step jump is one exact block.

        Parameters
        ----------
        size : updates of a block; 1 is exact. warmup_in_ld : do the rises of the warm-up count?
        floor : a fraction of the peak, which bounds the rate inside log_rate only, since the rate may be 0 there.
        power : `area` of a block is of rates to that power, as in `progress`.
        """
        key = (size, warmup_in_ld, floor, power)
        if key not in self._blocks:
            self._blocks[key] = self._compress(size, self.drops(warmup_in_ld), floor, self.progress(power))
        return self._blocks[key]

    def _compress(self, size: int, drops: np.ndarray, floor: float, area: np.ndarray) -> Blocks:
        if size < 1:
            raise ScheduleError(f"block size {size} must be 1 (exact) or more")
        k = np.flatnonzero(drops)
        d, weight = drops[k], np.abs(drops[k])
        rate = np.maximum(self.rates[k], floor * self.peak)
        if not (rate > 0).all():
            raise ScheduleError(f"the rate is 0 at update {k[rate <= 0][0]}, and a law takes its log; set floor > 0")
        around = np.abs(np.concatenate([drops, [0.0]]))
        jump = weight > 8 * np.maximum(around[k - 1], around[k + 1])
        group = (k - k[0]) // size if len(k) else k
        label = np.where(jump, -k, 2 * group + (d > 0))  # k >= 1, so a jump's label is its own
        _, first, block = np.unique(label, return_index=True, return_inverse=True)

        def total(x: np.ndarray) -> np.ndarray:
            return np.bincount(block, x, len(first))

        middle = self.rates[k] + d / 2
        log_rate, areas, middles = (total(weight * x) / total(weight) for x in (np.log(rate), area[k - 1], middle))
        drop = total(d)
        # drops in a row add up to one, from the rate before the first; where rises lie between, it is around their middle
        last = np.zeros(len(first), int)
        np.maximum.at(last, block, k)
        top = self.rates[k[first] - 1]
        in_a_row = np.isclose(top - self.rates[last], drop, rtol=1e-9, atol=1e-12 * self.peak)
        high = np.where(in_a_row, top, np.maximum(middles + drop / 2, np.maximum(drop, 0.0)))
        parts = (drop, high, log_rate, areas, k[first])
        order = np.argsort(k[first], kind="stable")
        return Blocks(*(_frozen(part[order]) for part in parts))

    def index(self, step: Any) -> np.ndarray:
        """Positions of step labels in `rates`; ScheduleError for labels outside first..last or fractions."""
        step = np.asarray(step)
        index = step - self.first
        bad = (index < 0) | (index >= self.steps) | (index != np.floor(index))
        if np.any(bad):
            raise ScheduleError(
                f"step {step[bad].flat[0]:.15g} is not in the schedule of steps {self.first} to {self.last}"
                f"{self._longer(float(step[bad].max()))}"
            )
        return np.asarray(index, np.int64)

    def _longer(self, step: float) -> str:
        """How to write a schedule that reaches a step beyond this one."""
        steps = int(min(step, 2**53)) - self.first + 1
        if not self.steps < steps <= MOST_UPDATES:
            return ""
        if self.text is None:
            example = f"constant:peak={self.peak:g},steps={steps}"
            return f". A schedule that goes on to there is needed: schedule={example!r}, for example (--schedule)"
        return f". To reach it write steps={steps} in {self.text!r} (command line: leave steps= out and add --steps {steps})"

    def __len__(self) -> int:
        return self.steps

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Schedule):
            return NotImplemented
        return self.first == other.first and np.array_equal(self.rates, other.rates)

    def __hash__(self) -> int:
        return hash((self.first, self.rates.tobytes()))

    def __repr__(self) -> str:
        return f"Schedule({self.text or 'table'}; {self.steps} updates, peak {self.peak:.4g})"


def schedule(source: Any, *, first: int | None = None, **settings: Any) -> Schedule:
    """A learning-rate schedule from text, from an array of rates, or from a Schedule.

    Parameters
    ----------
    source : text `name:key=value,...` such as `"wsd:peak=3e-3,steps=2k,warmup=100,decay=0.2,shape=1-sqrt"`
        (names: `scaling.schedules.SHAPES` and `table`), the path of a CSV with columns step and lr, an array with one rate
        per update, or a Schedule.
    first : step label of the first update: 1 (default: step counts updates done) or 0 (step is their index).
    **settings : keys of the text form given as arguments: `schedule("cosine", peak=3e-4, steps=24_000)`.

    Raises
    ------
    ScheduleError : unknown name or key (with the nearest one), missing key, impossible value, a file that cannot be read.
    """
    if text.names_file(source):
        if settings:
            raise ScheduleError(f"{source}: this file holds all rates of its schedule; leave out {', '.join(settings)}")
        step, lr = text.read_rates(source.strip())
        try:
            return Schedule.from_rows(step, lr, first=first)
        except ScheduleError as problem:
            raise ScheduleError(f"{source}: {problem}") from None
    if isinstance(source, str):
        name, checked = text.parse(source, settings)
        return Schedule(text.rates(name, checked), text.write(name, checked), 1 if first is None else first)
    if settings:
        raise ScheduleError(f"{sorted(settings)} go with a schedule's name; {type(source).__name__} has rates already")
    if isinstance(source, Schedule):
        return source if first is None else replace(source, first=first)
    return Schedule(source, first=1 if first is None else first)


def _frozen(x: np.ndarray) -> np.ndarray:
    x.setflags(write=False)
    return x
