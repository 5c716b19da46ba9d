"""Canonical column names and the names other tools use for them."""

from collections.abc import Mapping
from fnmatch import fnmatchcase
from typing import Any

from scaling.errors import ArgumentError, DataError
from scaling.logs.findings import Findings, near, some

ALIASES: dict[str, tuple[str, ...]] = {
    "run": ("run", "run_id", "curve"),
    "step": ("step", "_step", "global_step", "iter", "iteration", "trainer/global_step"),
    "tokens": (
        "tokens", "total_tokens", "num_input_tokens_seen", "throughput/total_tokens",
        "optim/total_tokens",
    ),
    "lr": ("lr", "learning_rate", "optim/lr", "optim/learning_rate_group0", "train/lr"),
    "train_loss": (
        "train_loss", "loss", "train/loss", "loss/out", "train/CrossEntropyLoss", "lm loss",
        "loss_metrics/global_avg_loss",
    ),
    "val_loss": (
        "val_loss", "eval_loss", "val/loss", "valid_loss", "validation_metrics/loss",
        "eval/*/CrossEntropyLoss",
    ),
    "train_window": ("train_window",),
    "val_tokens": ("val_tokens",),
    "val_se": ("val_se",),
    "grad_norm": ("grad_norm", "train/grad_norm", "optim/grad_norm", "optim/total_grad_norm"),
    "elapsed_s": ("elapsed_s",),
}  # fmt: skip
LOSSES = ("train_loss", "val_loss")


def resolve(
    header: list[str], columns: Mapping[str, str], loss: str | None, name: str, findings: Findings
) -> dict[str, str] | None:
    """Canonical name -> column of this file; None after the problems were recorded.

    A loss named by its column appears under `loss`, besides the canonical name it belongs to.

    Parameters
    ----------
    header : columns of the file. columns, loss : as in `scaling.read`. name : of the file, for messages.
    """
    found: dict[str, str] = {}
    good = True
    wanted = dict(columns)
    if loss is not None and loss not in LOSSES:
        wanted["loss"] = loss
    for canonical, column in wanted.items():
        if column not in header:
            findings.problem(name, f"no column {column!r}, asked for as {canonical}{near(column, header)}")
            good = False
        found[canonical] = column
    for canonical, aliases in ALIASES.items():
        if canonical in found:
            continue
        matches = [c for c in header if any(fnmatchcase(c.lower(), alias.lower()) for alias in aliases)]
        if found.get("loss") in matches:
            matches = [canonical] if canonical in matches else [found["loss"]]
        matches = [m for m in matches if m not in columns.values()]
        if len(matches) == 1:
            found[canonical] = matches[0]
        elif len(matches) > 1 and not (canonical in LOSSES and loss is not None and loss != canonical):
            findings.problem(
                name,
                f"{len(matches)} columns could be {canonical}: {some(matches, 5)}. Choose one: "
                f"columns={{{canonical!r}: {matches[0]!r}}} (command line: --map {canonical}={matches[0]})",
            )
            good = False
    if good and "step" not in found:
        good = _missing("step", ALIASES["step"], header, name, findings)
    if good and not ({"loss", *LOSSES} & found.keys() if loss is None or loss not in LOSSES else loss in found):
        kind = loss or "train_loss"
        names = ALIASES[kind] if loss else ("loss", "train_loss", "val_loss", "eval_loss", "train/loss", "...")
        good = _missing(kind, names, header, name, findings)
    return found if good else None


def check_names(columns: Mapping[str, str] | None) -> dict[str, str]:
    """The user's mapping, or DataError for a canonical name that does not exist; `loss` is taken by `loss_named`."""
    for canonical in columns or {}:
        if canonical not in ALIASES:
            raise DataError(f"columns: {canonical!r} is not a canonical name; use one of loss, {', '.join(ALIASES)}")
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


def _missing(kind: str, names: tuple[str, ...], header: list[str], name: str, findings: Findings) -> bool:
    planned = kind in LOSSES and {"step", "lr"} <= {*header}
    findings.problem(
        name,
        f"no column for {'loss' if kind in LOSSES else kind} (looked for {', '.join(names)}; the file has "
        f"{some(header, 8)}). Name it: columns={{{kind!r}: COLUMN}} (command line: --map {kind}=COLUMN)"
        f"{'; rates alone are a schedule: schedule=FILE (--schedule FILE)' if planned else ''}",
    )
    return False
