"""The page of a fit: what stands in it, that it asks for nothing, and that its script computes what Python does."""

import json
import re
import shutil
import subprocess
from base64 import b64decode
from io import BytesIO

import numpy as np
import pandas as pd
import pytest
from PIL import Image

import scaling
from scaling.cli import main
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
        "Verdict", "Parameters", "What the law says", "Ask the law", "Plan", "Backtest", "Beside other laws",
        "Data", "Make it again",
    ]  # fmt: skip
    assert len(page.encode()) < SIZE and "Left out" not in page
    assert not re.search(r"(src|href)\s*=\s*[\"'](?!#|data:)|@import|url\((?!#)|fetch\(|XMLHttp", page)
    assert page.index("OK: ") < page.index("482.006")  # the verdict, then numbers published beside
    assert page.count("<figure>") == 4 == page.count("<figcaption>")
    assert len(re.findall(r"<img alt=\"[A-Z]|<svg role=\"img\" aria-label=\"[A-Z]", page)) == 4
    assert scaling.report.page(fit).count("sha256") == 1 and f"scaling {scaling.__version__}"[8:] in page
    for label, control in re.findall(r'<label for="([^"]+)">.*?<input type="range" id="([^"]+)"', page, re.DOTALL):
        assert label == control
    assert all(f"@media {kind}" in page for kind in ("screen and (prefers-color-scheme: dark)", "print"))


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
def test_every_law_that_is_arithmetic_is_the_same_in_the_page():
    draw, wanted, texts, left = np.random.default_rng(3), {}, [], set()
    for name in scaling.laws:
        law = scaling.laws[name]
        values = {k: p.start for k, p in law.params.items()}
        if (text := function(law, values)) is None:
            left.add(name)
            continue
        small, wide = draw.uniform(0.05, 0.95, (50, len(law.inputs))), np.exp(draw.uniform(0, 25, (25, len(law.inputs))))
        points = np.concatenate([small, wide])
        with np.errstate(all="ignore"):
            wanted[name] = np.array([float(np.real(law(*point, **values))) for point in points])
        texts.append(f"{json.dumps(name)}: {points.tolist()}.map(x => String(({text})(...x)))")
    # sums over drops of the rate, roots sought in steps, functions that the page does not have: these get a grid of answers
    assert left <= {
        "ladder", "peaks", "progress", "functional", "multi_power", "multi_power_5", "m4", "qat_fraction", "pass_at_k_beta",
        "kaplan_trajectory",
    }  # fmt: skip
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
    assert best["loss"] == f"{plan['loss']:.4f}" and best["shown"] == "1.00e21"
    assert best["N"] == pytest.approx(plan["N"], rel=1e-5)
    assert other["loss"] == f"{fit.law(1e9, 1e10, **fit.values):.4f}" and other["C"] == pytest.approx(6e19)


@node
def test_a_value_that_the_law_does_not_have_is_said_so_and_small_losses_keep_their_digits(page):
    words = [[1.7, "1.7000"], [0.00831234, "0.008312"], [0.05, "0.05000"]]
    got = run_js(f"{script(page)};console.log(JSON.stringify([1.7, 0.00831234, 0.05].map(fixed)))")
    assert got == [want for _, want in words]
    assert run_js(f"{script(page)};console.log(JSON.stringify([1, NaN, null, Infinity].map(known)))") == [True, *[False] * 3]
    assert "not known: the law has no value here" in script(page)


def test_what_is_no_arithmetic_gets_no_formula():
    def branching(x, *, a: float = 1.0):
        return a if x > 1 else x

    def calls(x, *, a: float = 1.0):
        return a * len([x]) * np.asarray(x, float)

    def sums(x, *, a: float = 1.0):
        return a * np.sum(x)

    def words(var, *, new: float = 1.0):  # words of the other language
        half = new / 2
        return np.where(var > 1, half + var**-2, np.float64(-1.5))

    for no in (branching, calls, sums):
        assert function(Law.of(no), {"a": 1.0}) is None
    assert function(Law.of(lambda x, *, a=1.0: a * x), {"a": 3.0}) == "(x0) => {const t0 = (3.0) * x0;return t0;}"
    text = function(Law.of(words), {"new": 3.0})
    assert shutil.which("node") is None or run_js(f"console.log(JSON.stringify([({text})(2), ({text})(1)]))") == [1.75, -1.5]


def curves(*names):
    parts, plans, step = [], {}, np.arange(50, 2001, 50)
    for name in names:
        plans[name] = scaling.schedule(f"{name}:peak=1e-3,steps=2000,warmup=100")
        lr = plans[name].rates[step - 1]
        loss = 2 + 0.5 * np.cumsum(50 * lr) ** -0.5 - 0.2 * (1 - lr / 1e-3) + 1e-3 * np.sin(37 * step)
        parts.append(pd.DataFrame({"run": name, "step": step, "lr": lr, "loss": loss}))
    return scaling.Runs.from_frame(pd.concat(parts), schedule=plans)


@node
def test_a_law_that_is_no_arithmetic_is_answered_from_a_grid_that_the_fit_predicted():
    fit = scaling.fit(curves("cosine", "wsd", "constant"), "multi_power_5")
    shown = scaling.report.page(fit)
    kinds = re.findall(r"<option[^>]*>(\w+), as of run", shown)
    assert {*kinds} == {"cosine", "wsd", "constant"}
    axes, answers = (run_js(f"{script(shown)};console.log(JSON.stringify({name}))") for name in ("axes", "answers"))
    assert [*axes] == ["steps"] and len(answers) == 3 * len(axes["steps"])
    for kind, name in enumerate(kinds):
        for place in (len(axes["steps"]) // 2, -1):
            steps = int(axes["steps"][place])
            want = fit.predict(scaling.schedule(f"{name}:peak=1e-3,steps={steps},warmup=100"), steps=[steps]).iloc[0]
            got = run_js(f"{script(shown)};console.log(JSON.stringify(answer([{place % len(axes['steps'])}], {kind})))")
            # the shape is stretched between rates of single updates, so that its last is not quite that of the formula
            np.testing.assert_allclose(got[:3], want[["prediction", "lower", "upper"]].astype(float), rtol=2e-3)
            assert got[3] == want["ok"]


def test_a_ladder_that_logs_tokens_in_place_of_the_batch_has_a_slider():
    """Once such a page died of a NaN: size and batch were read from two facts alone."""
    parts, plans, facts, step = [], {}, {}, np.arange(50, 2001, 50)
    for N in (2e6, 6e6, 18e6):
        for name in ("cosine", "wsd"):
            plan = plans[f"{name}{N:.0f}"] = scaling.schedule(f"{name}:peak=1e-3,steps=2000,warmup=100")
            lr, facts[f"{name}{N:.0f}"] = plan.rates[step - 1], {"params": N}
            loss = 1.9 + 95 / N**0.3 + 0.5 * np.cumsum(50 * lr) ** -0.5 - 0.2 * (1 - lr / 1e-3) + 1e-3 * np.sin(37 * step)
            parts.append(pd.DataFrame({"run": f"{name}{N:.0f}", "step": step, "lr": lr, "loss": loss, "tokens": 65536 * step}))
    rows = pd.concat(parts)
    shown = scaling.report.page(scaling.fit(scaling.Runs.from_frame(rows, schedule=plans, facts=facts), "ladder"))
    assert re.findall(r'id="slide-(\w+)"', shown) == ["N", "D"]
    bare = scaling.fit(scaling.Runs.from_frame(rows.drop(columns="tokens"), schedule=plans, facts=facts), "ladder")
    assert re.findall(r'id="slide-(\w+)"', scaling.report.page(bare)) == ["N", "steps"]


@node
def test_inputs_of_a_law_that_is_no_arithmetic_are_answered_as_python_does():
    x = np.geomspace(1e6, 1e9, 30)
    rows = pd.DataFrame({"x": x, "loss": (1.7 + 200 * x**-0.34) * (1 + 1e-3 * np.sin(37 * np.arange(30)))})
    fit = scaling.fit(rows, "m4")
    shown = scaling.report.page(fit)
    places = run_js(f"{script(shown)};console.log(JSON.stringify(axes))")["x"]
    got = np.array(run_js(f"{script(shown)};console.log(JSON.stringify(answers))"), float)
    np.testing.assert_allclose(got[:, 0], fit.predict({"x": places})["prediction"], rtol=1e-9)


def test_shares_of_a_mixture_stay_a_whole():
    draw = np.random.default_rng(0)
    h, N, D = draw.dirichlet([2, 2, 2], 60), np.exp(draw.uniform(17, 21, 60)), np.exp(draw.uniform(21, 25, 60))
    loss = (1.7 + 400 * N**-0.34 + 400 * D**-0.3 - 0.3 * h[:, 0] + 0.2 * h[:, 1] ** 2) * np.exp(1e-3 * draw.normal(size=60))
    names = ["h_web", "h_code", "h_math"]
    fit = scaling.fit(pd.DataFrame(h, columns=names).assign(N=N, D=D, loss=loss), "mixture_additive")
    shown = scaling.report.page(fit)
    assert f"const groups = {json.dumps([names])}" in shown and "--law mixture_additive --objective" in shown
    if shutil.which("node"):
        moved = "const x = {h_web: .6, h_code: .1, h_math: .1}; balanced(x, 'h_web'); console.log(JSON.stringify(x))"
        assert run_js(f"{script(shown)};{moved}") == pytest.approx({"h_web": 0.6, "h_code": 0.2, "h_math": 0.2})


def test_the_backtest_of_the_page_has_the_bounds_of_a_prediction(fit, page):
    table = re.search(r"<h2>Backtest</h2>.*?</section>", page, re.S)[0]
    found = scaling.backtest(fit.data, fit.law, interval="calibrated").metrics()
    assert f"{found.loc['all', 'coverage']:.4f}" in table and "made anew" in table


def test_a_page_of_thousands_of_runs_is_no_larger_and_its_pictures_can_be_seen():
    shown = scaling.report.page(scaling.fit(surface(3000)[["N", "D", "loss"]], "chinchilla"))
    assert len(shown.encode()) < SIZE
    pictures = [Image.open(BytesIO(b64decode(found))) for found in re.findall(r'src="data:image/png;base64,([^"]*)"', shown)]
    assert len(pictures) >= 2
    for picture in pictures:
        assert picture.width >= 600 and len(picture.convert("RGB").getcolors(1000)) > 20


def test_what_a_part_warns_of_is_told():
    poor = scaling.fit(surface(12, noise=0.2)[["N", "D", "loss"]], "chinchilla")
    assert not poor.ok
    plan = scaling.report.page(poor).split("<h2>Plan</h2>")[1].split("<h2>")[0]
    assert "Warning: the fit behind this plan is not trustworthy" in plan or "Left out: " in plan


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


def test_a_fit_as_a_paper_has_it(fit, tmp_path, capsys):
    fit.save(tmp_path / "fit.json")
    assert main(["report", str(tmp_path / "fit.json"), "--md"]) == 0
    said, table = capsys.readouterr().out.split("\n\n")
    assert "Hoffmann et al. 2022" in said and said.count("arXiv:2203.15556") == 1 and "not trustworthy" not in said
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in table.strip().splitlines()]
    assert [row[0] for row in rows[2:]] == list(fit.values) and {len(row) for row in rows} == {4}
    for name, shown in zip(fit.values, fit.table().itertuples(), strict=True):
        assert f"{name} = {shown[1]} ({shown[2]})" in said and [name, *shown[1:]] in rows
    assert main(["report", str(tmp_path / "fit.json"), "--tex"]) == 0
    tex = capsys.readouterr().out
    assert tex.count("\\\\") == 1 + len(fit.values) and tex.count("&") == 3 * (1 + len(fit.values))
    assert r"$\alpha$" in tex and r"95 \% intervals" in tex and r"N\textasciicircum{}alpha" in tex
    assert main(["report", str(tmp_path / "fit.json"), "--tex", "--md"]) == 2
    assert "choose one" in capsys.readouterr().err


def test_what_is_wrong_with_a_fit_stands_in_the_sentence_and_names_are_mathematics():
    poor = scaling.fit(surface(12, noise=0.2)[["N", "D", "loss"]], "kaplan")
    assert "The fit is not trustworthy: " in scaling.report.markdown(poor)
    tex = scaling.report.latex(poor)
    assert r"$\alpha_{N}$" in tex and "$N_{c}$" in tex and not re.search(r"(?<!\\)[_%&#](?![^$]*\$)", tex.split("\n\n")[0])
    assert tex.count("{") == tex.count("}")


def test_a_running_job_has_a_page_written_anew(tmp_path, capsys):
    step = np.arange(10, 1500, 10)
    rows = pd.DataFrame({"step": step, "lr": 1e-3, "loss": 2 + 5 * step**-0.5 * (1 + 1e-3 * np.sin(37 * step))})
    log, page = tmp_path / "<b>live.csv", tmp_path / "live.html"
    line = ["watch", str(log), "--schedule", "constant:peak=1e-3,steps=3000", "--once", "-o", str(page)]
    rows[:60].to_csv(log, index=False)
    assert main(line) == 0
    first = page.read_text("utf-8")
    rows.to_csv(log, index=False)
    assert main(line) == 0
    second = page.read_text("utf-8")
    assert "at step 600" in first and "at step 1,490" in second and "<b>live" not in second
    titles = re.findall(r"<h2>(.*?)</h2>", second)
    assert titles == ["Now", "Forecast", "The curve", "Forecasts so far", "Constants", "Make it again"]
    assert "Left out" not in second and second.count("<figure>") == 1 and len(second) < SIZE
    assert main([*line[:-1], str(tmp_path / "live.txt")]) == 2
    capsys.readouterr()


def test_a_folder_of_logs_has_a_report(tmp_path, capsys):
    scaling.samples.write(tmp_path / "s")
    assert main(["report", str(tmp_path / "s/ladder"), "-o", str(tmp_path / "page.html"), "-q"]) == 0
    said = capsys.readouterr().out
    fit = scaling.fit(scaling.read(tmp_path / "s/ladder"))
    assert said.startswith(fit.law.name) and str(len(fit.design)) in said
    assert f"{fit.values['E']:.4g}" in (tmp_path / "page.html").read_text()
