"""What a law is: a plain function with named parameters, their domains, and constants somebody published.

A law's positional arguments are its inputs, its keyword-only arguments its parameters; the annotation of a parameter gives
its domain, the default a plain start. The body is the formula of the paper. A law knows no optimiser.
"""

from __future__ import annotations

import inspect
import math
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from numbers import Real
from typing import Any, TypeVar, overload

from scaling.errors import LawError
from scaling.formula.arguments import arguments
from scaling.formula.domains import Domain, Parameter, Prior
from scaling.formula.hooks import Hooks
from scaling.formula.layout import Layout
from scaling.formula.published import Published
from scaling.formula.registry import Registry
from scaling.formula.ties import resolve, sort_ties
from scaling.words import did_you_mean

Hook = TypeVar("Hook", bound=Callable[..., Any])
HOME = "scaling.papers"  # where the laws of papers stand, each registering itself


@dataclass(frozen=True, eq=False)
class Law:
    """A scaling law. Call it like the function it is; fit it with `scaling.fit`.

    Attributes
    ----------
    name, cite : registry name, source (arXiv:... or doi:...).
    inputs : names of the positional arguments. ranges : name -> Domain of those that are annotated.
    params : name -> Parameter, in the order of the signature, without the held ones.
    held : name -> value of parameters this variant holds fixed.
    layout : how the formula is written out, where it takes one value per domain of a mixture (see scaling.formula.layout).
    predicts : what its value is; laws of anything but the loss are not among those compared unless named.
    ties : name -> expression in other parameters that this variant computes it from.
    conventions : settings that are not fitted but change what the inputs mean (warm-up, decay of momentum, ...).
    published : name -> Published. hooks : what the paper knows of the law beyond the formula.
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
    ranges: Mapping[str, Domain] = field(default_factory=dict)
    layout: Layout | None = None
    predicts: str = "loss"

    def __post_init__(self) -> None:
        fn = inspect.unwrap(self.fn)  # a law goes by the names and the text of its function
        named = {k: getattr(fn, k) for k in ("__doc__", "__name__", "__qualname__", "__module__")}
        self.__dict__.update(named, __wrapped__=fn)

    @classmethod
    def of(
        cls,
        fn: Callable[..., Any],
        cite: str = "unpublished",
        *,
        published: Mapping[str, Published] | None = None,
        conventions: Mapping[str, Any] | None = None,
        priors: Mapping[str, Prior] | None = None,
        name: str | None = None,
        predicts: str = "loss",
    ) -> Law:
        """A law that no registry knows; arguments as in `law`."""
        params, inputs, ranges, layout = arguments(fn)
        if unknown := {*(priors or {})} - {*params}:
            raise LawError(
                f"{fn.__name__}: priors of {', '.join(sorted(unknown))}, and its parameters are {', '.join(params)}."
            )
        params = {**params, **{k: params[k].known(prior) for k, prior in (priors or {}).items()}}
        domains = {} if layout is None else {"domains": layout.domains}
        return cls(
            fn if layout is None else layout.wrap(fn),
            name or fn.__name__,
            cite,
            params,
            inputs,
            published=dict(published or {}),
            conventions={**(conventions or {}), **domains},
            ranges=ranges,
            layout=layout,
            predicts=predicts,
        )

    def __call__(self, *inputs: Any, **params: Any) -> Any:
        return self.fn(*inputs, **self.held, **params)

    def __repr__(self) -> str:
        return f"<law {self.name}: {self.formula}; {self.cite}>"

    @property
    def formula(self) -> str:
        """The formula: first line of the docstring."""
        return inspect.cleandoc(self.fn.__doc__ or self.name).splitlines()[0]

    @property
    def fails(self) -> str:
        """When it fails: the docstring's paragraph that begins so; "" where its author does not say."""
        found = re.search(r"^Fails .*(?:\n.+)*", inspect.cleandoc(self.fn.__doc__ or ""), re.M)
        return " ".join(found[0].split()) if found else ""

    @property
    def reference(self) -> str:
        """Where the law comes from: first line of its file, or its citation."""
        module = inspect.getmodule(self.fn)
        doc = (module.__doc__ or "").strip().splitlines() if module else []
        return doc[0] if doc and module and module.__name__.startswith(f"{HOME}.") else self.cite

    @property
    def over_schedules(self) -> bool:
        """Is it a law of learning-rate schedules, whose inputs are made of whole schedules?"""
        return self.hooks.features is not None

    @property
    def domains(self) -> tuple[str, ...]:
        """The domains of a law of mixtures, for which its formula is written out; () for other laws."""
        return () if self.layout is None else self.layout.domains

    @property
    def shares(self) -> list[list[str]]:
        """The inputs that are shares of the domains, in groups that sum to 1."""
        groups = [] if self.layout is None else [self.layout.flat((pair,)) for pair in self.layout.inputs]
        return [names for names in groups if names[0] in self.ranges and self.ranges[names[0]].part]

    @property
    def own_share(self) -> str | None:
        """The input that is one family's share of the tokens, where the loss depends on it alone, whatever the others'."""
        return next((i for i in self.inputs if not self.domains and i in self.ranges and self.ranges[i].part), None)

    def _hook(self, name: str, hook: Hook, **more: Any) -> Hook:
        more[name] = hook if self.layout is None else self.layout.wrap(hook)
        # a law is frozen once its module is imported; until then its hooks gather below the formula
        object.__setattr__(self, "hooks", replace(self.hooks, **more))
        return hook

    def features(self, hook: Hook) -> Hook:
        """Decorator: hook(steps, schedule, **conventions) -> dict of the law's inputs for one curve.

        A law over runs of several sizes names more positional arguments, facts of the run: hook(steps, schedule, N, B, ...).
        """
        kinds = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
        named = [p.name for p in inspect.signature(hook).parameters.values() if p.kind in kinds]
        return self._hook("features", hook, facts=tuple(named[2:]))

    def units(self, hook: Hook) -> Hook:
        """Decorator: hook(runs) -> (conventions, priors) that follow from the runs a fit is made of, in whose units it is.

        `runs` maps the features' facts, and peak, tokens and loss at the end, to one value per run.
        """
        return self._hook("units", hook)

    def usual(self, hook: Hook) -> Hook:
        """Decorator: hook(N, **conventions) -> dict with B and peak that the runs fitted would have at that size."""
        return self._hook("usual", hook)

    def reach(self, hook: Hook) -> Hook:
        """Decorator: hook() -> dict parameter -> facts, N, D, peak or B, beyond whose fitted range a forecast rests on it."""
        return self._hook("reach", hook)

    def jacobian(self, hook: Hook) -> Hook:
        """Decorator: hook(*inputs, **params) -> dict name -> derivative of the prediction. Optional: else complex step."""
        return self._hook("jacobian", hook)

    def natural(self, hook: Hook) -> Hook:
        """Decorator: hook(*inputs, **exponents) -> dict name -> scale s, such that parameter * s is of order one.

        ln s must be affine in the exponents. Sums of monomials need no such hook: theirs is found from the formula.
        """
        return self._hook("natural", hook)

    def straight(self, hook: Hook) -> Hook:
        """Decorator: hook(*inputs) -> (to, back), maps between solver's parameters and the paper's, each dict -> dict.

        For laws whose parameters trade off along curved valleys: `to` takes parameters that the data fix one by one, with
        the same names and domains, to the paper's; `back` inverts it. Both must accept complex numbers.
        """
        return self._hook("straight", hook)

    def optimum(self, hook: Hook) -> Hook:
        """Decorator: hook(C, **params) -> dict with the optimal allocation of compute C."""
        return self._hook("optimum", hook)

    def sample(self, hook: Hook) -> Hook:
        """Decorator: hook(rng, n) -> dict of n plausible inputs, for test beds and contract tests."""
        return self._hook("sample", hook)

    def components(self, hook: Hook) -> Hook:
        """Decorator: hook(*inputs, **params) -> dict label -> part of the prediction; the parts add up to it."""
        return self._hook("components", hook)

    def contains(self, simpler: str) -> Callable[[Hook], Hook]:
        """Decorator: hook(*inputs, **values) -> list of this law's parameters that say what `simpler` says at `values`.

        `simpler` names a law over some of the same inputs. Its optimum is then among the starts, so that the richer law
        never fits worse; several dicts of parameters place what is new at several points.
        """
        return lambda hook: self._hook("contains", hook, simpler=simpler)

    def needs(self, hook: Hook) -> Hook:
        """Decorator: hook(*inputs) -> list of reasons, in plain words, why these inputs cannot determine the law."""
        return self._hook("needs", hook)

    def derived(self, hook: Hook) -> Hook:
        """Decorator: hook(**params) -> dict of quantities that follow from the parameters, for `Fit.identified`."""
        return self._hook("derived", hook)

    def convex(self, hook: Hook) -> Hook:
        """Decorator: hook(**params) -> is the law of a mixture convex in the shares, so that a minimum is the lowest?"""
        return self._hook("convex", hook)

    def final(self, hook: Hook) -> Hook:
        """Decorator: hook(rates, warm, stride, conventions, **params) -> loss at the last update, slopes in every rate (n,).

        For searches of schedules, by laws under which no rate of zero pays: `rates` (n,) after those of the warm-up, each for
        `stride` updates; the slope of the first as if it had no rise.
        """
        return self._hook("final", hook)

    def using(self, **conventions: Any) -> Law:
        """The same law under other conventions, for example ``laws["annealing"].using(lam=0.995)``."""
        said = {*self.conventions, *(self.inputs if len(self.inputs) == 1 else ())}  # which column the only input is
        if unknown := set(conventions) - said:
            there = ", ".join(sorted(said)) or "none"
            raise LawError(f"law '{self.name}' has no convention {', '.join(sorted(unknown))}; it has {there}.")
        for name, value in conventions.items():
            check_convention(self.name, name, value, self.conventions.get(name, name))
        made = replace(self, conventions={**self.conventions, **conventions})
        if self.layout is None or "domains" not in conventions:
            return made
        if self.ties:
            raise LawError(f"law '{self.name}' is tied already; choose the domains first: law.using(domains=...).tie(...).")
        return _over(made, self.layout, conventions["domains"])

    def over_columns(self, columns: Iterable[str]) -> Law:
        """A law of mixtures over the domains for which there are columns (h_web, h_code, ...); any other as it is."""
        domains = () if self.layout is None else self.layout.found_in([str(c) for c in columns])
        return self.using(domains=domains) if domains else self

    def hold(self, name: str, *, published: Mapping[str, Published] | None = None, **values: float) -> Law:
        """A variant with its own registry name in which some parameters are held at given values."""
        self.check_names(values)
        for k, x in values.items():
            number, d = isinstance(x, Real) and not isinstance(x, bool), self.params[k].domain
            if not number or not d.lo <= x <= d.hi:
                raise LawError(f"{self.name} held at {k}={x!r}: must be a number within ({d.lo:g}, {d.hi:g}).")
        params = {k: p for k, p in self.params.items() if k not in values}
        variant = replace(self, name=name, params=params, held={**self.held, **values}, published=dict(published or {}))
        return register(variant)

    def tie(self, **expressions: str) -> Law:
        """The law with parameters computed from others, for example ``laws["chinchilla"].tie(beta="alpha")``."""
        self.check_names(expressions)
        rest = {k: p for k, p in self.params.items() if k not in expressions}
        given = sort_ties({**self.ties, **expressions}, {*rest, *self.held})

        def fn(*inputs: Any, **params: Any) -> Any:
            return self.fn(*inputs, **resolve(given, params))

        fn.__doc__ = self.fn.__doc__
        fn.__module__ = self.fn.__module__
        # derivative hooks are written for the untied parameters
        hooks = replace(self.hooks, jacobian=None, optimum=None)
        return replace(self, fn=fn, params=rest, ties=given, published={}, hooks=hooks)

    def check_names(self, names: Iterable[str]) -> None:
        """Refuse names that no parameter has."""
        for wanted in names:
            if wanted not in self.params:
                hint = did_you_mean(wanted, self.params, ".")
                raise LawError(f"law '{self.name}' has no parameter '{wanted}'{hint} It has {', '.join(self.params)}.")

    def __reduce__(self) -> tuple[Callable[..., Law], tuple[str, dict[str, Any], dict[str, str]]]:
        known = laws.get(self.name)
        # a tied law is a function around the registered one, and of its module
        ours, theirs = (inspect.unwrap(one.fn) if one else None for one in (self, known))
        if ours is None or theirs is None or (ours.__module__ != theirs.__module__ if self.ties else ours is not theirs):
            raise TypeError(
                f"law '{self.name}' is not registered as it is here, so it cannot be pickled; define it in a module."
            )
        return _restore, (self.name, dict(self.conventions), dict(self.ties))


def _over(law: Law, written: Layout, domains: str | Iterable[str]) -> Law:
    """The same formula written out for other domains of a mixture."""
    layout = written.over(domains)
    return replace(
        law,
        fn=layout.wrap(inspect.unwrap(law.fn)),
        params=layout.parameters(written.gathered(law.params, written.params)),
        published={},
        ranges=layout.spread(written.gathered(law.ranges, written.inputs), layout.inputs),
        inputs=tuple(layout.flat(layout.inputs)),
        hooks=law.hooks.changed(lambda hook: layout.wrap(inspect.unwrap(hook))),
        layout=layout,
        conventions={**law.conventions, "domains": layout.domains},
    )


def check_convention(law: str, name: str, value: Any, default: Any) -> None:
    """Refuse a convention of another kind than its default: a number, true or false, or a word."""
    if isinstance(default, bool):
        fine, wanted = isinstance(value, bool), "true or false"
    elif isinstance(default, (int, float)):
        fine = isinstance(value, Real) and not isinstance(value, bool) and math.isfinite(value)
        wanted = f"a number such as {default}"
    else:
        fine, wanted = not isinstance(default, str) or isinstance(value, str), f"a word such as {default}"
    if not fine:
        raise LawError(f"law '{law}': convention {name}={value!r} must be {wanted}.")


def _restore(name: str, conventions: dict[str, Any], ties: dict[str, str]) -> Law:
    found = laws[name]
    found = found if conventions == dict(found.conventions) else found.using(**conventions)
    return found.tie(**ties) if ties else found


laws: Registry[Law] = Registry(HOME)


def register(law: Law) -> Law:
    """Add a law under its name; a notebook cell may redefine its own law, but not a built-in one."""
    if not str(law.fn.__module__).startswith(HOME + "."):
        laws.load()
    known = laws.present(law.name)
    if known is not None and laws.built_in(law.name):
        raise LawError(f"there is a built-in law '{law.name}' ({known.cite}); choose another name.")
    for constants in law.published.values():
        constants.law = law
    return laws.add(law.name, law)


@overload
def law(cite: Callable[..., Any], /) -> Law: ...
@overload
def law(
    cite: str = ...,
    *,
    published: Mapping[str, Published] | None = ...,
    conventions: Mapping[str, Any] | None = ...,
    priors: Mapping[str, Prior] | None = ...,
    name: str | None = ...,
    predicts: str = ...,
) -> Callable[[Callable[..., Any]], Law]: ...
def law(
    cite: str | Callable[..., Any] = "unpublished",
    *,
    published: Mapping[str, Published] | None = None,
    conventions: Mapping[str, Any] | None = None,
    priors: Mapping[str, Prior] | None = None,
    name: str | None = None,
    predicts: str = "loss",
) -> Law | Callable[[Callable[..., Any]], Law]:
    """Make a law of a function and register it under the function's name.

    Parameters
    ----------
    cite : where it comes from, ``"arXiv:2203.15556"`` or ``"doi:..."``.
    published : name -> `Published` constants.
    conventions : settings of the features hook, with their defaults.
    priors : parameter -> `Prior`, what is known of it beforehand; every fit weighs it against the data.
    name : registry name, if not the function's.
    predicts : what the law's value is, where it is not the loss of a model.

    Raises
    ------
    LawError : no inputs, no parameters, a start outside its domain, or a prior of no parameter.

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
        return register(Law.of(cite))
    source = str(cite)
    return lambda fn: register(
        Law.of(fn, source, published=published, conventions=conventions, priors=priors, name=name, predicts=predicts)
    )
