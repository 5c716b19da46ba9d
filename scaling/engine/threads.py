"""Linear algebra on one thread: the arrays here are too small for more."""

from __future__ import annotations

from contextlib import AbstractContextManager
from functools import cache
from typing import Any

from threadpoolctl import ThreadpoolController


def one_thread() -> AbstractContextManager[Any]:
    """A context in which libraries of linear algebra use one thread."""
    return _libraries().limit(limits=1)  # type: ignore[no-any-return]


@cache  # to look for the libraries takes as long as a small fit
def _libraries() -> ThreadpoolController:
    return ThreadpoolController()
