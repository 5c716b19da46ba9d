"""Tiny transformers that make loss curves; the only room that needs torch (`scaling-laws[train]`)."""

from typing import TYPE_CHECKING

from scaling.errors import MissingExtra
from scaling.training.spec import RunSpec

if TYPE_CHECKING:
    from scaling.training.trainer import train as train

__all__ = ["RunSpec", "train"]


def __getattr__(name: str):
    # torch is imported when training is asked for, so that settings and help need none
    if name != "train":
        raise AttributeError(f"module 'scaling.training' has no attribute {name!r}")
    try:
        from scaling.training.trainer import train
    except ModuleNotFoundError as missing:
        if missing.name != "torch":
            raise
        raise MissingExtra("training needs torch, which is not installed\npip install 'scaling-laws[train]'") from None
    globals()["train"] = train
    return train
