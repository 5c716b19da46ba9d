"""`scaling laws`: what can be fitted."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

import scaling
from scaling.cli import output
from scaling.cli.options import Many, Reading, auto_laws
from scaling.cli.output import Printing
from scaling.cli.own_laws import law_named
from scaling.cli.spoken import spoken
from scaling.errors import ArgumentError
from scaling.formula import find, laws

if TYPE_CHECKING:
    from scaling.formula import Law


LONG = 80  # characters of a reason that is not said twice
PROVENANCE = ("errors", "source", "counts", "conventions", "made_on", "note", "verified")


def run(
    name: str | None = None,
    /,
    *,
    for_: Annotated[Many, Parameter(name="--for")] = (),
    reading: Reading = Reading(),
    printing: Printing = Printing(),
) -> int:
    """List the laws, or show one: formula, parameters, published constants.

    For example:

        scaling laws
        scaling laws --for table.csv
        scaling laws chinchilla
        scaling laws annealing:lam=0.995 --json

    Parameters
    ----------
    name
        The law to show; all are listed without it.
    for_
        Logs or a table: say which laws its columns allow, and why not the others. May be repeated.
    """
    if for_:
        if name is not None:
            raise ArgumentError("--for lists all laws for a table; leave the law's name out")
        return _allowed(reading.measurements(list(for_), auto_laws()), printing)
    if reading != Reading():
        raise ArgumentError("--where, --loss, --map and --warmup go with --for")
    if name is not None:
        content = describe(law_named(name))
        return output.show(output.Told(_lines(content, law_named(name)), None, content), printing)
    known = [describe(find(each)) for each in sorted(laws)]
    width = max(len(law["law"]) for law in known)
    lines = []
    for law in known:
        held = "".join(f", {key} = {value:g}" for key, value in law["held"].items())
        lines.append((law["law"].ljust(width), f"{law['formula']}{held}   {law['source']}"))
    content = {"laws": [{key: law[key] for key in ("law", "formula", "source", "inputs")} for law in known]}
    return output.show(output.Told(lines, None, content), printing)


def _allowed(data: Any, printing: Printing) -> int:
    """List the laws that data allow, then the others, those that lack least first, with what speaks against them."""
    found = scaling.candidates(data)
    fitting = [(law.name, f"fits: {law.formula}") for law in found.laws]
    width = max(map(len, [name for name, _ in (*fitting, *found.absent.items())]))
    lines, first = [], dict[str, str]()
    for name, said in (*fitting, *found.absent.items()):
        alike = first.setdefault(said, name)  # a fault of the data is said once
        short = spoken(said).partition(". The data has ")[0]
        lines.append((name.ljust(width), f"as {alike}" if alike != name and len(said) > LONG else short))
    content = {"fit": [law.name for law in found.laws], "absent": found.absent, "unused": found.unused}
    return output.show(output.Told(lines, None, content), printing)


def describe(law: Law) -> dict[str, Any]:
    """Return what there is to know about a law, as plain data."""
    return {
        "law": law.name,
        "formula": law.formula,
        "reference": law.reference,
        "source": law.cite,
        "fails": law.fails,
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
        said += [f"made on {k} {low:.3g} to {high:.3g}" for k, (low, high) in constants["made_on"].items()]
        lines += [("", text) for text in said if text]
    return lines
