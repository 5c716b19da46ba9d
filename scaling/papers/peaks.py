"""This project: `progress` for one model at several peak rates and batches, in the rates of each run over its own peak."""

from dataclasses import replace

import numpy

from scaling.formula import Bending, Exponent, Positive, Prior, Unit, law
from scaling.papers.ladder import PRIORS, Batch, Falling, Power
from scaling.papers.progress import saved
from scaling.schedules import schedule
from scaling.schedules.drops import RateDrops


@law(
    "this project",
    conventions={"q": 0.8, "B_ref": 1e6, "T_ref": 1e10, "peak_ref": 1e-3, "block": 1024, "lr_floor": 1e-3},
    priors={
        **{name: PRIORS[name] for name in ("r", "mp", "np", "cp", "s", "C")},
        "e0": Prior(2.3, 0.2, "curves of one peak fitted alone: 25M, 100M, 124M at three peaks, tiny models"),
        "k": Prior(0.15, 0.1, "as of `progress`"),
    },
)
def peaks(
    P: Bending, b: Bending, T: Bending, drops, *, L0: Positive = 2.5, R_ref: Positive = 0.5, alpha: Exponent = 0.5,
    r: Batch = -0.5, mp: Power = 0.6, np: Power = 0.45, cp: Falling = -1.0, s: Power = 0.5, s_ref: Positive = 0.2,
    k: Unit = 0.15, C: Positive = 700.0, e0: Positive = 2.3,
):  # fmt: skip
    """L = L0 + R + s_ref P^np b^-s (R/R_ref)^k {h(1) - sum_j [h(u_j-1) - h(u_j)] G_j}; R = R_ref (P^mp b^r T)^-alpha

    h(u) = u / (1 + u/e0); G_j = 1 - [1 + C P^cp (T - T_j-1) u_j^(1/2-q)]^-1/2; u the rate over the run's own peak.

    Parameters
    ----------
    P, b, T : array_like, shape (n,), peak rate, batch and progress of the run so far (sum of u^q tokens), each over its
        geometric mean over the runs fitted.
    drops : RateDrops of length n, rates over the run's own peak, areas in units of T_ref over u^(q-1/2), and as peak P.
    L0, R_ref, alpha : power law in progress, R_ref the reducible loss of a run like the mean of those fitted.
    r, mp : powers of batch and peak in progress. s, np : in noise. cp : of the peak in the kernel. s_ref : noise, in nats.
    k : how noise follows the reducible loss. C : kernel, per T_ref. e0 : rate at which noise saturates, over the peak.

    Notes
    -----
    Fails above the best peak, where runs become unstable: not described. Two peaks leave mp, np and cp to their priors, one
    leaves all three.

    `ladder` at one size. What a decay gains is a function of eta / eta_peak, nearly the same at every peak, while peaks and
    batches act by powers. Checked on 124M models at three peaks (benchmarks/forecasts/peaks.py).
    """
    R = R_ref * (P**mp * b**r * T) ** -alpha
    return L0 + R + s_ref * P**np * b**-s * (R / R_ref) ** k * (1 / (1 + 1 / e0) - saved(drops, C, e0, by_peak=cp)[0])


@peaks.features
def peaks_features(steps, schedule, B, *, q, B_ref, T_ref, peak_ref, block, lr_floor):
    drops = RateDrops.before(steps, schedule, block=block, warmup_in_ld=False, lr_floor=lr_floor, power=q)
    unit, P, one = T_ref * schedule.peak**q / B, schedule.peak / peak_ref, numpy.ones(len(steps))
    drops = drops.paced(q - 0.5, rate=schedule.peak, area=unit, level=schedule.peak)
    made = {"P": P * one, "b": B / B_ref * one, "T": schedule.progress(q)[schedule.index(steps)] / unit}
    return {**made, "drops": replace(drops, peak=numpy.full_like(drops.peak, P))}  # whose power is the kernel's pace


@peaks.units
def peaks_units(runs):
    """Geometric means over runs."""
    mean = {name: float(numpy.exp(numpy.log(runs[name]).mean())) for name in ("B", "peak", "tokens")}
    return {"B_ref": mean["B"], "T_ref": mean["tokens"], "peak_ref": mean["peak"]}, {}


@peaks.reach
def peaks_reach():
    return {"mp": ("peak",), "r": ("B",)}


@peaks.usual
def peaks_usual(N=None, *, B_ref, **_):
    return {"B": B_ref}


@peaks.sample
def peaks_sample(rng, n):
    """Late rows of four runs: two peaks and two batches, two schedules of each."""
    parts = []
    for i, rows in enumerate(numpy.array_split(numpy.arange(n), 4)):
        plan = schedule(
            f"wsd:steps=2000,warmup=100,decay={(0.3, 0.6)[i % 2]},shape=linear,final=0.1", peak=(1e-3, 2e-3)[i // 2]
        )
        steps = numpy.sort(rng.choice(numpy.arange(600, 2001), len(rows), replace=False))
        parts.append(peaks_features(steps, plan, (5e5, 1e6)[i // 2], **{**peaks.conventions, "T_ref": 1e9}))
    return {k: (RateDrops if k == "drops" else numpy).concatenate([part[k] for part in parts]) for k in parts[0]}


@peaks.components
def peaks_components(P, b, T, drops, *, L0, R_ref, alpha, r, mp, np, cp, s, s_ref, k, C, e0):
    R = R_ref * (P**mp * b**r * T) ** -alpha
    return {
        "L0": L0,
        "progress": R,
        "noise": s_ref * P**np * b**-s * (R / R_ref) ** k * (1 / (1 + 1 / e0) - saved(drops, C, e0, by_peak=cp)[0]),
    }


@peaks.jacobian
def peaks_jacobian(P, b, T, drops, *, L0, R_ref, alpha, r, mp, np, cp, s, s_ref, k, C, e0):
    peak, batch = numpy.log(P), numpy.log(b)
    x = mp * peak + r * batch + numpy.log(T)
    R, held = R_ref * numpy.exp(-alpha * x), 1 / (1 + 1 / e0)
    effect, by_C, by_e0 = saved(drops, C, e0, slopes=True, by_peak=cp)
    gain = numpy.exp(np * peak - s * batch - k * alpha * x)
    left, noise = held - effect, s_ref * gain * (held - effect)
    both = R + k * noise  # what a change of ln R does to the loss
    return {
        "L0": numpy.ones_like(R), "R_ref": R / R_ref, "alpha": -both * x, "r": -alpha * both * batch, "np": noise * peak,
        "mp": -alpha * both * peak, "cp": -s_ref * gain * by_C * C * peak, "s": -noise * batch, "s_ref": gain * left,
        "k": -noise * alpha * x, "C": -s_ref * gain * by_C, "e0": s_ref * gain * (held**2 / e0**2 - by_e0),
    }  # fmt: skip
