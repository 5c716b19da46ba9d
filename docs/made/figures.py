"""A figure of each law: the formula at its constants, or, for laws of learning rates, a fit to runs of this project."""

import io
import warnings
from functools import cache

import numpy as np

import scaling
from made.checked import ROOT
from scaling.formula import Law

LEVELS = 4


def figure(law: Law) -> tuple[bytes, str]:
    """An SVG and its caption."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import matplotlib as mpl

        mpl.use("Agg")
        axes, caption = fitted(law) if law.over_schedules else drawn(law)
        root, made = scaling.plots.figure_of(axes), io.BytesIO()
        mpl.rcParams["svg.hashsalt"] = "scaling"
        root.savefig(made, format="svg", metadata={"Date": None})
        mpl.pyplot.close(root)
    return made.getvalue(), caption


@cache
def runs(folder: str):
    """Runs of this project."""
    return scaling.read(ROOT / "runs" / folder)


def fitted(law: Law):
    """A law of schedules fitted to runs of this project, and what it forecasts."""
    if law.hooks.facts:
        one = "d_model == 24 and steps == 3200 and batch == 16" if law.name == "peaks" else "d_model < 64 and steps <= 3200"
        fit = scaling.fit(runs("ladder"), law, where=one)
        if law.name == "peaks":
            return scaling.plots.curve(
                fit, runs("ladder").select(one)
            ), "Fitted to runs of one size at several peak rates (`runs/ladder`)."
        return scaling.plots.forecast(fit, runs("ladder")["d96-cosine"]), (
            "Fitted to runs of up to 71k parameters (`runs/ladder`); forecast of one of 252k, and what happened (hollow)."
        )
    data = runs("").select("d_model == 32")
    fit = scaling.fit(data.select("role == 'short'"), law, min_step=800)
    return scaling.plots.forecast(fit, data.select("role == 'long'")), (
        "Fitted to five runs of 3,200 updates (`runs/curves/d32-*`); forecast of one three times as long, and what happened "
        "(hollow)."
    )


def drawn(law: Law):
    """The formula over its first input, at a few values of the second, the others in the middle."""
    import matplotlib.pyplot as plt

    name, constants = next(iter(law.published.items()), (None, {k: p.start for k, p in law.params.items()}))
    rng = np.random.default_rng(0)
    sample = law.hooks.sample or (lambda rng, n: {i: np.exp(rng.uniform(np.log(1e7), np.log(1e10), n)) for i in law.inputs})
    seen = {k: np.broadcast_to(np.asarray(v, float), 200) for k, v in flat(law, sample(rng, 200)).items()}
    shares = [n for group in law.shares for n in group] or [n for n in law.inputs if law.domains and n not in ("N", "D")]
    first = next((n for n in law.inputs if n not in shares), None)
    with plt.style.context(ROOT / "scaling/plots/scaling.mplstyle"):
        _, ax = plt.subplots(figsize=(5.6, 3.6))
        if first is None or law.shares:
            over_shares(law, constants, seen, shares, ax)
        else:
            over_numbers(law, constants, seen, first, shares, ax)
        ax.set_ylabel(law.predicts)
        if len(ax.lines) > 1:
            ax.legend(fontsize=8)
    at = f"the constants `{name}`" if name else "plain starting values, as nobody published constants"
    return ax, f"The formula at {at}."


def flat(law: Law, values: dict) -> dict:
    """Inputs by their flat names, h_1 for the first of h."""
    if set(values) == set(law.inputs):
        return values
    out = {}
    for name, x in values.items():
        out |= {f"{name}_{d}": part for d, part in zip(law.domains, x, strict=True)} if isinstance(x, tuple) else {name: x}
    return out


def over_numbers(law: Law, constants, seen, first, onehot, ax) -> None:
    """Lines over one input."""
    second = next((n for n in law.inputs if n != first and n not in onehot), None)
    lo, hi = seen[first].min(), seen[first].max()
    wide = lo > 0 and hi / lo > 8
    x = np.geomspace(lo, hi, 120) if wide else np.linspace(lo, hi, 120)
    rest = {n: np.full(120, np.median(seen[n])) for n in law.inputs if n not in (first, *onehot)}
    if onehot:
        choices = [(d, {n: np.full(120, float(n.endswith(f"_{d}"))) for n in onehot}) for d in law.domains]
    elif second:
        levels = np.unique(np.quantile(seen[second], np.linspace(0.1, 0.9, LEVELS), method="nearest"))
        choices = [(f"{second} = {v:.3g}", {second: np.full(120, v)}) for v in levels]
    else:
        choices = [("", {})]
    for (label, given), colour in zip(choices, scaling.plots.style.palette(len(choices), ordered=True), strict=True):
        named = {first: x, **rest, **given}
        ax.plot(x, law(*(named[n] for n in law.inputs), **constants), label=label, color=colour)
    ax.set_xlabel(f"{law.conventions.get(first, first)}")
    if wide:
        ax.set_xscale("log")


def over_shares(law: Law, constants, seen, shares, ax) -> None:
    """A line for each domain: its share from none to all, the others alike."""
    s = np.linspace(0.01, 0.98, 120)
    for d, name in zip(law.domains, shares, strict=False):
        given = {n: s if n == name else (1 - s) / (len(law.domains) - 1) for n in shares}
        rest = {n: np.full(120, np.median(seen[n])) for n in law.inputs if n not in shares}
        ax.plot(s, law(*({**given, **rest}[n] for n in law.inputs), **constants), label=f"domain {d}")
    ax.set_xlabel("share of one domain, the others alike")
