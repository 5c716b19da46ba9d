"""McCandlish et al. 2018, An Empirical Model of Large-Batch Training, arXiv:1812.06162."""

from scaling.formula import Exponent, Positive, Published, law


@law("arXiv:1812.06162")
def batch_tradeoff(B, *, S_min: Positive = 1e3, B_crit: Positive = 1e6):
    """S(B) = S_min (1 + B_crit / B)

    Steps to a given loss at batch B: the same as (S / S_min - 1)(E / E_min - 1) = 1 with E = B S examples and
    E_min = B_crit S_min. When fitting, the column `loss` holds the steps.

    Parameters
    ----------
    B : array_like, shape (n,), batch size (tokens, sequences or examples). S_min : steps at infinite batch.
    B_crit : batch at which twice the fewest steps, and twice the fewest examples, are needed; in the unit of B.
    """
    return S_min + S_min * B_crit / B


@law(
    "arXiv:2001.08361",
    published={
        "kaplan2020": Published(
            B_star=2e8,
            alpha_B=0.21,
            source="arXiv:2001.08361, eq. 1.4",
            counts="tokens; loss in nats/token, WebText2",
            note="2.1e8 in the summary table of the paper",
            verified=False,
        ),
        "minicpm2024": Published(
            B_star=1.21e9,
            alpha_B=1 / 6.24,
            source="arXiv:2404.06395, batch size 1.21e9 / L^6.24",
            counts="tokens; optimal rather than critical batch",
            verified=False,
        ),
        "su2024": Published(
            B_star=1.7e8,
            alpha_B=0.205,
            source="arXiv:2403.06563, C4 (remembered, not read)",
            counts="tokens",
            verified=False,
        ),
    },
)
def critical_batch(L, *, B_star: Positive = 2e8, alpha_B: Exponent = 0.21):
    """B_crit(L) = B_star / L^(1 / alpha_B)

    The critical batch depends on the loss alone (Kaplan et al., eq. 1.4). When fitting, the column `loss` holds the
    critical batch and the column `L` the loss at which it was measured.

    Parameters
    ----------
    L : array_like, shape (n,), loss. B_star : critical batch at a loss of one. alpha_B : how it grows as the loss falls.
    """
    return B_star / L ** (1 / alpha_B)


@critical_batch.sample
def critical_batch_sample(rng, n):
    return {"L": rng.uniform(2.0, 6.0, n)}
