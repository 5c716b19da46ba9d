"""Laws and constants by name, as people write them: ``"annealing:lam=0.995"``, ``"chinchilla/besiroglu2024"``."""

from __future__ import annotations

import re
from typing import Any

from scaling.errors import LawError
from scaling.formula.definition import Law, laws
from scaling.formula.published import Published
from scaling.words import did_you_mean


def find(law: Law | str) -> Law:
    """A law from itself, its name, or text such as ``"annealing:lam=0.995"``."""
    if isinstance(law, Law):
        return law
    if not isinstance(law, str):
        raise LawError(f"a law is a name or what @scaling.law returns, not {type(law).__name__}.")
    name, conventions = _parsed(law)
    if name not in laws:
        hint = did_you_mean(name, laws, ".")
        raise LawError(f"unknown law '{name}'{hint} `scaling laws` lists the {len(laws)} there are.")
    return laws[name].using(**conventions) if conventions else laws[name]


def constants(text: str) -> Published:
    """Published constants by name, as in ``"chinchilla/besiroglu2024"``."""
    name, _, preset = text.partition("/")
    law = find(name)
    if preset not in law.published:
        there = [f"{name}/{key}" for key in law.published]
        raise LawError(f"'{text}' are no constants; write law/constants: {', '.join(there) or f'{name} has none published'}.")
    return law.published[preset]


def _parsed(text: str) -> tuple[str, dict[str, Any]]:
    """Name and conventions."""
    name, _, rest = text.partition(":")
    settings: dict[str, Any] = {}
    for part in filter(None, (s.strip() for s in rest.split(","))):
        if not (match := re.fullmatch(r"(\w+)=(.+)", part)):
            raise LawError(f"law '{text}': cannot read '{part}'; write name:key=value,key=value.")
        settings[match[1]] = _value(match[2])
    return name.strip(), settings


def _value(text: str) -> Any:
    if text.lower() in ("true", "false"):
        return text.lower() == "true"
    try:
        return int(text) if re.fullmatch(r"[+-]?\d+", text) else float(text)
    except ValueError:
        return text
