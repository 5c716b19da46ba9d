"""Bi et al. 2024, DeepSeek LLM, arXiv:2401.02954, and other power laws of the best size, tokens or learning rate in compute."""

from scaling.formula import Exponent, Positive, Published, Unit, law

_KAPLAN = "arXiv:2001.08361, compute-efficient frontier"


@law(
    "arXiv:2401.02954",
    published={
        "deepseek2024_M": Published(
            K=0.1715, a=0.5243, verified=False, source="arXiv:2401.02954, eq. 4",
            counts="M = non-embedding FLOP per token, 72 L d^2 + 12 L d s; C = M D in FLOP",
        ),
        "deepseek2024_D": Published(
            K=5.8316, a=0.4757, verified=False, source="arXiv:2401.02954, eq. 4", counts="tokens; C = M D in FLOP",
        ),
        "llama3_D": Published(
            K=0.29, a=0.53, verified=False, source="arXiv:2407.21783, section 3.2.1", counts="tokens; C in FLOP",
            note="rounded: at 3.8e25 FLOP an exponent of 0.537 gives half as much again; these are tokens, not parameters",
        ),
        "kaplan2020_N": Published(
            K=1.3e9, a=0.73, verified=False, source=_KAPLAN, counts="non-embedding parameters; C_min in PF-days",
        ),
        "kaplan2020_D": Published(K=2e10, a=0.27, verified=False, source=_KAPLAN, counts="tokens; C_min in PF-days"),
    },
    predicts="size or tokens",
)  # fmt: skip
def allocation(C, *, K: Positive = 0.2, a: Unit = 0.5):
    """x(C) = K C^a

    Best size, or tokens, of a training run with compute C. When fitting, the column `loss` holds them.

    Parameters
    ----------
    C : array_like, shape (n,), training compute, in the unit of the constants. K : at one unit. a : exponent.

    Notes
    -----
    Fails where the runs behind it were not each at their best, or count N or C in another way than its constants: counting the
    head, shorter warm-ups and tuned rates take the exponent of the size from .84 to .50 on the same data (arXiv:2406.19146).
    Rounded exponents are worth little far out.
    """
    return K * C**a


@law(
    "arXiv:2401.02954",
    published={
        "deepseek2024": Published(
            K=0.3118, gamma=0.1250, source="arXiv:2401.02954, eq. 1",
            counts="C = M D, M non-embedding FLOP per token; peak rate", verified=False, made_on={"C": (1e17, 2e19)},
        ),
        "moonlight2025": Published(
            K=0.0127, gamma=0.057, source="Moonlight, table of hyperparameter laws", counts="C in FLOP; peak rate",
            verified=False,
        ),
    },
    predicts="learning rate",
)  # fmt: skip
def lr_compute(C, *, K: Positive = 0.3, gamma: Exponent = 0.1):
    """lr(C) = K / C^gamma

    Best peak learning rate as a power of compute. When fitting, the column `loss` holds the rate.

    Parameters
    ----------
    C : array_like, shape (n,), training compute in FLOP.

    Notes
    -----
    Fails for another batch, schedule or split of compute than the runs it was fitted to: with a batch held fixed the best rate
    falls with the tokens, with one that grows it rises (arXiv:2409.19913, arXiv:2503.04715), and compute alone cannot tell them
    apart.
    """
    return K / C**gamma
