"""Compute of machines: what hours on an accelerator come to."""

from __future__ import annotations

import numbers
from typing import Any

from scaling.errors import ArgumentError
from scaling.words import did_you_mean

# dense bfloat16 FLOP per second (float16 for V100) as their makers' data sheets print them: without sparsity, never reached
MACHINES = {
    "V100": 125e12, "A100": 312e12, "H100": 989.4e12, "H200": 989.4e12, "B200": 2250e12, "L40S": 362e12, "MI250X": 383e12,
    "MI300X": 1307e12, "RTX4090": 165.2e12, "TPUv3": 123e12, "TPUv4": 275e12, "TPUv5e": 197e12, "TPUv5p": 459e12,
}  # fmt: skip


def machine_flops(hours: float, machine: str | float, utilisation: float) -> float:
    """Training FLOP, as 6 N D counts them, in so many hours of one machine (hours times machines for several).

    Parameters
    ----------
    machine : a name in MACHINES, or FLOP per second.
    utilisation : share of these that becomes FLOP of the model ("MFU"), in (0, 1]; no default: it is to be measured.
    """
    if isinstance(machine, str):
        names = {name.lower(): peak for name, peak in MACHINES.items()}
        if machine.lower() not in names:
            near = did_you_mean(machine, MACHINES, f"; there are {', '.join(MACHINES)}, or give its FLOP per second")
            raise ArgumentError(f"gpu='{machine}' is unknown{near}")
        machine = names[machine.lower()]
    for name, value, most in (
        ("gpu_hours", hours, float("inf")),
        ("gpu", machine, float("inf")),
        ("utilisation", utilisation, 1),
    ):
        if not _positive(value) or value > most:
            what = "a share of the peak, in (0, 1]" if name == "utilisation" else "a positive number"
            raise ArgumentError(f"{name}={value!r} must be {what}.")
    return float(hours) * 3600.0 * float(machine) * float(utilisation)


def _positive(value: Any) -> bool:
    return isinstance(value, numbers.Real) and not isinstance(value, bool) and 0 < float(value) < float("inf")
