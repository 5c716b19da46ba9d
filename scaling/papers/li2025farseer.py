"""Li et al. 2025, Predictable Scale Part II: Farseer, A Refined Scaling Law in Large Language Models, arXiv:2506.10972."""

from typing import Annotated

import numpy as np

from scaling.formula import Domain, Published, Real, drawn, law

# below 1e-3 the power of N has become its logarithm
Power = Annotated[float, Domain(1e-3, 2.0, grid=(0.02, 0.5))]
Minus = Annotated[float, Domain(-2.0, -1e-3, grid=(-0.5, -0.02))]


@law(
    "arXiv:2506.10972",
    published={
        "li2025": Published(
            E=3.133347, s=-0.062465, q=0.13, S=0.128488, B=230.7344, b=-0.1729, Q=-1.544210, A=-1.665631, a=0.0459,
            source="benchmark code of arXiv:2604.22753 (PlanarG/active-sl), raw counts of N and D",
            counts="N = non-embedding parameters, D = tokens; loss below 1 (bits per character, not nats/token)",
        ),
    },
)  # fmt: skip
def farseer(
    N, D, *, s: Real = -0.06, q: Power = 0.13, S: Real = 0.13, B: Real = 230.0, b: Minus = -0.17, Q: Real = -1.5,
    A: Real = -1.7, a: Power = 0.046, E: Real = 3.1,
):  # fmt: skip
    """L(N, D) = exp(s N^q + S) + exp(B N^b + Q) / D^exp(A N^a + E)

    Both the amplitude and the exponent of the data term depend on the size, so that D must be counted in tokens: in another
    unit this is another law. N may be counted in any.

    Parameters
    ----------
    N : array_like, shape (n,), parameters. D : array_like, shape (n,), training tokens.
    s, q, S : loss at infinite data, a stretched exponential in N. B, b, Q : amplitude of the data term.
    A, a, E : exponent of the data term.

    Notes
    -----
    Fails on small or noisy tables, where nine parameters can run off, and with D in another unit than tokens. Its constants are
    of a loss below 1, in bits per character.
    """
    return np.exp(s * N**q + S) + np.exp(B * N**b + Q - np.exp(A * N**a + E) * np.log(D))


@farseer.jacobian
def farseer_jacobian(N, D, *, s, q, S, B, b, Q, A, a, E):
    """Both terms times the slopes of their exponents."""
    n, d = np.log(N), np.log(D)
    Nq, Nb, Na = np.exp(q * n), np.exp(b * n), np.exp(a * n)
    falls = np.exp(A * Na + E) * d
    whole, data = np.exp(s * Nq + S), np.exp(B * Nb + Q - falls)
    return {
        "s": whole * Nq, "q": whole * s * Nq * n, "S": whole,
        "B": data * Nb, "b": data * B * Nb * n, "Q": data,
        "A": -data * falls * Na, "a": -data * falls * A * Na * n, "E": -data * falls,
    }  # fmt: skip


@farseer.straight
def farseer_straight(N, D):
    """Value and slope of the three functions of ln N at the data's middle, the data term's taken at its middle in ln D."""
    n, d = np.log(N).mean(), np.log(D).mean()

    def to(p):
        data = np.exp(p["E"])  # exponent of D at the middle
        rise = p["B"] + data * p["A"] * d
        return {
            **p,
            "s": p["s"] / (p["q"] * np.exp(p["q"] * n)),
            "S": p["S"] - p["s"] / p["q"],
            "B": rise / (p["b"] * np.exp(p["b"] * n)),
            "Q": p["Q"] + data * d - rise / p["b"],
            "A": p["A"] / (p["a"] * np.exp(p["a"] * n)),
            "E": p["E"] - p["A"] / p["a"],
        }

    def back(p):
        grown = {k: np.exp(p[k] * n) for k in "qba"}
        E, slope = p["A"] * grown["a"] + p["E"], p["A"] * p["a"] * grown["a"]
        return {
            **p,
            "s": p["s"] * p["q"] * grown["q"],
            "S": p["s"] * grown["q"] + p["S"],
            "B": p["B"] * p["b"] * grown["b"] - np.exp(E) * slope * d,
            "Q": p["B"] * grown["b"] + p["Q"] - np.exp(E) * d,
            "A": slope,
            "E": E,
        }

    return to, back


farseer.sample(drawn(N=(1e8, 6e9), D=(2e9, 4e11)))


@farseer.contains("chinchilla")
def farseer_contains(N, D, *, E, A, B, alpha, beta):
    """Its E + A / N^alpha as exp(s N^q + S), by least squares of logarithms; a data term alike for all N."""
    starts = []
    for q in (0.05, 0.13, 0.3):
        x, y = N**q, np.log(E + A / N**alpha)
        away = x - x.mean()  # few sizes near one another: a slope about their middle, and none where they are the same
        s = float(away @ y / max(away @ away, 1e-300))
        S = float(y.mean() - s * x.mean())
        for b in (-0.3, -0.15) if B > 0 and beta > 0 else ():
            size, data = {"s": s, "q": q, "S": S}, {"B": 0.0, "b": b, "Q": np.log(B)}
            starts.append({**size, **data, "A": 0.0, "a": 0.05, "E": np.log(beta)})
    return starts
