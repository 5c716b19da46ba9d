"""How far a long piece of work is: loops that take time say it, and whoever listens shows it. Nobody does unless asked to."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TypeVar

T = TypeVar("T")
Listener = Callable[[str, float], None]  # what is being done, and the share of it that is, from 0 to 1

_listener: ContextVar[Listener | None] = ContextVar("listener", default=None)


@contextmanager
def heard_by(listener: Listener | None) -> Iterator[None]:
    """Inside, `listener` hears how far the work is."""
    token = _listener.set(listener)
    try:
        yield
    finally:
        _listener.reset(token)


def tell(what: str, share: float) -> None:
    """Say that this share of something is done."""
    if (listener := _listener.get()) is not None:
        listener(what, share)


def steps(items: Sequence[T], what: str) -> Iterator[T]:
    """The items one by one, saying before each how far they are; loops inside say nothing meanwhile."""
    listener = _listener.get()
    if listener is None:
        yield from items
        return
    for k, item in enumerate(items):
        listener(what, k / len(items))
        with heard_by(None if len(items) > 1 else listener):
            yield item
