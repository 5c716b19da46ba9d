"""The documentation: every law and every public name has its place, made pages hold what they should, links lead somewhere."""

import ast
import inspect
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import scaling

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "docs"))
pytest.importorskip("docutils")

from made import api, checked, choice, docstrings, laws, links, plots  # noqa: E402
from made.words import escaped, sections  # noqa: E402


@pytest.mark.parametrize("name", scaling.laws)
def test_page_of_a_law_says_what_it_should(name):
    law = scaling.laws[name]
    text = laws.page(law, "caption")
    for heading in ("What it needs", "Symbols", "When it fails", "Constants", "What it was checked on", "Use it"):
        assert f"## {heading}\n" in text
    assert escaped(law.fails) in text and law.fails.startswith("Fails ") and text.count("Fails ") == 1
    assert law.formula in text and law.cite.lower() in text.lower()
    assert all(f"### {key}\n" in text and one.source.split()[0] in text for key, one in law.published.items())
    assert all(f"`{p}`" in text for p in law.params)


def test_a_sum_that_goes_on_in_the_next_line_keeps_its_sign():
    """Once G_j = 1 - [1 / + C ...] of the page of `ladder` was an item of a list, without its plus."""
    myst = pytest.importorskip("markdown_it").MarkdownIt()
    for text in ("G = 1 - [1\n+ C P]", "a\n- b", "of figure\n2. Then", "`x` + y"):
        shown = myst.render(escaped(text))
        assert "<li>" not in shown and re.sub(r"</?[a-z]+>", "", shown).strip() == text.replace("`", "")
    assert "<li>" in myst.render("- a")


def test_reasons_against_a_fit_are_those_that_the_law_gives():
    said = laws.reasons(scaling.laws["data_constrained"])
    assert said == scaling.laws["data_constrained"].hooks.needs(1.0, 1.0, 2.0)
    assert len(laws.reasons(scaling.laws["progress"])) == 2  # without a drop, and always falling
    assert laws.reasons(scaling.laws["chinchilla"]) == []


def test_the_choice_of_a_law_begins_with_what_most_people_have():
    heads = re.findall(r"^## (.*)$", choice.page(), re.M)
    assert heads[: len(choice.FIRST)] == [*choice.FIRST]
    first = choice.page().split("## ")[1].splitlines()[4:]
    assert first[0].startswith("| `N`, `D` | [chinchilla]")


def test_the_choice_of_a_law_lists_every_law_once():
    text = choice.page()
    assert all(text.count(f"(laws/{name}.md)") == 1 for name in scaling.laws)


def test_a_law_is_said_to_be_checked_only_where_its_name_is_one_of_a_law():
    assert ("public data", "tests/public/test_mt_scaling.py") in [p[:2] for p in checked.places("mt_data")]
    assert not any("test_mt_scaling" in path for _, path, _ in checked.places("chinchilla"))
    tree = checked.ast.parse('laws["hill"]; frame["experts"]; fit(data, "broken:x=D"); {"ladder": 1}')
    assert sorted(checked.named(tree)) == ["broken:x=D", "hill"]


def test_every_public_name_has_an_entry():
    pages = api.pages()
    for name in scaling.__all__:
        if not name.startswith("_"):
            thing = getattr(scaling, name)
            assert f"scaling.{name}" in "".join(pages.values()), name
            assert inspect.ismodule(thing) or f":: scaling.{name}\n" in pages["api/scaling.rst"], name
    for room in ("logs", "planning", "plots", "running", "transfer", "registered", "formula"):
        assert all(f"scaling.{room}.{name}" in pages[f"api/scaling.{room}.rst"] for name in api.names(f"scaling.{room}"))


def test_every_figure_function_is_drawn_on_the_page_of_figures_or_in_a_notebook():
    figures = set(scaling.plots.__all__) - {"figure_of", "image", "svg"}
    assert plots.DRAWN.keys() | plots.NOTEBOOKS.keys() == figures and not plots.DRAWN.keys() & plots.NOTEBOOKS.keys()
    for name, notebook in plots.NOTEBOOKS.items():
        assert f"plots.{name}(" in (ROOT / f"notebooks/{notebook}.py").read_text()
    made = plots.pages()
    assert all(made[f"figures/{name}.png"].startswith(b"\x89PNG") for name in plots.DRAWN)
    assert all(f"## plots.{name}\n" in made["figures.md"] for name in figures)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("a : one. b, c : two.\nd : three\n    goes on.", [("a", "one."), ("b, c", "two."), ("d", "three goes on.")]),
        ("x : array_like (n,). y : z", [("x", "array_like (n,)."), ("y", "z")]),
        ("nothing named", []),
    ],
)
def test_compact_docstrings_are_taken_apart(text, found):
    assert docstrings.items(text) == found


def test_words_stay_words():
    assert escaped("a_b * `c_d` <e>") == r"a\_b \* `c_d` \<e\>"
    assert sections("One.\n\nNotes\n-----\nTwo.") == {"": "One.", "Notes": "Two."}


def test_dead_links_are_found(tmp_path):
    (tmp_path / "a.html").write_text(
        '<a href="b.html#here"><a href="b.html#gone"><a href="c.html"><img src="https://x.org/y.png">'
    )
    (tmp_path / "b.html").write_text('<p id="here"><a href="https://x.org">')
    assert links.dead(tmp_path) == [
        "a.html -> b.html#gone: no such place", "a.html -> c.html", "a.html loads https://x.org/y.png",
    ]  # fmt: skip


@pytest.mark.slow
def test_pages_build_without_a_warning_and_every_link_leads_somewhere(tmp_path):
    pytest.importorskip("pydata_sphinx_theme")
    command = [
        sys.executable,
        "-m",
        "sphinx",
        "-q",
        "-W",
        "--keep-going",
        "-b",
        "html",
        str(ROOT / "docs"),
        str(tmp_path / "html"),
    ]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, env={**os.environ, "PYTHONPATH": str(ROOT)})
    assert done.returncode == 0, done.stderr[-3000:]
    assert links.dead(tmp_path / "html") == []
    index = (tmp_path / "html/searchindex.js").read_text()  # a script, so that search works without a server
    assert index.startswith("Search.setIndex(") and all(f'"generated/laws/{name}"' in index for name in scaling.laws)


def test_no_page_has_an_empty_panel_at_its_side(tmp_path):
    """The shape of the documentation with its theme and settings, its pages but a heading."""
    pytest.importorskip("pydata_sphinx_theme")
    shape = re.search(r"^```\{toctree\}\n:hidden:\n\n(.*?)```", (ROOT / "docs/index.md").read_text("utf-8"), re.M | re.S)
    pages = shape[1].split()
    for page in pages:
        path = tmp_path / f"{page}.rst"
        path.parent.mkdir(parents=True, exist_ok=True)
        below = "\n.. toctree::\n\n   below\n" if page.endswith("/index") else ""
        path.write_text(f"{page}\n{'=' * 40}\n{below}", "utf-8")
        (path.parent / "below.rst").write_text("below\n=====\n" if below else ":orphan:\n\nbelow\n=====\n", "utf-8")
    (tmp_path / "index.rst").write_text("all\n===\n\n.. toctree::\n\n   " + "\n   ".join(pages) + "\n", "utf-8")
    said = ast.parse((ROOT / "docs/conf.py").read_text("utf-8")).body
    kept = [x for x in said if isinstance(x, ast.Assign) and ast.unparse(x.targets[0]) in ("html_theme", "html_sidebars")]
    (tmp_path / "conf.py").write_text("\n".join(map(ast.unparse, kept)), "utf-8")
    subprocess.run([sys.executable, "-m", "sphinx", "-q", "-b", "html", tmp_path, tmp_path / "out"], check=True)
    assert len(kept) == 2 and len(pages) > 8
    for page in pages:
        text = (tmp_path / "out" / f"{page}.html").read_text("utf-8")
        panel = text.partition('id="pst-primary-sidebar"')[2].partition("<main")[0]
        hidden = "hide-on-wide" in panel.partition(">")[0]
        links = panel.partition('class="bd-toc-item')[2].count("<a ")
        assert hidden != bool(links), page
