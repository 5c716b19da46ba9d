"""Numbers and names as people write them."""

from __future__ import annotations

import math
import numbers
import re
from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from typing import Any

from scaling.errors import ArgumentError

FORMER = {"final_val_loss": "final_loss", "final_val_loss_byte": "final_loss_byte"}  # in records of our trainer until 2026-11
_UNITS = {"": 1, "k": 1e3, "K": 1e3, "M": 1e6, "B": 1e9, "T": 1e12}


def parse_number(value: Any) -> float:
    """3e-4, 24k, 2M, 7B, 12_000_000 or a number."""
    text = re.sub(r"(?<![\d_.])(\d{1,3}(?:_\d{3})+)(?![\d_])", lambda m: m[0].replace("_", ""), str(value))
    match = re.fullmatch(r"\s*([-+0-9.eE]+)([kKMBT]?)\s*", text)
    try:
        number = float(match[1]) * _UNITS[match[2]] if match else math.nan
    except ValueError:  # such as 1e or --3
        number = math.nan
    if not math.isfinite(number):
        raise ValueError("a number like 3e-4, 24k or 2M")
    return number


def amount(x: float, digits: int = 4) -> str:
    """A size, a number of tokens or of FLOP as people write it: 350M, 1.3T, 4.42e20; what is small as it is."""
    said = f"{x:.{digits}g}"
    rounded = abs(float(said))
    if not rounded < 1e15:
        return said.replace("e+", "e")
    for unit in ("T", "B", "M"):
        if rounded >= _UNITS[unit]:
            return f"{float(said) / _UNITS[unit]:.{digits}g}{unit}"
    return f"{x:.0f}" if rounded >= 1e4 or x == round(x) else said


def digits(value: float, error: float) -> str:
    """A value to the precision of its own error: two digits of the error."""
    if not math.isfinite(error) or error <= 0 or error > 1e3 * abs(value):
        return f"{value:.6g}"
    if error < 1e-12 * abs(value):  # known to rounding
        return f"{value:.12g}"
    places = 1 - math.floor(math.log10(error))
    if abs(value) >= 1e6 or (value != 0 and abs(value) < 1e-4):
        return f"{value:.{max(0, math.floor(math.log10(abs(value))) + places)}e}"
    return f"{value:.{max(0, places)}f}"


def plain_name(name: str) -> str:
    """A name of a column in small letters, with _ for spaces, hyphens and slashes: as it is looked up."""
    return re.sub("[ /-]", "_", name.lower().strip())


def duration(seconds: float) -> str:
    """Seconds in the unit that suits them."""
    size, unit = next((pair for pair in ((86400, "d"), (3600, "h"), (60, "min")) if seconds >= 2 * pair[0]), (1, "s"))
    return f"{seconds / size:.2g} {unit}" if seconds / size < 10 else f"{seconds / size:.0f} {unit}"


def many(n: int, noun: str) -> str:
    """1 row, 2 rows, 12,000 rows: a number of things, whose name has its plural where there is not one of them."""
    return f"{n:,} {noun}{'s' * (n != 1)}"


def verb(n: int, one: str = "is", several: str = "are") -> str:
    """What `n` things do: 1 of 20 rows has, 2 of them have."""
    return one if n == 1 else several


def others(n: int, noun: str = "row") -> str:
    """What stands behind the first of `n` faults, where there are more."""
    return f" ({n:,} such {noun}s)" if n > 1 else ""


def by_reason(reasons: Mapping[str, str]) -> str:
    """Names with why each has none of what was asked, those of one reason together."""
    named: dict[str, list[str]] = {}
    for name, reason in reasons.items():
        named.setdefault(reason.removesuffix("."), []).append(name)
    return "; ".join(f"{listed(names)}: {reason}" for reason, names in named.items())


def listed(names: Iterable[str]) -> str:
    """a, b and c."""
    *most, last = names
    return f"{', '.join(most)} and {last}" if most else last


def did_you_mean(word: object, known: Iterable[str], otherwise: str = "") -> str:
    """What to add to an error about an unknown word, which may be no text: the known one that is close, else `otherwise`.

    Dashes before options are alike in all of them and say nothing: by them --then was close to --steps."""
    bare = {each.lstrip("-"): each for each in known}
    close = get_close_matches(str(word).lstrip("-"), bare, n=1)
    return f"; did you mean {bare[close[0]]!r}?" if close else otherwise


def check_seed(seed: Any) -> None:
    """Refuse what no random generator takes as its seed."""
    if isinstance(seed, bool) or not isinstance(seed, numbers.Integral) or not 0 <= int(seed) < 2**63:
        raise ArgumentError(f"seed={seed!r} must be a whole number from 0 on.")


def check_level(level: Any) -> None:
    """Refuse what is no level of an interval."""
    if isinstance(level, bool) or not isinstance(level, numbers.Real) or not 0 < float(level) < 1:
        raise ArgumentError(f"level={level!r} must lie between 0 and 1, for example 0.9.")


def first_line(error: Exception, most: int | None = 80) -> str:
    """The beginning of what an exception says, up to `most` characters of its first line; its class where it says nothing."""
    return (str(error).splitlines() or [type(error).__name__])[0][:most]
