"""What limited data cost a plan: repeated tokens, domains mixed at other shares than there are tokens, tokens served.

How domains that repeat differently count together is this project's reading of arXiv:2305.16264: every domain's tokens lose
their worth by its own epochs, and the mix is worth as much as the one pool of unique tokens that would give as many fresh ones.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from scaling.errors import ArgumentError, LawError
from scaling.formula import Law
from scaling.numerics import root
from scaling.papers.muennighoff2023 import data_constrained, worth
from scaling.planning import asked
from scaling.planning.surface import Budget, Surface

STEP = 1e-4  # of ln N and ln D: central differences, good to a few parts in 1e8
FAR = np.log(1e8)  # how many epochs are looked at
MIXED = "every domain's tokens lose worth by its own epochs, and are worth alike before (this project's, from arXiv:2305.16264)"
END = 1e-3  # of the loss: what is left to gain when epochs end


@dataclass(frozen=True)
class Pool:
    """Unique tokens by domain, and the shares of the training tokens that each takes (None: as there are tokens)."""

    tokens: Mapping[str, float]
    shares: Mapping[str, float] | None = None

    @classmethod
    def of(cls, unique: Any, shares: Any, law: Law) -> Pool | None:
        """From what a plan was asked; None without a limit."""
        if unique is None:
            if shares is not None:
                raise ArgumentError("shares= goes with unique={'web': ..., 'code': ...}, the unique tokens of each domain.")
            return None
        if "U" not in law.inputs:
            raise LawError(f"'{law.name}' does not know what repeated tokens are worth; use 'data_constrained' with unique=.")
        if not isinstance(unique, Mapping):
            if shares is not None:
                raise ArgumentError("shares= needs the unique tokens of each domain: unique={'web': 3e11, 'code': 2e10}.")
            return cls({"": asked.number("unique", unique)})
        tokens = {str(k): asked.number(f"unique: {k}", v) for k, v in unique.items()}
        if not tokens:
            raise ArgumentError("unique={} holds no domain.")
        if shares is None:
            return cls(tokens)
        if law.name != data_constrained.name:
            raise LawError(f"law '{law.name}' knows one pool of unique tokens; shares= needs 'data_constrained'.")
        return cls(tokens, _shares(shares, tokens))

    @property
    def total(self) -> float:
        return sum(self.tokens.values())

    def epochs(self, D: Any) -> dict[str, Any]:
        """How often each domain is seen in D training tokens."""
        shares = self.shares or {k: n / self.total for k, n in self.tokens.items()}
        return {k: shares[k] * D / n for k, n in self.tokens.items()}

    def extra(self) -> dict[str, Any]:
        """The input U of a law."""
        return {"U": self.total if self.shares is None else self.equivalent}

    def equivalent(self, N: Any, D: Any, values: Mapping[str, Any]) -> Any:
        """The one pool that is worth as much as the mix after D tokens (B, k); what the mix has where nothing repeats."""
        assert self.shares is not None
        most = min(n / self.shares[k] for k, n in self.tokens.items() if self.shares[k])
        D, R = np.broadcast_arrays(np.asarray(D, float), values["R_D"])
        share = sum(worth(self.shares[k] * D, n, R) for k, n in self.tokens.items()) / D
        once = share >= 1 - 1e-12
        w, r = np.where(once, 0.5, share).ravel(), R.ravel()
        pools = root(lambda u, rows: worth(1.0, u, r[rows]) - w[rows], np.full(w.shape, 1e-300), np.ones(w.shape))
        return np.where(once, most, pools.reshape(D.shape) * D)


def _shares(shares: Any, tokens: Mapping[str, float]) -> dict[str, float]:
    if not isinstance(shares, Mapping) or not shares or {*map(str, shares)} - {*tokens}:
        raise ArgumentError(f"shares={shares!r} must give shares of the domains {', '.join(tokens)}.")
    known = {str(k): asked.number(f"shares: {k}", v, least=-1e-300, what="a share, 0 or more") for k, v in shares.items()}
    left, missing = 1 - sum(known.values()), [k for k in tokens if k not in known]
    if len(missing) == 1 and left > -1e-9:
        known[missing[0]] = max(left, 0.0)
    if {*known} != {*tokens} or abs(sum(known.values()) - 1) > 1e-6:
        raise ArgumentError(f"shares= sum to {sum(known.values()):.6g}; give every domain one, 1 in all (one may be left out).")
    return {k: known[k] for k in tokens}


def fresh(N: Any, D: Any, values: Any) -> Any:
    """Unique tokens of a run that sees every token once."""
    return D


def epochs(s: Surface, budget: Budget, found: Mapping[str, np.ndarray], pool: Pool) -> dict[str, np.ndarray]:
    """Of a planned run (B,): its epochs, those at which another stops paying, and those after which none is worth anything.

    Paying: as much compute spent on parameters instead would lower the loss more. Worth: all further epochs together gain more
    than a thousandth of the loss.
    """
    N, D = found["N"], found["D"]
    seen = pool.epochs(D)
    per = D / np.max([*seen.values()], axis=0)  # tokens of one epoch, of the domain repeated most
    ok = np.isfinite(N) & np.isfinite(per)
    N, per = np.where(ok, N, 1e9), np.where(ok, per, pool.total)
    low, high = np.log(np.minimum(per, np.where(ok, D, per))) - FAR, np.log(per) + FAR

    def gain(x: np.ndarray, rows: np.ndarray) -> np.ndarray:
        part, n, d = s.take(rows), N[rows][:, None], np.exp(x)[:, None]
        up, down = np.exp(STEP), np.exp(-STEP)
        by_D: np.ndarray = (part(n, d * down) - part(n, d * up))[:, 0]
        by_N: np.ndarray = (part(n * down, d) - part(n * up, d))[:, 0]
        cost_N = budget.flops(N[rows], d[:, 0])
        more: np.ndarray = by_D * cost_N / (cost_N - budget.flops(N[rows], 0.0)) - by_N
        return more

    last = s(N[:, None], np.exp(high)[:, None])[:, 0]

    def left(x: np.ndarray, rows: np.ndarray) -> np.ndarray:
        return np.asarray(s.take(rows)(N[rows][:, None], np.exp(x)[:, None])[:, 0] - last[rows] * (1 + END))

    always = gain(high, np.arange(len(N))) > 0
    stop = np.where(always, np.inf, np.exp(root(gain, low, high)) / per)
    out = {"epochs": D / per, "epochs_pay_to": stop, "epochs_end": np.exp(root(left, low, high)) / per}
    if pool.shares:
        out |= {f"epochs_{k}": v for k, v in seen.items()}
    return {k: np.where(ok, v, np.nan) for k, v in out.items()}
