"""Gordon, Duh and Kaplan 2021, Data and Parameter Scaling Laws for NMT, doi:10.18653/v1/2021.emnlp-main.478."""

from numpy import exp, log, ones_like

from scaling.formula import Exponent, Positive, Published, drawn, law

_COUNTS = "N = non-embedding parameters of encoder and decoder, D = bytes of training text; loss ent_dev as logged"
_SOURCE = "refit of the public runs (mitchellgordon95/mt-scaling) by the authors' protocol; not printed there"


def _refit(a_N: float, N_C: float, a_D: float, D_C: float, se_N: float, se_D: float) -> Published:
    return Published(a_N=a_N, N_C=N_C, a_D=a_D, D_C=D_C, source=_SOURCE, counts=_COUNTS, errors={"a_N": se_N, "a_D": se_D})


@law(
    "doi:10.18653/v1/2021.emnlp-main.478",
    published={
        "gordon2021_ruen": _refit(0.10931, 2.4427e9, 0.38048, 5.0685e8, 0.0047, 0.0116),
        "gordon2021_deen": _refit(0.12222, 2.5897e8, 0.42043, 1.7793e8, 0.0034, 0.0097),
        "gordon2021_zhen": _refit(0.12136, 3.8623e8, 0.41418, 1.8413e8, 0.0032, 0.0116),
    },
    predicts="loss of translation, as kaplan by other names",
)
def mt_data(N: Positive, D: Positive, *, a_N: Exponent = 0.11, N_C: Positive = 4e8, a_D: Exponent = 0.4, D_C: Positive = 2e8):
    """L(N, D) = ((N_C / N)^(a_N / a_D) + D_C / D)^a_D

    Kaplan's L(N, D) for translation, without an irreducible loss.

    Parameters
    ----------
    N : array_like, shape (n,), parameters without embeddings.
    D : array_like, shape (n,), size of the training text in bytes.
    a_N, N_C : finite model. a_D, D_C : finite data.

    Notes
    -----
    Fails far outside the data, where there is no irreducible loss to keep it up, and on very little text: the authors leave out
    runs of up to 5,242,880 bytes. D in tokens is another law than D in bytes.
    """
    return ((N_C / N) ** (a_N / a_D) + D_C / D) ** a_D


@mt_data.natural
def mt_data_natural(N, D):
    return {"N_C": exp(-log(N).mean()), "D_C": exp(-log(D).mean())}


@mt_data.jacobian
def mt_data_jacobian(N, D, *, a_N, N_C, a_D, D_C):
    """The law is Kaplan's by other names. `kaplan_jacobian` rounds otherwise, and refits of this law feel it at 1e-8."""
    size = (N_C / N) ** (a_N / a_D)
    total = size + D_C / D
    outer = a_D * total ** (a_D - 1)
    pull = outer * size * log(N_C / N) / a_D
    last = total**a_D * log(total) - pull * a_N / a_D
    return {"a_N": pull, "N_C": outer * size * a_N / a_D / N_C, "a_D": last, "D_C": outer / D}


@law("doi:10.18653/v1/2021.emnlp-main.478", predicts="BLEU")
def bleu_exponential(L, *, C: Positive = 70.0, k: Positive = 0.45):
    """BLEU = C exp(-k L)

    Parameters
    ----------
    L : array_like, shape (n,), cross entropy on the development set. `loss` of a fit is the BLEU score.

    Notes
    -----
    Fails across language pairs and test sets, and depends on the rows: all rows of ruen give C 63.5 and k .432, those that the
    authors keep 64.2 and .437.
    """
    return C * exp(-k * L)


@bleu_exponential.natural
def bleu_exponential_natural(L):
    return {"k": L.mean()}


@bleu_exponential.jacobian
def bleu_exponential_jacobian(L, *, C, k):
    decay = exp(-k * L) * ones_like(C * L)
    return {"C": decay, "k": -C * L * decay}


bleu_exponential.sample(drawn(L=lambda rng, n: rng.uniform(1.0, 6.0, n)))
