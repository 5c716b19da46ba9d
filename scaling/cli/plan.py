"""`scaling plan`: what to train with a budget."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any

from cyclopts import Group, Parameter
from cyclopts.validators import mutually_exclusive

import scaling
from scaling.cli import output
from scaling.cli.options import Count, Level, Many, Number, Positive, Positives, fit_or_constants, proportions, value, values
from scaling.cli.output import Printing
from scaling.errors import ArgumentError

Optional = Positive | None
ASKED = Group("Budget", help="One of these; with --flops also one of --N and --D.")
ONE, HELD = (Group(validator=mutually_exclusive) for _ in range(2))


@Parameter(name="*")
@dataclass(frozen=True)
class Bootstrap:
    """How the intervals of a saved fit are made.

    Parameters
    ----------
    replicates : Count
        Bootstrap refits behind the intervals.
    seed : int
        Seed of the bootstrap.
    """

    level: Level = 0.9
    replicates: Count = 400
    seed: Count = 0


def run(
    fit: str,
    /,
    *,
    flops: Annotated[Positives, Parameter(group=(ASKED, ONE))] = (),
    loss: Annotated[Optional, Parameter(group=(ASKED, ONE, HELD))] = None,
    size: Annotated[Optional, Parameter(name=["--N"], group=(ASKED, HELD))] = None,
    tokens: Annotated[Optional, Parameter(name=["--D"], group=(ASKED, HELD))] = None,
    served: Number = 0.0,
    unique: Many = (),
    share: Many = (),
    inputs: Annotated[Many, Parameter(name=["--input"])] = (),
    rates: str | None = None,
    counts: str | None = None,
    shape: str | None = None,
    bootstrap: Bootstrap = Bootstrap(),
    printing: Printing = Printing(),
) -> int:
    """Find the best size and tokens for a budget, or the cheapest run that reaches a loss.

    For example:

        scaling plan fit.json --flops 1e22
        scaling plan chinchilla/besiroglu2024 --flops 5.76e23 --served 10T
        scaling plan data_constrained/muennighoff2023 --flops 1e22 --unique 25B
        scaling plan data_constrained/muennighoff2023 --flops 1e22 --unique web=200B --unique code=20B --share code=0.5

    Parameters
    ----------
    fit
        A fit saved by `scaling fit -o`, or published constants: law/name.
    flops
        Compute of the run. May be repeated.
    loss
        Reach this loss as cheaply as possible.
    size
        Hold the number of parameters; without --flops, the budget at which it is optimal.
    tokens
        Hold the number of tokens; without --flops, the budget at which it is optimal.
    served
        Tokens that the model will be asked for after training.
    unique
        Unique tokens there are, for laws that know what repetition is worth: 25B, or by domain web=300B; once for each.
    share
        Share of the training tokens that a domain takes, code=0.3; once for each. In proportion to --unique if not given.
    inputs
        Value of a further input of the law, P_w=8; once for each.
    rates
        Published rules for learning rate and batch: li2025, deepseek2024, moonlight2025.
    counts
        Which parameters N counts (total, non_embedding, active_with_head), where the fit or constants do not say.
    shape
        Proportions of the models, to convert what the rates count: d_model=2048,n_layer=24,vocab=50257,context=2048.
    """
    if not flops and (loss, size, tokens) == (None, None, None):
        raise ArgumentError("plan needs --flops, --loss, --N or --D")
    if served < 0:
        raise ArgumentError(f"--served {served:g}: must be a number of tokens, 0 or more")
    if shape is not None and rates is None:
        raise ArgumentError(f"--shape {shape}: goes with --rates, whose counts it converts")
    source: Any = fit_or_constants(fit)
    if isinstance(source, str) and bootstrap != Bootstrap():
        raise ArgumentError(f"--level, --replicates and --seed go with a saved fit; constants such as {fit} have no intervals")
    rows = scaling.plan(
        source, list(flops) or None, loss=loss, N=size, D=tokens, served=served, unique=_unique(unique),
        shares=values(share, "--share") or None,
        inputs=values(inputs, "--input") or None, rates=rates, counts=counts, shape=proportions(shape), **vars(bootstrap),
    )  # fmt: skip
    content: dict[str, Any] = {
        "beside": [],
        "costs": [],
        **{str(k): v for k, v in rows.attrs.items()},
        "level": bootstrap.level,
        "plan": rows,
    }
    return output.show(output.Told(scaling.planning.said(rows), scaling.planning.tall(rows), content), printing)


def _unique(texts: Sequence[str]) -> Any:
    """One number, or numbers by domain."""
    if len(texts) == 1 and "=" not in texts[0]:
        if (found := value(f"--unique {texts[0]}", texts[0])) <= 0:
            raise ArgumentError(f"--unique {texts[0]}: must be a number of tokens above 0, like 25B")
        return found
    return values(texts, "--unique") or None
