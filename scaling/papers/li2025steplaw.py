"""Li et al. 2025, Predictable Scale Part I: Step Law, Optimal Hyperparameter Scaling Law, arXiv:2503.04715."""

from scaling.formula import Exponent, Positive, Published, law


@law(
    "arXiv:2503.04715",
    published={
        "li2025": Published(
            K=1.79, alpha=0.713, beta=0.307, source="arXiv:2503.04715, eq. 1",
            counts="N = non-embedding parameters, D = tokens; final rate fixed at 1e-5; batch at its optimum",
            made_on={"N": (6.0e7, 1.07e9), "D": (2e9, 1e11)},
            note="with the batch held fixed the best rate falls with D instead, about as D^-0.3 (arXiv:2409.19913)",
        ),
    },
    predicts="learning rate",
)  # fmt: skip
def lr_batch(N, D, *, K: Positive = 1.8, alpha: Exponent = 0.7, beta: Exponent = 0.3):
    """lr(N, D) = K D^beta / N^alpha

    Peak learning rate at which the loss is lowest, with the batch chosen by 'batch_size'. When fitting, the column `loss`
    holds the best rates; `scaling.procedures.step_law` finds them in a grid of runs. With the batch held fixed instead the
    best rate falls with D (about D^-0.3, arXiv:2409.19913), so the sign of beta belongs to the protocol.

    Parameters
    ----------
    N : array_like, shape (n,), non-embedding parameters. D : training tokens.

    Notes
    -----
    Fails for a batch that is held fixed, where the best rate falls with the tokens, for another final rate (1e-5 there), and
    where the best of a grid lies at its edge. Which runs count as near the best moves the exponents.
    """
    return K * D**beta / N**alpha


@law(
    "arXiv:2503.04715",
    conventions={"x": "tokens"},
    published={
        "li2025": Published(
            K=0.58, gamma=0.571, source="arXiv:2503.04715, eq. 1", counts="x = training tokens; batch in tokens",
            made_on={"N": (6.0e7, 1.07e9), "D": (2e9, 1e11)},
        ),
        "deepseek2024": Published(
            K=0.2920, gamma=0.3271, source="arXiv:2401.02954, eq. 1",
            counts="x = compute M D, M non-embedding FLOP per token; batch in tokens", verified=False,
            made_on={"C": (1e17, 2e19)},
        ),
        "moonlight2025": Published(
            K=0.0065, gamma=0.4138, source="Moonlight, table of hyperparameter laws",
            counts="x = compute in FLOP; batch in tokens", verified=False,
        ),
        "zhang2024": Published(
            K=93.20, gamma=0.47, source="arXiv:2410.21676, abstract of the fit",
            counts="x = parameters in millions; critical batch in sequences of 512 tokens", made_on={"N": (85e6, 1.2e9)},
        ),
        "bergsma2025": Published(
            K=0.0306, gamma=0.383, source="arXiv:2505.13738, best batch over tokens",
            counts="x = training tokens; best batch in sequences of 2,048 tokens, weight decay tuned",
        ),
        "bergsma2025_critical": Published(
            K=0.0471, gamma=0.462, source="arXiv:2505.13738, critical batch over tokens, as quoted by a summary",
            counts="x = training tokens; critical batch in sequences of 2,048 tokens", verified=False,
        ),
    },
    predicts="batch size",
)  # fmt: skip
def batch_size(x, *, K: Positive = 0.5, gamma: Exponent = 0.5):
    """B(x) = K x^gamma

    Best or critical batch as a power of tokens, compute or size. When fitting, the column `loss` holds the batch.

    Parameters
    ----------
    x : array_like, shape (n,), > 0.

    Notes
    -----
    Fails across definitions: where the critical batch begins moves the exponent over size from .47 to .62 on the runs of
    arXiv:2410.21676, in which size and tokens grow together. Best and critical batch are two things.
    """
    return K * x**gamma
