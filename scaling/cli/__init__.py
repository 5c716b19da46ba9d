"""The command line `scaling`: parse, call, print. Imports of weight wait until a verb runs."""

import gc
import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib import import_module


class Terminated(KeyboardInterrupt):
    """SIGTERM, which ends a verb as Ctrl-C does."""


def stopped(problem: KeyboardInterrupt) -> tuple[str, int]:
    """What is said of a signal that ended a verb, and the exit code."""
    return ("told to end (SIGTERM)", 143) if isinstance(problem, Terminated) else ("interrupted", 130)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line `argv` (default: that of the process) and return its exit code."""
    with _raised(), _rarely_collected():
        try:
            app = import_module("scaling.cli.app")  # here, because its parser is slow to import and may be interrupted
        except KeyboardInterrupt as problem:
            said, code = stopped(problem)
            print(f"error: {said}", file=sys.stderr)
            return code
        done: int = app.main(argv)
        return done


@contextmanager
def _rarely_collected() -> Iterator[None]:
    """Look for garbage less often: a tenth of a short verb's time goes into it, as what is imported makes objects that stay."""
    usual = gc.get_threshold()
    gc.set_threshold(30 * usual[0], *usual[1:])
    try:
        yield
    finally:
        gc.set_threshold(*usual)


@contextmanager
def _raised() -> Iterator[None]:
    """Raise `Terminated` at a SIGTERM that nobody else heeds."""
    if threading.current_thread() is not threading.main_thread() or signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL:
        yield
        return

    def end(*_: object) -> None:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)  # once: what follows is clearing up
        raise Terminated

    signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
