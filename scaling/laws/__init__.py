"""The registry: `scaling.laws["chinchilla"]`. Every module of this folder is one paper and registers its laws."""

import difflib
import sys
from collections.abc import Mapping
from importlib import import_module
from pkgutil import iter_modules
from types import ModuleType

from scaling.errors import LawError
from scaling.formula import Law, Published, parse_law

_registry: dict[str, Law] = {}


class _Registry(ModuleType, Mapping):
    """This module is itself the mapping, so `scaling.laws` means the same whether or not it was imported before."""

    def __getitem__(self, name: str) -> Law:
        return _registry[name]

    def __iter__(self):
        return iter(_registry)

    def __len__(self) -> int:
        return len(_registry)

    def __repr__(self) -> str:
        return f"<laws: {', '.join(_registry)}>"

    __hash__ = ModuleType.__hash__


def register(law: Law) -> Law:
    """Add a law under its name; a notebook cell may redefine its own law, but not a built-in one."""
    known = _registry.get(law.name)
    builtin = known is not None and known.fn.__module__.startswith(__name__ + ".")
    if builtin and known is not None and law.fn.__module__ != known.fn.__module__:
        raise LawError(f"there is a built-in law '{law.name}' ({known.cite}); choose another name.")
    _registry[law.name] = law
    return law


def find(law: "Law | str") -> Law:
    """A law from itself, its name, or text such as ``"annealing:lam=0.995"``."""
    if isinstance(law, Law):
        return law
    if not isinstance(law, str):
        raise LawError(f"a law is a name or what @scaling.law returns, not {type(law).__name__}.")
    name, conventions = parse_law(law)
    if name not in _registry:
        near = difflib.get_close_matches(name, _registry, n=1)
        hint = f"; did you mean '{near[0]}'?" if near else "."
        raise LawError(f"unknown law '{name}'{hint} `scaling laws` lists the {len(_registry)} there are.")
    return _registry[name].using(**conventions) if conventions else _registry[name]


def constants(text: str) -> Published:
    """Published constants by name, as in ``"chinchilla/besiroglu2024"``."""
    name, _, preset = text.partition("/")
    law = find(name)
    if preset not in law.published:
        there = [f"{name}/{key}" for key in law.published]
        raise LawError(
            f"'{text}' are no constants; write law/constants: {', '.join(there) or f'{name} has none published'}."
        )
    return law.published[preset]


laws = sys.modules[__name__]
laws.__class__ = _Registry
for _module in iter_modules(__path__):
    import_module(f"{__name__}.{_module.name}")
