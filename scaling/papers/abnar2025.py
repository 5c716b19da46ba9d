"""Abnar et al. 2025, Parameters vs FLOPs: Scaling Laws for Optimal Sparsity, arXiv:2501.12370."""

from typing import Annotated

from scaling.formula import Domain, Exponent, Positive, Published, drawn, law

Either = Annotated[float, Domain(-3.0, 3.0, grid=(-0.8, 0.8))]
Share = Annotated[float, Domain(0.0, 1.0, closed=True)]


@law(
    "arXiv:2501.12370",
    published={
        "abnar2025": Published(
            a=16612.50, alpha=0.5962, b=5455.67, beta=0.3954, c=0.4598, lam=-0.1666, d=17.26, delta=0.1603,
            gamma=0.1595, e=0.94, verified=False, source="arXiv:2501.12370, as quoted by a summary of the paper",
            counts="N = parameters, all experts, D = tokens; log-Huber 1e-3; R2 0.99 in the fit, 0.68 out of sample",
        ),
    },
)  # fmt: skip
def sparse_moe(
    N, D, active: Share, *, e: Positive = 1.0, a: Positive = 2e4, alpha: Exponent = 0.6, b: Positive = 5e3,
    beta: Exponent = 0.4, c: Positive = 0.5, lam: Either = -0.2, d: Positive = 17.0, delta: Either = 0.2,
    gamma: Exponent = 0.16,
):  # fmt: skip
    """L(N, D, S) = e + a / N^alpha + b / D^beta + c / (1 - S)^lam + d / ((1 - S)^delta N^gamma)

    Sparse mixture of experts; the input is the active share 1 - S.

    Parameters
    ----------
    N : array_like, shape (n,), parameters of all experts. D : training tokens. active : 1 - S, S the sparsity.

    Notes
    -----
    Fails where the active share hardly varies, as c, lam, d and delta then say one thing, and far outside the sparsities
    fitted: the paper's R2 is .99 in its fit and .68 out of sample (as quoted by a summary).
    """
    return e + a / N**alpha + b / D**beta + c / active**lam + d / (active**delta * N**gamma)


sparse_moe.sample(drawn(N=(1e8, 1e10), D=(1e9, 3e11), active=lambda rng, n: rng.uniform(0.02, 1.0, n)))
