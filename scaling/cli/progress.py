"""Waits of over a second on a terminal: what is being done, how far it is and the time left; erased before anything is said."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock, Timer
from time import monotonic
from typing import TYPE_CHECKING

from scaling.waits import heard_by
from scaling.words import duration

if TYPE_CHECKING:
    from rich.progress import Progress

PATIENCE = 1.0  # seconds without a word


class Waiting:
    """Hears how far the work is, and shows it once the wait is long."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._bar: Progress | None = None
        self._timer: Timer | None = None
        self._what, self._share, self._since = "working", 0.0, 0.0

    def __call__(self, what: str, share: float) -> None:
        with self._lock:
            if what != self._what or share < self._share:
                self._since = monotonic()
            self._what, self._share = what, share
            if self._bar is not None:
                self._update(self._bar)

    def begin(self) -> None:
        """Count the wait from now on, of work that has not said yet what it is."""
        self._what, self._share, self._since = "working", 0.0, monotonic()
        self._timer = Timer(PATIENCE, self._show)
        self._timer.daemon = True
        self._timer.start()

    def hide(self) -> None:
        """Take away what is shown, so that something may be printed."""
        with self._lock:
            if self._timer is not None:
                self._timer.cancel()
            self._timer = None
            if self._bar is not None:
                self._bar.stop()
            self._bar = None

    def _show(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn

        columns = SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[left]}")
        bar = Progress(
            *columns, console=Console(stderr=True), transient=True, redirect_stdout=False, redirect_stderr=False,
            get_time=monotonic,
        )  # fmt: skip
        with self._lock:
            if self._timer is None:  # hidden in the meantime
                return
            bar.add_task(self._what, total=None, left="")
            self._bar = bar
            self._update(bar)
            bar.start()

    def _update(self, bar: Progress) -> None:
        passed, share = monotonic() - self._since, self._share
        left = f"{share:.0%}, {duration(passed * (1 - share) / share)} left" if share > 0 else ""
        bar.update(bar.task_ids[0], description=self._what, total=1.0 if share > 0 else None, completed=share, left=left)


_shown: list[Waiting] = []  # the one of the verb that runs, if any


@contextmanager
def shown(wanted: bool) -> Iterator[None]:
    """Inside, waits are shown on stderr, if they are wanted and it is a terminal."""
    if not (wanted and sys.stderr.isatty()):
        yield
        return
    waiting = Waiting()
    _shown.append(waiting)
    waiting.begin()
    try:
        with heard_by(waiting):
            yield
    finally:
        _shown.remove(waiting)
        waiting.hide()


@contextmanager
def hidden() -> Iterator[None]:
    """Inside, something may be printed; the wait after it counts anew."""
    for waiting in _shown:
        waiting.hide()
    yield
    for waiting in _shown:
        waiting.begin()
