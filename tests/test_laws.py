"""The contract of laws, checked on every registered one. A new file in scaling/laws gets all of it for free."""

import inspect
import pickle
import re

import numpy as np
import pytest

import scaling
from scaling.design.inputs import design
from scaling.engine import model as models
from scaling.engine.losses import Loss
from scaling.errors import LawError
from scaling.formula import Exponent, Law, Positive, law
from scaling.formula.monomials import trace
from scaling.schedules.drops import RateDrops

LAWS = [pytest.param(scaling.laws[name], id=name) for name in scaling.laws]


def inputs_for(law, n=40, seed=0):
    """Inputs of a plausible size for any law: two annealed schedules, or log-uniform numbers."""
    rng = np.random.default_rng(seed)
    if law.over_schedules and law.hooks.sample is None:
        plan = scaling.schedule("wsd:peak=3e-3,steps=2000,warmup=100,decay=0.3,shape=linear,final=0.1")
        return design(plan, law, fitting=False, steps=np.linspace(150, 2000, n).astype(int)).inputs
    if law.hooks.sample is not None:
        return law.hooks.sample(rng, n)
    return {name: np.exp(rng.uniform(np.log(1e6), np.log(1e9), n)) for name in law.inputs}


def draw(law, rng):
    """Parameter values from the law's domains, near its plain starts."""
    out = {}
    for name, p in law.params.items():
        value = p.start * np.exp(rng.uniform(-0.2, 0.2)) if p.start else rng.uniform(-0.1, 0.1)
        out[name] = float(np.clip(value, p.domain.lo, p.domain.hi))
    return out


@pytest.mark.parametrize("law", LAWS)
def test_says_where_it_comes_from(law):
    said = r"(arXiv:\d{4}\.\d{4,5}|doi:10\.|this project$)"
    assert re.match(said, law.cite), "cite with arXiv:... or doi:..., or say that it is this project's"
    assert "=" in law.formula, "the first line of the docstring is the formula"
    assert all(p.source for p in law.published.values())


@pytest.mark.parametrize("law", LAWS)
def test_says_when_it_fails(law):
    """In one paragraph of its notes; laws of somebody's own need not."""
    notes = inspect.cleandoc(law.fn.__doc__).partition("\nNotes\n-----\n")[2]
    assert notes.startswith("Fails "), "the notes of a law begin with when it fails"
    assert law.fails == " ".join(notes.split("\n\n")[0].split()) and law.fails.endswith(".") and len(law.fails) > 60


@pytest.mark.parametrize("law", LAWS)
def test_parameters_have_domains_that_hold_their_start(law):
    assert law.inputs and law.params
    for p in law.params.values():
        assert p.domain.lo <= p.start <= p.domain.hi and p.domain.lo < p.domain.hi
        lo, hi = p.domain.grid
        assert lo < hi


@pytest.mark.parametrize("law", LAWS)
def test_published_constants_evaluate_inside_their_domain(law):
    inputs = inputs_for(law)
    for name, constants in law.published.items():
        assert set(constants) == set(law.params), name
        for key, value in constants.items():
            assert law.params[key].domain.lo <= value <= law.params[key].domain.hi, (name, key)
        law.using(**constants.conventions)
        assert np.isfinite(law(*inputs.values(), **constants)).all()


@pytest.mark.parametrize("law", LAWS)
def test_finite_and_batched_like_one_by_one(law):
    rng = np.random.default_rng(1)
    inputs = inputs_for(law)
    sets = [draw(law, rng) for _ in range(5)]
    single = np.stack([np.broadcast_to(law(*inputs.values(), **s), (40,)) for s in sets])
    assert np.isfinite(single).all()
    together = law(*inputs.values(), **{k: np.array([[s[k]] for s in sets]) for k in law.params})
    np.testing.assert_allclose(np.broadcast_to(together, single.shape), single, rtol=1e-12)


@pytest.mark.parametrize("law", LAWS)
@pytest.mark.parametrize("log", [True, False])
def test_derivatives_agree_with_differences(law, log):
    rng = np.random.default_rng(2)
    inputs = inputs_for(law)
    model = models.build(law, tuple(law.params.values()), inputs, {}, Loss("squares", log, 1.0))
    t = model.coordinates.from_params(np.array(list(draw(law, rng).values())))[None]
    terms = model.terms(t)
    J = model.jacobian(terms, model.value(terms))[0]
    s, w = rng.normal(size=(2, 1, model.n))
    if isinstance(model, models.MonomialModel):  # sums of monomials: products summed over rows without a Jacobian
        H, curved = model.hessian(terms, s, 0.0)[0], model.hessian(terms, s, w)[0]
        np.testing.assert_allclose(model.gradient(terms, s)[0], J @ s[0], atol=1e-12 * np.abs(J).max() * model.n)
        np.testing.assert_allclose(curved - H, (J * w) @ J.T, atol=1e-11 * np.abs(curved).max())
    for j in range(t.shape[1]):
        h = 1e-5 * max(1.0, abs(t[0, j]))
        up, down = t.copy(), t.copy()
        up[0, j] += h
        down[0, j] -= h
        T = [model.terms(x) for x in (up, down)]
        rise = (model.value(T[0]) - model.value(T[1]))[0] / (2 * h)
        np.testing.assert_allclose(J[j], rise, atol=1e-6 * np.abs(J).max(), rtol=1e-5)
        if isinstance(model, models.MonomialModel):
            grads = [model.gradient(x, s)[0] for x in T]
            np.testing.assert_allclose(H[j], (grads[0] - grads[1]) / (2 * h), atol=1e-5 * np.abs(H).max())


@pytest.mark.parametrize("law", [p for p in LAWS if p.values[0].hooks.jacobian is not None])
def test_jacobian_hook_equals_complex_step(law):
    inputs, values = inputs_for(law), draw(law, np.random.default_rng(3))
    hook = law.hooks.jacobian(*inputs.values(), **law.held, **values)
    for name in law.params:
        shifted = {**values, name: values[name] + 1e-30j}
        exact = np.imag(law(*inputs.values(), **shifted)) / 1e-30
        np.testing.assert_allclose(hook[name], exact, rtol=1e-9, atol=1e-13 * np.abs(exact).max())


@pytest.mark.parametrize("law", [p for p in LAWS if trace(p.values[0]) is not None])
def test_traced_terms_add_up_to_the_law(law):
    terms = trace(law)
    inputs, values = inputs_for(law), draw(law, np.random.default_rng(4))
    from scaling.intervals.prediction import _evaluate

    total = sum(_evaluate(m, inputs, {**law.held, **values}) for m in terms)
    np.testing.assert_allclose(total, law(*inputs.values(), **values), rtol=1e-12)


@pytest.mark.parametrize("law", [p for p in LAWS if p.values[0].hooks.components is not None])
def test_components_add_up(law):
    inputs, values = inputs_for(law), draw(law, np.random.default_rng(5))
    parts = law.hooks.components(*inputs.values(), **law.held, **values)
    np.testing.assert_allclose(sum(parts.values()), law(*inputs.values(), **values), rtol=1e-12)


@pytest.mark.parametrize("law", [p for p in LAWS if not p.values[0].hooks.facts])
def test_recovers_its_own_parameters_from_noiseless_data(law):
    import pandas as pd

    truth = draw(law, np.random.default_rng(6))
    if law.over_schedules:
        texts = [
            "constant:peak=3e-3,steps=3000,warmup=100",
            "cosine:peak=3e-3,steps=2500,warmup=100,final=0.1",
            "two_stage:peak=3e-3,steps=2500,warmup=100,switch=1500,then=6e-4",
            "two_stage:peak=3e-3,steps=2500,warmup=100,switch=1000,then=1.5e-3",
            "wsd:peak=3e-3,steps=2000,warmup=100,decay=0.3,shape=linear,final=0.1",
        ]
        frames = []
        for text in texts:
            plan = scaling.schedule(text)
            steps = np.unique(np.geomspace(120, plan.steps, 60).astype(int))
            made = design(plan, law.using(**({"block": 1} if "block" in law.conventions else {})), fitting=False, steps=steps)
            frames.append(
                pd.DataFrame(
                    {"run": text, "step": steps, "lr": plan.rates[steps - 1], "loss": law(*made.inputs.values(), **truth)}
                )
            )
        rows = scaling.Runs.from_frame(pd.concat(frames), schedule=None)
        rows = scaling.Runs.from_frame(rows.frame, facts=pd.DataFrame({"schedule": texts}, index=pd.Index(texts, name="run")))
        fitted = law.using(**({"block": 1} if "block" in law.conventions else {}))
        fit = scaling.fit(rows, fitted)
    else:
        inputs = inputs_for(law, 120, seed=7)
        losses = law(*inputs.values(), **truth)
        how = "log_huber" if np.min(losses) > 0 else "squares"  # a loss below a unigram model's has no logarithm
        fit = scaling.fit(pd.DataFrame({**inputs, "loss": losses}), law, objective=how)
    if not fit.ok:
        assert "not determined" in " ".join(fit.warnings)
        return
    for name, value in truth.items():
        assert fit.values[name] == pytest.approx(value, rel=1e-6), f"{name}: {fit}"


@pytest.mark.parametrize("law", LAWS)
def test_pickles_by_name(law):
    assert pickle.loads(pickle.dumps(law)) is law
    assert law.name in repr(law)


def test_optimum_hook_is_the_minimum():
    from scipy.optimize import minimize_scalar

    for one in scaling.laws.values():
        if one.hooks.optimum is None or one.inputs != ("N", "D"):
            continue
        for constants in one.published.values():
            best = one.hooks.optimum(1e21, **constants)
            found = minimize_scalar(
                lambda x, c=constants, one=one: one(np.exp(x), 1e21 / 6 / np.exp(x), **c),
                bounds=(10, 40),
                method="bounded",
                options={"xatol": 1e-9},
            )
            assert np.exp(found.x) == pytest.approx(best["N"], rel=1e-4)
            assert best["loss"] == pytest.approx(found.fun, rel=1e-12)


def test_a_new_file_is_all_a_law_needs(tmp_path, monkeypatch):
    @law("arXiv:0000.00000", name="test_only_law")
    def test_only_law(x, *, A: Positive = 2.0, alpha: Exponent = 0.3):
        """L(x) = A / x^alpha"""
        return A / x**alpha

    try:
        assert scaling.laws["test_only_law"] is test_only_law
        assert [m.label() for m in trace(test_only_law)] == ["A / x^alpha"]
    finally:
        scaling.laws.remove("test_only_law")


def test_errors_name_the_nearest():
    with pytest.raises(LawError, match="did you mean 'chinchilla'"):
        scaling.fit(None, "chinchila")
    with pytest.raises(LawError, match="did you mean 'alpha'"):
        scaling.laws["chinchilla"].hold("x", alhpa=1.0)
    with pytest.raises(LawError, match="has no convention"):
        scaling.laws["annealing"].using(lambda_=0.9)
    with pytest.raises(LawError, match="positional inputs"):

        @law("arXiv:0000.00000")
        def nothing(*, A: Positive = 1.0):
            return A


def test_untraceable_formulas_are_not_guessed():
    def make(fn):
        return Law.of(fn, "test")

    def logs(x, *, a: Positive = 1.0, b: Positive = 1.0):
        return a * np.log(x) + b

    def power_of_sum(x, *, a: Positive = 1.0, b: Exponent = 1.0):
        return (a + x) ** b

    def scale_in_exponent(x, *, a: Positive = 1.0):
        return x**a

    assert trace(make(logs)) is None
    assert trace(make(power_of_sum)) is None
    assert trace(make(scale_in_exponent)) is None


def test_rate_drops_select_and_join():
    law = scaling.laws["multi_power"]
    drops = inputs_for(law)["drops"]
    kernel = lambda d, eta, S: d * np.log1p(S / eta)
    whole = drops.sum(kernel)
    rows = np.array([30, 3, 39, 0])
    np.testing.assert_allclose(drops[rows].sum(kernel), whole[rows], rtol=1e-14)
    parts = RateDrops.concatenate([drops[:20], drops[20:]])
    np.testing.assert_array_equal(parts.sum(kernel), whole)
    assert (whole[:5] == 0).all() and whole[-1] > 0


def test_a_built_in_law_is_neither_replaced_nor_removed():
    before = scaling.laws["chinchilla"]
    with pytest.raises(LawError, match="there is a built-in law"):
        before.hold("chinchilla", alpha=0.5)
    with pytest.raises(KeyError, match="built in"):
        scaling.laws.remove("chinchilla")
    assert scaling.laws["chinchilla"] is before


def test_an_interrupted_reading_of_the_laws_is_taken_up_again(monkeypatch):
    from scaling.formula import registry

    fresh, real = registry.Registry("scaling.papers"), registry.import_module

    def interrupted(name):
        if name.endswith("hoffmann2022"):
            raise KeyboardInterrupt
        return real(name)

    monkeypatch.setattr(registry, "import_module", interrupted)
    with pytest.raises(KeyboardInterrupt):
        fresh.load()
    monkeypatch.setattr(registry, "import_module", real)
    fresh.load()
    assert fresh._read


def test_tied_laws_are_pickled_and_choose_their_domains_before_they_are_tied():
    tied = scaling.laws["chinchilla"].tie(beta="alpha")
    again = pickle.loads(pickle.dumps(tied))
    values = {"E": 1.8, "A": 480.0, "B": 2100.0, "alpha": 0.35}
    assert again.ties == tied.ties and again(1e9, 2e10, **values) == tied(1e9, 2e10, **values)
    with pytest.raises(LawError, match="choose the domains first"):
        scaling.laws["mixture_additive"].tie(beta="alpha").using(domains="a/b")
