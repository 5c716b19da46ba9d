"""The package under old names and new: every import that is not of `scaling` itself, and every verb that has moved.

`house.plan_next` is the first of the places below that there is. Nothing else of this benchmark knows where things live.
"""

from __future__ import annotations

import contextlib
import io
import json
from importlib import import_module
from typing import Any

PLACES: dict[str, tuple[str, ...]] = {
    # what a law sees
    "design": ("scaling.design", "scaling.design.inputs", "scaling.fitting.design"),
    "extrapolation": ("scaling.intervals", "scaling.intervals.distance", "scaling.forecasting.distance"),
    # what N, D and C mean
    "Shape": ("scaling.counting", "scaling.conventions"),
    "parameters": ("scaling.counting", "scaling.conventions"),
    "flops_per_token": ("scaling.counting", "scaling.conventions"),
    "compute": ("scaling.counting", "scaling.conventions"),
    "convert_parameters": ("scaling.counting", "scaling.conventions"),
    "grown": ("scaling.counting", "scaling.conventions"),
    "named_in": ("scaling.counting", "scaling.conventions"),
    "counted": ("scaling.counting", "scaling.conventions"),
    "recounted": ("scaling.counting", "scaling.conventions"),
    "PARAMETERS": ("scaling.counting", "scaling.conventions"),
    "FLOPS": ("scaling.counting", "scaling.conventions"),
    # laws
    "Exponent": ("scaling.formula", "scaling.formula.law"),
    "Positive": ("scaling.formula", "scaling.formula.law"),
    "trace": ("scaling.formula", "scaling.formula.monomials", "scaling.monomials"),
    "find": ("scaling.formula", "scaling.formula.registry", "scaling.papers", "scaling.laws"),
    "constants": ("scaling.formula", "scaling.formula.registry", "scaling.papers", "scaling.laws"),
    # schedules
    "RateDrops": ("scaling.schedules", "scaling.schedules.drops", "scaling.drops"),
    "SHAPES": ("scaling.schedules", "scaling.schedules.shapes"),
    "DECAYS": ("scaling.schedules", "scaling.schedules.shapes"),
    "WARMUPS": ("scaling.schedules", "scaling.schedules.shapes"),
    # fits
    "_lmfit_model": ("scaling.fits:lmfit_model", "scaling.fits.lmfit_words:lmfit_model"),
    "_guess": ("scaling.fits:guess", "scaling.fits.lmfit_words:guess"),
    # running jobs
    "Live": ("scaling.running", "scaling.running.live", "scaling.forecasting.live"),
    # what to run next
    "own_shares": ("scaling.planning", "scaling.planning.mixture"),
    "whole_shares": ("scaling.planning", "scaling.planning.mixture_search:search"),
    "best_schedule": ("scaling.planning", "scaling.planning.schedules"),
    "FinalLoss": ("scaling.planning.descent", "scaling.planning.schedules", "scaling.planning"),
    "plan_next": ("scaling.planning", "scaling.planning.experiments"),
    "sequentially": ("scaling.planning", "scaling.planning.experiments"),
    "least_sum": ("scaling.planning.shares", "scaling.planning"),
    "least_worst": ("scaling.planning.shares", "scaling.planning"),
    "most_help": ("scaling.planning.shares", "scaling.planning"),
    # procedures of papers
    "envelope": ("scaling.procedures.approaches", "scaling.planning.approaches"),
    "isoflop": ("scaling.procedures.approaches", "scaling.planning.approaches"),
    "parametric": ("scaling.procedures.approaches", "scaling.planning.approaches"),
    "compare_approaches": ("scaling.procedures.approaches:compare", "scaling.planning.approaches:compare"),
    "steps_and_examples": ("scaling.procedures.batch", "scaling.planning.batch"),
    "noise_scale": ("scaling.procedures.batch", "scaling.planning.batch"),
    "critical_batches": ("scaling.procedures.batch", "scaling.planning.batch"),
    "power_of_size": ("scaling.procedures.batch", "scaling.planning.batch"),
    "fit_lr_batch": ("scaling.procedures.step_law", "scaling.planning.step_law"),
    "regret": ("scaling.procedures.step_law", "scaling.planning.step_law"),
    "lr_sensitivity": ("scaling.procedures.sensitivity", "scaling.planning.sensitivity"),
    "sensitivity_by_size": ("scaling.procedures.sensitivity", "scaling.planning.sensitivity"),
    "extrapolate_logits": ("scaling.procedures.sensitivity", "scaling.planning.sensitivity"),
    "curves_of": ("scaling.procedures.trajectory", "scaling.planning.trajectory"),
    "unravel": ("scaling.procedures.trajectory", "scaling.planning.trajectory"),
    "joint": ("scaling.procedures.trajectory", "scaling.planning.trajectory"),
    "levels": ("scaling.procedures.trajectory", "scaling.planning.trajectory"),
    "Chain": ("scaling.procedures.chain", "scaling.procedures", "scaling.transfer"),
    "predictable": ("scaling.procedures.chain", "scaling.procedures", "scaling.transfer"),
    "family": ("scaling.procedures.families", "scaling.procedures", "scaling.transfer"),
    "independence": ("scaling.procedures.independence", "scaling.transfer:independence"),
    # another data set
    "relate": ("scaling.transfer",),
    "pair": ("scaling.transfer",),
    "Relation": ("scaling.transfer",),
    "Translated": ("scaling.transfer",),
    # papers' own helpers
    "reduction_at": ("scaling.papers.ghorbani2021", "scaling.laws.ghorbani2021"),
    "effective_share": ("scaling.papers.fernandes2023", "scaling.laws.fernandes2023"),
    "same_loss": ("scaling.papers.longpre2025", "scaling.laws.longpre2025"),
    "same_loss_with": ("scaling.papers.longpre2025", "scaling.laws.longpre2025"),
    "saturating": ("scaling.papers.longpre2025", "scaling.laws.longpre2025"),
    # tables and results
    "formats": ("scaling.logs:formats", "scaling.logs.formats:"),
    "synthetic": ("scaling.synthetic:",),
    "page": ("scaling.saved", "scaling.report"),
    "html": ("scaling.report",),
    "main": ("scaling.cli",),
}

# verbs that part from `plan` and `fit`: name -> (words now, words then)
VERBS: dict[str, tuple[list[str], list[str]]] = {
    "mix": (["mix"], ["plan"]),
    "next": (["next"], ["plan"]),
    "search": (["search"], ["plan"]),
    "forecast": (["forecast"], ["predict"]),
    "relate": (["relate"], ["fit", "--law", "loss_to_loss"]),
}
# options that a verb of its own no longer needs, or calls otherwise: (verb, option then) -> option now ("" is dropped)
OPTIONS: dict[tuple[str, str], str] = {
    ("forecast", "--at-end"): "",
    ("search", "--schedule"): "--kind",
    ("mix", "--mixture"): "",
}


def __getattr__(name: str) -> Any:
    tried = []
    for place in PLACES.get(name, ()):
        module, colon, attribute = place.partition(":")
        try:
            found = import_module(module)
            value = found if colon and not attribute else getattr(found, attribute or name)
        except (ImportError, AttributeError) as problem:
            tried.append(f"{place}: {problem}")
            continue
        return value
    raise AttributeError(f"house has no {name}: {'; '.join(tried) or 'not in PLACES'}")


def hook(law: Any, name: str) -> Any:
    """A hook of a law, or None."""
    hooks = law.hooks
    return hooks.get(name) if hasattr(hooks, "get") else getattr(hooks, name, None)


def simpler(law: Any) -> list[str]:
    """The laws that a law contains."""
    found = hook(law, "simpler")
    return ([found] if isinstance(found, str) else list(found)) if found is not None else list(getattr(law, "simpler", ()))


def compared(found: Any) -> Any:
    """The schedules that a search compared: `table` was this frame before every result had a table()."""
    return found.compared if hasattr(found, "compared") else found.table


def kept(runs: Any) -> Any:
    """The runs after they were written and read back: to_dict is what --json prints since every result has one."""
    kind = type(runs)
    return kind.from_saved(runs.to_saved()) if hasattr(runs, "to_saved") else kind.from_dict(runs.to_dict())


def lmfit_model(law: Any) -> Any:
    """The law as an `lmfit.Model`: a function of the floor of fits, once a method of the law."""
    return law.lmfit_model() if hasattr(law, "lmfit_model") else __getattr__("_lmfit_model")(law)


def guess(law: Any, data: Any) -> Any:
    """Starting values for these data."""
    return law.guess(data) if hasattr(law, "guess") else __getattr__("_guess")(law, data)


def schedule_law(law: Any) -> bool:
    return hook(law, "features") is not None


def _offered() -> set[str]:
    if not _verbs:
        _verbs.update(word for line in cli("--help")["out"] for word in line.replace("│", " ").split()[:1])
    return _verbs


_verbs: set[str] = set()


def verb(name: str, *words: str) -> list[str]:
    """The command line of a verb that may be spelt in the old way, given its words in the old way."""
    if name not in _offered():
        return [*VERBS[name][1], *words]
    moved = [OPTIONS.get((name, word), word) for word in words]
    return [*VERBS[name][0], *(word for word in moved if word)]


def cli(*words: str) -> dict[str, Any]:
    """Exit code, stdout (its JSON where it is one document, else its lines) and the lines of stderr."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = __getattr__("main")([str(word) for word in words])
    text = out.getvalue()
    try:
        shown: Any = json.loads(text)
    except ValueError:
        shown = [line.rstrip() for line in text.splitlines()]
    return {"code": code, "out": shown, "err": [line.rstrip() for line in err.getvalue().splitlines()]}
