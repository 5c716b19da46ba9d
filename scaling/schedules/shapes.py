"""Schedule formulas: the multiplier m(s) of the peak rate at update s, in float64.

Update s is 0-based and runs to N-1; the rate of update s is peak * m(s). Warm-up lasts W updates, an absolute
number, so that runs of different length share it bit by bit. Each shape gives m for s >= W; its keyword-only
arguments are the keys of the text form. r = `final` is the rate at the end as a fraction of the peak; the
last update has progress p < 1, so r itself is not reached.
"""

from collections.abc import Callable

import numpy as np

from scaling.errors import ScheduleError

Array = np.ndarray
MOST_UPDATES = 10**8  # of a run: the rates of all are held in memory
MOST_RESTARTS = 10**5

# Rising part f(s, W), s < W. Libraries differ by one update here, and constants fitted to curves notice.
#   linear      torchtitan, nanochat; our default: the first rate is peak/W, update W-1 has the peak
#   from_zero   Hugging Face, lingua, litgpt, Megatron: the first rate is 0
#   plus_one    nanoGPT
#   linspace    MultiPowerLaw: 0 and the peak both belong to the warm-up
#   cosine, 1-sqrt   Hugging Face warmup_stable_decay
WARMUPS: dict[str, Callable[[Array, int], Array]] = {
    "linear": lambda s, W: (s + 1) / W,
    "from_zero": lambda s, W: s / W,
    "plus_one": lambda s, W: (s + 1) / (W + 1),
    "linspace": lambda s, W: np.linspace(0, 1, W),
    "cosine": lambda s, W: (1 - np.cos(np.pi * s / W)) / 2,
    "1-sqrt": lambda s, W: 1 - np.sqrt(1 - s / W),
}

# Falling part f(p, r), progress p in [0, 1).
#   1-sqrt      called "sqrt" by torchtitan, "minus_sqrt" by Megatron
#   reciprocal  lingua, arXiv 2410.05192
#   megatron_exponential   what Megatron calls "exponential": a different curve from r^p
DECAYS: dict[str, Callable[[Array, float], Array]] = {
    "linear": lambda p, r: r + (1 - r) * (1 - p),
    "1-sqrt": lambda p, r: r + (1 - r) * (1 - np.sqrt(p)),
    "cosine": lambda p, r: r + (1 - r) * (1 + np.cos(np.pi * p)) / 2,
    "exponential": lambda p, r: r**p,
    "1-square": lambda p, r: r + (1 - r) * (1 - p**2),
    "mirror_cosine": lambda p, r: 2 * (r + (1 - r) * (1 - p)) - (r + (1 - r) * (1 + np.cos(np.pi * p)) / 2),
    "reciprocal": lambda p, r: 1 / (p / r + 1 - p),
    "megatron_exponential": lambda p, r: r + (1 - r) * (2 * 0.5**p - 1),
}
NEEDS_FINAL = ("exponential", "reciprocal")


def _decay(shape: str, p: Array, r: float) -> Array:
    if shape in NEEDS_FINAL and r <= 0:
        raise ScheduleError(f"decay shape {shape!r} needs final > 0 (a fraction of the peak): it never reaches 0")
    return DECAYS[shape](p, r)


def _start(N: int, decay: float) -> int:
    """First update of a decay given as a fraction of N (<= 1) or as a number of updates (> 1)."""
    if not 0 <= decay <= N:
        raise ScheduleError(f"decay={decay:g} must be a fraction of the run or a number of updates up to {N}")
    return N - round(decay * N if decay <= 1 else decay)


def _progress(s: Array, start: int, end: int) -> Array:
    if end <= start:
        raise ScheduleError(f"the decay ends at update {end}, before it starts at {start}; shorten the warm-up")
    return np.clip((s - start) / (end - start), 0, 1)


def _stable_then(s: Array, start: int, end: int, W: int, shape: str, r: float) -> Array:
    if start < W:
        raise ScheduleError(f"the decay starts at update {start}, inside the warm-up of {W}; shorten one")
    if start == end:
        return np.ones_like(s)
    return np.where(s >= start, _decay(shape, _progress(s, start, end), r), 1.0)


def constant(s: Array, N: int, W: int) -> Array:
    return np.ones_like(s)


def linear(s: Array, N: int, W: int, *, final: float = 0.0, horizon: int | None = None) -> Array:
    return DECAYS["linear"](_progress(s, W, horizon or N), final)


def cosine(s: Array, N: int, W: int, *, final: float = 0.0, horizon: int | None = None) -> Array:
    """`horizon` is where the cosine ends (default: the run's end); after it the rate stays at `final`."""
    return DECAYS["cosine"](_progress(s, W, horizon or N), final)


def cosine_restarts(
    s: Array, N: int, W: int, *, cycles: float | None = None, period: int | None = None, growth: float = 1.0,
    final: float = 0.0,
) -> Array:  # fmt: skip
    """Warm restarts (arXiv 1608.03983): `cycles` equal ones, or of `period` updates growing by `growth`."""
    if (cycles is None) == (period is None):
        raise ScheduleError("cosine_restarts needs either cycles (how many) or period (updates of the first one)")
    if cycles is not None:
        return DECAYS["cosine"]((cycles * (s - W) / (N - W)) % 1, final)
    if not period or growth < 1:
        raise ScheduleError(f"cosine_restarts needs period, growth >= 1; got period={period}, growth={growth:g}")
    ends = [W + float(period)]
    while ends[-1] < N:
        if len(ends) > MOST_RESTARTS:
            raise ScheduleError(f"cosine_restarts: period={period} makes over {MOST_RESTARTS} restarts; make it longer")
        ends.append(ends[-1] + period * growth ** len(ends))
    starts = np.array([float(W), *ends[:-1]])
    i = np.searchsorted(starts, s, side="right") - 1
    return DECAYS["cosine"]((s - starts[i]) / (np.array(ends)[i] - starts[i]), final)


def inverse_sqrt(s: Array, N: int, W: int, *, timescale: float | None = None, final: float = 0.0) -> Array:
    """1/sqrt((s + t - W)/t) with timescale t (default W), never below `final`."""
    t = W if timescale is None else timescale
    if t <= 0:
        raise ScheduleError("inverse_sqrt needs warmup or timescale (updates): where the fall begins")
    return np.maximum(1 / np.sqrt((s + t - W) / t), final)


def polynomial(s: Array, N: int, W: int, *, power: float, final: float = 0.0, horizon: int | None = None) -> Array:
    return final + (1 - final) * (1 - _progress(s, W, horizon or N)) ** power


def exponential(s: Array, N: int, W: int, *, final: float, horizon: int | None = None) -> Array:
    return _decay("exponential", _progress(s, W, horizon or N), final)


def multi_step(s: Array, N: int, W: int, *, milestones: tuple[int, ...], factors: tuple[float, ...]) -> Array:
    """From update milestones[i] on, the rate is multiplied by factors[i] (one serves all)."""
    factors = factors * len(milestones) if len(factors) == 1 else factors
    if len(factors) != len(milestones):
        raise ScheduleError(f"multi_step has {len(milestones)} milestones, {len(factors)} factors; give one each")
    m = np.ones_like(s)
    for milestone, factor in zip(milestones, factors, strict=True):
        m[s >= milestone] *= factor
    return m


def wsd(s: Array, N: int, W: int, *, decay: float = 0.2, shape: str = "linear", final: float = 0.0) -> Array:
    """Warm-up, stable, decay. `decay`: fraction of the run, or a number of updates if above 1."""
    return _stable_then(s, _start(N, decay), N, W, shape, final)


def wsd_s(
    s: Array, N: int, W: int, *, periods: tuple[int, ...], decay: float = 0.1, shape: str = "linear",
    final: float = 0.0, levels: tuple[float, ...] = (1.0,),
) -> Array:  # fmt: skip
    """Stable/decay periods of `periods` updates each; `levels` are their stable rates over the peak."""
    levels = levels * len(periods) if len(levels) == 1 else levels
    if sum(periods) != N or len(levels) != len(periods):
        raise ScheduleError(
            f"wsd_s: periods must add to steps={N}, got {sum(periods)}; and {len(periods)} periods need as "
            f"many levels (or one), got {len(levels)}"
        )
    m, begin = np.empty_like(s), 0
    for length, level in zip(periods, levels, strict=True):
        here = (s >= begin) & (s < begin + length)
        start = begin + _start(length, decay)
        m[here] = level * _stable_then(s[here], start, begin + length, max(W, begin), shape, final)
        begin += length
    return m


def cyclic(s: Array, N: int, W: int, *, cycle: int, up: float = 0.5, final: float = 0.0) -> Array:
    """Triangle from `final` to 1 and back in `cycle` updates; the rise takes the fraction `up` of them."""
    if cycle < 1 or not 0 < up < 1:
        raise ScheduleError(f"cyclic needs cycle >= 1 and 0 < up < 1, got cycle={cycle}, up={up:g}")
    phase = s / cycle % 1
    return final + (1 - final) * np.where(phase < up, phase / up, (1 - phase) / (1 - up))


def power(
    s: Array, N: int, W: int, *, a: float, b: float, batch_tokens: float, decay: float = 0.0,
    shape: str = "linear", final: float = 0.0,
) -> Array:  # fmt: skip
    """min(1, a * tokens^b), tokens = s * batch_tokens seen before the update; then a decay as in `wsd`."""
    if a <= 0 or b >= 0 or batch_tokens <= 0:
        raise ScheduleError(f"power needs a > 0 > b and batch_tokens > 0; got a={a:g}, b={b:g}, {batch_tokens:g}")
    start = _start(N, decay)
    with np.errstate(divide="ignore"):  # no tokens before update 0: the bound is infinite there
        bound = a * (np.minimum(s, start) * batch_tokens) ** b
    decayed: Array = np.minimum(1.0, bound) * _stable_then(s, start, N, W, shape, final)
    return decayed


def two_stage(s: Array, N: int, W: int, *, switch: int, then: float) -> Array:
    """Step-down: the peak for s < switch, then `then`, in the text form a rate, here that over the peak."""
    if switch < W:
        raise ScheduleError(f"two_stage switches at update {switch}, inside the warm-up of {W}")
    return np.where(s < switch, 1.0, then)


SHAPES: dict[str, Callable[..., Array]] = {
    f.__name__: f
    for f in (
        constant, linear, cosine, cosine_restarts, inverse_sqrt, polynomial, exponential, multi_step, wsd,
        wsd_s, cyclic, power, two_stage,
    )
}  # fmt: skip
