"""`scaling laws`: what can be fitted."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

from scaling.cli import output
from scaling.cli.output import Printing
from scaling.formula import find, laws

if TYPE_CHECKING:
    from scaling.formula import Law


PROVENANCE = ("errors", "source", "counts", "conventions", "note", "verified")


def run(name: str | None = None, /, *, printing: Printing = Printing()) -> int:
    """List the laws, or show one: formula, parameters, published constants.

    For example:

        scaling laws
        scaling laws chinchilla
        scaling laws annealing:lam=0.995 --json

    Parameters
    ----------
    name
        The law to show; all are listed without it.
    """
    if name is not None:
        content = describe(find(name))
        return output.show(output.Told(_lines(content, find(name)), None, content), printing)
    known = [describe(find(each)) for each in sorted(laws)]
    width = max(len(law["law"]) for law in known)
    lines = []
    for law in known:
        held = "".join(f", {key} = {value:g}" for key, value in law["held"].items())
        lines.append((law["law"].ljust(width), f"{law['formula']}{held}   {law['source']}"))
    content = {"laws": [{key: law[key] for key in ("law", "formula", "source", "inputs")} for law in known]}
    return output.show(output.Told(lines, None, content), printing)


def describe(law: Law) -> dict[str, Any]:
    """Return what there is to know about a law, as plain data."""
    return {
        "law": law.name,
        "formula": law.formula,
        "reference": law.reference,
        "source": law.cite,
        "inputs": law.inputs,
        "parameters": [
            {"name": p.name, "lower": p.domain.lo, "upper": p.domain.hi, "start": p.start} for p in law.params.values()
        ],
        "held": law.held,
        "conventions": law.conventions,
        "published": {
            key: {"values": constants, **{name: getattr(constants, name) for name in PROVENANCE}}
            for key, constants in law.published.items()
        },
    }


def _lines(content: dict[str, Any], law: Law) -> list[tuple[str, str]]:
    body = inspect.cleandoc(law.fn.__doc__ or "").partition("\n")[2].strip()
    lines = [(content["law"], content["formula"]), ("reference", content["reference"])]
    lines += [("", text) for text in body.splitlines()]
    for heading in ("held", "conventions"):
        if content[heading]:
            lines.append((heading, ", ".join(f"{key} = {value}" for key, value in content[heading].items())))
    for key, constants in content["published"].items():
        lines += [("published", key + ("" if constants["verified"] else "   NOT VERIFIED against the primary source"))]
        lines += [("", ", ".join(f"{name} = {value:.8g}" for name, value in constants["values"].items()))]
        said = [constants["source"], constants["counts"], constants["note"]]
        said += [f"{k} = {v}" for k, v in constants["conventions"].items()]
        lines += [("", text) for text in said if text]
    return lines
