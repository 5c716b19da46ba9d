"""lmfit's vocabulary for laws and fits: a law as lmfit.Model, starts as Parameters, a Fit with lmfit's attributes.

Where lmfit is silent this is not: an error that cannot be given is None (NaN in arrays), never zero and never 1e13, a
parameter at its bound leaves the errors of the others alone, and `fit.warnings` names the parameter and says why.
"""

from __future__ import annotations

import inspect
import re
import warnings
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.special import erf, fdtri, stdtrit

from scaling.design.inputs import design
from scaling.engine import model as models
from scaling.engine.losses import Loss
from scaling.engine.starts import seeds
from scaling.engine.threads import one_thread
from scaling.errors import FitError
from scaling.fits.explore import Explore
from scaling.formula import Law, Parameter
from scaling.schedules.drops import RateDrops

if TYPE_CHECKING:
    import lmfit


class Formula:
    """A law as lmfit calls it: everything by keyword. Pickles with the law's name."""

    def __init__(self, law: Law) -> None:
        self.law, self.__name__, self.__doc__ = law, law.name, law.fn.__doc__
        kinds = inspect.Parameter
        inputs = [kinds(i, kinds.POSITIONAL_OR_KEYWORD) for i in law.inputs]
        params = [kinds(p.name, kinds.KEYWORD_ONLY, default=p.start) for p in law.params.values()]
        self.__signature__ = inspect.Signature([*inputs, *params])

    def __call__(self, **named: Any) -> Any:
        return self.law(*(named[i] for i in self.law.inputs), **{p: named[p] for p in self.law.params})


def lmfit_model(law: Law) -> lmfit.Model:
    """The law as an `lmfit.Model`: independent variables are its inputs, ``make_params()`` has starts and bounds."""
    import lmfit

    made = lmfit.Model(Formula(law), independent_vars=list(law.inputs), name=law.name)
    for p in law.params.values():
        made.set_param_hint(p.name, min=p.domain.lo, max=p.domain.hi)
    return made


def guess(law: Law, data: Any, *, objective: str = "log_huber", delta: float = 1e-3, seed: int = 0) -> lmfit.Parameters:
    """Starting values for these data, as `lmfit.Parameters`: the best node of the grid `scaling.fit` starts from."""
    loss = Loss.parse(objective, delta)
    made = design(data, law, fitting=True, positive=loss.log)
    params = tuple(law.params.values())
    with one_thread():
        model = models.build(law, params, made.inputs, {}, loss)
        starts = seeds(model, loss.link(made.loss), made.loss, made.weights, loss, 1, seed, False)
    if not len(starts):
        raise FitError(f"no start of '{law.name}' gives a finite objective on these data; check units and signs.")
    return _parameters(params, dict(zip(law.params, model.coordinates.to_params(starts[0]).tolist(), strict=True)))


def _parameters(params: Sequence[Parameter], values: Mapping[str, float]) -> lmfit.Parameters:
    import lmfit

    out = lmfit.Parameters()
    out.add_many(*((p.name, values[p.name], True, p.domain.lo, p.domain.hi) for p in params))
    for p in params:
        out[p.name].user_data = p.prior
    return out


class LmfitWords(Explore):
    """What lmfit.ModelResult offers, for `Fit`. Sums of squares are of the objective's residual (log loss for log_*)."""

    @property
    def params(self) -> lmfit.Parameters:
        """Values with bounds, ``stderr`` and ``correl``; stderr is None where the data or a bound leave none to give."""
        fitted = {p.name: p for p in self.coordinates.params}
        out = _parameters([fitted.get(n, p) for n, p in self.law.params.items()], self.values)
        for name, expression in self.law.ties.items():
            out.add(name, expr=expression)
        se = self.errors()
        known = [n for n in self.coordinates.names if np.isfinite(se[n])]
        covar = dict(zip(self.coordinates.names, self.covar, strict=True))
        for name, p in out.items():
            if name in self.fixed:
                p.vary = False
            if name in known:
                p.stderr = float(se[name])
                row = dict(zip(self.coordinates.names, covar[name], strict=True))
                p.correl = {o: float(row[o] / se[name] / se[o]) for o in known if o != name}
        return out

    @property
    def best_values(self) -> dict[str, float]:
        return dict(self.values)

    @property
    def var_names(self) -> list[str]:
        """The fitted parameters, in the order of `covar`."""
        return list(self.coordinates.names)

    @property
    def covar(self) -> np.ndarray:
        """Covariance of the fitted parameters in the paper's units; rows without an error are NaN."""
        out = self.covariance
        unknown = np.isnan(self.errors()[self.coordinates.names].to_numpy())
        out[unknown], out[:, unknown] = np.nan, np.nan
        return out

    @property
    def nvarys(self) -> int:
        return len(self.coordinates.names)

    @property
    def ndata(self) -> float:
        """Rows, counted by weight."""
        return float(self.design.weights.sum())

    @property
    def nfree(self) -> float:
        return self.cov.dof

    @property
    def chisqr(self) -> float:
        return self.redchi * self.nfree

    @property
    def redchi(self) -> float:
        return self.cov.noise**2

    @property
    def aic(self) -> float:
        """As in lmfit: deviance of normal residuals in the objective's units, rows counted by weight, and 2 per fitted
        parameter; the variance is no parameter, which shifts all laws alike. `aicc` and `bic` stand on the same."""
        return self._deviance + 2 * self.nvarys

    @property
    def aicc(self) -> float:
        """`aic` corrected for few rows; here the variance counts, as the correction is about its being estimated too."""
        k = self.nvarys + 1
        return self.aic + (2 * k * (k + 1) / (self.ndata - k - 1) if self.ndata > k + 1 else np.inf)

    @property
    def bic(self) -> float:
        return self._deviance + float(np.log(self.ndata)) * self.nvarys

    @property
    def _deviance(self) -> float:
        return float(self.ndata * np.log(max(self.chisqr, 1e-250 * self.ndata) / self.ndata))

    @property
    def nfev(self) -> int:
        """Steps of the solver over all starts; each evaluates the law at least once."""
        return self.verdict.iterations

    @property
    def errorbars(self) -> bool:
        """Has every fitted parameter a standard error?"""
        return bool(self.errors()[self.coordinates.names].notna().all())

    @property
    def success(self) -> bool:
        """`ok`: converged, no parameter at a bound, and every parameter determined. lmfit's means the first alone."""
        return self.ok

    @property
    def message(self) -> str:
        v = self.verdict
        head = f"{'converged' if v.converged else 'not converged'}, {v.agree} of {v.tried} starts agree"
        return "; ".join([head, *v.failures, *([] if v.failures else ["all parameters determined"])])

    @property
    def best_fit(self) -> np.ndarray:
        """The law at the fitted rows."""
        return self.eval()

    def eval(self, params: Mapping[str, Any] | None = None, **inputs: Any) -> np.ndarray:
        """The law's value.

        Parameters
        ----------
        params : other parameters (lmfit.Parameters or numbers by name) in place of the best ones.
        inputs : the law's inputs by name; those left out are the fitted rows'.
        """
        values = {k: float(v) for k, v in (params or {}).items()}  # lmfit's Parameter is a number too
        self.law.check_names(values)
        return np.asarray(self.law(*self._inputs(inputs).values(), **{**self.values, **values}))

    def eval_uncertainty(self, sigma: float = 1.0, **inputs: Any) -> np.ndarray:
        """Half-width of the interval of the law's mean by the delta method; row noise is not in it (see `predict`).

        Parameters
        ----------
        sigma : number of standard deviations, or a probability if below 1, as in lmfit.
        inputs : as in `eval`.

        Returns
        -------
        (n,) array. NaN, with a warning that names the parameters, where the data leave the prediction undetermined.
        """
        given = {k: np.atleast_1d(v) if np.ndim(v) == 0 else v for k, v in self._inputs(inputs).items()}
        model = models.build(self.law, self.coordinates.params, given, self.fixed, self.loss, coordinates=self.coordinates)
        value, J = models.at(model, self.t)
        sd = self.deviation(J, np.abs(value))
        if (lost := np.isnan(sd)).any():
            said = self.verdict.failures or [w for w in self.warnings if "not determined" in w]
            reasons = "; ".join(said) or "a combination of parameters is not determined"
            warnings.warn(f"{lost.sum()} of {len(lost)} uncertainties are NaN: {reasons}", stacklevel=2)
        probability = sigma if sigma < 1 else erf(sigma / np.sqrt(2))
        return np.asarray(stdtrit(self.cov.dof, (1 + probability) / 2) * sd)

    def _inputs(self, given: Mapping[str, Any]) -> dict[str, Any]:
        if unknown := sorted(set(given) - set(self.law.inputs)):
            raise FitError(f"law '{self.law.name}' has no input {', '.join(unknown)}; its inputs: {self.law.inputs}.")
        try:
            numbers = {k: v if isinstance(v, RateDrops) else np.asarray(v, float) for k, v in given.items()}
            np.broadcast_shapes(*(v.shape for v in numbers.values() if isinstance(v, np.ndarray)))
        except (TypeError, ValueError) as problem:
            raise FitError(f"inputs of law '{self.law.name}' must be numbers, as many of each ({problem}).") from None
        return {k: numbers.get(k, self.design.inputs[k]) for k in self.law.inputs}

    def conf_interval(
        self, p_names: Sequence[str] | None = None, sigmas: Sequence[float] = (1, 2, 3)
    ) -> dict[str, list[tuple[float, float]]]:
        """Intervals of parameters from their profiles, all others refitted: they need not be symmetric.

        Parameters
        ----------
        p_names : parameters (default: all fitted ones).
        sigmas : numbers of standard deviations, or probabilities below 1.

        Returns
        -------
        name -> [(probability, value), ...], from the lowest end over (0, best value) to the highest, as in lmfit. An end
        is infinite where the objective never rises enough: the data set no limit on that side.
        """
        levels = sorted(float(s if s < 1 else erf(s / np.sqrt(2))) for s in sigmas)
        return {name: _ends(self, name, levels) for name in p_names or self.coordinates.names}

    def fit_report(self, show_correl: bool = True, min_correl: float = 0.1) -> str:
        """lmfit's report with the verdict before it."""
        import lmfit

        numbers = ("ndata", "nvarys", "nfev", "chisqr", "redchi", "aic", "bic")
        labels = (
            "data points", "variables", "solver steps", "chi-square", "reduced chi-square", "Akaike info crit",
            "Bayesian info crit",
        )  # fmt: skip
        lines = ["[[Model]]", f"    {self.law.name}: {self.law.formula}", "[[Verdict]]"]
        lines += [f"    {'OK' if self.ok else 'NOT TRUSTWORTHY'}: {self.message}"]
        lines += [f"##  Warning: {w}" for w in self.verdict.warnings]
        what = f"{self.loss.name}{' of log loss' if self.loss.log else ''}"
        lines += ["[[Fit Statistics]]", f"    objective          = {self.objective:.8g} ({what})"]
        lines += [f"    {label:<18} = {getattr(self, n):.8g}" for label, n in zip(labels, numbers, strict=True)]
        body = lmfit.fit_report(self.params, show_correl=show_correl, min_correl=min_correl)
        return "\n".join(lines) + "\n" + re.sub(r" \(init = .*?\)", "", body)  # starts come from a grid


def _ends(fit: LmfitWords, name: str, levels: Sequence[float]) -> list[tuple[float, float]]:
    """Where the profile crosses the levels on each side."""
    profile = fit.profile(name, level=levels[-1])
    best, side = fit.values[name], {}
    for sign in (-1, 1):
        rows = profile[sign * (profile["value"] - best) >= 0].sort_values("ratio")
        # in units of standard deviations a profile is nearly straight
        z = np.sqrt(rows["ratio"].to_numpy())
        need = np.sqrt(fdtri(1, fit.cov.dof, levels))
        side[sign] = np.interp(need, z, rows["value"].to_numpy(), right=sign * np.inf)
    down = [(p, float(v)) for p, v in zip(levels, side[-1], strict=True)][::-1]
    return [*down, (0.0, best), *((p, float(v)) for p, v in zip(levels, side[1], strict=True))]
