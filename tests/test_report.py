"""The page of a fit: what stands in it, that it asks for nothing, and that its script computes what Python does."""

import json
import re
import shutil
import subprocess

import numpy as np
import pandas as pd
import pytest

import scaling
from scaling.formula import Law
from scaling.report.javascript import function

SIZE = 600_000  # bytes of a page at most
node = pytest.mark.skipif(shutil.which("node") is None, reason="needs node")


def surface(rows=40, noise=1e-3):
    draw = np.random.default_rng(1)
    N, D = np.exp(draw.uniform(np.log(1e7), np.log(1e9), rows)), np.exp(draw.uniform(np.log(1e9), np.log(1e11), rows))
    loss = scaling.laws["chinchilla"](N, D, E=1.8, A=480.0, B=2000.0, alpha=0.35, beta=0.37)
    return pd.DataFrame({"N": N, "D": D, "M": D / N, "loss": loss * np.exp(noise * draw.normal(size=rows))})


@pytest.fixture(scope="module")
def fit():
    return scaling.fit(surface()[["N", "D", "loss"]], "chinchilla")


@pytest.fixture(scope="module")
def page(fit):
    return scaling.report.page(fit)


def run_js(text):
    return json.loads(subprocess.run(["node", "-"], input=text, capture_output=True, text=True, check=True).stdout)


def script(page):
    (found,) = re.findall(r"<script>(.*?)</script>", page, re.DOTALL)
    return found


def test_a_page_has_its_parts_in_order_and_asks_for_nothing(page, fit):
    titles = re.findall(r"<h2>(.*?)</h2>", page)
    assert titles == [
        "Verdict", "Parameters", "What the law says", "Ask the law", "Plan", "Backtest", "Data", "Make it again",
    ]  # fmt: skip
    assert len(page.encode()) < SIZE and "Left out" not in page
    assert not re.search(r"(src|href)\s*=\s*[\"'](?!#|data:)|@import|url\((?!#)|fetch\(|XMLHttp", page)
    assert page.index("OK: ") < page.index("482.006")  # the verdict, then numbers published beside
    assert page.count("<figure>") == 3 == page.count("<figcaption>")
    assert len(re.findall(r"<img alt=\"[A-Z]|<svg role=\"img\" aria-label=\"[A-Z]", page)) == 3
    assert scaling.report.page(fit).count("sha256") == 1 and f"scaling {scaling.__version__}"[8:] in page
    for label, control in re.findall(r'<label for="([^"]+)">.*?<input type="range" id="([^"]+)"', page, re.DOTALL):
        assert label == control
    assert all(f"@media {kind}" in page for kind in ("(prefers-color-scheme: dark)", "print"))


@node
@pytest.mark.parametrize("law", ["chinchilla", "over_training"])
def test_the_page_evaluates_the_law_as_python_does(law):
    fit = scaling.fit(surface(), law)
    draw = np.random.default_rng(2)
    N, D = np.exp(draw.uniform(10, 28, 50)), np.exp(draw.uniform(10, 32, 50))
    budgets = [1e18, 1e20, 3e22, 1e25]
    asked = json.dumps([{"N": n, "D": d} for n, d in zip(N, D, strict=True)])
    tail = f"console.log(JSON.stringify([{asked}.map(at), {budgets}.map(best)]))"
    losses, optima = run_js(script(scaling.report.page(fit)) + tail)
    np.testing.assert_allclose(losses, fit.law(N, D if law == "chinchilla" else D / N, **fit.values), rtol=1e-9)
    plan = scaling.plan(fit, budgets, replicates=0)
    np.testing.assert_allclose([x["N"] for x in optima], plan["N"], rtol=1e-5)  # the loss is flat there: see below
    x = np.array([(x["N"], x["D"]) for x in optima]).T
    np.testing.assert_allclose(
        fit.law(x[0], x[1] if law == "chinchilla" else x[1] / x[0], **fit.values), plan["loss"], rtol=1e-9
    )


@node
def test_every_law_of_plain_arithmetic_is_the_same_in_the_page():
    draw, wanted, texts = np.random.default_rng(3), {}, []
    for name in scaling.laws:
        law = scaling.laws[name]
        values = {k: p.start for k, p in law.params.items()}
        if (text := function(law, values)) is None:
            continue
        points = draw.uniform(0.05, 0.95, (50, len(law.inputs)))
        with np.errstate(all="ignore"):
            wanted[name] = np.array([float(law(*point, **values)) for point in points])
        texts.append(f"{json.dumps(name)}: {points.tolist()}.map(x => String(({text})(...x)))")
    assert len(wanted) > 30
    found = run_js(f"console.log(JSON.stringify({{{','.join(texts)}}}))")
    for name, want in wanted.items():
        got = np.array([float(x.replace("Infinity", "inf")) for x in found[name]])
        np.testing.assert_allclose(got, want, rtol=1e-9, err_msg=name)


@node
def test_moving_the_compute_moves_size_and_tokens_and_says_the_loss(page, fit):
    fake = """
    const nodes = {};
    globalThis.document = {getElementById: id => nodes[id] ??= {value: "0", textContent: "", heard: {},
      setAttribute() {}, addEventListener(kind, f) { this.heard[kind] = f; }}};
    """
    moved = """
    nodes["slide-C"].value = String(Math.log(1e21)); nodes["slide-C"].heard.input();
    const first = {loss: nodes.loss.textContent, N: Math.exp(nodes["slide-N"].value), shown: nodes["value-C"].textContent};
    nodes["slide-N"].value = String(Math.log(1e9)); nodes["slide-D"].value = String(Math.log(1e10));
    nodes["slide-N"].heard.input();
    console.log(JSON.stringify([first, {loss: nodes.loss.textContent, C: Math.exp(nodes["slide-C"].value)}]));
    """
    best, other = run_js(fake + script(page) + moved)
    plan = scaling.plan(fit, 1e21, replicates=0).iloc[0]
    assert best["loss"] == f"{plan['loss']:.4f}" and best["shown"] == "1.00e+21"
    assert best["N"] == pytest.approx(plan["N"], rel=1e-5)
    assert other["loss"] == f"{fit.law(1e9, 1e10, **fit.values):.4f}" and other["C"] == pytest.approx(6e19)


def test_what_is_no_plain_arithmetic_gets_no_script():
    def branching(x, *, a: float = 1.0):
        return a if x > 1 else x

    def calls(x, *, a: float = 1.0):
        return a * len([x])

    def words(var, *, new: float = 1.0):  # words of the other language
        half = new / 2
        return half + var**-2

    assert function(Law.of(branching), {"a": 1.0}) is None and function(Law.of(calls), {"a": 1.0}) is None
    assert function(Law.of(lambda x, *, a=1.0: a * x), {"a": 1.0}) is None
    text = function(Law.of(words), {"new": 3.0})
    assert text == "($var) => {const $new = 3.0;const $half = ($new / 2);return ($half + Math.pow($var, (-2)));}"
    assert shutil.which("node") is None or run_js(f"console.log(({text})(2))") == 1.75


def test_a_part_that_few_rows_do_not_allow_says_why():
    rows = surface(7)[["N", "D", "loss"]]
    shown = scaling.report.page(scaling.fit(rows, "chinchilla"))
    assert "Left out: " in shown.split("<h2>Backtest</h2>")[1].split("<h2>")[0] and "NOT TRUSTWORTHY" in shown


def test_curves_show_their_runs_and_a_slider_over_steps():
    step = np.arange(50, 5001, 50)
    loss = 2 + 5 * step**-0.5 * (1 + 1e-2 * np.sin(7 * step))
    runs = scaling.Runs.from_frame(pd.DataFrame({"run": "a", "step": step, "lr": 1e-3, "loss": loss}))
    shown = scaling.report.page(scaling.fit(runs, "power_law_offset"))
    assert "Measured and fitted loss of every run." in shown and len(shown) < SIZE
    assert re.findall(r'id="slide-(\w+)"', shown) == list(scaling.laws["power_law_offset"].inputs)
