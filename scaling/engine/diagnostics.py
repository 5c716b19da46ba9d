"""Can the fit be trusted? Each reason why not, in plain words; the first list makes a fit not ok."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from scaling.design.inputs import Design
from scaling.engine.uncertainty import UNDETERMINED, WEAK, Covariance
from scaling.formula import Law
from scaling.words import listed

USELESS = 0.2  # share of the spread of the loss a law must explain to be of any use


@dataclass(frozen=True)
class Verdict:
    """converged: gradient zero to rounding. agree of tried starts ended at the best objective. rival: relative excess of
    the best other basin (inf if none). at_bound: parameters on the edge of their domain. iterations: steps of
    the solver over all starts."""

    converged: bool
    agree: int
    tried: int
    rival: float
    at_bound: tuple[str, ...]
    condition: float
    failures: tuple[str, ...]
    warnings: tuple[str, ...]
    iterations: int = 0

    @property
    def ok(self) -> bool:
        return not self.failures


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
) -> Verdict:
    failures, warnings = [], []
    rows = design.frame[[c for c in (*law.inputs, "loss") if c in design.frame]].drop_duplicates()
    if len(rows) <= len(law.params) - len(vanished) and len(rows) < len(design):
        failures.append(
            f"only {len(rows)} distinct rows for {len(law.params)} parameters: the law passes through any such rows"
        )
    if not explained > USELESS:
        failures.append(
            f"the inputs explain {max(explained, 0.0):.0%} of the spread of the loss (beyond what as many parameters "
            "explain of pure noise); the law says next to nothing about these data"
        )
    if not converged:
        failures.append("the solver did not converge: the objective could still fall; treat the numbers as a start")
    if at_bound:
        failures.append(
            f"{_list(at_bound)} at the edge of the allowed range, so the data ask for something the law cannot give"
        )
    if vanished:
        warnings.append(f"{_list(vanished)} fitted as zero: the data show no such term")
    if idle:  # exponents of a scale that vanished need no word of their own; these have no such scale
        warnings.append(f"{_list(idle)} not determined: where the fit ended, nothing in these data depends on it")
    if cov.condition > UNDETERMINED:
        failures.append(
            f"{_list(cov.weakest) or 'a combination of parameters'} not determined by these data "
            f"(condition {cov.condition:.1e}); predictions inside the data may still hold"
        )
    elif cov.condition > WEAK:
        warnings.append(
            f"{_list(cov.weakest) or 'a combination of parameters'} only weakly determined (condition {cov.condition:.1e})"
        )
    if tried > 1 and agree == 1 and rival < 0.01:
        failures.append(
            f"only 1 of {tried} starts reached the best objective and another basin is within {rival:.1%}: the data "
            "do not decide between them"
        )
    elif rival < 0.01:
        warnings.append(f"another optimum lies within {rival:.2%} of the best objective")
    n, p = len(design), len(law.params)
    if n < 2 * p:
        warnings.append(f"only {n} rows for {p} parameters")
    if cov.autocorrelation > 0.5:
        warnings.append(
            f"residuals of neighbouring rows are correlated ({cov.autocorrelation:.2f}): rows count as "
            f"about {(1 - cov.autocorrelation) / (1 + cov.autocorrelation):.0%} of their number"
        )
    warnings += [n for n in design.notes if "assumed" in n]
    if law.hooks.needs is not None:
        failures += law.hooks.needs(*design.inputs.values())
    reasons = tuple(failures), tuple(dict.fromkeys(warnings))
    return Verdict(converged, agree, tried, rival, at_bound, cov.condition, *reasons, iterations)


def _list(names: Sequence[str]) -> str:
    return f"{listed(names)} {'is' if len(names) == 1 else 'are'}" if names else ""
