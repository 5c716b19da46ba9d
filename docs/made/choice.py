"""Which law for which question and columns, from the registry."""

import scaling
from made.laws import columns
from made.words import escaped, table

HEAD = """# Which law for my columns and question

Ask the program: `scaling laws --for table.csv` lists the laws that your columns allow, and says of every other what it lacks.
Without `--law`, `scaling fit` takes those and keeps the one that forecasts best on your data's own large end.

    $ scaling laws --for table.csv
    $ scaling compare table.csv

Below is the whole registry, by what is predicted and from which columns. Columns go by other names too (`params`, `tokens`,
`flops`, ...), and size, tokens, compute and tokens per parameter say each other: any two are enough.
"""
FIRST = (  # what most people have
    "Loss by size, tokens and more",
    "Loss over steps under a learning-rate schedule",
    "Loss of runs of several sizes, batches or peaks, over the learning rate",
    "Loss by one quantity",
)


def page() -> str:
    """The page."""
    groups: dict[str, list] = {}
    for law in scaling.laws.values():
        groups.setdefault(question(law), []).append(law)
    order = sorted(groups, key=lambda q: (FIRST.index(q) if q in FIRST else len(FIRST), not q.startswith("Loss"), q))
    text = HEAD
    for q in order:
        rows = [
            [", ".join(f"`{c}`" for c in columns(law) if c != "loss"), f"[{law.name}](laws/{law.name}.md)", f"`{law.formula}`"]
            for law in sorted(groups[q], key=asked_for)
        ]
        text += f"\n## {q}\n\n{table(('columns', 'law', 'formula'), rows)}"
    return text


def asked_for(law) -> tuple:
    """Few columns before many, size and tokens before others."""
    names = columns(law)
    return len(names), not {"N", "D"} <= {*names}, names, law.name


def question(law) -> str:
    """The question that a law answers, in words."""
    if law.predicts != "loss":
        return escaped(law.predicts[0].upper() + law.predicts[1:])
    if law.hooks.facts:
        return "Loss of runs of several sizes, batches or peaks, over the learning rate"
    if law.over_schedules:
        return "Loss over steps under a learning-rate schedule"
    if law.shares or law.domains:
        return "Loss by mixture of data, or by optimiser"
    return "Loss by one quantity" if len(law.inputs) == 1 else "Loss by size, tokens and more"
