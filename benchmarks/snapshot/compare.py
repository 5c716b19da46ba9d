"""Two snapshots beside each other."""

from __future__ import annotations

import json
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

EXPECTED = Path(__file__).parent / "expected.md"


def report(old: Path, new: Path, only: tuple[str, ...], rtol: float, show: int) -> int:
    """Print what differs; 1 if anything does that is not expected."""
    was, now = (
        {k: v for k, v in json.loads(path.read_text("utf-8")).items() if not only or k.startswith(only)} for path in (old, new)
    )
    meant = _meant()
    differences = {}
    for key in [*was, *(k for k in now if k not in was)]:
        if key not in now:
            differences[key] = f"gone; was {_short(was[key])}"
        elif key not in was:
            differences[key] = f"new: {_short(now[key])}"
        elif (found := _difference(was[key], now[key], rtol)) is not None:
            differences[key] = found
    known = {
        k
        for k in differences
        if any(fnmatchcase(k, p) and (most is None or _difference(was[k], now[k], most) is None) for p, most in meant)
    }
    rest = {k: v for k, v in differences.items() if k not in known}
    for key, text in list(rest.items())[:show]:
        print(f"{key}\n    {text}")
    if len(rest) > show:
        print(f"... and {len(rest) - show} more")
    print(f"{len(was)} keys before, {len(now)} now: {len(rest)} differ, {len(known)} more are meant to")
    return 1 if rest else 0


def _meant() -> list[tuple[str, float | None]]:
    """Patterns of keys that are meant to differ, and by how much numbers may at most."""
    lines = [line[2:].split(": ")[0] for line in EXPECTED.read_text("utf-8").splitlines() if line[:2] == "- "]
    parts = [line.partition(" ~") for line in lines]
    return [(pattern.strip(), float(most) if tilde else None) for pattern, tilde, most in parts]


def _difference(a: Any, b: Any, rtol: float) -> str | None:
    if isinstance(a, list) and isinstance(b, list):
        if len(a) != len(b):
            return f"{len(a)} values, now {len(b)}: {_short(a)} | {_short(b)}"
        for place, pair in enumerate(zip(a, b, strict=True)):
            if found := _difference(*pair, rtol):
                return f"[{place}] {found}"
        return None
    if _number(a) and _number(b):
        if abs(a - b) <= rtol * max(abs(a), abs(b)):
            return None
        return f"{a!r} -> {b!r} ({abs(a - b) / max(abs(a), abs(b)):.1e} relative)"
    if type(a) is type(b) and a == b:
        return None
    if isinstance(a, str) and isinstance(b, str):
        at = next((i for i, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), min(len(a), len(b)))
        low = max(at - 40, 0)
        return f"at character {at}: {a[low : at + 120]!r} -> {b[low : at + 120]!r}"
    return f"{_short(a)} -> {_short(b)}"


def _number(x: Any) -> bool:
    return isinstance(x, (int, float)) and not isinstance(x, bool)


def _short(x: Any) -> str:
    text = repr(x)
    return text if len(text) <= 200 else f"{text[:200]}..."
