"""The page of a fit in a real browser: no request, no error, sliders that say what Python says, readable by anybody."""

import json
import math
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import scaling

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome", "chrome"))), None)
pytestmark = [pytest.mark.slow, pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium: apt-get install chromium")]
playwright = pytest.importorskip("playwright.sync_api", reason="needs playwright: pip install 'scaling-laws[test]'")
axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="needs axe: pip install 'scaling-laws[test]'")

ROOT = Path(__file__).parents[1]
PAPER = 680  # CSS pixels between the margins of a sheet of A4
VIEWS = {
    "desktop": {"viewport": {"width": 1200, "height": 900}},
    "dark": {"viewport": {"width": 1200, "height": 900}, "color_scheme": "dark"},
    "phone": {"viewport": {"width": 390, "height": 844}},
}


def surface():
    draw = np.random.default_rng(1)
    N, D = np.exp(draw.uniform(16, 21, 40)), np.exp(draw.uniform(21, 25, 40))
    loss = scaling.laws["chinchilla"].published["besiroglu2024"](N, D) * np.exp(1e-3 * draw.normal(size=40))
    return scaling.fit(pd.DataFrame({"N": N, "D": D, "loss": loss}), "chinchilla")


def curves():
    parts, plans, step = [], {}, np.arange(50, 2001, 50)
    for name in ("cosine", "constant"):
        plans[name] = scaling.schedule(f"{name}:peak=1e-3,steps=2000,warmup=100")
        lr = plans[name].rates[step - 1]
        loss = 2 + 0.5 * np.cumsum(50 * lr) ** -0.5 - 0.2 * (1 - lr / 1e-3) + 1e-3 * np.sin(37 * step)
        parts.append(pd.DataFrame({"run": name, "step": step, "lr": lr, "loss": loss}))
    return scaling.fit(scaling.Runs.from_frame(pd.concat(parts), schedule=plans), "multi_power_5")


def ladder():
    return scaling.fit(scaling.read(ROOT / "runs/ladder"), "ladder", where="d_model in (16, 24, 32) and steps < 6400")


@pytest.fixture(scope="module")
def browser():
    with playwright.sync_playwright() as driver:
        found = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield found
        found.close()


@pytest.fixture(scope="module", params=[surface, curves, ladder], ids=["surface", "curves", "ladder"])
def made(request, tmp_path_factory):
    fit = request.param()
    path = tmp_path_factory.mktemp("page") / "report.html"
    path.write_text(scaling.report.page(fit), "utf-8")
    return fit, path


@pytest.fixture
def opened(browser, made):
    """A function that opens the page in a view; nothing may be asked for, and nothing go wrong, while it is open."""
    contexts, asked, wrong = [], [], []

    def show(view="desktop"):
        contexts.append(browser.new_context(**VIEWS[view]))
        page = contexts[-1].new_page()
        page.on("request", lambda request: asked.append(request.url))
        page.on("console", lambda message: wrong.append(message.text))
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.goto(made[1].as_uri())
        return page

    yield show
    for context in contexts:
        context.close()
    assert [url for url in asked if not url.startswith("data:")] == [made[1].as_uri()] * len(contexts)
    assert wrong == []


@pytest.mark.parametrize("view", VIEWS)
def test_nothing_is_asked_for_and_everybody_can_read_it(opened, made, view):
    page = opened(view)
    assert made[1].stat().st_size < 600_000
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")  # tables scroll by themselves
    if view == "phone":  # nothing is squeezed: a sentence is not one word a line, a choice can be read
        thin = "[...document.querySelectorAll('td, select')].filter(x => x.clientHeight > 4 * x.clientWidth).length"
        assert page.evaluate(thin) == 0
        assert page.evaluate("[...document.querySelectorAll('select')].every(x => x.clientWidth > innerWidth / 2)")
    assert axe.Axe().run(page).response["violations"] == []
    back, ink = (page.evaluate(f"getComputedStyle(document.body).{name}") for name in ("backgroundColor", "color"))
    light = [sum(map(int, colour[4:-1].split(", "))) for colour in (back, ink)]
    assert (light[0] < 120 and light[1] > 600) if view == "dark" else (light[0] > 700 and light[1] < 120)


def test_figures_can_be_read_on_a_phone_and_are_scrolled_by_keys(opened):
    page = opened("phone")
    many = page.locator("figure").count()
    assert many > 1
    for at in range(many):
        frame = page.locator("figure .wide").nth(at)
        drawn = frame.locator("svg, img").first
        assert drawn.evaluate("x => x.getBoundingClientRect().width") >= 600
        if drawn.evaluate("x => x.tagName") == "svg":  # its units are points: the smallest words have 8 of them
            assert drawn.evaluate("x => 8 * x.getBoundingClientRect().width / x.viewBox.baseVal.width") >= 9  # CSS pixels
        assert frame.get_attribute("aria-label") and frame.evaluate("x => x.scrollLeft") == 0
        frame.focus()
        page.keyboard.press("ArrowRight")
        page.wait_for_function("x => x.scrollLeft > 0", arg=frame.element_handle())
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    desktop = opened()
    assert desktop.evaluate("[...document.querySelectorAll('figure .wide')].every(x => x.scrollWidth <= x.clientWidth)")


def test_sliders_say_what_python_says(opened, made):
    fit, page = made[0], opened()
    draw = np.random.default_rng(5)
    move = """([id, value]) => {
      const box = document.getElementById(id); box.value = value; box.dispatchEvent(new Event("input", {bubbles: true}));
    }"""
    loss = lambda: float(page.get_attribute("#loss", "data-loss"))
    if "N" in fit.law.inputs:
        for N, D in np.exp(draw.uniform((15, 20), (24, 29), (50, 2))):
            page.evaluate(move, ["slide-N", str(math.log(N))])
            page.evaluate(move, ["slide-D", str(math.log(D))])
            assert loss() == pytest.approx(float(fit.law(N, D, **fit.values)), rel=1e-9)
        page.evaluate(move, ["slide-C", str(math.log(1e21))])
        assert loss() == pytest.approx(scaling.plan(fit, 1e21, replicates=0)["loss"].iloc[0], rel=1e-9)
        return
    if "N" in fit.law.hooks.facts:
        return same_as_the_ladder(fit, page, move, loss, draw)
    places = page.evaluate("axes.steps")
    for kind, said in enumerate(page.locator("option").all_text_contents()):
        plan = fit.runs.schedules[said.partition(",")[0]]
        page.select_option("#kind", str(kind))
        for place, steps in enumerate(places):
            page.evaluate(move, ["slide-steps", str(place)])
            target = scaling.report.sliders.stretched(plan, int(steps), plan.peak)
            want = fit.predict(target, steps=[target.last]).iloc[0]
            assert loss() == pytest.approx(want["prediction"], rel=1e-9)
            assert f"{want['lower']:.4f} to {want['upper']:.4f}" in page.text_content("#loss")


def same_as_the_ladder(fit, page, move, loss, draw):
    """At 50 places of all three controls; a run of a size has the batch and the peak that are usual there."""
    axes, kinds = page.evaluate("axes"), page.locator("option").all_text_contents()
    for _ in range(50):
        kind, n, d = (int(draw.integers(many)) for many in (len(kinds), len(axes["N"]), len(axes["D"])))
        page.select_option("#kind", str(kind))
        page.evaluate(move, ["slide-N", str(n)])
        page.evaluate(move, ["slide-D", str(d)])
        N, tokens = axes["N"][n], axes["D"][d]
        plan = fit.runs.schedules[kinds[kind].partition("run ")[2]]
        usual = fit.law.hooks.usual(N, **fit.law.conventions)
        steps = int(np.clip(round(tokens / usual["B"]), 2 * plan.warmup + 2, 1_000_000))
        target = scaling.report.sliders.stretched(plan, steps, usual["peak"])
        asked = pd.DataFrame({"run": "asked", "step": [target.last], "lr": [target.rates[-1]], "loss": [np.nan]})
        facts = {"asked": {"n_params": N, "batch_tokens": usual["B"]}}
        want = fit.predict(scaling.Runs.from_frame(asked, facts=facts, schedule={"asked": target})).iloc[0]
        assert loss() == pytest.approx(want["prediction"], rel=1e-9)
        assert f"{want['lower']:.4f} to {want['upper']:.4f}" in page.text_content("#loss")


def test_keys_move_the_sliders_and_say_where_they_are(opened):
    page = opened()
    name = page.evaluate("document.querySelector('input[type=range]').id")
    said = lambda: (page.get_attribute("#loss", "data-loss"), page.get_attribute(f"#{name}", "aria-valuetext"))
    before = said()
    page.focus(f"#{name}")
    page.keyboard.press("ArrowLeft")
    assert said() != before and all(map(bool, said()))


def test_it_prints_without_its_controls(opened, tmp_path):
    page = opened()
    page.emulate_media(media="print")
    assert not page.is_visible(".slide") and not page.is_visible("text=Ask the law") and page.is_visible("figure")
    page.set_viewport_size({"width": PAPER, "height": 960})
    assert page.evaluate("[...document.querySelectorAll('table, figure, pre')].every(x => x.scrollWidth <= innerWidth)")
    page.pdf(path=tmp_path / "page.pdf")
    assert (tmp_path / "page.pdf").stat().st_size > 20_000


def test_a_hostile_name_is_text(browser, tmp_path):
    bad = "</script><script>window.hurt = 1</script>"
    step = np.arange(50, 2001, 50)
    rows = pd.DataFrame({"run": bad, "step": step, "lr": 1e-3, "loss": 2 + 5 * step**-0.5 * (1 + 1e-2 * np.sin(7 * step))})
    path = tmp_path / "page.html"
    path.write_text(scaling.report.page(scaling.fit(scaling.Runs.from_frame(rows), "multi_power_5", fixed={"B": 1.0})), "utf-8")
    page = browser.new_page()
    page.goto(path.as_uri())
    assert page.evaluate("window.hurt") is None and json.dumps(bad)[1:-1] not in path.read_text("utf-8")
