"""Optimisers by name."""

from scaling.training.optimisers.adamw import AdamW
from scaling.training.optimisers.frugal import Frugal
from scaling.training.optimisers.hyperball import Hyperball
from scaling.training.optimisers.momo import MoMo
from scaling.training.optimisers.muon import Muon
from scaling.training.optimisers.rule import Rule
from scaling.training.optimisers.sgd import SGD

RULES: dict[str, type[Rule]] = {
    "adamw": AdamW, "sgd": SGD, "muon": Muon, "hyperball": Hyperball, "momo": MoMo, "frugal": Frugal,
}  # fmt: skip

__all__ = ["RULES", "Rule"]
