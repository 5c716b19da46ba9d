"""Laws by name. Each module of the folder of papers registers its own; the folder is read when a law is first asked for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib import import_module
from pkgutil import iter_modules
from typing import TypeVar

T = TypeVar("T")


class Registry(Mapping[str, T]):
    """A read-only mapping name -> law.

    Parameters
    ----------
    home : package whose modules register what they define, by name, so that nothing here depends on it.
    """

    def __init__(self, home: str) -> None:
        self.home = home
        self._known: dict[str, T] = {}
        self._read = False
        self._home: frozenset[str] = frozenset()  # once it was read

    def load(self) -> None:
        """Import every module of the home, once."""
        if not self._read:
            self._read = True  # before the imports: they come back here
            try:
                for module in iter_modules(import_module(self.home).__path__):
                    import_module(f"{self.home}.{module.name}")
            except BaseException:  # interrupted: the rest is read when a law is asked for again
                self._read = False
                raise
            self._home = frozenset(self._known)
            # in the order of the modules, whichever of them was imported first by somebody else
            self._known = dict(sorted(self._known.items(), key=lambda known: known[1].__module__))

    def add(self, name: str, law: T) -> T:
        """Register a law, in place of one of the same name."""
        self._known[name] = law
        return law

    def present(self, name: str) -> T | None:
        """What is registered so far under a name, without reading the home."""
        return self._known.get(name)

    def remove(self, name: str) -> None:
        """Forget a law that a notebook or a test defined; KeyError for one of the home."""
        if self.built_in(name):
            raise KeyError(f"'{name}' is built in")
        del self._known[name]

    def built_in(self, name: str) -> bool:
        """Is it a law of the home, now that the home was read?"""
        return name in self._home

    def __getitem__(self, name: str) -> T:
        self.load()
        return self._known[name]

    def __iter__(self) -> Iterator[str]:
        self.load()
        return iter(self._known)

    def __len__(self) -> int:
        self.load()
        return len(self._known)

    def __repr__(self) -> str:
        return f"<laws: {', '.join(self)}>"
