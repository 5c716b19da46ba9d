"""What reading a log turns up: problems, which end it; warnings and notes, which go with the result."""

from collections.abc import Sequence

from scaling.errors import DataError
from scaling.words import did_you_mean

SHOWN = 5


class Findings:
    """Problems of all files, so that one attempt shows several, and notes, so that nothing is silent."""

    def __init__(self) -> None:
        self._problems: dict[str, list[str]] = {}
        self._notes: dict[str, list[str]] = {}
        self._warnings: dict[str, list[str]] = {}
        self._nothing: dict[str, list[str]] = {}

    def problem(self, place: str, text: str) -> None:
        """`place` is file, line and column, as far as known; equal problems are told once."""
        self._problems.setdefault(text, []).append(place)

    def note(self, text: str, name: str) -> None:
        """`name` is the file or run concerned; equal notes are told once."""
        self._notes.setdefault(text, []).append("/".join(name.split("/")[-2:]))

    def warn(self, text: str, name: str) -> None:
        """What a fit of these rows may go wrong by; never said of a healthy log."""
        self._warnings.setdefault(text, []).append("/".join(name.split("/")[-2:]))

    def nothing(self, place: str, text: str) -> None:
        """A run without anything to read: a problem where it is alone, else a warning."""
        self._nothing.setdefault(text, []).append(place)

    @property
    def count(self) -> int:
        """Number of problems so far."""
        return sum(map(len, self._problems.values()))

    @property
    def told(self) -> int:
        """Number of problems so far, and of runs without anything to read."""
        return self.count + sum(map(len, self._nothing.values()))

    @property
    def notes(self) -> tuple[str, ...]:
        return _told(self._notes)

    @property
    def warnings(self) -> tuple[str, ...]:
        return _told(self._warnings)

    def raise_problems(self, read: int | None = None) -> None:
        """DataError with the problems so far. `read`: number of runs that were read, where all were tried."""
        if read is not None:
            for text, places in self._nothing.items():
                for place in places:
                    if read:
                        self.warn(f"{text}; left out", place)
                    else:
                        self.problem(place, text)
        if not self._problems:
            return
        told = [f"{some(places, 3)}: {text}" for text, places in self._problems.items()]
        rest = [f"... and {len(told) - SHOWN} more problems"] if len(told) > SHOWN else []
        raise DataError("\n".join([*told[:SHOWN], *rest]), tuple(told))


def _told(said: dict[str, list[str]]) -> tuple[str, ...]:
    return tuple(f"{some(list(dict.fromkeys(names)), 3)}: {text}" for text, names in said.items())


def near(word: str, known: Sequence[str], what: str = "it has") -> str:
    """`; did you mean 'step'?`, or what there is."""
    return did_you_mean(word, known, f"; {what} {some(known, 8)}")


def some(names: Sequence[object], shown: int) -> str:
    """`a, b, c and 4 more`."""
    text = ", ".join(map(str, names[:shown]))
    return text if len(names) <= shown else f"{text} and {len(names) - shown} more"
