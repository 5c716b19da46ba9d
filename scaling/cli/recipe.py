"""`scaling recipe`: everything a run needs, from a budget."""

from __future__ import annotations

from typing import Annotated

from cyclopts import Group, Parameter

import scaling
from scaling.cli import output
from scaling.cli.options import Level, Positive, fit_or_constants, proportions
from scaling.cli.output import Printing

Optional = Positive | None
ASKED = Group("Budget", help="FLOP, or GPU hours, or --N and --D; with FLOP one of these may be held.")


def run(
    *sources: str,
    flops: Annotated[Optional, Parameter(group=ASKED)] = None,
    gpu_hours: Annotated[Optional, Parameter(group=ASKED)] = None,
    gpu: Annotated[str | None, Parameter(group=ASKED)] = None,
    utilisation: Annotated[Optional, Parameter(group=ASKED)] = None,
    size: Annotated[Optional, Parameter(name=["--N"], group=ASKED)] = None,
    tokens: Annotated[Optional, Parameter(name=["--D"], group=ASKED)] = None,
    schedule: str | None = None,
    counts: str | None = None,
    shape: str | None = None,
    level: Level = 0.9,
    printing: Printing = Printing(),
) -> int:
    """Turn a budget, or a size and tokens, into a whole recipe: every line with its law, interval and rivals.

    For example:

        scaling recipe --flops 1e22
        scaling recipe --gpu-hours 2000 --gpu H100 --utilisation 0.4 --schedule wsd:decay=0.1
        scaling recipe sizes.json rates.json --N 1.2B --D 50B

    Parameters
    ----------
    sources
        Saved fits, or constants as law/name, that lines are taken from; published rules say the others.
    flops
        Training compute, 6 N D.
    gpu_hours
        Hours on all accelerators together, instead of --flops; goes with --gpu and --utilisation.
    gpu
        Which accelerator (H100, A100, TPUv5p, ...), or its FLOP per second.
    utilisation
        Share of its peak that the training reaches, as measured: 0.4.
    size
        Number of parameters.
    tokens
        Number of training tokens.
    schedule
        The schedule intended, to have its cooldown checked: wsd:decay=0.1.
    counts
        Which parameters N counts: total, non_embedding, active_with_head.
    shape
        Proportions of the models, to feed each rule what it counts: d_model=2048,n_layer=24,vocab=50257,context=2048.
    """
    found = scaling.planning.recipe(
        *map(fit_or_constants, sources), flops=flops, N=size, D=tokens, gpu_hours=gpu_hours, gpu=_machine(gpu),
        utilisation=utilisation, schedule=schedule, counts=counts, shape=proportions(shape), level=level,
    )  # fmt: skip
    return output.show(found, printing)


def _machine(text: str | None) -> str | float | None:
    """A name, or FLOP per second."""
    try:
        return text if text is None else float(text)
    except ValueError:
        return text
