"""One page a law, from the registry: formula, figure, what it needs, when it fails, constants, what it was checked on."""

import ast
import inspect
import textwrap

import scaling
from made import checked, figures
from made.docstrings import items
from made.words import code, escaped, sections, table
from scaling.counting.columns import ALIASES
from scaling.formula import ANY_POSITIVE, Law


def pages() -> dict[str, str | bytes]:
    """Path -> page of each law with its figure, and their list."""
    made: dict[str, str | bytes] = {}
    for name, law in scaling.laws.items():
        made[f"laws/{name}.svg"], caption = figures.figure(law)
        made[f"laws/{name}.md"] = page(law, caption)
    rows = [[f"[{n}]({n}.md)", f"`{law.formula}`", escaped(law.reference)] for n, law in sorted(scaling.laws.items())]
    tree = "```{toctree}\n:hidden:\n\n" + "\n".join(sorted(scaling.laws)) + "\n```\n"
    head = f"# Laws\n\nAll {len(rows)}, by name; [](../which_law.md) goes by question and columns.\n\n"
    made["laws/index.md"] = f"{head}{table(('law', 'formula', 'from'), rows)}\n{tree}"
    return made


def page(law: Law, caption: str) -> str:
    """The page of one law."""
    doc = sections(inspect.cleandoc(law.fn.__doc__ or ""))
    first, _, body = doc[""].partition("\n")
    parts = [f"# {law.name}\n", code(first), f"{source(law)}. Predicts: {law.predicts}.\n", escaped(body.strip()) + "\n"]
    parts += [f":::{{figure}} {law.name}.svg\n:alt: {law.name} drawn\n\n{escaped(caption)}\n:::\n"]
    parts += ["## What it needs\n", needs(law), "## Symbols\n", symbols(doc.get("Parameters", "")), parameters(law)]
    parts += ["## When it fails\n", fails(law), *notes(law, doc.get("Notes", "")), "## Constants\n", constants(law)]
    parts += ["## What it was checked on\n", checks(law), "## Use it\n", use(law)]
    return "\n".join(parts)


def source(law: Law) -> str:
    """Where it comes from, as a link where there is one."""
    kind, _, number = law.cite.partition(":")
    base = {"arXiv": "https://arxiv.org/abs/", "doi": "https://doi.org/"}.get(kind)
    said = escaped(law.reference.rstrip("."))
    if base:
        return f"{said.removesuffix(escaped(law.cite)).rstrip(', ')} ([{law.cite}]({base}{number}))"
    return said if law.cite.lower() in said.lower() else f"{said} ({law.cite})"


def columns(law: Law) -> list[str]:
    """The columns a table or log must have."""
    if law.over_schedules:
        return ["step", "lr", "loss", *(f for f in law.hooks.facts)]
    return [*(law.conventions.get(i, i) if len(law.inputs) == 1 else i for i in law.inputs), "loss"]


def needs(law: Law) -> str:
    """Columns, their other names, and how many rows."""
    if law.over_schedules:
        text = (
            "Loss curves: `step`, `lr` and `loss` per row, the whole schedule known (`scaling.read` makes them from any log).\n"
        )
        if law.hooks.facts:
            text += f"\nAnd of every run: {', '.join(f'`{f}`' for f in law.hooks.facts)}. Runs may differ in all of these.\n"
        return text
    rows = []
    for name in law.inputs:
        domain = law.ranges.get(name, ANY_POSITIVE)
        kind = (
            "share, sums to 1"
            if domain.part
            else f"{'from' if domain.closed else 'above'} {domain.lo:g}" + (f" to {domain.hi:g}" if domain.hi < 1e300 else "")
        )
        rows.append(
            [
                f"`{law.conventions.get(name, name) if len(law.inputs) == 1 else name}`",
                kind,
                ", ".join(f"`{a}`" for a in ALIASES.get(name, ())),
            ]
        )
    text = table(("column", "values", "also called"), [*rows, ["`loss`", law.predicts, ""]])
    more = [i for i in law.inputs if not law.ranges.get(i, ANY_POSITIVE).bends and not law.domains]
    text += f"\nAt least {len(law.params) + 1} rows ({len(law.params)} parameters)"
    return text + (
        f", and rows that differ in {', '.join(f'`{m}`' for m in more)}.\n" if len(law.inputs) > 1 and more else ".\n"
    )


def symbols(text: str) -> str:
    """What the symbols stand for."""
    pairs = items(text)
    return (
        table(("symbol", "meaning"), [[f"`{name}`", escaped(said)] for name, said in pairs]) if pairs else escaped(text) + "\n"
    )


def parameters(law: Law) -> str:
    """Parameters with domain, start and what is known beforehand."""
    rows = []
    for p in law.params.values():
        prior = "" if p.prior is None else f"{p.prior.mean:g}, sd {p.prior.sd:g}{' of its logarithm' if p.domain.log else ''}"
        rows.append([f"`{p.name}`", escaped(f"({p.domain.lo:g}, {p.domain.hi:g})"), f"{p.start:g}", prior])
    held = "".join(f"\nHeld: `{k}` = {v:g}." for k, v in law.held.items())
    said = "".join(f"\nConvention: `{k}` = {escaped(str(v))}." for k, v in law.conventions.items())
    return table(("parameter", "domain", "start", "known beforehand"), rows) + held + "\n" + said + "\n"


def fails(law: Law) -> str:
    """What the law says of itself, and what a fit refuses or doubts before it starts."""
    text = escaped(law.fails) + "\n\n" if law.fails else ""
    if refused := reasons(law):
        text += "A fit is refused, or marked not trustworthy, where\n\n" + "".join(f"- {escaped(r)}\n" for r in refused) + "\n"
    return text + "Every fit is judged on the data it has: [when to believe a fit](../../guides/verdict.md).\n"


def notes(law: Law, said: str) -> list[str]:
    """Heading and text of what else the notes say."""
    rest = [part for part in said.split("\n\n") if " ".join(part.split()) != law.fails]
    return ["## Notes\n", escaped("\n\n".join(rest)) + "\n"] if rest and said else []


def reasons(law: Law) -> list[str]:
    """The sentences with which the law's `needs` hook refuses inputs."""
    return [] if law.hooks.needs is None else sorted({*sentences(inspect.unwrap(law.hooks.needs), set())})


def sentences(fn, seen: set) -> list[str]:
    """Sentences in the code of a function, and of the functions of this package that it calls."""
    if fn in seen:
        return []
    seen.add(fn)
    tree, found = ast.parse(textwrap.dedent(inspect.getsource(fn))).body[0], []
    for node in tree.body[1:] if ast.get_docstring(tree) else tree.body:
        for part in ast.walk(node):
            if isinstance(part, ast.JoinedStr):
                found.append("".join(v.value if isinstance(v, ast.Constant) else "…" for v in part.values))
            elif isinstance(part, ast.Name) and part.id in fn.__globals__:
                known = fn.__globals__[part.id]
                if isinstance(known, str):
                    found.append(known)
                elif inspect.isfunction(known) and known.__module__.startswith("scaling.papers"):
                    found += sentences(known, seen)
            elif isinstance(part, ast.Constant) and isinstance(part.value, str):
                found.append(part.value)
    whole = [f for f in found if f.count(" ") > 3]
    return [f for f in whole if not any(f != other and f in other for other in whole)]


def constants(law: Law) -> str:
    """Published constants with their provenance."""
    if not law.published:
        return "None that were read in a primary source: fit your own.\n"
    text = ""
    for key, one in law.published.items():
        rows = [[f"`{k}`", f"{v:.8g}", f"{one.errors[k]:g}" if k in one.errors else ""] for k, v in one.items()]
        text += f"### {key}\n\n{table(('parameter', 'value', 'standard error'), rows)}\n"
        said = [one.source, one.counts, one.note, *(f"{k} = {v}" for k, v in one.conventions.items())]
        text += (
            "".join(f"- {escaped(str(s))}\n" for s in said if s)
            + ("" if one.verified else "- Not verified against the primary source: using it warns.\n")
            + "\n"
        )
    return text + f'In Python `scaling.laws["{law.name}"].published["{key}"]`, which can be called with inputs.\n'


def checks(law: Law) -> str:
    """Tests and benchmarks that name the law."""
    rows = [[kind, f"`{path}`", escaped(first)] for kind, path, first in checked.places(law.name)]
    text = "Every law: the contract of `tests/test_laws.py` (derivatives, recovery of its own parameters, units, starts).\n\n"
    return text + (table(("kind", "file", "what it checks"), rows) if rows else "Nothing else: no public data were at hand.\n")


def use(law: Law) -> str:
    """A fit and a forecast, in Python and on the command line."""
    data = "logs/" if law.over_schedules else "table.csv"
    read = 'scaling.read("logs")' if law.over_schedules else 'pandas.read_csv("table.csv")'
    name = f"{law.name}:x={law.conventions['x']}" if law.inputs == ("x",) and "x" in law.conventions else law.name
    python = f'import pandas\n\nimport scaling\n\nfit = scaling.fit({read}, "{name}")\nprint(fit)'
    python = python.replace("import pandas\n\n", "") if law.over_schedules else python
    kept = ", ".join(columns(law))
    return (
        f"Columns: `{kept}`.\n\n"
        + code(python, "python")
        + "\n"
        + code(f"$ scaling fit {data} --law {name} -o fit.json\n$ scaling laws {law.name}", "console")
    )
