"""What a law is: a plain function with named parameters, their domains, and constants somebody published.

A law's positional arguments are its inputs, its keyword-only arguments its parameters; the annotation of a parameter gives
its domain, the default a plain start. The body is the formula of the paper. A law knows no optimiser.
"""

from __future__ import annotations

import difflib
import inspect
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any, TypeVar, get_type_hints

from scaling.errors import LawError
from scaling.formula.domains import Domain, Each, Parameter
from scaling.formula.hooks import Hooks
from scaling.formula.layout import Layout
from scaling.formula.published import Published
from scaling.formula.registry import Registry
from scaling.formula.ties import resolve, sort_ties

F = TypeVar("F", bound=Callable[..., Any])


HOME = "scaling.papers"  # where the laws of papers stand, each registering itself


@dataclass(frozen=True, eq=False)
class Law:
    """A scaling law. Call it like the function it is; fit it with `scaling.fit`.

    Attributes
    ----------
    name, cite, title : registry name, source (arXiv:... or doi:...), first line of the docstring.
    inputs : names of the positional arguments. ranges : name -> Domain of those that are annotated.
    params : name -> Parameter, in the order of the signature, without the held ones.
    held : name -> value of parameters this variant holds fixed.
    layout : how the formula is written out, where it takes one value per domain of a mixture (see scaling.formula.layout).
    ties : name -> expression in other parameters that this variant computes it from.
    conventions : settings that are not fitted but change what the inputs mean (warm-up, decay of momentum, ...).
    published : name -> Published.
    """

    fn: Callable[..., Any]
    name: str
    cite: str
    params: Mapping[str, Parameter]
    inputs: tuple[str, ...]
    published: Mapping[str, Published] = field(default_factory=dict)
    conventions: Mapping[str, Any] = field(default_factory=dict)
    held: Mapping[str, float] = field(default_factory=dict)
    ties: Mapping[str, str] = field(default_factory=dict)
    hooks: Hooks = field(default_factory=Hooks)
    title: str = ""
    ranges: Mapping[str, Domain] = field(default_factory=dict)
    layout: Layout | None = None

    def __call__(self, *inputs, **params):
        return self.fn(*inputs, **self.held, **params)

    def __repr__(self) -> str:
        return f"<law {self.name}: {self.formula}; {self.cite}>"

    @property
    def formula(self) -> str:
        """The formula: first line of the docstring."""
        return inspect.cleandoc(self.fn.__doc__ or self.name).splitlines()[0]

    @property
    def reference(self) -> str:
        """Where the law comes from: first line of its file, or its citation."""
        module = inspect.getmodule(self.fn)
        doc = (module.__doc__ or "").strip().splitlines() if module else []
        return doc[0] if doc and module and module.__name__.startswith("scaling.papers.") else self.cite

    @property
    def over_schedules(self) -> bool:
        """Is it a law of learning-rate schedules, whose inputs are made of whole schedules?"""
        return self.hooks.features is not None

    def _hook(self, hook: F, **named: Any) -> F:
        # a law is frozen once its module is imported; until then its hooks gather below the formula
        object.__setattr__(self, "hooks", replace(self.hooks, **named))
        return hook

    def _written(self, hook: F) -> F:
        return hook if self.layout is None else self.layout.wrap(hook)  # type: ignore[return-value]

    def features(self, hook: F) -> F:
        """Decorator: hook(steps, schedule, **conventions) -> dict of the law's inputs for one curve."""
        return self._hook(hook, features=self._written(hook))

    def jacobian(self, hook: F) -> F:
        """Decorator: hook(*inputs, **params) -> dict name -> derivative of the prediction. Optional: else complex step."""
        return self._hook(hook, jacobian=self._written(hook))

    def natural(self, hook: F) -> F:
        """Decorator: hook(*inputs, **exponents) -> dict name -> scale s, such that parameter * s is of order one.

        ln s must be affine in the exponents. Sums of monomials need no such hook: theirs is found from the formula.
        """
        return self._hook(hook, natural=self._written(hook))

    def straight(self, hook: F) -> F:
        """Decorator: hook(*inputs) -> (to, back), maps between solver's parameters and the paper's, each dict -> dict.

        For laws whose parameters trade off along curved valleys: `to` takes parameters that the data fix one by one, with
        the same names and domains, to the paper's; `back` inverts it. Both must accept complex numbers.
        """
        return self._hook(hook, straight=self._written(hook))

    def optimum(self, hook: F) -> F:
        """Decorator: hook(C, **params) -> dict with the optimal allocation of compute C."""
        return self._hook(hook, optimum=self._written(hook))

    def sample(self, hook: F) -> F:
        """Decorator: hook(rng, n) -> dict of n plausible inputs, for test beds and contract tests."""
        return self._hook(hook, sample=self._written(hook))

    def components(self, hook: F) -> F:
        """Decorator: hook(*inputs, **params) -> dict label -> part of the prediction; the parts add up to it."""
        return self._hook(hook, components=self._written(hook))

    def contains(self, simpler: str) -> Callable[[F], F]:
        """Decorator: hook(*inputs, **values) -> list of this law's parameters that say what `simpler` says at `values`.

        `simpler` names a law over some of the same inputs. Its optimum is then among the starts, so that the richer law
        never fits worse; several dicts of parameters place what is new at several points.
        """

        def decorate(hook: F) -> F:
            return self._hook(hook, contains=self._written(hook), simpler=simpler)

        return decorate

    def needs(self, hook: F) -> F:
        """Decorator: hook(*inputs) -> list of reasons, in plain words, why these inputs cannot determine the law."""
        return self._hook(hook, needs=self._written(hook))

    def derived(self, hook: F) -> F:
        """Decorator: hook(**params) -> dict of quantities that follow from the parameters, for `Fit.identified`."""
        return self._hook(hook, derived=self._written(hook))

    def rivals(self, hook: F) -> F:
        """Decorator: hook() -> list of rival laws (text), or of changes such as ``{"lam": 0.99}`` or ``{"E": 0.0}``.

        Forecast intervals ask them too. Sums of monomials need no such hook: theirs are found from the formula.
        """
        return self._hook(hook, rivals=hook)

    def using(self, **conventions) -> Law:
        """The same law under other conventions, for example ``laws["annealing"].using(lam=0.995)``."""
        if unknown := set(conventions) - set(self.conventions):
            raise LawError(f"law '{self.name}' has no convention {sorted(unknown)}; it has {sorted(self.conventions)}.")
        made = replace(self, conventions={**self.conventions, **conventions})
        return made if self.layout is None or "domains" not in conventions else made._over(conventions["domains"])

    def _over(self, domains) -> Law:
        """The same formula written out for other domains of a mixture."""
        assert self.layout is not None
        layout = self.layout.over(domains)
        first = self.layout.domains[0]
        stem = {name: f"{name}_{first}" if each else name for name, each in (*layout.inputs, *layout.params)}
        params = layout.spread({name: self.params[stem[name]] for name, _ in layout.params})
        ranges = {
            n: self.ranges[stem[name]]
            for name, each in layout.inputs
            if stem[name] in self.ranges
            for n in layout.flat(((name, each),))
        }
        given = {f.name: getattr(self.hooks, f.name) for f in fields(self.hooks)}
        hooks = replace(
            self.hooks, **{k: layout.wrap(h.__wrapped__) for k, h in given.items() if hasattr(h, "__wrapped__")}
        )
        return _bind(
            replace(
                self,
                fn=layout.wrap(inspect.unwrap(self.fn)),
                params=params,
                published={},
                ranges=ranges,
                inputs=tuple(layout.flat(layout.inputs)),
                hooks=hooks,
                layout=layout,
                conventions={**self.conventions, "domains": layout.domains},
            )
        )

    def hold(self, name: str, *, published: Mapping[str, Published] | None = None, **values: float) -> Law:
        """A variant with its own registry name in which some parameters are held at given values."""
        self.check_names(values)
        params = {k: p for k, p in self.params.items() if k not in values}
        variant = replace(self, name=name, params=params, held={**self.held, **values}, published=dict(published or {}))
        return register(_bind(variant))

    def tie(self, **expressions: str) -> Law:
        """The law with parameters computed from others, for example ``laws["chinchilla"].tie(beta="alpha")``."""
        self.check_names(expressions)
        rest = {k: p for k, p in self.params.items() if k not in expressions}
        given = sort_ties({**self.ties, **expressions}, {*rest, *self.held})

        def fn(*inputs, **params):
            return self.fn(*inputs, **resolve(given, params))

        fn.__doc__ = self.fn.__doc__
        fn.__module__ = self.fn.__module__
        # derivative hooks are written for the untied parameters
        hooks = replace(self.hooks, jacobian=None, optimum=None)
        return replace(self, fn=fn, params=rest, ties=given, published={}, hooks=hooks)

    def check_names(self, names) -> None:
        for wanted in names:
            if wanted not in self.params:
                near = difflib.get_close_matches(wanted, self.params, n=1)
                hint = f"; did you mean '{near[0]}'?" if near else ""
                raise LawError(f"law '{self.name}' has no parameter '{wanted}'{hint} It has {', '.join(self.params)}.")

    def __reduce__(self):
        known = laws.get(self.name)
        if known is None or inspect.unwrap(known.fn) is not inspect.unwrap(self.fn):
            raise TypeError(f"law '{self.name}' is not registered, so it cannot be pickled; define it in a module.")
        return _restore, (self.name, dict(self.conventions))


def _restore(name: str, conventions: dict[str, Any]) -> Law:
    found: Law = laws[name]  # type: ignore[index]  # the module is its own mapping
    return found if conventions == dict(found.conventions) else found.using(**conventions)


def _bind(made: Law) -> Law:
    for constants in made.published.values():
        constants.law = made
    return made


def law(
    cite: str | Callable | None = None,
    *,
    published: Mapping[str, Published] | None = None,
    conventions: Mapping[str, Any] | None = None,
    name: str | None = None,
):
    """Make a law of a function and register it under the function's name.

    Parameters
    ----------
    cite : where it comes from, ``"arXiv:2203.15556"`` or ``"doi:..."``.
    published : name -> `Published` constants.
    conventions : settings of the features hook, with their defaults.
    name : registry name, if not the function's.

    Raises
    ------
    LawError : a parameter without a domain, no inputs, or no parameters.

    Examples
    --------
    >>> import numpy as np, scaling
    >>> from scaling.formula import Positive, Exponent
    >>> @scaling.law("mine", name="my_power_law")
    ... def my_law(x, *, A: Positive = 1.0, alpha: Exponent = 0.5):
    ...     "L = A / x^alpha"
    ...     return A / x**alpha
    >>> my_law(np.array([4.0]), A=2.0, alpha=0.5)
    array([1.])
    """
    if callable(cite):
        return law()(cite)

    def decorate(fn):
        params, inputs, ranges, layout = signature(fn)
        settings = {**(conventions or {}), **({} if layout is None else {"domains": layout.domains})}
        made = _bind(
            Law(
                fn if layout is None else layout.wrap(fn),
                name or fn.__name__,
                str(cite or "unpublished"),
                params,
                inputs,
                published=dict(published or {}),
                conventions=settings,
                title=inspect.cleandoc(fn.__doc__ or "").splitlines()[0] if fn.__doc__ else "",
                ranges=ranges,
                layout=layout,
            )
        )
        # frozen dataclass: write the function's identity straight into the instance
        made.__dict__.update(
            __doc__=fn.__doc__,
            __wrapped__=fn,
            __name__=fn.__name__,
            __module__=fn.__module__,
            __qualname__=fn.__qualname__,
        )
        return register(made)

    return decorate


def signature(fn) -> tuple[dict[str, Parameter], tuple[str, ...], dict[str, Domain], Layout | None]:
    """Parameters, names of inputs, their ranges, and the layout of a formula over several domains."""
    hints = get_type_hints(fn, include_extras=True)  # evaluates string annotations too
    names: dict[str, list[tuple[str, bool]]] = {"inputs": [], "params": []}
    params, ranges = {}, {}
    for p in inspect.signature(fn).parameters.values():
        marks = getattr(hints.get(p.name), "__metadata__", ())
        each = next((m for m in marks if isinstance(m, Each)), None)
        domain = each.domain if each else next((m for m in marks if isinstance(m, Domain)), None)
        if p.kind is p.KEYWORD_ONLY:
            domain = domain or Domain()  # an unannotated parameter may be any real number
            start = 1.0 if p.default is p.empty else float(p.default)
            if not domain.lo <= start <= domain.hi:
                raise LawError(f"{fn.__name__}: start {start} of '{p.name}' is outside ({domain.lo}, {domain.hi}).")
            params[p.name] = Parameter(p.name, domain, start)
            names["params"].append((p.name, each is not None))
        elif p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD):
            names["inputs"].append((p.name, each is not None))
            if domain is not None:
                ranges[p.name] = domain
    inputs = tuple(name for name, _ in names["inputs"])
    if not inputs or not params:
        raise LawError(
            f"{fn.__name__}: a law needs positional inputs and keyword-only parameters, "
            "for example `def f(x, *, A: Positive, alpha: Exponent)`."
        )
    layout = Layout(tuple(names["inputs"]), tuple(names["params"]), ("1", "2", "3"))
    if not any(each for _, each in (*layout.inputs, *layout.params)):
        return params, inputs, ranges, None
    written = {n: ranges[name] for name, each in layout.inputs if name in ranges for n in layout.flat(((name, each),))}
    return layout.spread(params), tuple(layout.flat(layout.inputs)), written, layout


def parse_law(text: str) -> tuple[str, dict[str, Any]]:
    """Split ``"annealing:lam=0.995"`` into name and conventions."""
    name, _, rest = text.partition(":")
    settings: dict[str, Any] = {}
    for part in filter(None, (s.strip() for s in rest.split(","))):
        if not (match := re.fullmatch(r"(\w+)=(.+)", part)):
            raise LawError(f"law '{text}': cannot read '{part}'; write name:key=value,key=value.")
        settings[match[1]] = _value(match[2])
    return name.strip(), settings


def _value(text: str) -> Any:
    if text.lower() in ("true", "false"):
        return text.lower() == "true"
    try:
        return int(text) if re.fullmatch(r"[+-]?\d+", text) else float(text)
    except ValueError:
        return text


laws: Registry[Law] = Registry(HOME)


def register(law: Law) -> Law:
    """Add a law under its name; a notebook cell may redefine its own law, but not a built-in one."""
    if not law.fn.__module__.startswith(HOME + "."):
        laws.load()
    known = laws.present(law.name)
    builtin = known is not None and known.fn.__module__.startswith(HOME + ".")
    if builtin and known is not None and law.fn.__module__ != known.fn.__module__:
        raise LawError(f"there is a built-in law '{law.name}' ({known.cite}); choose another name.")
    return laws.add(law.name, law)


def find(law: Law | str) -> Law:
    """A law from itself, its name, or text such as ``"annealing:lam=0.995"``."""
    if isinstance(law, Law):
        return law
    if not isinstance(law, str):
        raise LawError(f"a law is a name or what @scaling.law returns, not {type(law).__name__}.")
    name, conventions = parse_law(law)
    if name not in laws:
        near = difflib.get_close_matches(name, laws, n=1)
        hint = f"; did you mean '{near[0]}'?" if near else "."
        raise LawError(f"unknown law '{name}'{hint} `scaling laws` lists the {len(laws)} there are.")
    return laws[name].using(**conventions) if conventions else laws[name]


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
