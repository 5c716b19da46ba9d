"""From logged rows (step, lr) back to the rate of every update."""

import numpy as np

from scaling.errors import ScheduleError
from scaling.schedules.shapes import MOST_UPDATES


def table(step: np.ndarray, lr: np.ndarray, warmup: int | None, first: int | None) -> tuple[np.ndarray, int, tuple[str, ...]]:
    """Rates of all steps first..step[-1], the label of the first one, and what had to be assumed; as in `Schedule.from_rows`.

    Between two rows the rate is linear, except where it jumps: a change whose neighbouring intervals do not
    change the same way (at least a fifth as fast) is a switch, which happens at the later row, one step wide.
    """
    step, lr = _checked(step, lr)
    if first is None:
        first = 0 if step[0] == 0 or warmup is not None else 1
    if step[0] < first:
        raise ScheduleError(f"a row has a rate at step {step[0]}, before first={first}; pass first={step[0]}")
    labels = np.arange(first, step[-1] + 1)
    rates = np.interp(labels, step, lr)

    slope = np.diff(lr) / np.diff(step)
    before, after = np.append(0, slope[:-1]), np.append(slope[1:], 0)
    alike = np.maximum(before * np.sign(slope), after * np.sign(slope))
    jump = (slope != 0) & (alike < abs(slope) / 5) & (np.diff(step) > 1)
    if len(jump) and slope[0] > 0:
        jump[0] = False  # a rise at the very start is warm-up, and gradual
    for i in np.flatnonzero(jump):
        rates[step[i] - first : step[i + 1] - first] = lr[i]
    notes = []
    if jump.any():
        where = ", ".join(f"{step[i + 1]} ({lr[i]:.4g} to {lr[i + 1]:.4g})" for i in np.flatnonzero(jump)[:5])
        notes.append(f"the rate jumps between rows; the switch is taken to be at the later row, step {where}")

    early = labels < step[0]
    if early.any() and warmup is None:
        notes.append(
            f"rates before step {step[0]} are not logged: a linear warm-up from 0 to {lr[0]:.4g} is assumed; "
            "pass warmup= or a schedule"
        )
    ramp = step[0] if warmup is None else min(warmup - 1, step[0])
    rates[early] = lr[0] * np.minimum(1.0, labels[early] / ramp if ramp > 0 else 1.0)
    return rates, int(first), tuple(notes)


def _checked(step: np.ndarray, lr: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    step, lr = np.asarray(step, np.float64), np.asarray(lr, np.float64)
    if step.ndim != 1 or step.shape != lr.shape:
        raise ScheduleError(f"step and lr must be columns of one length, got shapes {step.shape}, {lr.shape}")
    known = ~np.isnan(lr)
    step, lr = step[known], lr[known]
    if len(step) == 0:
        raise ScheduleError("no row has a rate, so the schedule is unknown; give a schedule")
    if not np.all(step == np.floor(step)) or step.min() < 0:
        raise ScheduleError("steps must be whole numbers from 0 on")
    if step.max() > MOST_UPDATES:
        raise ScheduleError(
            f"step {step.max():g} is beyond any run: at most {MOST_UPDATES:,} updates can be held; count updates, not tokens"
        )
    if (bad := np.flatnonzero(np.diff(step) <= 0)).size:
        raise ScheduleError(f"step {step[bad[0] + 1]:g} follows {step[bad[0]]:g}, but steps must rise; sort the rows")
    return step.astype(np.int64), lr
