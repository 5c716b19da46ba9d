"""`scaling plan`: what to train with a budget."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter

from scaling.cli import output
from scaling.cli.experiments import experiments_plan
from scaling.cli.mixture import Objective, mixture_plan
from scaling.cli.options import (
    Count,
    Flag,
    Many,
    Number,
    Positive,
    Positives,
    Printing,
    UsageError,
    check_saved,
    is_constants,
    number,
    pairs,
    saved_fit,
)
from scaling.cli.search import Shape, schedule_plan

Optional = Positive | None


def plan(
    fit: str | None = None,
    /,
    *,
    flops: Positives = (),
    loss: Optional = None,
    size: Annotated[Optional, Parameter(name=["--N"])] = None,
    tokens: Annotated[Optional, Parameter(name=["--D"])] = None,
    served: Number = 0.0,
    unique: Optional = None,
    inputs: Annotated[Many, Parameter(name=["--input"])] = (),
    rates: str | None = None,
    counts: str | None = None,
    shape: str | None = None,
    level: float = 0.9,
    replicates: Count = 400,
    mixture: Many = (),
    objective: Objective = "normalised",
    weight: Many = (),
    floor: Many = (),
    cap: Many = (),
    schedule: Shape | None = None,
    steps: Count | None = None,
    warmup: Count = 0,
    peak: Optional = None,
    lowest: Optional = None,
    output_: Annotated[Path | None, Parameter(name=["--output", "-o"])] = None,
    pool: Many = (),
    target: Many = (),
    budget: Optional = None,
    cost: str | None = None,
    branch: Flag = False,
    seed: int = 0,
    printing: Printing = Printing(),
) -> None:
    """Find what to train: size and tokens for a budget or a loss, the best mixture or schedule, or the next runs of a ladder.

    For example:

        scaling plan fit.json --flops 1e22
        scaling plan chinchilla/besiroglu2024 --flops 5.76e23 --served 10T
        scaling plan data_constrained/muennighoff2023 --flops 1e22 --unique 25B
        scaling plan --mixture de=de.json --mixture fr=fr.json --N 1.2B --D 50B --floor de=0.05
        scaling plan fit.json --schedule free --steps 24k --warmup 2k -o best.csv
        scaling plan fit.json --pool affordable.csv --target big.csv --budget 1e21
        scaling plan fit.json --pool schedules.csv --target cosine:peak=3e-4,steps=72k,warmup=2k --budget 50k

    Parameters
    ----------
    fit
        A fit saved by `scaling fit -o`, or published constants: law/name.
    flops
        Compute of the run. May be repeated.
    loss
        Reach this loss as cheaply as possible, instead of --flops.
    size
        Hold the number of parameters; without --flops, the budget at which it is optimal.
    tokens
        Hold the number of tokens; without --flops, the budget at which it is optimal.
    served
        Tokens that the model will be asked for after training.
    unique
        Unique tokens there are, for laws that know what repetition is worth.
    inputs
        Value of a further input of the law, P_w=8; once for each.
    rates
        Published rules for learning rate and batch: li2025, deepseek2024, moonlight2025.
    counts
        Which parameters N counts (total, non_embedding, active_with_head), where the fit or constants do not say.
    shape
        Proportions of the models, to convert what the rates count: d_model=2048,n_layer=24,vocab=50257,context=2048.
    level
        Probability that the intervals are meant to cover.
    replicates
        Bootstrap refits behind the intervals.
    mixture
        A family or target and its saved fit, de=de.json; once for each. Finds their shares of the tokens.
    objective
        Of a mixture: losses in units of each family's own loss alone, plain losses, or the worst family.
    weight
        How much a family or target counts in a mixture: de=2. May be repeated.
    floor
        Smallest share of a family or domain: de=0.05, or 0.05 for all. May be repeated.
    cap
        Largest share, likewise.
    schedule
        Find the learning rates of --steps updates with the lowest final loss under a fit of multi_power or multi_power_5:
        free, any rates that never rise; wsd, constant and then a power-shaped fall.
    steps
        Length of the schedule, its warm-up included.
    warmup
        Updates of linear warm-up, which are not searched.
    peak
        Peak rate of the schedule; that of the runs of the fit, if not given.
    lowest
        Lowest rate, as a fraction of the peak; keeps the search among rates that the data have seen. 0.001 if not given.
    output_
        Save the schedule as CSV (step, lr).
    pool
        CSV of runs that could be made next, one row each, columns = the law's inputs. The fit's own runs are taken as
        made; the name of a law instead of a fit means that there are none yet. For laws of schedules: a CSV with a column
        schedule, a schedule as text, or a log with the rows to come; may be repeated.
    target
        With --pool: CSV of the runs whose loss shall be predicted well; for laws of schedules likewise, and the final loss.
    budget
        With --pool: what the runs may cost together.
    cost
        With --pool: its column with the cost of a run, if that is not 6 N D (schedules: without size and batch, tokens or
        updates).
    branch
        With --pool: schedules continue from checkpoints of runs made with the same rates so far, and cost only what is new.
    seed
        Seed of the bootstrap.
    """
    import scaling

    check_saved(output_)
    if schedule is not None:
        others = {
            "flops": flops, "loss": loss, "N": size, "D": tokens, "served": served, "unique": unique, "input": inputs,
            "rates": rates, "counts": counts, "shape": shape, "mixture": mixture, "weight": weight, "floor": floor, "cap": cap,
            "pool": pool, "target": target, "budget": budget, "cost": cost, "branch": branch,
        }  # fmt: skip
        if unused := [f"--{name}" for name, value in others.items() if value not in (None, (), 0.0, False)]:
            raise UsageError(
                f"{', '.join(unused)}: plan --schedule takes a fit, --steps, --warmup, --peak, --lowest and -o only"
            )
        schedule_plan(fit, schedule, steps, warmup, peak, lowest, output_, printing)
        return
    if steps is not None or warmup or peak is not None or lowest is not None or output_ is not None:
        raise UsageError("--steps, --warmup, --peak, --lowest and --output go with plan --schedule")
    if pool:
        if mixture or flops or loss is not None or size is not None or tokens is not None:
            raise UsageError(
                "plan --pool takes --target, --budget and --cost, not --flops, --loss, --N, --D or --mixture"
            )
        experiments_plan(fit, pool, target, budget, cost, branch, seed, printing)
        return
    if target or budget is not None or cost is not None or branch:
        raise UsageError("--target, --budget, --cost and --branch go with --pool")
    if not 0 < level < 1:
        raise UsageError(f"--level {level:g}: must be a probability between 0 and 1")
    if mixture:
        if fit is not None or flops or loss is not None:
            raise UsageError("plan --mixture takes --N and --D, not a fit, --flops or --loss")
        mixture_plan(mixture, size, tokens, objective, weight, floor, cap, level, seed, printing)
        return
    if fit is None:
        raise UsageError("plan needs a fit: a file saved by `scaling fit -o`, or law/name; or --mixture")
    if not flops and loss is None and size is None and tokens is None:
        raise UsageError("plan needs --flops, --loss, --N or --D")
    if served < 0:
        raise UsageError(f"--served {served:g}: must be a number of tokens, 0 or more")
    source: Any = fit if is_constants(fit) else saved_fit(fit)
    rows = scaling.plan(
        source, list(flops) or None, loss=loss, N=size, D=tokens, served=served, unique=unique,
        inputs=_inputs(inputs),
        rates=rates, level=level, replicates=replicates, seed=seed, counts=counts, shape=_shape(shape),
    )  # fmt: skip
    if printing.json:
        output.document({**{str(k): v for k, v in rows.attrs.items()}, "level": level, "plan": rows})
        return
    facts = {key: text for key, text in rows.attrs.items() if key != "law"}
    print(f"{rows.attrs['law']}\n\n{_tall(rows)}\n\n" + "\n".join(f"{key}: {text}" for key, text in facts.items()))


def _inputs(texts: Many) -> dict[str, float] | None:
    try:
        return {name: number(value) for name, value in pairs(texts, "--input").items()} or None
    except ValueError as problem:
        raise UsageError(f"--input {', '.join(texts)}: must be {problem}") from None


def _shape(text: str | None) -> Any:
    from scaling.counting import Shape
    from scaling.errors import ScalingError

    if text is None:
        return None
    try:
        return Shape(**{k: number(v) for k, v in pairs(text.split(","), "--shape").items()})  # type: ignore[arg-type]
    except (TypeError, ValueError, ScalingError) as problem:
        known = ", ".join(k for k in Shape.__dataclass_fields__ if k not in ("gated", "tied"))
        raise UsageError(
            f"--shape {text}: {problem}; write d_model=2048,n_layer=24,vocab=50257,context=2048 ({known})"
        ) from None


def _tall(rows: Any) -> str:
    """Return one line per quantity, one column per budget, intervals beside their values."""
    names = [name for name in rows if not name.endswith(("_lower", "_upper"))]
    lines = [[name, *(_cell(row, name) for _, row in rows.iterrows())] for name in names]
    if "flat_N_lower" in rows:
        lines.append(
            [
                "N within 0.1 % of the best loss",
                *(f"{row['flat_N_lower']:.4g} to {row['flat_N_upper']:.4g}" for _, row in rows.iterrows()),
            ]
        )
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join("  ".join(cell.ljust(w) for cell, w in zip(line, widths, strict=True)).rstrip() for line in lines)


def _cell(row: Any, name: str) -> str:
    if f"{name}_lower" not in row:
        return f"{row[name]:.4g}"
    return f"{row[name]:.4g} ({row[f'{name}_lower']:.4g} to {row[f'{name}_upper']:.4g})"
