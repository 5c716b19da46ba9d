"""Canonical column names and the names other tools use for them."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fnmatch import translate
from shlex import quote
from typing import Any

import numpy as np

from scaling.errors import ArgumentError, DataError
from scaling.logs.cells import Numbers, numbers_of
from scaling.logs.findings import Findings, near, some
from scaling.logs.sheet import Sheet
from scaling.words import plain_name

ALIASES: dict[str, tuple[str, ...]] = {  # as logs write them, small letters; a space or hyphen may stand for _
    "run": ("run", "run_id", "curve"),
    "step": (
        "step", "global_step", "trainer/global_step", "train/global_step", "iter", "iteration", "current_steps", "steps",
        "update", "updates", "num_updates", "train_step", "iter_num",
    ),
    "tokens": (
        "total_tokens", "tokens", "num_input_tokens_seen", "train/num_input_tokens_seen", "throughput/total_tokens",
        "throughput/total tokens", "optim/total_tokens", "tokens_seen", "consumed_tokens", "total_training_tokens",
    ),
    "lr": (
        "lr", "learning_rate", "optim/lr", "optim/learning_rate_group0", "optim/lr (group 0)", "train/lr", "train_lr",
        "train/learning_rate", "train_learning_rate", "lr-*", "epoch_learning_rate",
    ),
    "train_loss": (
        "train_loss", "loss", "train/loss", "loss/train", "training_loss", "training/loss", "loss/out",
        "train/crossentropyloss",
        "train/ce loss", "train/ce_loss", "ce_loss", "lm loss", "lm_loss", "train/lm_loss", "nll_loss", "cross_entropy",
        "train/cross_entropy", "loss_metrics/global_avg_loss", "train_loss_step", "train/loss_step", "loss_step", "epoch_loss",
    ),
    "val_loss": (
        "val_loss", "eval_loss", "val/loss", "valid_loss", "validation_loss", "eval/loss", "valid/loss", "validation/loss",
        "loss/val", "loss/valid", "loss/validation", "loss/eval", "dev_loss", "lm loss validation", "validation_metrics/loss",
        "eval/*/crossentropyloss", "eval/*/ce loss",
    ),
    "train_window": ("train_window",),
    "val_tokens": ("val_tokens",),
    "val_se": ("val_se",),
    "grad_norm": ("grad_norm", "train/grad_norm", "optim/grad_norm", "optim/total_grad_norm"),
    "elapsed_s": ("elapsed_s",),
}  # fmt: skip
SECOND: dict[str, tuple[str, ...]] = {  # taken where none of the above is there
    "step": ("_step",),
    "train_loss": (
        "train_loss_epoch", "train/loss_epoch", "train/ppl", "train_ppl", "train/bpb", "train_bpb", "train_bits",
    ),
    "val_loss": (
        "val/*/loss", "eval/*/loss", "eval_*_loss", "val_loss_epoch", "val/loss_epoch", "val_loss/*", "val_*_loss",
        "validation_*_loss", "val/bpb", "val_bpb", "eval/bpb", "eval_bpb", "val/bits_per_byte", "val_bits", "val_ppl",
        "val/ppl", "eval_ppl", "eval/ppl", "val_perplexity", "val/perplexity", "eval_perplexity", "eval/perplexity", "ppl",
        "perplexity",
    ),
}  # fmt: skip
OTHER_X: dict[str, tuple[str, ...]] = {  # where nothing counts updates: what else grows along a run, in its unit
    "tokens": ALIASES["tokens"],
    "samples": ("consumed_samples", "samples", "num_samples", "samples_seen"),
    "epochs": ("epoch", "epochs", "train/epoch"),
}
LOSSES = ("train_loss", "val_loss")
TABLE = (
    "; a table of finished runs has no steps: call its size, tokens and loss N, D and loss, and fit it as a DataFrame "
    "(command line: --map N=COLUMN --map D=COLUMN --map loss=COLUMN)"
)


@dataclass(frozen=True)
class Resolved:
    """Canonical name -> column of a sheet, and what its steps count (a key of `scaling.logs.units.STEPS`)."""

    columns: dict[str, str]
    step_unit: str


def resolve(sheet: Sheet, columns: Mapping[str, str], loss: str | None, findings: Findings) -> Resolved | None:
    """Which column is what; None after the problems were recorded.

    A loss named by its column appears under `loss`, besides the canonical name it belongs to.

    Parameters
    ----------
    columns, loss : as in `scaling.read`; they win over what the format says, and that over common names.
    """
    header = [name for name in sheet.columns if name]
    found: dict[str, str] = {}
    known = findings.count
    wanted = dict(columns)
    if loss is not None and loss not in LOSSES:
        wanted["loss"] = loss
    for canonical, column in wanted.items():
        if column not in header:
            findings.problem(sheet.name, f"no column {column!r}, asked for as {canonical}{near(column, header)}")
        found[canonical] = column
    by_name = _matches(header)
    unit = sheet.step_unit
    for canonical in ALIASES:
        if canonical in found:
            continue
        matches = [sheet.names[canonical]] if canonical in sheet.names else by_name.get(canonical, [])
        if found.get("loss") in matches:
            matches = [canonical] if canonical in matches else [found["loss"]]
        matches = [m for m in matches if m not in columns.values()]
        if canonical == "tokens":
            matches = matches[:1]  # of the whole machine before those of one device
        if canonical == "step" and len(matches) > 1:
            matches, unit = _counts(sheet, matches, unit, findings)
        matches = matches if len(matches) < 2 else _different(sheet, matches)
        if len(matches) == 1:
            found[canonical] = matches[0]
        elif len(matches) > 1 and not (canonical in LOSSES and loss is not None and loss != canonical):
            _ambiguous(canonical, matches, sheet.name, findings)
    if "step" not in found:
        unit, x = next(((u, x) for u, names in OTHER_X.items() if (x := _first(header, names))), ("", ""))
        if x:
            found["step"] = x
    elif found["step"] in SECOND["step"] and "step" not in columns:
        unit = _calls(sheet, found, findings)
    elif "step" in columns:
        unit = next((u for u, names in OTHER_X.items() if _first([found["step"]], names)), unit)
    if unit == "updates" and found.get("train_loss", "").startswith("epoch_") and "step" not in columns:
        unit = "epochs"  # Keras names so what its callbacks log once an epoch
    if findings.count == known and "step" not in found:
        _missing("step", ALIASES["step"], header, sheet.name, findings)
    if findings.count == known and not ({"loss", *LOSSES} & found.keys() if loss not in LOSSES else loss in found):
        kind = loss or "loss"  # under that name a table of runs is read too
        names = ALIASES[kind] if loss else ("loss", "train_loss", "val_loss", "eval_loss", "train/loss", "...")
        _missing(kind, names, header, sheet.name, findings)
    return Resolved(found, unit) if findings.count == known else None


_EXACT = {
    tier: {plain_name(alias): canonical for canonical, names in table.items() for alias in names if "*" not in alias}
    for tier, table in enumerate((ALIASES, SECOND))
}
_PATTERNS = {
    tier: [(re.compile(translate(alias)), canonical) for canonical, names in table.items() for alias in names if "*" in alias]
    for tier, table in enumerate((ALIASES, SECOND))
}


def _matches(header: list[str]) -> dict[str, list[str]]:
    """Canonical name -> columns that may be it, in the order of the aliases."""
    found: dict[int, dict[str, list[str]]] = {0: {}, 1: {}}
    for column in header:
        for tier, exact in _EXACT.items():
            names = {exact[plain]} if (plain := plain_name(column)) in exact else set()
            if not names:
                names = {canonical for pattern, canonical in _PATTERNS[tier] if pattern.match(column.lower())}
            for canonical in names:
                found[tier].setdefault(canonical, []).append(column)
    order = {plain_name(alias): i for i, alias in enumerate(ALIASES["tokens"])}
    found[0].get("tokens", []).sort(key=lambda column: order[plain_name(column)])
    return {**found[1], **found[0]}


def _first(header: list[str], names: tuple[str, ...]) -> str:
    """The first of these names that is a column, as it is written there."""
    plain = {plain_name(column): column for column in reversed(header)}
    return next((plain[plain_name(name)] for name in names if plain_name(name) in plain), "")


def _different(sheet: Sheet, matches: list[str]) -> list[str]:
    """The columns without those that say the same as the first."""
    values = [numbers_of(sheet.columns[column])[0] for column in matches]
    rest = [m for m, x in zip(matches[1:], values[1:], strict=True) if not np.array_equal(x, values[0], equal_nan=True)]
    return [matches[0], *rest]


def _counts(sheet: Sheet, matches: list[str], unit: str, findings: Findings) -> tuple[list[str], str]:
    """Of two counts along one run the one that counts updates, and its unit.

    Fabric's CSVLogger writes its own step, the number of the micro-batch from 0, over that of the optimizer.
    """
    if len(matches) != 2:
        return matches, unit
    a, b = (numbers_of(sheet.columns[column])[0] for column in matches)
    both = np.isfinite(a) & np.isfinite(b)
    if not both.any():
        return matches, unit
    for x, y, column in ((a[both], b[both], matches[0]), (b[both], a[both], matches[1])):
        if (y == x - 1).all():
            other = next(m for m in matches if m != column)
            findings.note(
                f"{other} is {column} - 1 throughout: both count micro-batches, as Fabric's logger writes them", sheet.name
            )
            values, _, filled = numbers_of(sheet.columns[other])  # in every row, where the other may be in some
            sheet.columns = {**sheet.columns, other: Numbers(values + 1, ~filled)}
            return [other], "micro-batches"
        if len(x) > 2 and (y > x).all() and (y == x * np.rint(y[0] / x[0])).all():
            return [column], unit
    return matches, unit


def _calls(sheet: Sheet, found: Mapping[str, str], findings: Findings) -> str:
    """What _step of W&B counts: calls of its log, which are updates unless evaluations are logged by calls of their own."""
    column = found["step"]
    step = numbers_of(sheet.columns[column])[0]
    step = step[np.isfinite(step)]
    if len(step) < 2 or not (np.diff(np.sort(step)) == 1).all():
        return "updates"  # the steps that the run handed over
    losses = [numbers_of(sheet.columns[found[loss]])[2] for loss in LOSSES if loss in found]
    if len(losses) == 2 and losses[1].any() and not (losses[0] & losses[1]).any():
        return "log calls"
    findings.note(f"{column} counts calls of wandb.log: read as updates, one a call", sheet.name)
    return "updates"


def _ambiguous(canonical: str, matches: list[str], name: str, findings: Findings) -> None:
    if canonical in LOSSES:
        remedy = f"loss={matches[0]!r} (command line: --loss {quote(matches[0])})"
    else:
        remedy = f"columns={{{canonical!r}: {matches[0]!r}}} (command line: --map {quote(f'{canonical}={matches[0]}')})"
    findings.problem(name, f"{len(matches)} columns could be {canonical}: {some(matches, 5)}. Choose one: {remedy}")


def curve_columns(header: list[str]) -> list[str]:
    """The columns that may be part of a curve."""
    known = {column for columns in _matches(header).values() for column in columns}
    x = {plain_name(alias) for names in OTHER_X.values() for alias in names}
    return [column for column in header if column in known or column == "_step" or plain_name(column) in x]


def x_of(names: Iterable[str]) -> tuple[str, str]:
    """The column that grows along a run, and what it counts (a key of `scaling.logs.units.STEPS`); ("", "") without one."""
    header, ways = list(names), {"updates": (*ALIASES["step"], *SECOND["step"]), **OTHER_X}
    return next(((x, unit) for unit, aliases in ways.items() if (x := _first(header, aliases))), ("", ""))


def check_names(columns: Mapping[str, str] | None) -> dict[str, str]:
    """The user's mapping, or DataError for a canonical name that does not exist; `loss` is taken by `loss_named`."""
    for canonical, column in (columns or {}).items():
        if canonical not in ALIASES:
            raise DataError(
                f"columns={{{canonical!r}: {column!r}}}: nothing is called so here; use one of loss, {', '.join(ALIASES)}"
            )
    return dict(columns or {})


def loss_named(columns: Mapping[str, str] | None, loss: str | None) -> tuple[dict[str, str], str | None]:
    """The mapping without `loss`, and the loss: columns={"loss": "ce"} says the same as loss="ce"."""
    rest = dict(columns or {})
    said = rest.pop("loss", loss)
    if loss not in (None, said):
        raise DataError(f"the loss is named twice, columns={{'loss': {said!r}}} and loss={loss!r}; keep one")
    return rest, said


def check_resumed(resumed: str | None) -> str | None:
    """What `resumed=` is given, or ArgumentError."""
    if resumed not in (None, "newest"):
        raise ArgumentError(
            f"resumed={resumed!r}: the newest rows can be taken, 'newest'; without it what is ambiguous is refused"
        )
    return resumed


def by_any_name(table: Any, names: Mapping[str, str]) -> dict[str, Any]:
    """The columns of a DataFrame by name, also under those they have in files (name here -> name there)."""
    known = {str(name): table[name] for name in table}
    for here, there in names.items():
        if here in known:
            known.setdefault(there, known[here])
    return known


def _missing(kind: str, names: tuple[str, ...], header: list[str], name: str, findings: Findings) -> None:
    planned = kind in ("loss", *LOSSES) and {"step", "lr"} <= {*header}
    findings.problem(
        name,
        f"no column for {'loss' if kind in LOSSES else kind} (looked for {some(names, 8)}; the file has "
        f"{some(header, 8)}). Name it: columns={{{kind!r}: COLUMN}} (command line: --map {kind}=COLUMN)"
        f"{'; rates alone are a schedule: schedule=FILE (--schedule FILE)' if planned else ''}"
        f"{TABLE if kind == 'step' else ''}",
    )
