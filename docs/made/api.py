"""The API reference: every public name of every public module, by module."""

import inspect
from importlib import import_module
from pkgutil import iter_modules

ROOMS = (  # in the order of the road from logs to reports
    "scaling", "scaling.samples", "scaling.logs", "scaling.schedules", "scaling.counting", "scaling.formula",
    "scaling.running", "scaling.transfer", "scaling.planning", "scaling.procedures", "scaling.registered", "scaling.plots",
    "scaling.report", "scaling.synthetic", "scaling.training", "scaling.errors",
)  # fmt: skip


def names(room: str) -> list[str]:
    """What a module offers: its `__all__`, or what it defines or re-exports under a name of its own, without modules."""
    module = import_module(room)
    if said := getattr(module, "__all__", None):
        found = [n for n in said if not n.startswith("_")]
    else:
        home = room.rpartition(".")[0] if hasattr(module, "__path__") else room
        found = [n for n, x in vars(module).items() if not n.startswith("_") and getattr(x, "__module__", "").startswith(home)
                 and (hasattr(module, "__path__") or x.__module__ == room)]  # fmt: skip
    return [n for n in found if not inspect.ismodule(getattr(module, n))]


def submodules(room: str) -> list[str]:
    """The modules of a room that has no names of its own."""
    module = import_module(room)
    return [] if names(room) else [f"{room}.{m.name}" for m in iter_modules(module.__path__)]


def entry(room: str, name: str) -> str:
    """The directive for one name."""
    thing = getattr(import_module(room), name)
    if inspect.isclass(thing):
        return f".. autoclass:: {room}.{name}\n   :members:\n   :inherited-members: tuple, dict, Exception, object, Mapping\n"
    if inspect.isroutine(thing):
        return f".. autofunction:: {room}.{name}\n"
    return f".. py:data:: {room}.{name}\n\n   {said(thing)}\n"


def said(thing: object) -> str:
    """What a value is, in a line."""
    if isinstance(thing, int | float | str | tuple):
        return f"``{thing!r}``" if len(repr(thing)) < 200 else f"{type(thing).__name__} of {len(thing)}"
    return (inspect.getdoc(type(thing)) or type(thing).__name__).splitlines()[0].replace("`", "``")


def pages() -> dict[str, str]:
    """Path -> page of each public module, and their list."""
    made, listed, told = {}, [], {}
    rooms = [(room, [room, *submodules(room)]) for room in ROOMS]
    for room, parts in rooms:
        text = f"{room}\n{'=' * len(room)}\n\n"
        for part in parts:
            intro = (inspect.getdoc(import_module(part)) or "").replace("`", "``").replace("*", "\\*")
            text += (f"{part}\n{'-' * len(part)}\n\n" if part != room else "") + intro + "\n\n"
            for name in names(part):
                place = told.setdefault(id(getattr(import_module(part), name)), f"{part}.{name}")
                again = f"``{part}.{name}`` is :py:obj:`{place}`.\n"
                text += (entry(part, name) if place == f"{part}.{name}" else again) + "\n"
        made[f"api/{room}.rst"] = text
        listed.append(room)
    tree = "".join(f"   {room}\n" for room in listed)
    head = "API reference\n=============\n\nEvery public name, by module.\n\n.. toctree::\n   :maxdepth: 2\n\n"
    made["api/index.rst"] = head + tree
    return made
