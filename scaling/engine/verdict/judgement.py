"""Can the fit be trusted? Each reason why not, in plain words; the first list makes a fit not ok."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from scaling.design.diverged import DIVERGED
from scaling.design.inputs import Design
from scaling.engine.uncertainty import UNDETERMINED, WEAK, Covariance
from scaling.engine.verdict.examine import Findings
from scaling.formula import Law
from scaling.words import listed, many

CLOSE = 0.01  # relative excess of the objective up to which the data do not decide between two optima
LIKE = 0.5  # up to which another optimum is no mere failure of its start
SURE = 7  # parameters up to which starts from a grid should agree
EDGE = "at the edge of the allowed range, so the data ask for something the law cannot give"
# correlation of neighbours' residuals from which on these are a shape and no noise, and the share of the variance that these
# may then be: of squares, as a robust objective counts a misfit of a quarter of the spread as a quarter, and it is a sixteenth
SHAPE, MOST = 0.9, 0.25
USELESS = 0.2  # share of the spread of the loss a law must explain to be of any use


NOTHING = Findings()


@dataclass(frozen=True)
class Verdict:
    """converged: gradient zero to rounding. agree of tried starts ended at the best objective. rival: relative excess of
    the best other basin (inf if none). at_bound: parameters on the edge of their domain. iterations: steps of
    the solver over all starts. from_prior: parameters of which these data say less than was known beforehand."""

    converged: bool
    agree: int
    tried: int
    rival: float
    at_bound: tuple[str, ...]
    condition: float
    failures: tuple[str, ...]
    warnings: tuple[str, ...]
    iterations: int = 0
    from_prior: tuple[str, ...] = ()

    @property
    def ok(self) -> bool:
        return not self.failures


def settled(verdict: Verdict, said: str) -> Verdict:
    """The verdict where forecasts were seen to hold though a parameter lies at an edge: that is then a note, and why."""
    edge = tuple(reason for reason in verdict.failures if reason.endswith(EDGE))
    rest = tuple(reason for reason in verdict.failures if reason not in edge)
    notes = tuple(f"{reason.removesuffix(EDGE)}at the edge of the allowed range; {said}" for reason in edge)
    return replace(verdict, failures=rest, warnings=(*verdict.warnings, *notes))


def judge(
    law: Law,
    design: Design,
    cov: Covariance,
    *,
    converged: bool,
    agree: int,
    tried: int,
    rival: float,
    at_bound: tuple[str, ...],
    vanished: tuple[str, ...],
    idle: tuple[str, ...],
    iterations: int,
    explained: float,
    limit: tuple[str, ...] = (),
    left: float,
    seen: Findings = NOTHING,
    from_prior: tuple[str, ...] = (),
) -> Verdict:
    """The verdict from what the solver says, and from what was `seen` in rows, design and residuals.

    Parameters
    ----------
    explained, left : share of the objective, beyond noise, that the law does away with; of the variance that it leaves.
    """
    failures, warnings = list(seen.failures), list(seen.warnings)
    # on a line of inputs terms are exchangeable: that starts and parameters differ says nothing of forecasts on the line
    doubts = warnings if seen.line is None else []
    against = failures if seen.line is None else doubts
    # the spread that runs leave which do not follow the law of the others, and are named, says nothing of that law
    if not explained > USELESS and not seen.curves:
        failures.append(
            f"the inputs explain {max(explained, 0.0):.0%} of the spread of the loss (beyond what as many parameters "
            "explain of pure noise); the law says next to nothing about these data"
        )
    elif cov.autocorrelation > SHAPE and left > MOST and not seen.curves:
        failures.append(
            f"the law leaves {left:.0%} of the variance of the loss, and neighbouring rows share it "
            f"(correlation {cov.autocorrelation:.2f}): these curves have another shape; compare laws, or fit later rows alone"
        )
    loose = doubts if vanished or limit else against  # on the way to infinity each start stops somewhere, and none arrives
    if not converged:
        loose.append("the solver did not converge: the objective could still fall; treat the numbers as a start")
    pushed = tuple(name for name in at_bound if seen.pushed is None or name in seen.pushed)
    if pushed:
        against.append(f"{_list(pushed)} {EDGE}")
    if resting := [name for name in at_bound if name not in pushed]:
        doubts.append(f"{_list(resting)} at the edge of the allowed range: no error, and intervals without backtests are wide")
    if vanished:
        doubts.append(f"{_list(vanished)} fitted as zero: the data show no such term")
    if limit:
        doubts.append(f"{_list(limit)} beyond what these data can tell: a larger value changes nothing")
    if idle:  # exponents of a scale that vanished need no word of their own; these have no such scale
        against.append(f"{_list(idle)} not determined: where the fit ended, nothing in these data depends on it")
    if cov.condition > UNDETERMINED:
        against.append(
            f"{_list(cov.weakest) or 'a combination of parameters'} not determined by these data "
            f"(condition {cov.condition:.1e}); predictions inside the data may still hold"
        )
    elif cov.condition > WEAK:
        doubts.append(
            f"{_list(cov.weakest) or 'a combination of parameters'} only weakly determined (condition {cov.condition:.1e})"
        )
    if tried > 1 and agree == 1 and (rival < CLOSE or (rival < LIKE and len(law.params) <= SURE)):
        loose.append(
            f"only 1 of {tried} starts reached the best objective and another basin is within {rival:.1%}: the data "
            "do not decide between them"
            if rival < CLOSE
            else f"only 1 of {tried} starts reached the best objective, others ended {rival:.0%} above it: there may be "
            "a better one"
        )
    elif rival < CLOSE:
        doubts.append(f"another optimum lies within {rival:.2%} of the best objective")
    n, p = len(design), len(law.params)
    if n < 2 * p:
        warnings.append(f"only {many(n, 'row')} for {many(p, 'parameter')}")
    if cov.autocorrelation > 0.5:
        warnings.append(
            f"residuals of neighbouring rows are correlated ({cov.autocorrelation:.2f}): rows count as "
            f"about {(1 - cov.autocorrelation) / (1 + cov.autocorrelation):.0%} of their number"
        )
    warnings += [n for n in design.notes if "assumed" in n]
    warnings[:0] = [n for n in design.notes if DIVERGED in n]
    if law.hooks.needs is not None:
        failures += law.hooks.needs(*design.inputs.values())
    reasons = tuple(failures), tuple(dict.fromkeys(warnings))
    return Verdict(converged, agree, tried, rival, at_bound, cov.condition, *reasons, iterations, from_prior)


def _list(names: Sequence[str]) -> str:
    return f"{listed(names)} {'is' if len(names) == 1 else 'are'}" if names else ""
