"""What N, D and C mean: ways to count parameters and FLOP, and conversions between them where the shape is known.

Counting only the embeddings differently moves the exponent of N in C from 0.83 to 0.70 (arXiv:2406.19146), so numbers
counted in two ways are converted here, or refused; they are never mixed.
"""

from scaling.counting.columns import ALIASES, completed, reachable
from scaling.counting.conventions import (
    FLOPS,
    PARAMETERS,
    SERVE,
    TRAIN,
    Shape,
    compute,
    convert_parameters,
    flops_per_token,
    grown,
    named_in,
    parameters,
    tokens,
)
from scaling.counting.machines import MACHINES, machine_flops
from scaling.counting.tables import KINDS, alike, counted, matched, recounted

__all__ = [
    "ALIASES", "FLOPS", "KINDS", "MACHINES", "PARAMETERS", "SERVE", "TRAIN", "Shape", "alike", "completed", "compute",
    "convert_parameters", "counted", "flops_per_token", "grown", "machine_flops", "matched", "named_in", "parameters",
    "reachable", "recounted", "tokens",
]  # fmt: skip
