"""Ghorbani et al. 2021, Scaling Laws for Neural Machine Translation, arXiv:2109.07740."""

from typing import Annotated

import numpy as np

from scaling.formula import Domain, Exponent, Positive, drawn, law

Knee = Annotated[float, Domain(0.0, np.inf, log=True, grid=(0.3, 1.5))]


@law("arXiv:2109.07740")
def encoder_decoder(N_e, N_d, *, L_inf: Positive = 1.0, A: Positive = 100.0, p_e: Exponent = 0.2, p_d: Exponent = 0.3):
    """L(N_e, N_d) = L_inf + A / (N_e^p_e N_d^p_d)

    The paper writes alpha (Nbar_e / N_e)^p_e (Nbar_d / N_d)^p_d around a baseline of sizes Nbar, so A = alpha Nbar_e^p_e
    Nbar_d^p_d; `reduction_at` gives alpha. Its exponents stand in a figure alone, so no constants are shipped.

    Parameters
    ----------
    N_e, N_d : array_like, shape (n,), parameters of encoder and decoder, without embeddings and softmax.
    L_inf : irreducible loss. A, p_e, p_d : reducible loss.

    Notes
    -----
    Fails far from the ratios fitted, as an encoder that grows makes up for any decoder here, and where runs differ in their
    tokens: it has no term of data.
    """
    return L_inf + A / (N_e**p_e * N_d**p_d)


@encoder_decoder.optimum
def encoder_decoder_optimum(C, *, L_inf, A, p_e, p_d):
    """Best split of C = N_e + N_d parameters: in proportion to the exponents, at every size."""
    N_e, N_d = p_e * C / (p_e + p_d), p_d * C / (p_e + p_d)
    return {"N_e": N_e, "N_d": N_d, "loss": encoder_decoder(N_e, N_d, L_inf=L_inf, A=A, p_e=p_e, p_d=p_d)}


def reduction_at(N_e: float, N_d: float, *, A: float, p_e: float, p_d: float, **_) -> float:
    """alpha of the paper: what can still be gained from a baseline of these sizes by growing without limit.

    Parameters
    ----------
    N_e, N_d, A, p_e, p_d : as in `encoder_decoder`, whose other constants may be passed too.
    """
    return float(A / (N_e**p_e * N_d**p_d))


@law("arXiv:2109.07740", predicts="BLEU")
def bleu_target(L, *, c: Positive = 50.0, p: Exponent = 0.5):
    """BLEU = c / L^p

    For test sets whose target side is the original text: quality follows the loss. `loss` of a fit is the BLEU score.

    Parameters
    ----------
    L : array_like, shape (n,), > 0, loss on the test set.

    Notes
    -----
    Fails on test sets whose source side is the original, where BLEU stops rising: `bleu_source`; and between models whose
    encoders differ in share, as larger ones have the better BLEU at one loss.
    """
    return c / L**p


@law("arXiv:2109.07740", predicts="BLEU")
def bleu_source(L, *, c: Positive = 50.0, p: Exponent = 0.5, knee: Knee = 1.5):
    """BLEU = c / max(L, knee)^p

    For test sets whose source side is the original text: below a threshold the loss keeps falling while BLEU no longer
    rises. The paper shows this in a figure; the sharp knee is our way to write it.

    Parameters
    ----------
    L : array_like, shape (n,), > 0, loss on the test set. knee : loss below which BLEU stands still.

    Notes
    -----
    Fails to determine the knee where no row lies below it, and between models whose encoders differ in share, as larger ones
    have the better BLEU at one loss.
    """
    return c / np.where(np.real(L - knee) > 0, L, knee + 0 * L) ** p


@bleu_source.natural
def bleu_source_natural(L, *, p):
    size = np.exp(np.log(L).mean())
    return {"c": size**-p, "knee": 1 / size}


bleu_source.sample(drawn(L=lambda rng, n: rng.uniform(1.0, 4.0, n)))
