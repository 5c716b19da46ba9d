"""This project: one law for a ladder of runs that differ in size, tokens, batch, peak rate and schedule.

Three known pieces make it. How the loss falls with size and effective tokens is a soft maximum of two power laws (the outer
exponent of arXiv:2502.08606, arXiv:2001.08361 eq. 1.5). What a rate costs while it is held, and how its drops pay off later,
is the noise integral of arXiv:2509.19189 by parts with the kernel of arXiv:2503.12811 (beta = gamma = 1/2) and a noise that
saturates in the rate. Inside a run rates count relative to the run's own peak, as what a decay gains is a function of eta /
eta_peak, nearly the same at every peak. Across runs peak and batch act by powers, a peak by its distance from the best rate of
its size, which falls as 1 / width (arXiv:2203.03466). The first updates buy little: t0 of them are taken off, smoothly. With
one size, one peak and one batch, t0 = 0, g = 1 and k = 0 it is `multi_power_5` with concave progress; with G = 1 and a held
schedule it is `chinchilla_outer`.
"""

from dataclasses import replace
from typing import Annotated

import numpy

from scaling.formula import Bending, Domain, Exponent, Positive, Prior, Unit, law
from scaling.papers.progress import saved
from scaling.schedules import schedule
from scaling.schedules.drops import RateDrops

Power = Annotated[float, Domain(0.0, 4.0)]  # of peak or batch: a wrong sign is another optimum, far off
Batch = Annotated[float, Domain(-1.0, 0.0)]  # above the critical batch (-1) progress counts updates, below it (0) tokens
Falling = Annotated[float, Domain(-4.0, 0.0)]
Share = Annotated[float, Domain(-1.0, 2.0)]

_OWN = "spec of this project: sizes 190M to 1.3B, peaks of a 124M model, and tiny models"
PRIORS = {
    "tilt": Prior(1.0, 0.15, "exponents of size and tokens are nearly equal: arXiv:2203.15556, arXiv:2404.10102"),
    "g": Prior(0.3, 0.3, _OWN),
    "z": Prior(0.4, 0.15, "rates as 1 / width, arXiv:2203.03466, and width as N^1/2 to N^1/3"),
    "r": Prior(-0.5, 0.25, f"-.4 for larger models, -.75 for tiny ones above the critical batch; {_OWN}"),
    "mp": Prior(0.6, 0.1, _OWN),
    "np": Prior(0.45, 0.15, _OWN),
    "cp": Prior(-1.0, 0.5, _OWN),
    "s": Prior(0.5, 0.2, "noise ~ eta / B: arXiv:1812.06162"),
    "k": Prior(0.35, 0.15, _OWN),
    "C": Prior(700.0, 1.0, "per horizon, as in running jobs of three families"),
    "e0": Prior(2.0, 0.4, _OWN),
    "t0": Prior(100.0, 1.0, "updates until the first transient is over, about a warm-up"),
}
SAME = 0.02  # of the logarithm: what logs round
UNKNOWN = 0.7  # sd of ln E around half of the lowest loss: E between an eighth and twice of it


@law(
    "this project",
    conventions={
        "q": 0.85, "N_ref": 1e8, "B_ref": 1e6, "T_ref": 1e10, "peak_ref": 1e-3, "peak_rule": 0.0, "batch_rule": 0.0,
        "block": 4096, "lr_floor": 1e-3,
    },
    priors=PRIORS,
)  # fmt: skip
def ladder(
    n: Bending, P: Bending, b: Bending, T: Bending, update: Bending, drops, *, E: Positive = 1.5, R_ref: Positive = 1.5,
    w: Unit = 0.5, ag: Exponent = 0.2, tilt: Positive = 1.0, g: Positive = 0.3, z: Power = 0.4, r: Batch = -0.5,
    mp: Power = 0.6, np: Power = 0.45, cp: Falling = -1.0, s: Power = 0.5, s_ref: Positive = 0.2, k: Share = 0.35,
    C: Positive = 700.0, e0: Positive = 2.0, t0: Positive = 100.0,
):  # fmt: skip
    """L = E + R + s_ref P^np b^-s (R/R_ref)^k {h(1) - sum_j [h(u_j-1) - h(u_j)] G_j}; R = R_ref [w/n^(ag/g) + (1-w)/x^(bg/g)]^g

    Effective tokens x = P^mp b^r T^2 / (T + t0 update), T = sum u^q tokens; bg = tilt ag; h(u) = u / (1 + u/e0); G_j = 1 - [1
    + C P^cp (T - T_j-1) u_j^-1/2]^-1/2; P stands for P n^z.

    Parameters
    ----------
    n, P, b, T : array_like, shape (n,), size, peak rate, batch and progress of the run so far, each over its geometric mean
        over the runs fitted. update : tokens of one update / T_ref.
    drops : RateDrops of length n, rates over the run's own peak, areas in units of T_ref over u^1/2; as peak P, as span n.
    E, R_ref : irreducible loss, and the reducible one of a run like the mean of those fitted. w : share of it that is size.
    ag, tilt : exponent of the loss in size alone; that in tokens alone over it. g : how softly one limit takes over.
    z : a peak counts by its distance from the best one of its size, which falls as n^-z. r, mp : powers of batch and peak in
        progress. s, np : in noise; cp : of the peak in the kernel. s_ref : noise, in nats.
    k : how noise follows the reducible loss. C : kernel, per T_ref. e0 : rate at which noise saturates, over the peak.
    t0 : updates that the first transient costs.

    Notes
    -----
    Fails above the best peak rate of a size, where runs become unstable, and far beyond the longest runs, as E is then not
    determined. Two sizes determine neither E nor g nor r, which their priors then say.
    """
    P = P * n**z
    Y, _, _, _ = _limits(n, P, b, T, update, w, ag, tilt, g, r, mp, t0)
    return E + R_ref * Y**g + s_ref * P**np * b**-s * Y ** (g * k) * _noise(drops, z, cp, C, e0)


def _limits(n, P, b, T, update, w, ag, tilt, g, r, mp, t0):
    """Sum Y of what size and tokens leave, the part of size, and ln n, ln x."""
    size, x = numpy.log(n), mp * numpy.log(P) + r * numpy.log(b) + 2 * numpy.log(T) - numpy.log(T + t0 * update)
    small = w * numpy.exp(-ag / g * size)
    return small + (1 - w) * numpy.exp(-ag * tilt / g * x), small, size, x


def _noise(drops, z, cp, C, e0, slopes=False):
    """Noise of the held peak less what drops have saved so far, (..., n); with `slopes` its derivatives in C and e0 too."""
    held, found = 1 / (1 + 1 / e0), saved(drops, C, e0, slopes, by_peak=cp, by_span=z)
    if not slopes:
        return held - found[0]
    return held - found[0], -found[1], held**2 / e0**2 - found[2]


@ladder.features
def ladder_features(steps, schedule, N, B, *, q, N_ref, B_ref, T_ref, peak_ref, block, lr_floor, **_):
    drops = RateDrops.before(steps, schedule, block=block, warmup_in_ld=False, lr_floor=lr_floor, power=q)
    unit, P, one = T_ref * schedule.peak**q / B, schedule.peak / peak_ref, numpy.ones(len(steps))
    drops = drops.paced(0.5, rate=schedule.peak, area=unit, level=schedule.peak)
    return {
        "n": N / N_ref * one,
        "P": P * one,
        "b": B / B_ref * one,
        "T": schedule.progress(q)[schedule.index(steps)] / unit,
        "update": B / T_ref * one,
        "drops": replace(
            drops, peak=numpy.full_like(drops.peak, P), span=numpy.full_like(drops.span, N / N_ref)
        ),  # whose powers are the pace of the kernel
    }


@ladder.units
def ladder_units(runs):
    """Geometric means over runs; the rules of peak and batch where each size has its own; half the lowest loss, about, as E."""
    mean = {name: float(numpy.exp(numpy.log(runs[name]).mean())) for name in ("N", "B", "peak", "tokens")}
    conventions = {"N_ref": mean["N"], "B_ref": mean["B"], "T_ref": mean["tokens"], "peak_ref": mean["peak"]}
    conventions |= {"peak_rule": _rule(runs["N"], runs["peak"]), "batch_rule": _rule(runs["N"], runs["B"])}
    return conventions, {"E": Prior(0.5 * float(runs["loss"].min()), UNKNOWN, "half of the lowest loss")}


def _rule(N, values):
    """The power of size that values go with, where each size has one; 0 where they vary by themselves, or not at all."""
    size, value = numpy.log(N), numpy.log(values)
    alone = all(numpy.ptp(value[size == one]) < SAME for one in numpy.unique(size))
    return float(numpy.polyfit(size, value, 1)[0]) if alone and min(numpy.ptp(size), numpy.ptp(value)) > SAME else 0.0


@ladder.usual
def ladder_usual(N, *, N_ref, B_ref, peak_ref, peak_rule, batch_rule, **_):
    return {"B": B_ref * (N / N_ref) ** batch_rule, "peak": peak_ref * (N / N_ref) ** peak_rule}


@ladder.reach
def ladder_reach():
    return {"E": ("N", "D"), "mp": ("peak",), "r": ("B",)}


@ladder.needs
def ladder_needs(n, P, b, T, update, drops):
    if numpy.ptp(n) <= 1e-9 * n.max():
        return ["all runs have one size, so nothing says how the loss falls with it: add another, or fit a law of schedules"]
    if not numpy.any(drops.d):
        return ["no run lowers its learning rate, so nothing says what annealing saves: add a run that does"]
    return []


@ladder.sample
def ladder_sample(rng, n):
    """Late rows of four runs, two sizes under two schedules, with a peak and a batch of their own."""
    parts = []
    for i, rows in enumerate(numpy.array_split(numpy.arange(n), 4)):
        plan = schedule("wsd:steps=2000,warmup=100,decay=0.3,shape=linear,final=0.1", peak=(1e-3, 2e-3)[i // 2])
        steps = numpy.sort(rng.choice(numpy.arange(1000, 2001), len(rows), replace=False))
        facts = (5e7, 2e8)[i % 2], (5e5, 1e6)[i // 2]
        parts.append(ladder_features(steps, plan, *facts, **{**ladder.conventions, "T_ref": 1e9}))
    return {k: (RateDrops if k == "drops" else numpy).concatenate([part[k] for part in parts]) for k in parts[0]}


@ladder.components
def ladder_components(n, P, b, T, update, drops, *, E, R_ref, w, ag, tilt, g, z, r, mp, np, cp, s, s_ref, k, C, e0, t0):
    P = P * n**z
    Y, _, _, _ = _limits(n, P, b, T, update, w, ag, tilt, g, r, mp, t0)
    noise = s_ref * P**np * b**-s * Y ** (g * k) * _noise(drops, z, cp, C, e0)
    return {"irreducible": E, "size and tokens": R_ref * Y**g, "noise": noise}


@ladder.derived
def ladder_derived(*, ag, tilt, **_):
    """Exponent of the loss in tokens alone, and those of compute in the best size and tokens."""
    return {"bg": ag * tilt, "a_opt": tilt / (1 + tilt), "b_opt": 1 / (1 + tilt)}


@ladder.jacobian
def ladder_jacobian(n, P, b, T, update, drops, *, E, R_ref, w, ag, tilt, g, z, r, mp, np, cp, s, s_ref, k, C, e0, t0):
    P = P * n**z
    Y, small, size, x = _limits(n, P, b, T, update, w, ag, tilt, g, r, mp, t0)
    peak, batch, lnY = numpy.log(P), numpy.log(b), numpy.log(Y)
    share, gain = small / Y, numpy.exp(np * peak - s * batch + g * k * lnY)
    R, (Z, Z_C, Z_e0) = R_ref * numpy.exp(g * lnY), _noise(drops, z, cp, C, e0, slopes=True)
    noise = s_ref * gain * Z
    both = R + k * noise  # what a change of ln R does to the loss
    deeper, shallow = both * (1 - share) * ag * tilt, share * size + (1 - share) * tilt * x
    by_peak = noise * np - deeper * mp + s_ref * gain * Z_C * C * cp
    return {
        "E": numpy.ones_like(R), "z": by_peak * size, "R_ref": R / R_ref, "w": both * g * (share / w - (1 - share) / (1 - w)),
        "ag": -both * shallow, "tilt": -both * (1 - share) * ag * x, "g": both * (lnY + ag / g * shallow),
        "r": -deeper * batch, "mp": -deeper * peak, "np": noise * peak, "cp": s_ref * gain * Z_C * C * peak,
        "s": -noise * batch, "s_ref": gain * Z, "k": noise * g * lnY, "C": s_ref * gain * Z_C, "e0": s_ref * gain * Z_e0,
        "t0": deeper * update / (T + t0 * update),
    }  # fmt: skip
