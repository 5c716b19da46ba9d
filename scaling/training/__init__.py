"""Tiny transformers that make loss curves; the only room that needs torch (`scaling-laws[train]`)."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from scaling.errors import MissingExtra
from scaling.training.spec import RunSpec

if TYPE_CHECKING:
    from scaling.training.trainer import seconds_per_update, train, train_group

__all__ = ["RunSpec", "seconds_per_update", "train", "train_group"]


def __getattr__(name: str) -> Any:
    # torch is imported when training is asked for, so that settings and help need none
    if name not in __all__:
        raise AttributeError(f"module 'scaling.training' has no attribute {name!r}")
    try:
        trainer = import_module("scaling.training.trainer")
    except ModuleNotFoundError as missing:
        if missing.name != "torch":
            raise
        raise MissingExtra("training needs torch, which is not installed\npip install 'scaling-laws[train]'") from None
    return getattr(trainer, name)
