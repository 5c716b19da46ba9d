"""Questions to a finished fit: profiles, influence of single runs, drift with the cutoff, parameters in identified form."""

from __future__ import annotations

from numbers import Real
from typing import Any

import numpy as np
import pandas as pd
from scipy.special import chdtri

from scaling.design.bins import axis, binned
from scaling.design.inputs import Design
from scaling.engine import model as models
from scaling.engine.fitted import Fitted
from scaling.engine.solver import costs, minimise
from scaling.engine.threads import one_thread
from scaling.engine.uncertainty import slopes_for_errors
from scaling.errors import ArgumentError, FitError
from scaling.numerics import STEP, complex_step


class Explore(Fitted):
    """Methods of `Fit` that refit it in variations, all warm-started and most of them in one batch."""

    def profile(self, name: str, *, level: float = 0.95, points: int = 25) -> pd.DataFrame:
        """The objective with one parameter held on a grid and all others refitted.

        Parameters
        ----------
        name : a free parameter.
        level : of the interval in ``attrs["interval"]``, by the likelihood ratio (for robust losses its robust form).
        points : grid points, three standard errors to each side or wider where the profile is flat.

        Returns
        -------
        DataFrame
            value, objective, excess (relative), ratio (likelihood-ratio statistic) and the other parameters. An end of
            ``attrs["interval"]`` is NaN where the profile does not reach the level inside the grid: not determined on
            that side.
        """
        self.law.check_names([name])
        if name not in self.coordinates.names:
            raise FitError(f"'{name}' is fixed; a profile needs a free one ({', '.join(self.coordinates.names)}).")
        made = binned(self.design)
        y = self.loss.link(made.loss)
        at = self.values[name]
        log = bool(self.coordinates.logs[self.coordinates.names.index(name)])
        spread = self.errors()[name] / (at if log else 1.0)
        spread = min(spread, 3.0) if np.isfinite(spread) and spread > 0 else 0.3 * (1.0 if log else max(abs(at), 1e-3))
        offsets = np.linspace(-4, 4, points | 1) * spread
        rows: list[dict[str, Any]] = []
        with one_thread():
            best = minimise(self.model(made), y, self.t[None], made.weights, self.loss, damping=1e-3).cost[0]
            for side in (offsets[offsets <= 0][::-1], offsets[offsets > 0]):
                warm = {k: v for k, v in self.values.items() if k in self.coordinates.names and k != name}
                for offset in side:
                    value = at * np.exp(offset) if log else at + offset
                    if not self.law.params[name].domain.lo <= value <= self.law.params[name].domain.hi:
                        break
                    cost, warm = self._held(made, name, value, warm)
                    rows.append({"value": value, "objective": cost * self.loss.scale, **warm})
        out = pd.DataFrame(rows).sort_values("value", ignore_index=True)
        out.insert(2, "excess", out["objective"] / (best * self.loss.scale) - 1)
        rise = np.maximum(out["objective"] / self.loss.scale - best, 0)
        out.insert(3, "ratio", rise * self._likelihood_scale(made, y, best))
        out.attrs["interval"] = _crossings(out["value"].to_numpy(), out["ratio"].to_numpy(), at, chdtri(1, 1 - level))
        out.attrs["level"] = level
        return out

    def _held(self, made: Design, name: str, value: float, warm: dict[str, float]) -> tuple[float, dict[str, float]]:
        params, y = tuple(p for p in self.coordinates.params if p.name != name), self.loss.link(made.loss)
        if not params:
            model = self.model(made)
            t = model.coordinates.from_params(np.array([[value]]))
            return float(costs(model, y, t, made.weights, self.loss)[0]), {}
        fixed, inner = {**self.fixed, name: value}, self.coordinates
        model = models.build(self.law, params, made.inputs, fixed, self.loss, strength=inner.strength)
        start = model.coordinates.from_params(np.array([warm[p.name] for p in params]))
        found = minimise(model, y, start[None], made.weights, self.loss, damping=1e-3)
        # leaving what is known of the held parameter costs too
        away = inner.params[inner.names.index(name)].away(value)
        cost = float(found.cost[0]) + 0.5 * inner.strength * away**2
        return cost, dict(zip(warm, model.coordinates.to_params(found.t[0]).tolist(), strict=True))

    def _likelihood_scale(self, made: Design, y: np.ndarray, best: float) -> float:
        """Turns a rise of the cost into a statistic that is chi-squared with one degree of freedom."""
        rows = made.weights.sum()
        if self.coordinates.strength > 0:
            return 2 / self.coordinates.strength
        if self.loss.name == "squares":
            return float(rows - len(self.t)) / max(best, 1e-300)
        model = self.model(made)
        r = (self.loss.link(model.value(model.terms(self.t[None]))) - y)[0]
        slope, curvature = slopes_for_errors(self.loss, r)
        return float(2 * (made.weights * curvature).sum() / max((made.weights * slope**2).sum(), 1e-300))

    def influence(self) -> pd.DataFrame:
        """Refit without each run (each row, where rows are runs): how far every parameter moves, in standard errors.

        Returns
        -------
        DataFrame
            One row per run, largest first: ``run`` (or the row's index), ``largest`` shift, and the shift of each parameter.
        """
        made = binned(self.design)
        runs = made.runs
        names = made.frame["run"].to_numpy() if "run" in made.frame else made.frame.index.to_numpy()
        labels = [names[np.flatnonzero(runs == k)[0]] for k in range(runs.max() + 1)]
        if len(labels) < 3:
            raise FitError(f"influence leaves out one run at a time and needs at least 3; there are {len(labels)}.")
        weights = made.weights * (runs[None, :] != np.arange(len(labels))[:, None])
        model, y = self.model(made), self.loss.link(made.loss)
        with one_thread():
            found = minimise(model, y, np.tile(self.t, (len(labels), 1)), weights, self.loss, damping=1e-3)
        se = np.sqrt(np.maximum(np.diag(self.cov.matrix), 1e-300))
        shift = pd.DataFrame((found.t - self.t) / se, columns=self.coordinates.names)
        shift = pd.DataFrame({"run": labels, "largest": shift.abs().max(axis=1), **shift})
        return shift.sort_values("largest", ascending=False, ignore_index=True)

    def drift(self, cutoffs: Any = (0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)) -> pd.DataFrame:
        """Refit on growing parts of the data, smallest compute (or earliest steps) first: do the parameters settle?

        Parameters
        ----------
        cutoffs : fractions of the rows, in the order of compute C, 6 N D, tokens, or step, whichever the data have.

        Returns
        -------
        DataFrame
            cutoff, upto (value of the order), rows, converged, and every parameter.
        """
        shares = np.atleast_1d(np.asarray(cutoffs, object))
        if not len(shares) or not all(isinstance(x, Real) and 0 < float(x) <= 1 for x in shares):
            raise ArgumentError(f"cutoffs={cutoffs!r} must be fractions of the rows above 0 and up to 1, such as (0.7, 1).")
        made = binned(self.design)
        order = growth(made)
        cutoffs = shares.astype(float)
        cuts = np.quantile(order, cutoffs)
        inside = order[None, :] <= cuts[:, None]
        enough = inside.sum(1) > 2 * len(self.t)
        if not enough.any():
            raise FitError(f"drift needs more than {2 * len(self.t)} rows below a cutoff, not {inside.sum(1).max()}.")
        model, y = self.model(made), self.loss.link(made.loss)
        with one_thread():
            found = minimise(model, y, np.tile(self.t, (enough.sum(), 1)), made.weights * inside[enough], self.loss)
        known = {"cutoff": np.asarray(cutoffs, float)[enough], "upto": cuts[enough], "rows": inside.sum(1)[enough]}
        params = dict(zip(self.coordinates.names, model.coordinates.to_params(found.t).T, strict=True))
        return pd.DataFrame({**known, "converged": found.converged, **params})

    def identified(self) -> pd.DataFrame:
        """Parameters in the form the data determine: each scale as its whole term at the data's geometric mean.

        A and alpha are tied to each other; the contribution A / N0^alpha at the typical N0 is not. Laws with an allocation
        also give the exponent of N* in compute.

        Returns
        -------
        DataFrame
            value, lower, upper (95 %) and what it is.
        """
        rows = {}
        sd = self.deviation(np.eye(len(self.t)))
        for i, p in enumerate(self.coordinates.params):
            half = 1.96 * sd[i] if sd[i] > 0 else np.nan
            ends = self.t[i] + np.array([0.0, -half, half])
            shifted = self.coordinates.c[i] != 0 or (self.coordinates.M[i] != np.eye(len(self.t))[i]).any()
            term = p.domain.log and shifted
            what = f"contribution of {p.name} at the data's geometric mean" if term else p.name
            rows[f"{p.name}'" if term else p.name] = (*(np.exp(ends) if p.domain.log else ends), what)
        if (hook := self.law.hooks.derived) is not None:
            value = hook(**self.law.held, **self.values)
            slopes = self.coordinates.slopes(self.t)
            for name, at in value.items():
                gradient = np.empty(len(self.t))
                for j, n in enumerate(self.coordinates.names):
                    moved = lambda x, n=n, name=name: hook(**self.law.held, **{**self.values, n: x})[name]
                    gradient[j] = complex_step(moved, self.values[n], h=STEP * (abs(self.values[n]) or 1.0))
                half = 1.96 * float(self.deviation((gradient @ slopes)[:, None])[0])
                rows[name] = (at, at - half, at + half, "derived")
        return pd.DataFrame.from_dict(rows, orient="index", columns=["value", "lower", "upper", "what"])

    def diagnose(self) -> list[str]:
        """Every reason not to trust the fit, with those that take refits: influence of single runs, drift with the cutoff."""
        found = list(self.warnings)
        try:
            moved = self.influence().iloc[0]
            if moved["largest"] > 1:
                worst = moved.drop(["run", "largest"]).astype(float).abs().idxmax()
                found += [f"leaving out {moved['run']} alone moves {worst} by {moved['largest']:.1f} standard errors"]
        except FitError as error:
            found.append(f"influence not checked: {error}")
        try:
            path = self.drift((0.7, 1.0))
            if len(path) == 2:
                se = self.errors()
                moves = {n: abs(path[n].iloc[0] - self.values[n]) / se[n] for n in self.coordinates.names if se[n] > 0}
                worst = max(moves, key=lambda n: moves[n], default=None)
                if worst is not None and moves[worst] > 2:
                    found.append(
                        f"{worst} moves by {moves[worst]:.1f} standard errors between 70 % and all of the data: "
                        "it has not settled, so distrust extrapolation"
                    )
        except FitError as error:
            found.append(f"drift not checked: {error}")
        return found


def growth(made: Design) -> np.ndarray:
    """What grows towards the target (n,): compute, the product of the inputs, or the step of a curve."""
    if (order := axis(made)) is not None:
        return order
    arrays = {k: v for k, v in made.inputs.items() if isinstance(v, np.ndarray)}
    known = [names for names in (["C"], ["N", "D"], [*arrays]) if {*names} <= {*arrays}]
    return np.asarray(np.prod([arrays[n] for n in known[0]], axis=0))


def _crossings(x: np.ndarray, ratio: np.ndarray, best: float, level: float) -> tuple[float, float]:
    ends = []
    for side in (x <= best, x >= best):
        xs, rs = x[side], ratio[side]
        order = np.argsort(np.abs(xs - best), kind="stable")
        xs, rs = xs[order], np.sqrt(rs[order])
        k = int(next(iter(np.flatnonzero(rs >= np.sqrt(level))), 0))
        ends.append(float(np.interp(np.sqrt(level), rs[k - 1 : k + 1], xs[k - 1 : k + 1])) if k else np.nan)
    return ends[0], ends[1]
