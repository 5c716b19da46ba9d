"""Losses as information (arXiv:2010.14701): what one modality tells of another, losses per image, reducible loss as KL."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from scaling import fits
from scaling.errors import ArgumentError, DataError, FitError
from scaling.fits import Fit
from scaling.formula import Published
from scaling.procedures.tables import needs_positive
from scaling.rendering import Result
from scaling.words import many, verb


@dataclass(frozen=True, eq=False, repr=False)
class Information(Result):
    """What models know of one modality from another.

    Attributes
    ----------
    points : DataFrame N, alone, given, information (nats per sequence), gain (share of the loss alone), one row per size.
    information, gain : Fit of `information`, I = lam ln(N / N_c), to either.
    """

    points: pd.DataFrame
    information: Fit
    gain: Fit
    fields = ("points", "information", "gain")

    @property
    def ok(self) -> bool:
        return self.information.ok and self.gain.ok

    def head(self) -> list[tuple[str, str]]:
        failed = list(dict.fromkeys([*self.information.verdict.failures, *self.gain.verdict.failures]))
        said = [("verdict", "OK" if self.ok else f"not to be trusted: {'; '.join(failed)}")]
        for name, fit in (("nats", self.information), ("gain", self.gain)):
            lam, N_c = fit.values["lam"], fit.values["N_c"]
            said.append((name, f"{lam:.4g} ln(N / {N_c:.4g})"))
        return said

    def size_for(self, gain: float) -> float:
        """The size at which so large a share of the loss is known from the other modality."""
        if not 0 < gain < 1:
            raise ArgumentError(f"gain={gain!r} must be a share of the loss, between 0 and 1.")
        return float(self.gain.values["N_c"] * np.exp(gain / self.gain.values["lam"]))


def mutual_information(losses: pd.DataFrame, tokens: float = 1.0) -> Information:
    """I = H(text) - H(text | image) from the losses of models with and without the other modality before it, by size.

    Parameters
    ----------
    losses : columns N, alone, given: loss of one modality (nats per token, or per sequence) without and with the other before
        it, averaged where a size has several rows. Measured on models fine-tuned to both ways: the paper finds about twice as
        much where those that always saw the other modality are asked without it.
    tokens : per sequence, where the losses are per token.

    Raises
    ------
    DataError : a size that loses by what it is given, which is no information. FitError : fewer than three sizes.
    """
    losses = needs_positive("losses", losses, ("N", "alone", "given"))
    _tokens(tokens)
    points = losses.groupby("N", as_index=False)[["alone", "given"]].mean()
    points["information"] = tokens * (points["alone"] - points["given"])
    points["gain"] = 1 - points["given"] / points["alone"]
    if len(wrong := points[points["information"] <= 0]):
        raise DataError(
            f"at N = {wrong['N'].iloc[0]:.3g} the loss given the other modality is no lower than alone, so it tells nothing "
            "there; leave such sizes out."
        )
    if len(points) < 3:
        raise FitError(
            f"{many(len(points), 'size')} {verb(len(points))} too few for lam and N_c and a look at whether they fit; three "
            "are needed."
        )
    by = {k: fits.fit(pd.DataFrame({"N": points["N"], "loss": points[k]}), "information") for k in ("information", "gain")}
    return Information(points, **by)


def context_information(T: int, alone: float, limit: float, p: float) -> float:
    """Nats that the first T tokens of a text tell of the next T, if L(t) = limit + (alone - limit) / t^p.

    I = (2 H_T - H_2T) (alone - limit), H_T the sum of t^-p up to T: the second half read alone, less in context.

    Parameters
    ----------
    T : tokens. alone, limit : nats per token at the first token, and after many. p : how fast context helps, > 0.
    """
    if isinstance(T, bool) or not isinstance(T, int | np.integer) or T < 1:
        raise ArgumentError(f"T={T!r} must be a whole number of tokens, 1 or more.")
    if not (0 <= limit <= alone < np.inf and 0 < p < np.inf):
        raise ArgumentError(f"alone={alone!r}, limit={limit!r} and p={p!r} must be losses with limit <= alone, and p > 0.")
    H = np.cumsum(np.arange(1, 2 * T + 1, dtype=float) ** -p)
    return float((2 * H[T - 1] - H[-1]) * (alone - limit))


def per_sequence(constants: Published | Fit | Mapping[str, float], tokens: float) -> dict[str, float]:
    """Constants of `power_law_offset` per sequence (image, clip) of so many tokens, from those per token.

    E and A are multiplied, so x0 = A^(1/alpha), the x at which the reducible loss is one nat, by tokens^(1/alpha).
    """
    E, A, alpha = constants_of(constants)
    _tokens(tokens)
    return {"E": tokens * E, "A": tokens * A, "alpha": alpha, "x0": (tokens * A) ** (1 / alpha)}


def divergence(constants: Published | Fit | Mapping[str, float], x: ArrayLike, tokens: float = 1.0) -> np.ndarray:
    """Reducible loss at x as D_KL(data || model), in nats per sequence of so many tokens (arXiv:2010.14701, eq. 1.2).

    It is that only if E is the entropy of the data, which the infinite limit then models perfectly.

    Parameters
    ----------
    x : array_like, shape (n,), what the constants of `power_law_offset` are in.
    """
    values = per_sequence(constants, tokens)
    given = np.asarray(x, float)
    if not (given > 0).all():
        raise ArgumentError(f"x={x!r} must be positive.")
    return np.asarray(values["A"] / given ** values["alpha"])


def needed(constants: Published | Fit | Mapping[str, float], nats: float, tokens: float = 1.0) -> float:
    """The x at which the divergence is so many nats per sequence."""
    if not 0 < nats < np.inf:
        raise ArgumentError(f"nats={nats!r} must be a positive number.")
    values = per_sequence(constants, tokens)
    return float((values["A"] / nats) ** (1 / values["alpha"]))


def constants_of(constants: Any) -> tuple[float, float, float]:
    """E, A, alpha of a law E + A / x^alpha, or without E."""
    values = constants.values if isinstance(constants, Fit) else constants
    if not isinstance(values, Mapping) or not {"A", "alpha"} <= set(values) <= {"E", "A", "alpha"}:
        raise ArgumentError(f"{constants!r}: constants of power_law_offset (E, A, alpha) or power_law (A, alpha) are needed.")
    return float(values.get("E", 0.0)), float(values["A"]), float(values["alpha"])


def _tokens(tokens: float) -> None:
    if isinstance(tokens, bool) or not isinstance(tokens, int | float | np.number) or not 0 < tokens < np.inf:
        raise ArgumentError(f"tokens={tokens!r} must be a positive number of tokens per sequence.")
