"""The text form of a schedule, `name:key=value,...`: parse, check, write back."""

import csv
import inspect
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from scaling.errors import ScheduleError
from scaling.schedules.shapes import DECAYS, MOST_UPDATES, SHAPES, WARMUPS
from scaling.words import did_you_mean, parse_number


def _number(wanted: str, fits: Callable[[float], bool], kind: Callable[[float], Any] = float) -> Callable[[Any], Any]:
    def parse(value: Any) -> Any:
        if not fits(number := parse_number(value)):
            raise ValueError(wanted)
        return kind(number)

    return parse


def _many(one: Callable[[Any], Any]) -> Callable[[Any], tuple[Any, ...]]:
    def parse(value: Any) -> tuple[Any, ...]:
        parts = value.split("/") if isinstance(value, str) else np.atleast_1d(np.asarray(value, object))
        return tuple(one(part) for part in parts)

    return parse


def _choice(names: Any) -> Callable[[Any], str]:
    def parse(value: Any) -> str:
        if value not in names:
            raise ValueError("one of " + ", ".join(names))
        return str(value)

    return parse


_UPDATES = f"a whole number of updates like 24000 or 24k, at most {MOST_UPDATES:,}"
_count = _number(_UPDATES, lambda x: x == int(x) and 0 <= x <= MOST_UPDATES, int)
_KINDS: dict[Callable[[Any], Any], str] = {
    _number("a number above 0", lambda x: x > 0): "peak timescale power batch_tokens",
    _count: "steps warmup horizon period cycle switch",
    _number("a fraction of the peak, 0 to 1", lambda x: 0 <= x <= 1): "final warmup_init",
    parse_number: "cycles growth decay up a b then",
    _many(_count): "milestones periods at",
    _many(parse_number): "factors levels rates",
    _choice(WARMUPS): "warmup_form",
    _choice(DECAYS): "shape",
}
_KEYS = {key: kind for kind, names in _KINDS.items() for key in names.split()}
_EXAMPLE = "peak=3e-4,steps=24k"
_WARMUP = {"warmup": 0, "warmup_form": "linear", "warmup_init": 0.0}


def keys(name: str) -> dict[str, Any]:
    """Allowed keys of a schedule with their defaults; `inspect.Parameter.empty` marks a required key."""
    empty = inspect.Parameter.empty
    if name == "table":
        return {"steps": empty, "at": empty, "rates": empty}
    parameters = inspect.signature(SHAPES[name]).parameters.values()
    own = {p.name: p.default for p in parameters if p.kind == p.KEYWORD_ONLY}
    # the first rise of a cyclic schedule is its warm-up
    return {"peak": empty, "steps": empty} | (_WARMUP if name != "cyclic" else {}) | own


def parse(text: str, settings: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """Name and checked settings of `name:key=value,...`; `settings` add to the text, never twice the same."""
    name, _, rest = text.strip().partition(":")
    name = name.strip()
    if name not in SHAPES and name != "table":
        raise ScheduleError(f"unknown schedule {name!r}{_nearest(name, [*SHAPES, 'table'])}")
    given: dict[str, Any] = {}
    for pair in filter(None, (part.strip() for part in rest.split(","))):
        key, equals, value = (part.strip() for part in pair.partition("="))
        if not equals or not value:
            example = "steps=100,at=0/99,rates=1e-3/1e-4" if name == "table" else _EXAMPLE
            raise ScheduleError(f"schedule {text!r}: {pair!r} is not key=value, as in {name}:{example}")
        if key in given:
            raise ScheduleError(f"schedule {text!r}: key {key!r} is given twice; keep one")
        given[key] = value
    if twice := given.keys() & settings.keys():
        raise ScheduleError(f"schedule {text!r}: {sorted(twice)} in the text and as arguments; keep one")
    given |= settings
    allowed = keys(name)
    checked: dict[str, Any] = {}
    for key, value in given.items():
        if key not in allowed:
            raise ScheduleError(f"{name}: unknown key {key!r}{_nearest(key, allowed)}")
        try:
            checked[key] = _KEYS[key](value)
        except ValueError as wanted:
            raise ScheduleError(f"{name}: {key}={value} must be {wanted}") from None
    if missing := [k for k, v in allowed.items() if v is inspect.Parameter.empty and k not in checked]:
        raise ScheduleError(f"{name}: missing {', '.join(missing)}; allowed keys: {', '.join(allowed)}")
    return name, {k: checked[k] for k, default in allowed.items() if k in checked and checked[k] != default}


def names_file(source: Any) -> bool:
    """Is this the path of a file with all rates of a schedule, and no schedule as text?"""
    return isinstance(source, str) and source.strip().lower().endswith(".csv")


def read_rates(path: str) -> tuple[np.ndarray, np.ndarray]:
    """Columns step and lr (n,) of a CSV, such as `scaling search -o best.csv` writes."""
    try:
        lines = Path(path).read_text("utf-8-sig").splitlines()
    except FileNotFoundError:
        raise ScheduleError(
            f"schedule {path!r}: no such file; give the path of a CSV with columns step and lr alone, or name:key=value,..."
        ) from None
    except UnicodeDecodeError:
        raise ScheduleError(f"{path}: not utf-8 text; a schedule is a CSV with columns step and lr") from None
    except OSError as problem:
        raise ScheduleError(f"{path}: cannot be read: {problem.strerror}; name a CSV with columns step and lr") from None
    if not lines:
        raise ScheduleError(f"{path}: the file is empty; a schedule is a CSV with columns step and lr")
    reader = csv.DictReader(lines, skipinitialspace=True)
    if missing := [name for name in ("step", "lr") if name not in (reader.fieldnames or ())]:
        raise ScheduleError(f"{path}: no column {missing[0]!r}; a schedule is a CSV with columns step and lr")
    rows = []
    for row in reader:
        try:
            rows.append((float(row["step"]), float(row["lr"] or "nan")))
            if rows[-1][0] > MOST_UPDATES:
                raise ScheduleError(
                    f"{path}, line {reader.line_num}, column 'step': found {row['step']!r}; a run has at most "
                    f"{MOST_UPDATES:,} updates. Count updates, not tokens"
                )
        except ScheduleError:
            raise
        except (TypeError, ValueError):
            raise ScheduleError(
                f"{path}, line {reader.line_num}: step {row['step']!r} and lr {row['lr']!r} cannot be read as numbers"
            ) from None
    step, lr = np.reshape(rows, (-1, 2)).T
    return step, lr


def write(name: str, settings: dict[str, Any]) -> str:
    """Canonical text: keys in fixed order, defaults left out, floats that read back bit by bit."""

    def show(value: Any) -> str:
        if isinstance(value, tuple):
            return "/".join(map(show, value))
        if isinstance(value, float) and value == int(value) and abs(value) < 1e15:
            return str(int(value))
        return value if isinstance(value, str) else repr(value)

    return name + ":" + ",".join(f"{k}={show(v)}" for k, v in settings.items())


def rates(name: str, settings: dict[str, Any]) -> np.ndarray:
    """The table of rates, shape (steps,)."""
    values = dict(settings)
    N = values.pop("steps")
    if N < 1:
        raise ScheduleError(f"{name}: steps=0 has no update; give at least one")
    if name == "table":
        at, knots = values["at"], values["rates"]
        if len(at) != len(knots) or any(b <= a for a, b in pairwise(at)):
            raise ScheduleError(f"table: at must rise and have one rate each; got at={at}, rates={knots}")
        return np.asarray(np.interp(np.arange(N), at, knots))
    peak, W = values.pop("peak"), values.pop("warmup", 0)
    form, low = values.pop("warmup_form", "linear"), values.pop("warmup_init", 0.0)
    if "then" in values:
        values["then"] /= peak
    s = np.arange(N, dtype=np.float64)
    ramp = low + (1 - low) * WARMUPS[form](s[:W], W)[:N] if W else s[:0]
    return np.asarray(peak * np.concatenate([ramp, SHAPES[name](s[W:], N, W, **values)]))


def _nearest(word: str, known: Any) -> str:
    hint = did_you_mean(word, known)
    return f"{hint} Allowed:" * bool(hint) + "; allowed:" * (not hint) + f" {', '.join(known)}"
