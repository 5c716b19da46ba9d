"""Henighan et al. 2020, Scaling Laws for Autoregressive Generative Modeling, arXiv:2010.14701."""

from math import log
from typing import Annotated

import numpy as np

from scaling.formula import Domain, Exponent, Positive, Published, drawn, law

Critical = Annotated[float, Domain(1e-12, 1e12, log=True, grid=(1e-6, 0.1))]  # grid in sizes of the data

# table 1: name, domain, (L_inf, x0, alpha) of L(N) with N non-embedding parameters, the same of L(C) with C in PF-days,
# and (C0, beta) of N_opt(C) = (C / C0)^beta
_TABLE = (
    ("image8", "image 8x8", (3.12, 8.0e1, 0.24), (3.13, 1.8e-8, 0.19), (5.3e-14, 0.64)),
    ("image16", "image 16x16", (2.64, 2.8e2, 0.22), (2.64, 1.6e-8, 0.16), (4.8e-12, 0.75)),
    ("image32", "image 32x32", (2.20, 6.3e1, 0.13), (2.21, 3.6e-9, 0.10), (1.6e-13, 0.65)),
    ("image_vq16", "image VQ 16x16", (3.99, 2.7e4, 0.13), (4.09, 6.1e-7, 0.11), (6.2e-14, 0.64)),
    ("image_vq32", "image VQ 32x32", (3.07, 1.9e4, 0.14), (3.17, 2.6e-6, 0.12), (9.4e-13, 0.70)),
    ("text_to_image", "text to image, image part", (2.0, 5.1e3, 0.16), (1.93, 1.5e-6, 0.15), (9.4e-13, 0.70)),
    ("image_to_text", "image to text, image part", (2.0, 5.5e3, 0.15), (1.97, 1.5e-6, 0.16), (3.3e-12, 0.72)),
    ("video", "video VQ 16x16x16", (1.01, 3.7e4, 0.24), (0.95, 2.2e-5, 0.14), (1.13e-12, 0.71)),
    ("math", "math, extrapolate", (0.28, 1.1e4, 0.16), (0.14, 1.4e-5, 0.17), (2.3e-12, 0.69)),
    # rows without an irreducible loss
    ("language", "language", (0.0, 1.47e14, 0.070), (0.0, 3.47e8, 0.048), (3.3e-13, 0.73)),
    ("text_to_image_text", "text to image, text part", (0.0, 5.6e8, 0.037), None, None),
    ("image_to_text_text", "image to text, text part", (0.0, 7.0e8, 0.039), None, None),
)
OPTIMAL_SIZE = {name: optimum for name, _, _, _, optimum in _TABLE if optimum}


def _published() -> dict[str, Published]:
    out = {}
    for name, domain, of_N, of_C, _ in _TABLE:
        for x, numbers in (("N", of_N), ("C", of_C)):
            if numbers:
                E, x0, alpha = numbers
                counts = "x = non-embedding parameters" if x == "N" else "x = compute 6 N E in PF-days (8.64e19 FLOP)"
                source = f"arXiv:2010.14701, table 1, {domain} ({x}0={x0:g})"
                out[f"henighan2020_{name}_{x}"] = Published(
                    E=E, A=x0**alpha, alpha=alpha, counts=f"{counts}; loss in nats/token", source=source
                )
    out["kim2025_200m"] = Published(
        E=3.43, A=0.05 * 1e9**1.02, alpha=1.02, source="arXiv:2509.14786, size at 200M tokens (rounded)", verified=False,
        counts="x = parameters (0.05 / N^1.02 there, N in thousands of millions); loss in nats/token, regularisation tuned",
    )  # fmt: skip
    return out


@law("arXiv:2010.14701", conventions={"x": "tokens"}, published=_published())
def power_law_offset(x, *, E: Positive = 2.0, A: Positive = 10.0, alpha: Exponent = 0.3):
    """L(x) = E + A / x^alpha

    Eq. 1.1 of the paper, which writes the second, reducible term as (x0 / x)^alpha, so x0 = A^(1/alpha).

    Parameters
    ----------
    x : array_like, shape (n,), > 0: parameters, tokens, compute or steps.
    E : irreducible loss, the entropy of the data if the infinite limit models it perfectly. A : reducible loss at x = 1.

    Notes
    -----
    Fails over a range too short to bend: E is then undetermined, and published pairs of it from size and from compute differ by
    up to a factor of two. Along the steps of one run it knows nothing of the learning rate.
    """
    return E + A / x**alpha


@law(
    "arXiv:2010.14701",
    published={
        "henighan2020_gain": Published(
            lam=0.1 / log(3000), N_c=1e9 / 3000, verified=False, source="arXiv:2010.14701, section 5, text about images",
            counts="N = non-embedding parameters; the share of the text's loss that its image saves",
            note="from the two figures in the text, 10 % at 1e9 parameters and 20 % at 3e12",
        ),
    },
    predicts="information",
)  # fmt: skip
def information(N, *, lam: Positive = 0.02, N_c: Critical = 1e5):
    """I(N) = lam ln(N / N_c)

    What a model knows of one modality from another: mutual information in nats (H(text) - H(text | image)), or as a share of
    the loss alone, the information gain. When fitting, the column `loss` holds it; `procedures.information` measures it.

    Parameters
    ----------
    N : array_like, shape (n,), non-embedding parameters. lam : per e-fold of size. N_c : size that begins to know something.

    Notes
    -----
    Fails below N_c, where it is negative, and far out, where a share would exceed 1. Losses of a model that was not trained on
    both kinds of input for some 10,000 steps overstate it about twice (arXiv:2010.14701).
    """
    return lam * np.log(N / N_c)


@information.jacobian
def information_jacobian(N, *, lam, N_c):
    return {"lam": np.log(N / N_c), "N_c": -lam / N_c * np.ones_like(N)}


@information.natural
def information_natural(N):
    return {"N_c": np.exp(-np.log(N).mean())}


information.sample(drawn(N=(1e7, 1e11)))
