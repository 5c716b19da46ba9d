"""What an interval is made of as plain data and back, so that a loaded fit predicts at once."""

from __future__ import annotations

from typing import Any

from scaling.document import Fields, Schema, named
from scaling.engine.fitted import Fitted
from scaling.errors import LawError
from scaling.fits.saving import law_of
from scaling.intervals.along_steps import AlongSteps, Beside, along_steps, is_along_steps
from scaling.intervals.calibration import drifting
from scaling.intervals.drift import Drift, Other
from scaling.intervals.left_out import LeftOut, left_out
from scaling.intervals.line import CURVE

DRIFT: Schema = {
    "by": Fields.text, "cutoffs": Fields.whole, "reach": Fields.number, "noise": Fields.number, "tau": Fields.number,
    "dof": Fields.number, "coverage": Fields.unbounded, "explodes": Fields.flag,
    "edges": lambda saved, name: saved.array(name, None), "root": lambda saved, name: saved.array(name, None, None),
}  # fmt: skip

LEFT_OUT: Schema = {
    "what": Fields.texts, "error": lambda saved, name: tuple(saved.array(name, None).tolist()),
    "scaled": lambda saved, name: tuple(saved.array(name, None).tolist()), "sizes": Fields.flag, "noise": Fields.number,
    "misfit": Fields.number, "wider": Fields.number, "informed": Fields.flag,
    "length": Fields.number, "slope": Fields.number,
}  # fmt: skip

STEPS: Schema = {
    "what": Fields.texts, "error": lambda saved, name: tuple(saved.array(name, None).tolist()), "first": Fields.number,
    "length": Fields.number, "noise": Fields.number, "misfit": Fields.number, "slope": Fields.number,
}  # fmt: skip


def to_saved(fit: Fitted) -> dict[str, Any]:
    """The runs left out of a law over whole runs, or the drift of another, measured now if they were not yet; empty where there
    is none, or a law beside it has no name."""
    if fit.law.over_schedules:
        return {"left_out": named(left_out(fit), LEFT_OUT)}
    if is_along_steps(fit.law):
        seen = along_steps(fit)
        beside = [{"curve": o.curve, "values": o.values, "share": o.share} for o in seen.beside]
        return {"steps": {**named(seen, STEPS), "beside": beside}}
    found = drifting(fit)
    if found is None:
        return {}
    others = [
        {"law": o.law.name, "conventions": o.law.conventions, "ties": o.law.ties, "values": o.values, "share": o.share}
        for o in found.others
    ]
    return {"drift": {**named(found, DRIFT), "others": others}}


def from_saved(saved: Fields, fit: Fitted) -> None:
    """Remember what a document that has `to_saved` says; a law beside it that is not registered here is measured anew."""
    if "left_out" in saved.found:
        _left_out(saved.part("left_out"), fit)
    if "steps" in saved.found:
        _steps(saved.part("steps"), fit)
    if "drift" not in saved.found:
        return
    part = saved.part("drift")
    try:
        others = tuple(Other(law_of(o), o.numbers("values"), o.number("share")) for o in part.parts("others"))
    except LawError:
        return
    made = Drift(sign=1, others=others, **part.all(DRIFT))
    if made.root.shape[0] != len(fit.t) or not (made.noise >= 0 and made.tau >= 0 and made.dof >= 1):
        raise part.wrong("root", "is not of the parameters of this fit, or noise, tau or dof cannot be")
    if any({*other.values} != {*other.law.params} for other in others):
        raise part.wrong("others", "has parameters that are not those of its laws")
    fit.memory.once(("drift", 1), lambda: made)


def _left_out(part: Fields, fit: Fitted) -> None:
    """Remember the runs that were left out."""
    found = LeftOut(**part.all(LEFT_OUT))
    if not len(found.what) == len(found.error) == len(found.scaled):
        raise part.wrong("scaled", "must be as many numbers as there are of what and error")
    if not (min(found.noise, found.misfit, found.slope, *found.error, *found.scaled) >= 0 and found.wider >= 1 <= found.length):
        raise part.wrong("scaled", "with error, noise, misfit and slope must be 0 or more, and wider and length 1 or more")
    fit.memory.once("left out", lambda: found)


def _steps(part: Fields, fit: Fitted) -> None:
    """Remember what was seen along the steps of curves."""
    beside = tuple(Beside(o.flag("curve"), o.numbers("values"), o.number("share")) for o in part.parts("beside"))
    found = AlongSteps(beside=beside, **part.all(STEPS))
    if len(found.what) != len(found.error):
        raise part.wrong("error", "must be as many numbers as there are of what")
    if not (min(found.noise, found.misfit, found.slope, 0.0, *found.error) >= 0 < found.first <= found.length):
        raise part.wrong("noise", "with misfit, slope and error must be 0 or more, and first and length above it in order")
    if any({*one.values} != {*(CURVE if one.curve else fit.law).params} for one in beside):
        raise part.wrong("beside", "has parameters that are not those of its laws")
    if not (all(one.share >= 0 for one in beside) and sum(one.share for one in beside) <= 1 + 1e-9):
        raise part.wrong("beside", "has shares that are not of one whole")
    fit.memory.once("steps", lambda: found)
