"""Columns that follow from others, or go by another name: compute, tokens, size and tokens per parameter say each other."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from shlex import quote
from typing import TYPE_CHECKING, Any

import numpy as np

from scaling.counting.conventions import compute, tokens
from scaling.errors import DataError
from scaling.words import plain_name

if TYPE_CHECKING:
    import pandas as pd

ALIASES = {  # input of laws -> what tables call it, in small letters; a space or hyphen may stand for _
    "N": (
        "n_params", "params", "parameters", "num_params", "num_parameters", "n_parameters", "model_size", "modelsize",
        "model_params", "size",
    ),
    "D": ("tokens", "num_tokens", "n_tokens", "train_tokens", "training_tokens", "tokens_seen"),
    "C": ("flops", "flop", "train_flops", "training_flops", "training_flop", "total_flops"),
    "loss": (
        "loss", "val_loss", "validation_loss", "valid_loss", "eval_loss", "test_loss", "final_loss", "train_loss", "lm_loss",
        "loss_val", "loss_validation", "loss_eval", "cross_entropy",
    ),
    "U": ("unique_tokens", "num_unique_tokens", "n_unique_tokens"), "B": ("batch_tokens",),
    "E": ("experts", "num_experts", "n_experts"), "M": ("tokens_per_param", "tokens_per_parameter"),
    "N_active": ("active_params", "active_parameters", "n_active", "num_active_params", "params_active", "n_params_active"),
    "V": ("vocab_size", "vocab", "vocabulary", "vocabulary_size"), "characters": ("num_characters", "n_characters", "chars"),
    "lr": ("learning_rate", "peak_lr", "max_lr", "peak_learning_rate"),
    "batch": ("batch_size", "bsz", "global_batch_size"),
    "bits": ("precision", "bit_width", "num_bits", "n_bits", "weight_bits", "p_w"),
    "streams": ("parallel_size", "num_streams", "n_streams", "parallel_streams"),
}  # fmt: skip
EXPORTED = re.compile(r"^(config|summary)[./]")  # what W&B's tables of runs put before the names of settings and results
UNITS = {"k": 1e3, "thousand": 1e3, "m": 1e6, "million": 1e6, "b": 1e9, "billion": 1e9, "t": 1e12, "trillion": 1e12}
UNIT = re.compile(rf"(.+?)(?:_?[(\[](?:in_)?({'|'.join(UNITS)})s?[)\]]|_(?:in_)?(thousand|[mb]|(?:m|b|tr)illion)s?)")
MOST = {"N": 1e14, "D": 1e15, "U": 1e15}  # what a table may give in millions, params (M), tokens_billion, and more than any
# column -> ways to it: from which columns, how, and what is said of it
RULES: dict[str, list[tuple[tuple[str, str], Callable[[Any, Any], Any], str]]] = {
    "M": [
        (("D", "N"), lambda D, N: D / N, "M counted as D / N"),
        (("C", "N"), lambda C, N: tokens(C, N) / N, "M counted as C / (6 N^2)"),
    ],
    "D": [(("M", "N"), lambda M, N: M * N, "D counted as M N"), (("C", "N"), tokens, "D counted as C / (6 N)")],
    "N": [(("C", "D"), tokens, "N counted as C / (6 D)")],
    "C": [(("N", "D"), compute, "C counted as 6 N D")],
    "active": [(("N_active", "N"), lambda active, N: active / N, "active counted as N_active / N")],
}


def completed(frame: pd.DataFrame, names: Iterable[str]) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """The table with those of the named columns that it lacks and that follow from what it has, and a note for each."""
    names = list(names)
    frame, notes = _renamed(frame, names)
    for name in names:
        if name in frame:
            continue
        for needed, how, said in RULES.get(name, []):
            frame, also = _renamed(frame, needed)
            if all(c in frame and frame[c].dtype.kind in "iuf" for c in needed):
                with np.errstate(all="ignore"):  # what is not positive is refused where the law reads it
                    frame = frame.assign(**{name: how(*(frame[c].to_numpy(float) for c in needed))})
                notes += [*also, said]
                break
    return frame, tuple(dict.fromkeys(notes))


def _renamed(frame: pd.DataFrame, names: Iterable[str]) -> tuple[pd.DataFrame, list[str]]:
    """The table with the named columns that it has under another name, or in another unit that the name says."""
    notes = []
    for name in names:
        if name in frame or not (called := _called(map(str, frame.columns), name)):
            continue
        same, unit = called[0]
        values = frame[same]
        if unit > 1 and values.dtype.kind in "iuf":  # words are refused where the law reads them
            values = values * unit
            if (most := values.max()) > MOST[name]:
                called_so = f"--map {quote(f'{name}={same}')}"
                raise DataError(
                    f"column '{same}': in the unit of its name its numbers reach {most:.3g}, more than there are. Call it "
                    f"{name} if they stand for themselves (command line: If they stand for themselves, pass {called_so})."
                )
        frame = frame.assign(**{name: values})
        notes.append(f"{name} is column '{same}'{f', times {unit:g}' * (unit > 1)}")
    return frame, notes


def _called(columns: Iterable[str], name: str) -> list[tuple[str, float]]:
    """The columns that may be this input by another name, the most usual first, and what their numbers count."""
    plain = {plain_name(EXPORTED.sub("", str(c))): c for c in columns}
    aliases = ALIASES.get(name, ())
    found = [(plain[alias], 1.0) for alias in aliases if alias in plain]
    for p, column in plain.items() if name in MOST else ():
        if (match := UNIT.fullmatch(p)) and (match[1] in aliases or (match[2] and match[1] == name.lower())):
            found.append((column, UNITS[match[2] or match[3]]))
    return found


def reachable(columns: Iterable[str], names: Iterable[str]) -> bool:
    """Would `completed` find every name in a table of these columns?"""
    there = {*columns}

    def known(name: str) -> bool:
        return name in there or bool(_called(there, name))

    return all(known(n) or any(all(map(known, needed)) for needed, _, _ in RULES.get(n, [])) for n in names)
