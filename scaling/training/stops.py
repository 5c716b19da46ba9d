"""Ctrl-C and SIGTERM, held back until what was done is saved."""

import signal
import threading
from types import FrameType
from typing import Any, Self


class Stops:
    """Within it, SIGINT and SIGTERM wait for `heed`; a second Ctrl-C does not.

    Other threads get no signals, and a signal that is ignored stays so.
    """

    def __init__(self) -> None:
        self.number: int | None = None  # of the signal that waits
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():  # no other may set handlers
            for number in (signal.SIGINT, signal.SIGTERM):
                if signal.getsignal(number) is not signal.SIG_IGN:
                    self._before[number] = signal.signal(number, self._note)
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self._restore()
        if kind is None:
            self.heed()

    def heed(self) -> None:
        """Let the signal that waits, if there is one, do what it would have done."""
        number, self.number = self.number, None
        if number is not None:
            self._restore()
            signal.raise_signal(number)

    def _note(self, number: int, frame: FrameType | None) -> None:
        again, self.number = self.number is not None, number
        if again and number == signal.SIGINT:  # whoever ends a process of ours tells it twice: that is not impatience
            self.heed()

    def _restore(self) -> None:
        while self._before:
            signal.signal(*self._before.popitem())
